"""Log lines stay single lines, whatever a record contains."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import unicodedata

import pytest

from daemon.logs import JsonFormatter, LineFormatter
from tests.running import ROOT

HOSTILE = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029]))
EVIL = f"a{HOSTILE}b"


def record(message: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("daemon", logging.INFO, "file", 1, message, arguments, None)


def controls(text: str) -> set[str]:
    return {character for character in text if unicodedata.category(character) in ("Cc", "Zl", "Zp")}


def test_a_text_line_contains_no_control_characters() -> None:
    line = LineFormatter().format(record("job %s", EVIL))
    assert controls(line) == {"\t", "\n"}
    assert "\\u001b" in line
    assert "\\u009b" in line
    assert "\\u2028" in line


@pytest.mark.parametrize("separator", ["\n", "\r", "\r\n", "\v", "\f", "\x85", "\u2028", "\u2029"])
def test_lines_cannot_be_forged(separator: str) -> None:
    lines = LineFormatter().format(record(f"a{separator}2026-01-01T00:00:00.000Z INFO    daemon   forged"))
    assert not any(line.startswith("2026-01-01") for line in lines.splitlines())


def test_a_json_record_is_one_complete_line() -> None:
    line = JsonFormatter().format(record("job %s Привет", EVIL))
    assert controls(line) == set()
    assert json.loads(line)["message"] == f"job {EVIL} Привет"


def test_a_line_names_the_program() -> None:
    assert json.loads(JsonFormatter("gateway").format(record("up")))["worker"] == "gateway"
    assert " gateway  daemon      up" in LineFormatter("gateway").format(record("up"))
    assert json.loads(JsonFormatter().format(record("up")))["worker"] == "daemon"


def test_a_traceback_is_indented() -> None:
    try:
        raise ValueError("bad\x1b[2J")
    except ValueError:
        failed = logging.LogRecord("daemon", logging.ERROR, "file", 1, "failed", (), sys.exc_info())
    first, *others = LineFormatter().format(failed).split("\n")
    assert first.endswith("failed")
    assert len(others) >= 3
    assert all(line.startswith("    ") for line in others)
    assert others[-1] == "    ValueError: bad\\u001b[2J"


def test_the_watchers_shutdown_is_not_logged_as_an_error() -> None:
    """watchdog sometimes logs one when a daemon stops."""
    code = (
        "import logging; from daemon import logs; logs.set_up(as_json=False)\n"
        "logging.getLogger('watchdog.observers.inotify').error('called when the thread is inactive')\n"
        "logging.getLogger('daemon').error('ours')"
    )
    log = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stderr
    assert "ours" in log
    assert "inactive" not in log
