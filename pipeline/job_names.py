"""Names of jobs, made from whatever people call their files: `Мой ролик (1).json` becomes the job `Moy-rolik-1`."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Any

from pipeline.errors import JobError
from pipeline.job_file import JOB_NAME

NAME_MAX = 100
TITLE_MAX = 255
"""Characters of a title; file names have no more."""
DIGEST_DIGITS = 6

FOREIGN = re.compile(r"[^A-Za-z0-9._-]+")


def legal_name(title: str) -> str:
    """The name of a job with a title: the title itself if it is legal, else transliterated. Equal for equal titles.

    Different titles may have the same name: see `distinct_name`.
    """
    if JOB_NAME.match(title):
        return title
    from anyascii import anyascii  # loads tables, which most commands do not need

    composed = unicodedata.normalize("NFC", title)
    name = FOREIGN.sub("-", anyascii(composed)).strip("-._")[:NAME_MAX].rstrip("-._")
    return name or f"job-{_digest(title)}"


def distinct_name(title: str) -> str:
    """A longer name, which other titles do not have."""
    return f"{legal_name(title)[: NAME_MAX - DIGEST_DIGITS - 1]}-{_digest(title)}"


def requested_name(title: Any) -> str:
    """The name for a title that a user gave in so many words. Raises JobError unless it is one."""
    if not isinstance(title, str) or not title.strip() or title.startswith(".") or len(title) > TITLE_MAX:
        hint = "a name has letters, digits, '.', '_' and '-', and begins with a letter or a digit; others are replaced"
        raise JobError("name", f"invalid job name {str(title)[:100]!r}", field="name", hint=hint)
    return legal_name(title)


def _digest(title: str) -> str:
    """Titles that are file names may contain bytes that are not UTF-8."""
    return hashlib.sha256(title.encode("utf-8", "surrogateescape")).hexdigest()[:DIGEST_DIGITS]
