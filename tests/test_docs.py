"""The documentation matches the code: error codes, keys and options in the reference, links, and the Russian README."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

import click
import pytest
import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from daemon.cli.main import cli
from daemon.web.problems import CODES
from pipeline.avatars.settings import AvatarSettings
from pipeline.config import Config
from pipeline.engines.settings import ENGINES
from pipeline.job import PYDANTIC_CODES, Job

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "training" / "README.md"])

CODE = re.compile(r"[a-z][a-z0-9_]*\Z")
ERROR_BASES = {"LipdropError"}
ALSO_CODES = {"ErrorReport": 0, "JobWarning": 0, "WarningReport": 0, "Notice": 0, "NoFace": 0}
"""Calls that take a code but do not construct a LipdropError, with the position of the code."""


# Error codes in the source


@cache
def modules() -> list[ast.Module]:
    paths = [path for part in ("daemon", "pipeline") for path in ROOT.glob(f"{part}/**/*.py")]
    return [ast.parse(path.read_text("utf-8")) for path in paths]


def name_of(node: ast.expr) -> str:
    """The last part of a dotted name: `b` of `a.b`."""
    return ast.unparse(node).rpartition(".")[2]


def error_classes() -> set[str]:
    """Every class that derives from LipdropError, directly or not."""
    classes = [node for module in modules() for node in ast.walk(module) if isinstance(node, ast.ClassDef)]
    found = set(ERROR_BASES)
    while more := {c.name for c in classes if found & {name_of(base) for base in c.bases}} - found:
        found |= more
    return found


def functions() -> list[ast.FunctionDef]:
    return [node for module in modules() for node in ast.walk(module) if isinstance(node, ast.FunctionDef)]


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def argument(call: ast.Call, position: int, name: str) -> ast.expr | None:
    """The argument at a position or of a name."""
    by_name = {word.arg: word.value for word in call.keywords}
    return call.args[position] if position < len(call.args) else by_name.get(name)


def constants(expression: ast.AST | None) -> set[str]:
    """The codes in an expression: a literal, either branch of a condition, or an argument of a call."""
    match expression:
        case ast.Constant(value=str(text)) if CODE.match(text):
            return {text}
        case ast.IfExp(body=one, orelse=other):
            return constants(one) | constants(other)
        case ast.Call(func=function, args=arguments) if name_of(function) == "failure_code":
            return set[str]().union(*map(constants, arguments))
        case ast.Name(id="DISK_FULL"):
            return {"disk_full"}
    return set()


def code_parameters() -> dict[str, tuple[int, str]]:
    """The callables that take a code, each with the position and name of that parameter.

    The error classes, and helper functions that pass one of their parameters on to such a callable.
    """
    takers = {**dict.fromkeys(error_classes(), (0, "code")), **{k: (p, "code") for k, p in ALSO_CODES.items()}}
    del takers["WorkerDied"]
    for function in functions():
        names = [word.arg for word in function.args.args if word.arg != "self"]
        for call in calls(function):
            if name_of(call.func) not in takers:
                continue
            passed = argument(call, *takers[name_of(call.func)])
            if isinstance(passed, ast.Name) and passed.id in names:
                takers[function.name] = (names.index(passed.id), passed.id)
    return takers


def codes_in_source() -> set[str]:
    """Every error code that the code can report."""
    takers, found = code_parameters(), {*PYDANTIC_CODES.values(), *CODES.values(), "http"}
    for module in modules():
        for call in calls(module):
            if name_of(call.func) in takers:
                found |= constants(argument(call, *takers[name_of(call.func)]))
            if isinstance(call.func, ast.Attribute) and ast.unparse(call.func) == "super().__init__" and call.args:
                found |= constants(call.args[0])
            if ast.unparse(call.func) == "cls" and any(word.arg == "code" for word in call.keywords):
                found |= constants(argument(call, 99, "code"))
            found |= constants(call) if name_of(call.func) == "failure_code" else set()
            if name_of(call.func) == "ProblemError":
                found |= constants(argument(call, 99, "code"))
        for node in ast.walk(module):
            if isinstance(node, ast.Assign) and any(name_of(target) == "code" for target in node.targets):
                found |= constants(node.value) | constants_of_default(node.value)
    return found


def constants_of_default(value: ast.expr) -> set[str]:
    """The default of `CODES.get(key, "default")`."""
    if isinstance(value, ast.Call) and name_of(value.func) == "get" and len(value.args) == 2:
        return constants(value.args[1])
    return set()


def rows(page: Path, *, below: str = "") -> dict[str, list[str]]:
    """The rows of a page's tables by the code spans in their first cell, from the heading `below` to the next one."""
    text = (
        page.read_text("utf-8").partition(f"\n## {below}\n")[2].partition("\n## ")[0]
        if below
        else page.read_text("utf-8")
    )
    cells = [
        [cell.strip() for cell in row.strip("| ").split(" |")] for row in re.findall(r"^\| `.*", text, re.MULTILINE)
    ]
    return {word: row for row in cells for word in re.findall(r"`([^`]+)`", row[0])}


