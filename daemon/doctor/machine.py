"""What the checks look at: the configuration and the spool, and programs that answer questions in isolation."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.spool.spool import Spool
from daemon.web.exchange import packed
from pipeline import programs
from pipeline.config import CONFIG_FILE, Config, read_config
from pipeline.errors import ConfigError, LipdropError
from pipeline.programs import Limits

PROBE = "daemon.doctor.probe"
PROBE_SECONDS = 180.0
"""Importing torch from a slow disk and reading a checkpoint take long."""


class ProbeError(Exception):
    """A question could not be answered; the message says why."""


@dataclass(frozen=True)
class Machine:
    """This machine, as lipdrop is configured on it."""

    config: Config
    """The configuration; the defaults if the file is invalid."""
    file: Path | None
    """The configuration file; None: there is none, and the defaults are used."""
    error: ConfigError | None
    """What is wrong with the file."""
    spool: Spool

    def ask(self, question: str, argument: Any = None) -> Any:
        """Let the program `probe` answer a question, so that a crash or an import that hangs ends only that program.

        Raises ProbeError, also if the answer is an error.
        """
        try:
            argv = [sys.executable, "-P", "-m", PROBE]
            ended = programs.run(argv, Limits(PROBE_SECONDS), packed(self.config, [question, argument]))
            answer = json.loads(ended.output)
        except TimeoutError:
            raise ProbeError(f"no answer within {PROBE_SECONDS:.0f} s") from None
        except ValueError:
            raise ProbeError(_last_line(ended.errors) or f"crashed (exit code {ended.returncode})") from None
        if "error" in answer:
            raise ProbeError(answer["error"]["message"])
        return answer["result"]


def this_machine(file: Path | None, root: Path | None) -> Machine:
    """The machine with the configuration of a command's options. An invalid configuration is part of the result."""
    named = file or Path(CONFIG_FILE)
    try:
        config, error = read_config(file, spool=root), None
    except ConfigError as problem:
        base = named.absolute().parent
        config, error = Config(base=base, spool=str(root.absolute()) if root else "."), problem
    spool = Spool(config.path(config.spool))
    return Machine(config, named if file or named.exists() else None, error, spool)


def answer_of(argv: Sequence[str], seconds: float = 20.0) -> str | None:
    """Standard output of a program that succeeds; None if it does not exist, fails or hangs."""
    try:
        ended = programs.run(argv, Limits(seconds))
    except (OSError, TimeoutError, programs.OutputTooLarge):
        return None
    return ended.output.decode("utf-8", "replace") if ended.returncode == 0 else None


def complaint_of(argv: Sequence[str], seconds: float = 20.0) -> str | None:
    """First line that a program prints when it fails; None if it does not exist, succeeds or hangs."""
    try:
        ended = programs.run(argv, Limits(seconds))
    except (OSError, TimeoutError, programs.OutputTooLarge):
        return None
    return _printable(ended.output.strip().partition(b"\n")[0]) if ended.returncode != 0 else None


def one_line(error: LipdropError | OSError) -> str:
    """An error as part of a finding."""
    if isinstance(error, LipdropError):
        return f"{error.message} ({error.hint})" if error.hint else error.message
    where = f": {error.filename}" if error.filename else ""
    return f"{error.strerror or error}{where}"


def _last_line(errors: bytes) -> str:
    return _printable(errors.strip().rpartition(b"\n")[2])


def _printable(line: bytes) -> str:
    return "".join(letter for letter in line.decode("utf-8", "replace") if letter.isprintable())[:300]
