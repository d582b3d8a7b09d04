"""Voices: the TTS back ends, interchangeable behind `base.Backend`; `catalogue.py` chooses among them.

To add a back end, write a module beside `espeak.py` with a class that implements `base.Backend`, and register it in
`settings.BACKENDS`. Return audio through `levels.finished`, which trims and levels it; decode untrusted audio with
`decode.decoded`, and run programs with `program.run_program`.
"""