def test_the_error_page_has_exactly_the_codes_of_the_source() -> None:
    documented, used = rows(REFERENCE / "errors.md").keys(), codes_in_source()
    assert {"no_face", "tts_timeout", "worker_died", "internal", "checkpoint_invalid", "type"} <= used
    assert used - documented == set(), "codes that the page lacks"
    assert documented - used == set(), "codes that the source lacks"


@pytest.mark.parametrize("page", ["errors.md", "errors.ru.md"])
def test_every_error_has_a_cause_and_a_fix(page: str) -> None:
    assert [code for code, row in rows(REFERENCE / page).items() if len(list(filter(None, row))) != 3] == []


def test_the_russian_error_page_has_the_codes_and_links_of_the_english_one() -> None:
    english, russian = rows(REFERENCE / "errors.md"), rows(REFERENCE / "errors.ru.md")
    assert list(russian) == list(english)
    links = {code: LINK.findall("".join(row)) for code, row in english.items()}
    assert {code: LINK.findall("".join(row)) for code, row in russian.items()} == links
    assert [code for code, row in russian.items() if not re.search("[а-я]", row[1])] == []


# Keys and options


def submodels(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in a type: the type itself, or those in its containers."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from submodels(inner)


ENTRIES: dict[Any, str] = {tuple: "[].", list: "[].", dict: ".NAME."}
"""The notation for an entry of a container in a dotted key."""


def settings(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every key of a model, dotted, with its default, down to values that are not models."""
    for name, field in model.model_fields.items():
        if field.exclude:
            continue
        inner = list(submodels(field.annotation))
        if not inner:
            yield f"{prefix}{name}", field.get_default(call_default_factory=True, validated_data={})
        for part in inner:
            entry = ENTRIES.get(get_origin(field.annotation), ".")
            yield from settings(part, f"{prefix}{name}{entry}")


def test_the_configuration_page_has_every_key_with_its_default() -> None:
    of_engines = dict(pair for engine in ENGINES.values() for pair in settings(engine, "models.NAME."))
    wanted = {re.sub(r"^models\.(gan|nogan)\.", "models.NAME.", key): value for key, value in settings(Config)}
    wanted = of_engines | wanted
    documented = rows(REFERENCE / "configuration.md")
    assert wanted.keys() - documented.keys() == set(), "keys that the page lacks"
    assert documented.keys() - wanted.keys() == set(), "keys that the configuration lacks"
    shown = {key: yaml.safe_load(row[1].strip("`")) for key, row in documented.items()}
    optional = {key: value for key, value in wanted.items() if value is not PydanticUndefined}
    assert {key: shown[key] for key in optional} == optional


def test_every_job_key_is_documented_and_no_other() -> None:
    assert set(rows(REFERENCE / "job.md", below="Keys")) == set(Job.model_fields)


def leaves(value: Any, path: str = "") -> Iterator[str]:
    """The dotted paths of a JSON value's leaves; empty containers are leaves."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for inner in value:
            yield from leaves(inner, f"{path}[]")
    else:
        yield path


def test_the_examples_of_the_timing_json_have_the_documented_keys() -> None:
    page = REFERENCE / "timing.md"
    examples = re.findall(r"^```json\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    shown = {path for example in examples for path in leaves(json.loads(example))}
    only_some = {"chunks[].ready_seconds", "chunks[].slack_seconds", "dropped_as", "error.further", "runs[].node"}
    only_some |= {"sentences[].language", "sentences[].voice", "sentences[].scene", "provenance.consent"}
    assert set(rows(page)) - only_some == shown


def test_every_avatar_key_is_documented() -> None:
    text = (ROOT / "docs" / "avatars.md").read_text("utf-8")
    assert [key for key in AvatarSettings.model_fields if f"`{key}:" not in text] == []


def commands(group: click.Group, prefix: str) -> Iterator[tuple[str, click.Command]]:
    """Every command below a group, with its full name; groups may load their commands lazily."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix} {name}")
        elif command is not None:
            yield f"{prefix} {name}", command


@pytest.mark.parametrize(("name", "command"), list(commands(cli, "lipdrop")), ids=str)
def test_every_command_and_option_is_documented(name: str, command: click.Command) -> None:
    sections = re.split(r"^## ", (REFERENCE / "commands.md").read_text("utf-8"), flags=re.MULTILINE)
    section = next((part for part in sections if part.startswith(f"{name}\n")), None)
    assert section is not None, f"{name} has no section"
    options = {option for part in command.params if isinstance(part, click.Option) for option in part.opts}
    common = {"--config", "--spool"}
    assert {option for option in options - common if f"`{option}" not in section} == set()
    assert set(re.findall(r"^\| `(--[a-z-]+)", section, re.MULTILINE)) <= options


def test_the_exit_codes_are_those_of_the_help() -> None:
    page = (REFERENCE / "commands.md").read_text("utf-8").partition("\n## Exit codes\n")[2].partition("\n## ")[0]
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
    assert cli.help is not None
    assert codes == {int(code) for code in re.findall(r"\b\d+\b", cli.help)}


# Links, and the README in Russian

LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The fragments of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_relative_link_is_dead(page: Path) -> None:
    dead = []
    for link in LINK.findall(FENCE.sub("", page.read_text("utf-8"))):
        path, _, fragment = link.partition("#")
        target = page.parent / path if path else page
        if "://" in link:
            continue
        if not target.exists() or (fragment and fragment not in anchors(target)):
            dead.append(link)
    assert dead == []


MENTIONED = re.compile(r"`((?:daemon|pipeline|tests|scripts|systemd|training|benchmarks|artwork)/[\w./*-]+)`")


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=lambda page: page.stem)
def test_every_file_that_is_mentioned_exists(page: Path) -> None:
    mentioned = set(MENTIONED.findall(page.read_text("utf-8"))) - {"pipeline/speech/languages/xx.py"}
    assert [path for path in mentioned if not list(ROOT.glob(path.rstrip("/")))] == []


def test_every_page_is_reached_from_the_index() -> None:
    seen, waiting = set(), {ROOT / "docs" / "index.md"}
    while waiting:
        page = waiting.pop().resolve()
        seen.add(page)
        links = {link.partition("#")[0] for link in LINK.findall(page.read_text("utf-8"))}
        waiting |= {
            (page.parent / link).resolve() for link in links if link.endswith(".md") and "://" not in link
        } - seen
    assert [str(page.relative_to(ROOT)) for page in ROOT.glob("docs/**/*.md") if page.resolve() not in seen] == []


def outline(page: Path) -> list[str]:
    """Levels of headings, and code blocks without their comments and quoted texts, in order."""
    text = page.read_text("utf-8")
    parts = re.findall(r"^```.*?^```|^#+ ", text, re.MULTILINE | re.DOTALL)
    return [
        re.sub(r'(?:"text":|lipdrop make) "[^"]*"|\s*#\s.*', "", part) if part.startswith("`") else part
        for part in parts
    ]


@pytest.mark.parametrize("page", ["README", "docs/common-problems"])
def test_a_russian_page_has_the_sections_and_code_of_the_english_one(page: str) -> None:
    english, russian = outline(ROOT / f"{page}.md"), outline(ROOT / f"{page}.ru.md")
    assert len(english) > 8
    assert english == russian


def test_every_promise_names_tests_that_exist() -> None:
    defined = set()
    for path in ROOT.glob("tests/**/test_*.py"):
        defined |= set(re.findall(r"def (test_\w+)", path.read_text("utf-8")))
    sections = re.split(r"^## ", (ROOT / "docs" / "promises.md").read_text("utf-8"), flags=re.MULTILINE)
    promises = [section for section in sections if re.match(r"\d+\. ", section)]
    assert len(promises) >= 18
    for promise in promises:
        named = set(re.findall(r"`(test_\w+)`", promise))
        assert named, promise.partition("\n")[0]
        assert named - defined == set()
