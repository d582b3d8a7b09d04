"""Errors as people see them: one line on standard error, and an exit code."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from daemon.cli.exit_codes import EXIT_BOOT, EXIT_CODES, EXIT_INTERRUPTED, EXIT_IO
from daemon.cli.place import hint_suffix
from pipeline.errors import LipdropError, all_errors

if TYPE_CHECKING:
    from daemon.outputs.report import Mistake, WarningReport
    from pipeline.job import JobWarning
    from pipeline.messages import Notice

ERRORS_MAX = 20
"""Errors of a file with jobs that are printed; more are only counted."""


@contextlib.contextmanager
def reported() -> Iterator[None]:
    """End the program with a line and an exit code if the block raises an expected error."""
    try:
        yield
    except (click.Abort, KeyboardInterrupt):
        sys.exit(EXIT_INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except LipdropError as error:
        errors = all_errors(error)
        for one in errors[:ERRORS_MAX]:
            click.echo(f"lipdrop: {line(one)}", err=True)
        if len(errors) > ERRORS_MAX:
            click.echo(f"lipdrop: and {len(errors) - ERRORS_MAX} more errors", err=True)
        sys.exit(EXIT_CODES.get(type(error), EXIT_BOOT))
    except OSError as error:
        where = f": {os.fsdecode(error.filename)!r}" if isinstance(error.filename, (str, bytes)) else ""
        click.echo(f"lipdrop: io: {' '.join((error.strerror or str(error)).split())}{where}", err=True)
        sys.exit(EXIT_IO)


def line(error: LipdropError | Mistake) -> str:
    """An error as `CODE: MESSAGE [FIELD] (HINT)`."""
    where = f" [{error.field}]" if error.field and error.field not in error.message else ""
    return f"{error.code}: {error.message}{where}{hint_suffix(error.hint)}"


def warning_line(warning: WarningReport | JobWarning | Notice) -> str:
    """A warning as `warning: MESSAGE (HINT)`."""
    return one_line(f"warning: {warning.message}{hint_suffix(warning.hint)}")


def one_line(text: str) -> str:
    """A text that cannot control the terminal: files and their names may contain anything."""
    return "".join(letter if letter.isprintable() else "?" for letter in text.replace("\n", " "))
