"""Voices: the TTS back ends, interchangeable behind `base.Backend`; `catalogue.py` chooses among them."""
