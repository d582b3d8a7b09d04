"""The errors for media files that are refused."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import JobError

NO_INDEX = ("moov atom not found", "Missing packet table")
"""What ffmpeg says of files that were cut off or never finished, in formats that end with where everything is."""


def unreadable(field: str, reason: str) -> JobError:
    """The error for a media file that cannot be read."""
    if any(said in reason for said in NO_INDEX):
        message = "the file cannot be read: it is cut off, and its index, which was at its end, is missing"
        return JobError("media", message, field=field, hint="copy it again, or finish it in the program that made it")
    return JobError(
        "media",
        f"the file cannot be read: {reason}",
        field=field,
        hint="is it a complete file in a common media format?",
    )


def too_many_pixels(file: Path, has: str) -> JobError:
    """The error for a picture or video that is too large to decode; `has`: its size and the limit."""
    return JobError("too_many_pixels", f"{file.name} has {has}", field="avatar", hint="scale it down")


def too_long(file: Path, has: str, limit: str) -> JobError:
    """The error for a video over the limit; `has`: its length."""
    hint = "use a shorter video; a few seconds are enough, because the video is looped"
    return JobError("too_long", f"{file.name} {has}, the limit is {limit}", field="avatar", hint=hint)


def too_much_memory(file: Path, limit_bytes: int) -> JobError:
    """The error for a picture that cannot be decoded within the limit of memory."""
    allowed = f"the {limit_bytes >> 20} MiB that are allowed" if limit_bytes > 0 else "there is"
    reason = f"decoding {file.name} takes more memory than {allowed}"
    return JobError("media", reason, field="avatar", hint="save it again as a plain JPEG or PNG")
