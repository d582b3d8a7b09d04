"""Tables on a terminal, formatted by hand: importing rich would take longer than most commands."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

import click

Row = tuple[Sequence[str], str]
"""The cells of a row, and a remark after the last one."""


def table(titles: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    """The lines of a table: dimmed titles, aligned columns, each row's remark in green."""
    found = [([printable(cell) for cell in cells], remark) for cells, remark in rows]
    widths = [max(map(_width, column)) for column in zip(titles, *(cells for cells, _ in found), strict=True)]
    yield click.style(_line([title.upper() for title in titles], widths), dim=True)
    for cells, remark in found:
        yield _line(cells, widths) + (f"  {click.style(remark, fg='green')}" if remark else "")


def for_people() -> bool:
    """Whether the output goes to a terminal, not to another program."""
    return sys.stdout.isatty()


def printable(text: str) -> str:
    """Text without control characters: names of files may contain anything."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell + " " * (width - _width(cell)) for cell, width in zip(cells, widths, strict=True))
    return "  " + "  ".join(padded).rstrip()


def _width(text: str) -> int:
    """Columns of a text on a terminal: East Asian letters take two, combining marks none."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(unicodedata.combining(letter) > 0 for letter in text)
