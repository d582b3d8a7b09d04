"""`lipdrop doctor`, with faults injected into a real machine's parts."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from daemon.cli.main import cli
from daemon.doctor.checks import (
    CHECKS,
    avatars,
    cluster,
    computing,
    configuration,
    limits,
    media,
    models,
    service,
    spool,
    voices,
    web,
)
from daemon.doctor.examination import _findings
from daemon.doctor.finding import Finding, Level, ok
from daemon.doctor.machine import Machine, this_machine
from daemon.spool.health import PAUSED, write_health
from daemon.spool.layout import Layout
from daemon.spool.spool import Spool
from tests.reports import healthy
from tests.running import ROOT

SHM = Path("/dev/shm")
NO_TORCH = "raise ImportError('no torch here')\n"
WITHOUT_CAPABILITIES = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")
"""Root obeys permissions under this."""


def machine(folder: Path, settings: str = "", *, root: Path | None = None) -> Machine:
    """A machine with a configuration file in `folder`."""
    (folder / "config.yaml").write_text(settings)
    return this_machine(folder / "config.yaml", root or folder / "spool")


def of_level(findings: Any, level: Level) -> list[Finding]:
    return [finding for finding in _findings(findings) if finding.level is level]


def only(findings: Any, level: Level = Level.BROKEN) -> Finding:
    """The one finding of a level; every problem has a fix."""
    found = of_level(findings, level)
    assert len(found) == 1, found
    assert found[0].fix
    return found[0]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a complete spool."""
    Layout(tmp_path / "spool").create()
    return tmp_path


# The whole command, as a user runs it


