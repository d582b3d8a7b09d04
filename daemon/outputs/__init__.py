"""The outputs of a job besides its video: timing JSON, captions, HLS playlists and their player."""
