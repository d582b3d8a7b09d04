"""Speech: a text's sentences, how they are spoken, the languages, and the voices (TTS back ends)."""
