"""Media: PCM audio, frames, encoding, muxing and MP4 fragments."""
