"""Help texts and usage errors of the commands; in-process, since none of them starts a process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from daemon.cli import main as command_line
from daemon.cli.main import COMMANDS, MODULES, cli
from daemon.explanations import explanations
from tests.running import ROOT

NAMES = (
    "avatars",
    "bench",
    "cancel",
    "certificate",
    "compare",
    "completion",
    "doctor",
    "explain",
    "health",
    "inspect",
    "logs",
    "make",
    "pause",
    "play",
    "report",
    "resume",
    "retry",
    "run",
    "say",
    "say-to",
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
    if name not in ("avatars", "certificate", "completion", "explain", "inspect", "tokens", "webhooks"):
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
        (("sumbit",), "No such command 'sumbit'. Did you mean 'submit'?"),
        (("submit",), "Missing argument 'FILES...'"),
        (("submit", "none.txt"), "cannot read none.txt: No such file or directory"),
        (("run", "--twice"), "No such option"),
        (("cancel", "a"), "no job a is queued or running"),
        (("retry", "a"), "there is no failed job a"),
        (("status", "a"), "there is no job a"),
        (("status", "a", "--watch"), "there is no job a"),
        (("submit", "*.jsonl"), "no file matches *.jsonl"),
        (("submit", "."), "the folder . has no .json, .jsonl, .csv, .tsv or .txt file"),
        (("submit", "none.txt", "--set", "fps"), "'fps' is not KEY=VALUE"),
        (("submit", "none.txt", "--priority", "11"), "11 is not in the range -10<=x<=10"),
        (("play", "a"), "there is no stream a"),
        (("play", "a", "--port", "65536"), "65536 is not in the range"),
        (("avatars", "add", "none.png"), "'none.png' does not exist"),
        (("explain", "noface"), "there is no error code 'noface'; did you mean 'no_face'?"),
        (("explain", "12345"), "`lipdrop explain` lists all codes"),
        (("explain", "no_face", "--language", "kk"), "'kk' is not one of 'en', 'ru'"),
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
    names_something = message.startswith(
        ("`lipdrop explain`", "cannot read", "no job", "there is no", "no file", "the folder")
    )
    assert ("Usage:" in failed.output) == (not names_something)


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


@pytest.mark.parametrize(
    ("arguments", "locale", "cause"),
    [
        (("several_faces",), {}, "Several faces of similar size"),
        (("several_faces",), {"LANG": "ru_RU.UTF-8"}, "Несколько лиц близкого размера"),
        (("several_faces",), {"LANG": "ru_RU.UTF-8", "LC_ALL": "C"}, "Several faces of similar size"),
        (("several_faces",), {"LANG": "kk_KZ.UTF-8"}, "Several faces of similar size"),
        (("several_faces", "--language", "ru"), {"LANG": "en_US"}, "Несколько лиц близкого размера"),
    ],
)
def test_an_error_is_explained_in_the_language_of_the_locale(
    arguments: tuple[str, ...], locale: dict[str, str], cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in locale.items():
        monkeypatch.setenv(name, value)
    shown = invoke("explain", *arguments)
    assert (shown.exit_code, shown.output.splitlines()[3]) == (0, f"  {cause}")


def test_explain_alone_lists_every_code() -> None:
    listed = invoke("explain", "--language", "en").output
    codes = {word.strip(",") for line in listed.splitlines() if line.startswith("  ") for word in line.split()}
    assert codes == set(explanations("en"))


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_the_man_page_is_sound_and_has_every_command_and_option() -> None:
    page = invoke("completion", "man").output
    argv = ["groff", "-man", "-ww", "-Tutf8", "-P-cbou", "-rLL=200n"]
    shown = subprocess.run(argv, input=page, capture_output=True, text=True, check=True)
    assert shown.stderr == ""
    for name in NAMES:
        command = cli.get_command(click.Context(cli), name)
        assert f"lipdrop {name}" in shown.stdout
        options = [part for part in command.params if isinstance(part, click.Option)] if command else []
        assert [option.opts[0] for option in options if option.opts[0] not in shown.stdout] == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_asks_the_program(shell: str) -> None:
    script = invoke("completion", shell).output
    assert f"_LIPDROP_COMPLETE={shell}_complete" in script


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_commands_and_options_are_completed(tmp_path: Path) -> None:
    """By bash itself, with the script and a program called lipdrop."""
    (tmp_path / "lipdrop").write_text(f'#!/bin/sh\nexec "{sys.executable}" "{tmp_path}/program/lipdrop" "$@"\n')
    (tmp_path / "lipdrop").chmod(0o755)
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "lipdrop").write_text("from daemon.cli.main import main\nmain()\n")
    code = (
        f"{invoke('completion', 'bash').output}\n"
        'complete_line() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); '
        '_lipdrop_completion lipdrop; echo "${COMPREPLY[*]}"; }\n'
        "complete_line lipdrop doc; complete_line lipdrop explain sever; complete_line lipdrop doctor --js\n"
    )
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(["bash", "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (ended.stdout.splitlines(), ended.stderr) == (["doctor", "several_faces", "--json"], "")


INTERRUPTED_AT_AN_IMPORT = """
import os, signal, sys

module = sys.argv.pop(1)

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
from daemon.entry import main
main()
"""


@pytest.mark.parametrize("module", ["daemon.cli.main", "click", "daemon.cli.explain"])
@pytest.mark.parametrize("is_ignored", [False, True], ids=["ctrl-c", "in the background"])
def test_ctrl_c_is_quiet_while_commands_are_imported(module: str, is_ignored: bool) -> None:
    argv = [sys.executable, "-c", INTERRUPTED_AT_AN_IMPORT, module, "explain", "no_face"]
    if is_ignored:
        argv = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *argv]
    ended = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr.strip()) == (0 if is_ignored else 130, "")
    assert ("no_face" in ended.stdout) == is_ignored
