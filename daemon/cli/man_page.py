"""The man page, generated from the commands and their help."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version

import click

SYNOPSIS = "lipdrop \\- drop a text job into a folder, get a talking, lip\\-synced avatar video back"
COMMON_OPTIONS = {
    "--config FILE": "Configuration file (YAML), of each command that works on a spool.",
    "--spool DIR": "Spool folder, likewise; overrides the configuration.",
    "-h, --help": "Show the help of lipdrop or of a command.",
    "--version": "Show the version.",
}
COMMON_PARAMETERS = ("config_file", "root")

FILES = {
    "config.yaml": "The configuration, if --config names no other file.",
    "inbox/, outbox/, failed/": "Folders of the spool: jobs, results, and jobs that ended badly.",
}


def man_page(cli: click.Group) -> str:
    """The page in roff, with all commands."""
    return "\n".join(_page(cli)) + "\n"


def _page(cli: click.Group) -> Iterator[str]:
    context = click.Context(cli, info_name="lipdrop", **cli.context_settings)
    yield f'.TH LIPDROP 1 "" "lipdrop {version("lipdrop")}" "User Commands"'
    yield from (".SH NAME", SYNOPSIS)
    yield from (".SH SYNOPSIS", ".B lipdrop", r"\fICOMMAND\fR [\fIOPTIONS\fR] [\fIARGUMENTS\fR]")
    yield ".SH DESCRIPTION"
    yield from _paragraphs(cli.help or "")
    yield ".SH OPTIONS"
    for option, text in COMMON_OPTIONS.items():
        yield from (".TP", f".B {_roff(option)}", _roff(text))
    yield ".SH COMMANDS"
    yield from _commands(cli, context)
    yield ".SH FILES"
    for name, text in FILES.items():
        yield from (".TP", f".B {_roff(name)}", _roff(text))
    yield from (".SH SEE ALSO", r"\fBffmpeg\fR(1), \fBsystemctl\fR(1)")


def _commands(group: click.Group, context: click.Context) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        own = click.Context(command, info_name=name, parent=context)
        if isinstance(command, click.Group):
            yield from _commands(command, own)
        else:
            yield from _command(command, own)


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    usage = " ".join(command.collect_usage_pieces(context))
    yield f".SS {_roff(context.command_path)} {_roff(usage)}"
    yield from _paragraphs(command.help or "")
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is not None and record[1] and parameter.name not in COMMON_PARAMETERS:
            yield from (".TP", f".B {_roff(record[0])}", _roff(" ".join(record[1].split())))


def _paragraphs(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(text.strip().split("\n\n")):
        if number:
            yield ".PP"
        yield _roff(" ".join(paragraph.split()))


def _roff(text: str) -> str:
    """Text that roff shows as it is; a line must not begin with a control character."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    return f"\\&{escaped}" if escaped.startswith(".") else escaped
