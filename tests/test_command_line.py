"""Help texts and usage errors of the commands; in-process, since none of them starts a process."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from daemon.cli import main as command_line
from daemon.cli.main import COMMANDS, MODULES, cli

NAMES = (
    "avatars",
    "bench",
    "cancel",
    "health",
    "make",
    "pause",
    "play",
    "resume",
    "retry",
    "run",
    "serve",
    "status",
    "submit",
    "tokens",
    "voices",
    "webhooks",
)


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def test_help_lists_every_command() -> None:
    shown = invoke("--help")
    assert shown.exit_code == 0
    listed = [line.split()[0] for line in shown.output.partition("Commands:")[2].splitlines() if line.strip()]
    assert tuple(listed) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_command_explains_itself(name: str) -> None:
    shown = invoke(name, "-h")
    assert shown.exit_code == 0
    assert "Usage:" in shown.output
    if name not in ("avatars", "tokens", "webhooks"):
        assert "--config" in shown.output
        assert ("--spool" in shown.output) == (name != "make")


def test_every_command_comes_from_a_module_of_this_package() -> None:
    folder = Path(command_line.__file__).parent
    assert all((folder / f"{module}.py").exists() for module in COMMANDS)
    assert sorted(MODULES) == sorted(NAMES)
    for name in NAMES:
        assert cli.get_command(click.Context(cli), name) is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sing",), "No such command 'sing'"),
        (("submit",), "Missing argument 'FILES...'"),
        (("submit", "none.txt"), "cannot read none.txt: No such file or directory"),
        (("run", "--twice"), "No such option"),
        (("cancel", "a"), "no job a is queued or running"),
        (("retry", "a"), "there is no failed job a"),
        (("status", "a"), "there is no job a"),
        (("status", "a", "--watch"), "--watch cannot be combined with NAME or --json"),
        (("status", "--json", "--watch"), "--watch cannot be combined with NAME or --json"),
        (("play", "a"), "there is no stream a"),
        (("play", "a", "--port", "65536"), "65536 is not in the range"),
        (("avatars", "add", "none.png"), "'none.png' does not exist"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_usage_error_says_what_is_wrong(
    arguments: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    failed = invoke(*arguments)
    assert failed.exit_code == 2
    assert message in failed.output


def test_status_of_an_idle_spool(tmp_path: Path) -> None:
    shown = invoke("status", "--spool", tmp_path)
    assert (shown.exit_code, shown.output.splitlines()) == (
        0,
        [
            f" daemon        down  no daemon is running on {tmp_path}",
            " waiting       0",
            " in flight     0",
            " done, failed  0, 0 since the start",
        ],
    )


def test_a_paused_spool_is_paused_until_resumed(tmp_path: Path) -> None:
    assert invoke("pause", "--spool", tmp_path).exit_code == 0
    assert (tmp_path / "run" / "paused").exists()
    assert invoke("resume", "--spool", tmp_path).exit_code == 0
    assert not (tmp_path / "run" / "paused").exists()
