"""The stages, in the order of the data: tts, split, lipsync, merge."""
