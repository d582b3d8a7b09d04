"""Stores the causes and fixes of errors, taken from the reference: `python -m daemon.web.pages.problems ERRORS.md`.

A translation of the page in the language TAG is the file `ERRORS.TAG.md` beside it.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from daemon.explanations import DEFAULT_LANGUAGE, FILES, FOLDER

HEADING = re.compile(r"## (.+)")
ROW = re.compile(r"\| (?P<codes>`.+?) \| (?P<cause>.+) \| (?P<fix>.+) \|")
LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")


def problems(reference: str) -> dict[str, dict[str, str]]:
    """The cause, the fix and the group of every error by its code, from the tables of the reference."""
    found: dict[str, dict[str, str]] = {}
    group = ""
    for line in reference.splitlines():
        if heading := HEADING.match(line):
            group = heading[1]
        elif row := ROW.match(line):
            entry = {"group": group, "cause": _plain(row["cause"]), "fix": _plain(row["fix"])}
            found |= dict.fromkeys(re.findall(r"`([^`]+)`", row["codes"]), entry)
    return found


def file_text(reference: str) -> str:
    """The content of the file that the pages read."""
    return json.dumps(problems(reference), ensure_ascii=False, indent=1) + "\n"


def _plain(cell: str) -> str:
    """A cell without links: the reference is not installed. Code spans stay."""
    return LINK.sub(r"\1", cell).strip()


def page_of(reference: Path, language: str) -> Path:
    """The page of the reference in a language."""
    return reference if language == DEFAULT_LANGUAGE else reference.with_suffix(f".{language}{reference.suffix}")


if __name__ == "__main__":
    for tag, name in FILES.items():
        (FOLDER / name).write_text(file_text(page_of(Path(sys.argv[1]), tag).read_text("utf-8")), "utf-8")
