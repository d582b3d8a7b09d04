"""Rules of the code base that no linter checks."""

from __future__ import annotations

import ast
import hashlib
import re
import subprocess
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from functools import cache
from pathlib import Path

from daemon.spool.spool import Spool

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
"""Forbidden imports by path prefix."""

ALLOWED = {
    "daemon/bench/": {"torch"},
    "daemon/doctor/probe.py": {"torch"},
    "pipeline/avatars/idle_motion/": {"torch"},
    "pipeline/executors/cluster/": {"ray"},
    "pipeline/executors/processes.py": {"torch"},
    "pipeline/executors/threads.py": {"torch"},
    "pipeline/speech/accentor.py": {"torch"},
}
"""Exceptions by path prefix: measuring, drawing and finding stress compute with tensors, executors and the doctor count
GPUs."""

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
"""Calls that may run untrusted code, and the modules that may make them."""

FFMPEG_DOOR = "pipeline/media/ffmpeg.py"
FFMPEG_PROGRAMS = {"ffmpeg", "ffprobe", "ffplay"}

UNSAFE_ARGUMENTS = {"shell", "preexec_fn", "allow_pickle"}


@cache
def parsed(module: Path) -> ast.Module:
    return ast.parse(module.read_text("utf-8"))


def place_of(module: Path) -> str:
    return str(module.relative_to(ROOT))


def imports(module: Path) -> Iterator[str]:
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def forbidden_imports(module: Path) -> Iterator[str]:
    place = place_of(module)
    allowed = {name for beginning, names in ALLOWED.items() if place.startswith(beginning) for name in names}
    found = {name for name in imports(module) if name.partition(".")[0] not in allowed}
    for beginning, forbidden in FORBIDDEN.items():
        if place.startswith(beginning):
            wrong = {name for name in found for bad in forbidden if name == bad or name.startswith(bad + ".")}
            yield from (f"{place} imports {name}" for name in sorted(wrong))


def test_imports_run_one_way() -> None:
    assert len(MODULES) > 50
    assert [wrong for module in MODULES for wrong in forbidden_imports(module)] == []


def test_the_documentation_names_every_module() -> None:
    table = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    entries = [
        entry
        for part in ("daemon", "pipeline")
        for entry in (ROOT / part).iterdir()
        if entry.name[0] not in "._" and entry.suffix != ".typed"
    ]
    names = [f"`{entry.relative_to(ROOT)}{'/' * entry.is_dir()}`" for entry in entries]
    assert [name for name in names if name not in table] == []


def test_every_requirement_is_pinned_and_its_licence_listed() -> None:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", "utf-8")
    names = re.findall(r"^[A-Za-z0-9-]+", setup["options"]["install_requires"], re.MULTILINE)
    pinned = (ROOT / "requirements.txt").read_text("utf-8").lower()
    licences = (ROOT / "docs" / "licences.md").read_text("utf-8")
    assert "torch" in names
    assert [name for name in names if f"\n{name}==" not in pinned or not re.search(rf"\b{name}\b", licences)] == []


