"""Randomly corrupted job files from a seed: each must parse as a job or raise a printable JobError."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

from pipeline.config import Config
from pipeline.errors import JobError
from pipeline.job import Job, parse_job

FULL_JOB = json.dumps(
    {
        **{"text": "Привет 😀", "language": "ru", "voice": "espeak:ru", "speed": 1.5, "mode": "parallel"},
        **{"num_workers": 2, "model": "both", "avatar": "presenter", "size": "640x480", "fps": 30, "captions": True},
        **{"priority": -3, "metadata": {"order": [1, {"deep": None}]}},
    }
).encode()

WORDS = [
    *(b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\\ud800"),
    *(b"\\u0000", b"NaN", b"-Infinity", b"1e400", b"1E5", b"0" * 40, b"true", b"null", b"\n", b"//", b"\x1b[2J"),
    *(f'"{key}":'.encode() for key in Job.model_fields),
]


def fuzz(rng: random.Random, count: int, seeds: Sequence[bytes] = ()) -> None:
    """Parse `count` corrupted job files. Raises AssertionError for anything but a job or a printable JobError."""
    sources = [FULL_JOB] * 2 + [seed for seed in seeds if len(seed) < 5000]
    for _ in range(count):
        data = corrupted(rng.choice(sources), rng)
        try:
            job = parse_job(data, Config(), ["presenter"])
            assert (job.text, job.audio, job.scenes) != (None, None, None), data
        except JobError as error:
            assert error.message.isprintable(), data
            assert error.field is None or error.field.isprintable(), data


def corrupted(data: bytes, rng: random.Random) -> bytes:
    """Apply a few cuts, insertions, changed bytes and repetitions."""
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.randint(0, 20))
        new = rng.choice([b"", rng.choice(WORDS), rng.randbytes(rng.randint(1, 3)), data[at:end] * rng.randint(2, 30)])
        data = data[:at] + new + data[end if rng.random() < 0.5 else at :]
    return data
