"""Speech: cutting texts into sentences, rewriting them as they are spoken, languages, and voices (TTS back ends)."""
