"""What a video says about its origin.

Reading order: `mark.py` the statement and its spellings, `embedding.py` its place in an MP4, `certificates.py` and
`signing.py` its signature (C2PA), `reading.py` what can be read back from any video or picture (`containers.py`).
"""
