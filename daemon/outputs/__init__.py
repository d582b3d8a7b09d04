"""What a job leaves in the outbox besides its video: timing JSON, captions, HLS playlists and their player."""
