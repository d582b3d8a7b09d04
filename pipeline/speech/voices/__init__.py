"""Voices: the TTS back ends, interchangeable behind `base.Backend`; `catalogue.py` chooses among them.

To add a back end, write a module beside `espeak.py` with a class that implements `base.Backend` and raises ConfigError
`tts_missing` if its engine is not installed. Return audio through `levels.finished`, which trims and levels it; decode
untrusted audio with `decode.decoded`, and run programs with `program.run_program`. Then register its name in
`settings.BackendName`, `catalogue.BEST_FIRST` and `catalogue._started`; mypy reports a missing case.
"""