def test_messages_do_not_refer_to_files_missing_from_the_wheel() -> None:
    """Only `daemon/` and `pipeline/` are installed: no docs, no scripts, no Makefile."""
    pointer = re.compile(r"\b(docs|scripts|tests|training|systemd)/|\bmake [a-z-]+ installs|README")
    texts = {
        f"{module.relative_to(ROOT)}: {node.value}"
        for module in MODULES
        for node in ast.walk(ast.parse(module.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and pointer.search(node.value)
    }
    docstrings = {text for text in texts if "\n" in text}
    assert texts - docstrings == set()


QUICK_COMMANDS = ("status", "status a", "health", "pause", "resume", "cancel a", "logs")
SLOW_IMPORTS = {
    "torch",
    "torchaudio",
    "cv2",
    "numpy",
    "PIL",
    "onnxruntime",
    "rich",
    "num2words",
    "requests",
}
REPORT_IMPORTS = """
import sys
from daemon.cli.main import main
codes = []
for command in sys.argv[1:]:
    sys.argv[1:] = command.split()
    codes.append(0)
    try:
        main()
    except SystemExit as end:
        codes[-1] = end.code or 0
print(codes, file=sys.stderr)
print(*{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
"""


def imported_by(*commands: str, folder: Path) -> set[str]:
    """The packages that commands import, in a spool that has a configuration."""
    argv = [sys.executable, "-P", "-c", REPORT_IMPORTS, *commands]
    ended = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=True)
    codes, packages = ended.stderr.splitlines()[-2:]
    assert codes == str([int(command == "health") for command in commands]), ended.stderr
    return set(packages.split())


def test_quick_commands_import_nothing_slow(tmp_path: Path) -> None:
    """pydantic, to check the configuration, only unless the daemon has accepted it."""
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "a.json").write_text("{}")
    config = b"language: en"
    (tmp_path / "config.yaml").write_bytes(config)
    checked = imported_by(*QUICK_COMMANDS, folder=tmp_path)
    assert {"pydantic", "click"} <= checked
    assert checked & SLOW_IMPORTS == set()
    spool = Spool(tmp_path)
    spool.create()
    spool.accept_config(hashlib.sha256(config).hexdigest())
    assert "pydantic" not in imported_by(*QUICK_COMMANDS, folder=tmp_path)


def test_the_program_itself_imports_no_pydantic(tmp_path: Path) -> None:
    assert "pydantic" not in imported_by("--version", folder=tmp_path)


def test_the_daemons_process_does_not_import_torch() -> None:
    """Importing it costs 1.5 s of CPU time and 125 MB; the stages that compute with it run in workers."""
    code = (
        "import sys\n"
        "import daemon.cli.main, daemon.logs, daemon.supervisor, daemon.scheduling.workers\n"
        "import pipeline.executors.threads, pipeline.executors.worker\n"
        "from pipeline.executors.processes import ProcessExecutor\n"
        "executor = ProcessExecutor()\n"
        "print(executor.gpu_count(), 'torch' in sys.modules)\n"
        "executor.close()\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert re.fullmatch(r"\d+ False", shown.strip())


def long_functions(module: Path) -> Iterator[str]:
    for node in ast.walk(parsed(module)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert node.end_lineno is not None
            if node.end_lineno - node.lineno >= 50:
                yield f"{place_of(module)}: {node.name}"


def test_no_function_is_longer_than_fifty_lines() -> None:
    assert [function for module in MODULES for function in long_functions(module)] == []


def unsafe_calls(module: Path) -> Iterator[str]:
    place = place_of(module)
    for call in (node for node in ast.walk(parsed(module)) if isinstance(node, ast.Call)):
        name, arguments = ast.unparse(call.func), {word.arg: ast.unparse(word.value) for word in call.keywords}
        if place not in RUNS_CODE.get(name, frozenset({place})):
            yield f"{place} calls {name}"
        if UNSAFE_ARGUMENTS & arguments.keys():
            yield f"{place} calls {name} with {sorted(map(str, arguments))}"
        if name == "torch.load" and arguments.get("weights_only") != "True":
            yield f"{place} calls {name} without weights_only=True"


def ffmpeg_uses(module: Path) -> Iterator[str]:
    """The program as an argument, and ffmpeg-python, which builds argument lists."""
    place = place_of(module)
    if "ffmpeg" in imports(module):
        yield f"{place} imports ffmpeg"
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            name = node.value.rpartition("/")[2]
            if name in FFMPEG_PROGRAMS:
                yield f"{place} names {name} in line {node.lineno}"


def test_ffmpeg_is_started_in_one_place() -> None:
    """Its limits and protocol whitelists are set there."""
    assert list(ffmpeg_uses(ROOT / FFMPEG_DOOR))
    others = [module for module in MODULES if place_of(module) != FFMPEG_DOOR]
    assert [use for module in others for use in ffmpeg_uses(module)] == []


def test_no_untrusted_code_is_run() -> None:
    assert [call for module in MODULES for call in unsafe_calls(module)] == []
