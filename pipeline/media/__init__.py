"""Media: PCM, encoding, muxing, all through ffmpeg."""