def examined(*argv: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "daemon", "doctor", *map(str, argv)]
    own = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80", **environment}
    return subprocess.run(command, cwd=cwd, env=own, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_where_nothing_exists_yet_nothing_is_broken_and_nothing_is_created(tmp_path: Path) -> None:
    shown = examined("--spool", tmp_path / "new", cwd=tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "does not exist yet" in " ".join(shown.stdout.split()), "the line breaks where the path is long"
    titles = [line for line in shown.stdout.splitlines()[:-2] if not line.startswith(" ")]
    assert titles == [title for title in CHECKS if title != "Cluster"]
    assert "\x1b" not in shown.stdout, "colours without a terminal"
    fixes = [line for line in shown.stdout.splitlines() if line.lstrip().startswith("-> ")]
    other = [line for line in shown.stdout.splitlines() if line not in fixes and str(tmp_path) not in line]
    assert max(map(len, other)) <= 80
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_broken_configuration_and_a_torch_that_cannot_be_imported_are_findings(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "torch.py").write_text(NO_TORCH)
    (tmp_path / "config.yaml").write_text("langauge: en\n")
    path = f"{ROOT}:{tmp_path / 'broken'}"
    shown = examined("--json", "--spool", tmp_path / "new", cwd=tmp_path, PYTHONPATH=path)
    assert (shown.returncode, shown.stderr) == (1, "")
    result = json.loads(shown.stdout)
    first = result["findings"][0]
    assert (first["check"], first["level"]) == ("Configuration", "broken")
    assert "config_unknown_key: unknown key langauge (did you mean 'language'?)" in first["text"]
    torch = [finding for finding in result["findings"] if finding["check"] == "torch and GPUs"]
    assert [(finding["level"], "no torch here" in finding["text"]) for finding in torch] == [("broken", True)]
    assert "-m pip install" in torch[0]["fix"]
    assert (result["ok"], result["broken"]) == (False, 2)


def test_warnings_do_not_fail_and_colours_are_for_terminals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unusual(_: Machine) -> Iterator[Finding]:
        yield Finding(Level.WARNING, "escape \x1b[2J", "mend it")

    def unreadable(_: Machine) -> Iterator[Finding]:
        yield ok("read")
        raise PermissionError(13, "Permission denied", "/secret")

    monkeypatch.setattr("daemon.doctor.examination.CHECKS", {"A": unusual})
    warned = CliRunner().invoke(cli, ["doctor", "--spool", str(tmp_path)], color=True)
    assert (warned.exit_code, warned.output.splitlines()[-1]) == (0, "\x1b[33m1 warning\x1b[0m.")
    assert "\x1b[2J" not in warned.output
    monkeypatch.setattr("daemon.doctor.examination.CHECKS", {"A": unreadable, "B": unusual})
    failed = CliRunner().invoke(cli, ["doctor", "--spool", str(tmp_path)])
    assert failed.exit_code == 1
    assert "cannot be checked: Permission denied: /secret" in failed.output
    assert failed.output.splitlines()[-1] == "1 problem and 1 warning."


# Spool


def test_a_sound_spool_is_sound(place: Path) -> None:
    assert {finding.level for finding in spool.check(machine(place))} == {Level.OK}


def test_an_unknown_filesystem_is_not_named(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a chroot the list of mounts lacks the one that the spool is on."""
    monkeypatch.setattr(spool, "_kind", lambda *_: "")
    assert "all folders are on one filesystem" in [finding.text for finding in spool.check(machine(place))]
    monkeypatch.undo()
    here = place.stat().st_dev
    assert spool._kind("no such mount", f"{os.major(here)}:{os.minor(here)}") == spool._mount(place).kind  # type: ignore[union-attr]


def test_a_folder_on_another_filesystem_is_broken(place: Path) -> None:
    elsewhere = SHM / f"lipdrop-{place.name}"
    if not SHM.is_dir() or SHM.stat().st_dev == place.stat().st_dev:
        pytest.skip("no second filesystem")
    elsewhere.mkdir()
    try:
        (place / "spool" / "outbox").rmdir()
        (place / "spool" / "outbox").symlink_to(elsewhere)
        found = only(spool.check(machine(place)))
        assert "outbox is on another filesystem (tmpfs)" in found.text
        assert found.fix is not None
        subprocess.run(found.fix, shell=True, check=True)
        assert of_level(spool.check(machine(place)), Level.BROKEN) == []
    finally:
        elsewhere.rmdir()


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not installed")
def test_an_unreadable_folder_is_broken_and_its_fix_mends_it(place: Path) -> None:
    config, inbox = place / "config.yaml", place / "spool" / "inbox"
    config.write_text("")
    inbox.chmod(0)
    code = (
        "from pathlib import Path\nfrom daemon.doctor.machine import this_machine\n"
        "from daemon.doctor.checks import spool\n"
        f"found = spool.check(this_machine(Path({str(config)!r}), Path({str(place / 'spool')!r})))\n"
        "found = [f for f in found if f.level == 'broken']\n"
        "print(*[f'{f.text}|{f.fix}' for f in found], sep='\\n')"
    )
    prefix = WITHOUT_CAPABILITIES if os.geteuid() == 0 else ()
    shown = subprocess.run(
        [*prefix, sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    text, _, fix = shown.strip().partition("|")
    assert text == f"{inbox} cannot be read or written or entered by this user"
    subprocess.run(fix, shell=True, check=True)
    assert stat.S_IMODE(inbox.stat().st_mode) == 0o700


def test_a_file_in_place_of_a_folder_is_broken(place: Path) -> None:
    (place / "spool" / "done").rmdir()
    (place / "spool" / "done").touch()
    assert "done is not a folder" in only(spool.check(machine(place))).text


def test_a_disk_without_room_is_broken(place: Path) -> None:
    found = only(spool.check(machine(place, "limits: {free_megabytes: 1000000000}\n")))
    assert "no new work starts" in found.text


def test_a_paused_daemon_is_a_warning_only_while_it_runs(place: Path) -> None:
    down = [finding for finding in spool.check(machine(place)) if "daemon is" in finding.text]
    assert [(finding.level, finding.fix) for finding in down] == [(Level.OK, "lipdrop run")]
    paused = healthy(state=PAUSED, why="by `lipdrop pause`")
    running = Spool(place / "spool")
    with running.owned():
        write_health(running, paused)
        assert only(spool.check(machine(place)), Level.WARNING).fix == "lipdrop resume"


# Limits


NODE = {
    **{"node": "render-1", "resources": {"CPU": 8.0, "memory": 1e9, "node:10.0.0.1": 1.0, "disk": 2.0}, "labels": {}},
    **{"problem": None, "is_same_version": True, "python": "3.12.1", "sees_folder": True, "writes_folder": True},
    **{"ahead_seconds": 0.0, "kind": "a"},
}
"""What a probe finds on a sound node of a cluster."""


def of_cluster(
    place: Path, monkeypatch: pytest.MonkeyPatch, *nodes: dict[str, Any], workers: str = ""
) -> list[Finding]:
    """What is found about a cluster of such nodes."""
    monkeypatch.setattr(cluster, "find_spec", lambda _: object())
    monkeypatch.setattr(Machine, "ask", lambda *_: [{**NODE, **node} for node in nodes])
    return list(cluster.check(machine(place, f"executor: ray\n{workers}")))


def test_a_sound_cluster_is_sound(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [(finding.level, finding.text) for finding in of_cluster(place, monkeypatch, {})] == [
        (Level.OK, "the Ray cluster (auto) has 1 node"),
        (Level.OK, "node render-1: CPU 8, disk 2; the same lipdrop; it reads and writes the spool"),
        (Level.OK, "there is room for all 5 workers"),
    ]


def test_nodes_need_no_folder_if_files_travel(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blind, travel = {"sees_folder": False, "writes_folder": False}, "ray: {transfer: object_store}"
    assert [(finding.level, finding.text) for finding in of_cluster(place, monkeypatch, blind, workers=travel)][1:] == [
        (Level.OK, "node render-1: CPU 8, disk 2; the same lipdrop; it needs no folder"),
        (Level.OK, "there is room for all 5 workers"),
    ]


@pytest.mark.parametrize(
    ("node", "level", "text"),
    [
        ({"problem": "No module named 'pipeline'"}, Level.BROKEN, "cannot run lipdrop: No module named"),
        ({"is_same_version": False}, Level.BROKEN, "has another version of lipdrop"),
        ({"sees_folder": False}, Level.BROKEN, "does not see"),
        ({"writes_folder": False}, Level.BROKEN, "cannot write to"),
        ({"ahead_seconds": -7.2}, Level.WARNING, "the clock of node render-2 is 7 s behind"),
        ({"kind": "b"}, Level.WARNING, "of 2 kinds that round differently"),
    ],
)
def test_what_a_node_lacks_is_told(
    node: dict[str, Any], level: Level, text: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding = only(of_cluster(place, monkeypatch, {}, {"node": "render-2", **node}), level)
    assert text in finding.text
    assert "render-2" in finding.text


def test_workers_without_room_are_a_warning_unless_none_has_any(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = "workers: [{model: gan, count: 7}]"
    finding = only(of_cluster(place, monkeypatch, {}, workers=many), Level.WARNING)
    assert finding.text == "the nodes have no room for 2 of 10 workers, such as gan-6"
    none = only(of_cluster(place, monkeypatch, {"resources": {}}))
    assert none.text.startswith("the nodes have no room for 5 of 5 workers")
    assert of_cluster(place, monkeypatch, {}, workers="workers: auto")[-1].text == "there is room for all 8 workers"


def test_workers_beside_the_daemon_need_no_room_if_files_travel(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    travelling = "ray: {transfer: object_store}"
    found = of_cluster(place, monkeypatch, {"resources": {"CPU": 3.0}}, workers=travelling)
    assert found[-1].text == "there is room for all 5 workers"


def test_a_cluster_that_is_not_used_is_not_looked_at(place: Path) -> None:
    assert list(cluster.check(machine(place))) == []
    shutil.rmtree(place / "spool" / "run")
    assert "not checked" in only(cluster.check(machine(place, "executor: ray")), Level.WARNING).text


def test_workers_on_other_machines_need_no_memory_here(place: Path) -> None:
    workers = "workers: [{model: gan, count: 1000}]\n"
    assert "1000 lip-sync workers" in str(list(limits.check(machine(place, workers))))
    assert "lip-sync workers" not in str(list(limits.check(machine(place, f"{workers}executor: ray\n"))))


def test_limits_of_this_process_are_noticed(place: Path) -> None:
    assert of_level(limits.check(machine(place)), Level.BROKEN) == []
    code = (
        "import resource\nfrom pathlib import Path\nfrom daemon.doctor.machine import this_machine\n"
        "from daemon.doctor.checks import limits\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, 4096))\n"
        f"found = limits.check(this_machine(None, Path({str(place / 'spool')!r})))\n"
        "print(*[f'{f.level} {f.text}|{f.fix}' for f in found], sep='\\n')"
    )
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "warning only 100 open files allowed: many jobs at once may fail|ulimit -n 1024" in shown.splitlines()


# ffmpeg


def test_a_missing_ffmpeg_is_broken(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {finding.level for finding in media.check(machine(place))} == {Level.OK}
    monkeypatch.setenv("PATH", str(place))
    found = of_level(media.check(machine(place)), Level.BROKEN)
    assert [finding.text for finding in found] == ["ffmpeg is not installed", "ffprobe is not installed"]
    assert {finding.fix for finding in found} == {"sudo apt-get install ffmpeg"}


def test_an_ffmpeg_without_its_encoders_is_broken(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = " Encoders:\n V..... = Video\n ------\n V....D mpeg4  MPEG-4\n A....D aac  AAC\n A....D flac  FLAC\n"
    for program in ("ffmpeg", "ffprobe"):
        fake_program(
            place, program, f'case "$*" in *-version*) echo {program} version 4.0;; *) printf "{listing}";; esac'
        )
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
    found = list(media.check(machine(place)))
    assert ("ffmpeg 4.0", Level.OK) in [(finding.text, finding.level) for finding in found]
    assert only(iter(found)).text == "no encoder libx264: install a complete build"
    assert "libmp3lame or libopus" in only(iter(found), Level.WARNING).text


def fake_program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


# torch and GPUs


def torch_like(monkeypatch: pytest.MonkeyPatch, **facts: Any) -> None:
    """Replace what torch says about itself."""
    found = {"torch": "2.13.0", "torchaudio": "2.11.0", "cuda": None, "gpus": [], "threads": 2, **facts}
    monkeypatch.setattr(Machine, "ask", lambda *_: found)


def nvidia_smi(folder: Path, monkeypatch: pytest.MonkeyPatch, cuda: str) -> None:
    query, shown = "NVIDIA L4, 535.183.01", f"| NVIDIA-SMI 535.183.01   CUDA Version: {cuda} |"
    fake_program(folder, "nvidia-smi", f'[ $# -gt 0 ] && echo "{query}" || echo "{shown}"')
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_torch_works_here(place: Path) -> None:
    found = list(computing.check(machine(place)))
    assert re.match(r"torch \S+ \((CUDA \S+|CPU build)\) and torchaudio \S+ work together", found[0].text)
    assert of_level(iter(found), Level.BROKEN) == []


@pytest.mark.parametrize(
    ("cuda", "supported", "text", "wheel"),
    [
        (None, "12.7", "NVIDIA L4, driver 535.183.01: not used, since torch is built for the CPU only", "cu128"),
        ("13.0", "12.2", "torch needs CUDA 13.0, the driver supports CUDA 12.2", "cu128"),
        (None, "13.1", "built for the CPU only", "cu130"),
    ],
)
def test_a_gpu_that_torch_cannot_use_is_a_warning(
    place: Path, monkeypatch: pytest.MonkeyPatch, *, cuda: str | None, supported: str, text: str, wheel: str
) -> None:
    torch_like(monkeypatch, cuda=cuda)
    nvidia_smi(place, monkeypatch, supported)
    found = only(computing.check(machine(place)), Level.WARNING)
    assert text in found.text
    assert found.fix is not None
    assert f"https://download.pytorch.org/whl/{wheel} torch torchaudio" in found.fix


@pytest.mark.parametrize(
    ("visible", "text", "fix"),
    [
        (None, "NVIDIA L4, driver 535.183.01: not used, although its driver supports torch's CUDA 12.8", "nvidia-smi"),
        ("", "CUDA_VISIBLE_DEVICES hides it", "unset CUDA_VISIBLE_DEVICES"),
    ],
)
def test_a_gpu_that_torch_does_not_see_although_it_could(
    place: Path, monkeypatch: pytest.MonkeyPatch, *, visible: str | None, text: str, fix: str
) -> None:
    torch_like(monkeypatch, cuda="12.8")
    nvidia_smi(place, monkeypatch, "12.2")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    found = only(computing.check(machine(place)), Level.WARNING)
    assert (text in found.text, found.fix) == (True, fix)


@pytest.mark.parametrize(
    ("complaint", "fix"),
    [
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", "sudo modprobe nvidia"),
        ("Failed to initialize NVML: Driver/library version mismatch", "sudo reboot"),
    ],
)
def test_a_driver_that_does_not_answer_is_a_warning(
    place: Path, monkeypatch: pytest.MonkeyPatch, complaint: str, fix: str
) -> None:
    torch_like(monkeypatch, cuda="12.8")
    fake_program(place, "nvidia-smi", f'echo "{complaint}"; echo "NVML library version: 535.183"; exit 9')
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
    found = only(computing.check(machine(place)), Level.WARNING)
    assert (found.text, found.fix) == (f"the NVIDIA driver does not work: {complaint}", fix)


@pytest.mark.parametrize(
    ("is_container", "fix"), [(False, "sudo apt-get install nvidia-driver"), (True, "docker run --gpus all ...")]
)
def test_a_card_without_a_driver_is_a_warning(
    place: Path, monkeypatch: pytest.MonkeyPatch, fix: str, *, is_container: bool
) -> None:
    torch_like(monkeypatch, cuda="12.8")
    card = place / "devices" / "0000:01:00.0"
    card.mkdir(parents=True)
    (card / "vendor").write_text("0x10de\n")
    (card / "class").write_text("0x030200\n")
    monkeypatch.setattr(computing, "PCI_DEVICES", card.parent)
    monkeypatch.setattr(computing, "CONTAINER_MARKS", (card,) if is_container else ())
    monkeypatch.setenv("PATH", str(place))
    assert only(computing.check(machine(place)), Level.WARNING).fix == fix


def test_only_a_gpu_of_another_generation_needs_another_torch(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    errors = ("CUDA error: no kernel image is available for execution on the device", "CUDA out of memory.")
    gpus = [{"name": "NVIDIA L4", "memory_bytes": 24 << 30, "error": error} for error in errors]
    torch_like(monkeypatch, cuda="12.8", gpus=gpus)
    fixes = [finding.fix or "" for finding in of_level(computing.check(machine(place)), Level.BROKEN)]
    assert ["--force-reinstall" in fixes[0], fixes[1]] == [True, "nvidia-smi"]


def test_a_gpu_that_fails_and_a_worker_without_its_gpu_are_broken(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = {"name": "NVIDIA GeForce GTX 680", "memory_bytes": 2 << 30, "error": "no kernel image is available"}
    torch_like(monkeypatch, cuda="12.8", gpus=[gpu])
    settings = "workers: [{model: gan, device: 'cuda:0'}, {model: nogan, device: 'cuda:1'}]\n"
    found = of_level(computing.check(machine(place, settings)), Level.BROKEN)
    assert [finding.text for finding in found] == [
        "GPU 0: NVIDIA GeForce GTX 680, 2 GB: it fails to compute: no kernel image is available",
        "workers.1.device is cuda:1, but torch finds 1 GPUs",
    ]


# Models


def wav2lip(checkpoint: Path) -> str:
    return f"models: {{gan: {{engine: wav2lip, checkpoint: {checkpoint}}}}}\n"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "does not exist"),
        (b"", "is empty"),
        (b"\n<!DOCTYPE html><html><title>Sign in</title></html>", "is a web page, not a checkpoint"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a Git LFS pointer"),
        (b"\x80\x02not a pickle", "cannot be read as a checkpoint"),
    ],
    ids=["missing", "empty", "page", "pointer", "damaged"],
)
def test_a_file_that_is_no_checkpoint_is_broken(place: Path, content: bytes | None, text: str) -> None:
    if content is not None:
        (place / "gan.pth").write_bytes(content)
    found = only(models.check(machine(place, wav2lip(place / "gan.pth"))))
    assert text in found.text
    assert str(place / "gan.pth") in found.text


@pytest.mark.slow
def test_a_checkpoint_is_described_by_kind_size_and_hash(place: Path, weights: dict[str, Any]) -> None:
    import hashlib

    import torch

    small = {
        name: value.flatten()[:1].clone().expand(value.shape) if value.dim() else value
        for name, value in weights.items()
    }
    torch.save({"state_dict": small}, place / "gan.pth")
    content = (place / "gan.pth").read_bytes()
    found = [finding.text for finding in models.check(machine(place, wav2lip(place / "gan.pth")))]
    digest = hashlib.sha256(content).hexdigest()[:16]
    assert found[0] == "nogan: the built-in engine, which needs no checkpoint"
    described = f"Wav2Lip, faces of 96 pixels, state dict, {len(content) / 1e6:.0f} MB, SHA-256 {digest}"
    assert found[1] == f"gan: {place / 'gan.pth'}: {described}"


# Voices, avatars, gateway, service, configuration


def test_a_language_without_a_voice_is_broken_if_it_is_the_default_one(place: Path) -> None:
    settings = "language: ru\ntts: {backend: hibari, voices: {en: null, kk: null}}\n"
    found = list(voices.check(machine(place, settings)))
    assert found[1].text == "en: hibari:heart, neural"
    assert [finding.level for finding in found] == [Level.BROKEN, Level.OK, Level.WARNING]
    assert "tts.backend" in found[0].text


def test_a_default_voice_that_is_missing_is_broken(place: Path) -> None:
    found = only(voices.check(machine(place, "tts: {voices: {ru: 'espeak:nobody'}}\n")))
    assert "there is no voice 'espeak:nobody' for language 'ru'" in found.text


NO_ESPEAK = """
import ctypes
def missing(*_): raise OSError
ctypes.CDLL = missing
raise ImportError
"""


def test_what_alignment_needs_is_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fixes() -> list[str | None]:
        found = of_level(voices.check(machine(place, "language: en\n")), Level.WARNING)
        return [warning.fix for warning in found if "aligns texts with recordings" in warning.text]

    assert fixes() == []
    (place / "espeakng_loader.py").write_text(NO_ESPEAK)
    monkeypatch.setenv("PYTHONPATH", str(place))
    assert fixes() == ["pip install espeakng-loader"]


@pytest.mark.slow
def test_an_unusable_avatar_is_a_warning_unless_it_is_the_default(place: Path) -> None:
    (place / "avatars" / "anna").mkdir(parents=True)
    (place / "avatars" / "anna" / "anna.png").write_bytes(b"no picture")
    assert only(avatars.check(machine(place)), Level.WARNING).fix == "lipdrop avatars check anna"
    assert "anna" in only(avatars.check(machine(place, "avatars: {default: anna}\n"))).text
    gone = only(avatars.check(machine(place, "avatars: {default: nobody}\n")))
    assert gone.fix == "set avatars.default to one of: anna, expert, guide, host, presenter"


def test_a_port_in_use_is_a_warning(place: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        settings = f"web: {{port: {port}, tokens: tokens}}\n"
        found = _by_level(web.check(machine(place, settings)))
    assert found[Level.WARNING].fix == f"lipdrop serve --port {port + 1}"
    assert found[Level.BROKEN].fix == "lipdrop tokens add NAME"


def _by_level(findings: Iterator[Finding]) -> dict[Level, Finding]:
    return {finding.level: finding for finding in findings}


def test_a_gateway_for_everybody_needs_tokens(place: Path) -> None:
    assert "web.tokens must be set" in only(web.check(machine(place, "web: {host: 0.0.0.0, port: 0}\n"))).text


@pytest.mark.parametrize(
    ("shown", "level", "fix"),
    [
        ("ActiveState=active\nNRestarts=0", Level.OK, None),
        ("ActiveState=active\nNRestarts=7", Level.WARNING, "journalctl --unit lipdrop --lines 50 --no-pager"),
        ("ActiveState=failed\nResult=exit-code", Level.BROKEN, "journalctl --unit lipdrop --lines 50 --no-pager"),
        ("ActiveState=inactive", Level.WARNING, "sudo systemctl enable --now lipdrop"),
    ],
)
def test_the_state_of_the_service_is_told(
    place: Path, monkeypatch: pytest.MonkeyPatch, shown: str, level: Level, fix: str | None
) -> None:
    for name in ("UNITS", "BOOTED"):
        monkeypatch.setattr(f"daemon.doctor.checks.service.{name}", place)
    (place / "lipdrop.service").touch()
    fake_program(place, "systemctl", f'printf "{shown}\\n"')
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
    assert [(finding.level, finding.fix) for finding in service.check(machine(place))] == [(level, fix)]


def test_a_valid_configuration_is_named(place: Path) -> None:
    found = [finding.text for finding in configuration.check(machine(place))]
    assert found[0] == f"{place / 'config.yaml'} is valid"


def test_a_missing_configuration_file_is_broken(place: Path) -> None:
    found = only(configuration.check(this_machine(place / "none.yaml", None)))
    assert "config_unreadable: cannot read" in found.text
