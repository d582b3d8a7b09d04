"""Rules of the code base that are easier to keep than to find again."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted([*ROOT.glob("daemon/**/*.py"), *ROOT.glob("pipeline/**/*.py")])

FORBIDDEN = {
    "daemon/": {"torch", "torchaudio"},
    "pipeline/": {"daemon"},
    "pipeline/errors.py": {"pipeline", "torch"},
    "pipeline/messages.py": {"torch", "numpy", "pipeline.stages", "pipeline.executors", "pipeline.engines"},
    "pipeline/stages/": {"multiprocessing", "queue", "signal"},
    "pipeline/engines/": {"multiprocessing", "queue", "signal", "pipeline.stages", "pipeline.executors"},
    "pipeline/speech/": {"multiprocessing", "queue", "torch", "pipeline.stages", "pipeline.executors"},
    "pipeline/media/": {"pipeline.stages", "pipeline.executors", "pipeline.speech"},
    "pipeline/avatars/": {"torch", "pipeline.engines", "pipeline.stages", "pipeline.executors"},
    "pipeline/executors/": {"torch", "ray", "pipeline.stages", "pipeline.engines"},
}
"""What a module must not import, by the beginning of its path."""

ALLOWED = {
    "daemon/bench/": {"torch"},
    "pipeline/avatars/idle_motion/": {"torch"},
    "pipeline/executors/processes.py": {"torch"},
    "pipeline/executors/threads.py": {"torch"},
}
"""Exceptions, by the beginning of a path: measuring and drawing compute with tensors, executors count GPUs."""

RUNS_CODE: dict[str, frozenset[str]] = {
    "subprocess.Popen": frozenset({"pipeline/programs.py"}),
    "torch.load": frozenset({"pipeline/engines/wav2lip/checkpoint.py"}),
    "torch.jit.load": frozenset({"pipeline/engines/wav2lip/checkpoint.py"}),
    **dict.fromkeys(
        (
            *("subprocess.run", "subprocess.call", "subprocess.check_output", "os.system", "os.popen", "os.fork"),
            *("eval", "exec", "compile", "pickle.load", "pickle.loads", "yaml.load", "marshal.loads"),
        ),
        frozenset(),
    ),
}
"""What may run a stranger's code when it is given a stranger's words, and where it may be called."""

UNSAFE_ARGUMENTS = {"shell", "preexec_fn", "allow_pickle"}


def imports(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(module: Path) -> None:
    place = str(module.relative_to(ROOT))
    allowed = {name for beginning, names in ALLOWED.items() if place.startswith(beginning) for name in names}
    found = {name for name in imports(module) if name.partition(".")[0] not in allowed}
    for beginning, forbidden in FORBIDDEN.items():
        if place.startswith(beginning):
            wrong = {name for name in found for bad in forbidden if name == bad or name.startswith(bad + ".")}
            assert not wrong, f"{place} imports {sorted(wrong)}"


def test_the_documentation_names_every_module() -> None:
    table = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    entries = [
        entry for part in ("daemon", "pipeline") for entry in (ROOT / part).iterdir() if entry.name[0] not in "._"
    ]
    names = [f"`{entry.relative_to(ROOT)}{'/' * entry.is_dir()}`" for entry in entries]
    assert [name for name in names if name not in table] == []


def test_every_requirement_is_pinned_and_its_licence_told() -> None:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", "utf-8")
    names = re.findall(r"^[A-Za-z0-9-]+", setup["options"]["install_requires"], re.MULTILINE)
    pinned = (ROOT / "requirements.txt").read_text("utf-8").lower()
    licences = (ROOT / "docs" / "licences.md").read_text("utf-8")
    assert "torch" in names
    assert [name for name in names if f"\n{name}==" not in pinned or not re.search(rf"\b{name}\b", licences)] == []


@pytest.mark.parametrize("command", ["submit", "status"])
def test_commands_that_must_be_fast_load_no_torch(command: str) -> None:
    code = (
        "import sys, daemon.cli.main\n"
        f"daemon.cli.main.cli.main(['{command}', '--help'], standalone_mode=False)\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.DEVNULL, check=False).returncode == 0
    )


def test_only_the_process_executor_imports_torch_into_the_daemons_process() -> None:
    """Importing it costs 1.5 s of CPU time and 125 MB; the stages that compute with it run in workers."""
    code = (
        "import sys\n"
        "import daemon.cli.main, daemon.logs, daemon.supervisor, daemon.scheduling.workers\n"
        "import pipeline.executors.threads, pipeline.executors.worker\n"
        "assert 'torch' not in sys.modules\n"
        "import pipeline.executors.processes\n"
        "assert 'torch' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_function_is_longer_than_fifty_lines(module: Path) -> None:
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < 50, f"{node.name} in {module.name}"


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_runs_a_strangers_code(module: Path) -> None:
    place = str(module.relative_to(ROOT))
    for call in (node for node in ast.walk(ast.parse(module.read_text("utf-8"))) if isinstance(node, ast.Call)):
        name, arguments = ast.unparse(call.func), {word.arg: ast.unparse(word.value) for word in call.keywords}
        assert place in RUNS_CODE.get(name, frozenset({place})), f"{place} calls {name}"
        assert not UNSAFE_ARGUMENTS & arguments.keys(), f"{place} calls {name} with {sorted(map(str, arguments))}"
        assert name != "torch.load" or arguments["weights_only"] == "True"
