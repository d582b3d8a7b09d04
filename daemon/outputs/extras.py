"""Files beside the video: pictures of it, and its sound."""

from __future__ import annotations

from collections.abc import Collection

from pipeline.errors import JobError
from pipeline.extras import SUFFIXES


def check_name(name: str, kinds: Collection[str]) -> None:
    """Raise JobError if a job's file could have the name of another job's: `a.strip` and `a` both have a.strip.jpg."""
    for kind in kinds:
        for longer in SUFFIXES.values():
            ending = longer.removesuffix(SUFFIXES[kind])
            if ending and ending != longer and name.endswith(ending):
                message = f"a job with the extra {kind!r} must not have a name that ends with {ending}"
                raise JobError("name", message, field="extras", hint="rename the job file, or leave the extra out")
