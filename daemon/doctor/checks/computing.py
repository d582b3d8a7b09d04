"""torch, torchaudio, and whether the GPUs are used."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from daemon.doctor.finding import Finding, broken, ok, pip_install, warning
from daemon.doctor.machine import Machine, ProbeError, answer_of, complaint_of

CUDA_BUILDS = ((13, 0), (12, 8), (12, 6), (11, 8))
"""CUDA versions that torch is built for, newest first. A driver runs every build of its own major version."""

NO_KERNEL = "no kernel image"
"""torch is not built for a GPU of this generation. All other errors are about the GPU's state: in use, full, hung."""

SEE_GPUS = "nvidia-smi"
"""Shows what uses the GPUs, and whether the driver answers."""

NOT_LOADED = "couldn't communicate"
"""The driver is installed, but not loaded. Most other complaints, such as about another version of it after an update,
end with a restart of the machine."""

CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))
"""Files that Docker and Podman make in a container."""

PCI_DEVICES = Path("/sys/bus/pci/devices")
NVIDIA, DISPLAY_CLASS = "0x10de", "0x03"


def check(machine: Machine) -> Iterator[Finding]:
    """Whether the models can compute, and on what."""
    try:
        found = machine.ask("torch")
    except ProbeError as error:
        packages = ", ".join(f"{name} {_installed(name)}" for name in ("torch", "torchaudio"))
        yield broken(f"torch or torchaudio cannot be imported ({packages}): {error}", _reinstall())
        return
    build = f"CUDA {found['cuda']}" if found["cuda"] else "CPU build"
    yield ok(f"torch {found['torch']} ({build}) and torchaudio {found['torchaudio']} work together")
    yield from _gpus(found, _drivers())
    yield from _devices(machine, len(found["gpus"]))


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _reinstall(*options: str) -> str:
    return pip_install("--force-reinstall", *options, "torch", "torchaudio")


def _drivers() -> tuple[list[str], tuple[int, int] | None]:
    """The GPUs that NVIDIA's driver knows, each with the driver's version, and the newest CUDA that it supports."""
    query = answer_of(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]) or ""
    shown = re.search(r"CUDA Version: (\d+)\.(\d+)", answer_of(["nvidia-smi"]) or "") if query.strip() else None
    supported = (int(shown[1]), int(shown[2])) if shown else None
    return [line.replace(", ", ", driver ", 1) for line in query.splitlines() if line.strip()], supported


def _gpus(found: dict[str, Any], driver: tuple[list[str], tuple[int, int] | None]) -> Iterator[Finding]:
    for index, gpu in enumerate(found["gpus"]):
        text = f"GPU {index}: {gpu['name']}, {gpu['memory_bytes'] / 1e9:.0f} GB"
        if gpu["error"] is None:
            yield ok(text)
        else:
            fix = _with_cuda(driver[1]) if NO_KERNEL in gpu["error"] else SEE_GPUS
            yield broken(f"{text}: it fails to compute: {gpu['error']}", fix)
    if found["gpus"]:
        return
    known, supported = driver
    if known and found["cuda"] is None:
        yield warning(f"{known[0]}: not used, since torch is built for the CPU only", _with_cuda(supported))
    elif known and os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        yield warning(f"{known[0]}: not used; CUDA_VISIBLE_DEVICES hides it", "unset CUDA_VISIBLE_DEVICES")
    elif known and supported and _major(found["cuda"]) <= supported[0]:
        yield warning(f"{known[0]}: not used, although its driver supports torch's CUDA {found['cuda']}", SEE_GPUS)
    elif known:
        yield warning(
            f"{known[0]}: not used; torch needs CUDA {found['cuda']}, the driver supports {_dotted(supported)}",
            _with_cuda(supported),
        )
    elif complaint := complaint_of(["nvidia-smi"]):
        fix = "sudo modprobe nvidia" if NOT_LOADED in complaint else "sudo reboot"
        yield warning(f"the NVIDIA driver does not work: {complaint}", fix)
    elif _has_nvidia_card() and any(mark.exists() for mark in CONTAINER_MARKS):
        yield warning("the machine has an NVIDIA GPU, but this container does not see it", "docker run --gpus all ...")
    elif _has_nvidia_card():
        yield warning("there is an NVIDIA GPU, but no driver for it", "sudo apt-get install nvidia-driver")
    else:
        yield ok("no GPU: everything runs on the CPU")


def _with_cuda(supported: tuple[int, int] | None) -> str:
    """The command that installs torch for the newest CUDA that the driver supports."""
    fitting = (build for build in CUDA_BUILDS if supported is None or build[0] <= supported[0])
    major, minor = next(fitting, CUDA_BUILDS[-1])
    return _reinstall("--index-url", f"https://download.pytorch.org/whl/cu{major}{minor}")


def _major(cuda: str) -> int:
    return int(cuda.partition(".")[0])


def _dotted(cuda: tuple[int, int] | None) -> str:
    return f"CUDA {cuda[0]}.{cuda[1]}" if cuda else "an unknown one"


def _has_nvidia_card() -> bool:
    if not sys.platform.startswith("linux") or not PCI_DEVICES.is_dir():
        return False
    return any(
        (device / "vendor").read_text().strip() == NVIDIA and (device / "class").read_text().startswith(DISPLAY_CLASS)
        for device in PCI_DEVICES.iterdir()
        if (device / "vendor").exists() and (device / "class").exists()
    )


def _devices(machine: Machine, gpus: int) -> Iterator[Finding]:
    """Whether the GPUs exist that workers are configured for."""
    for index, worker in enumerate(machine.config.workers):
        if worker.device.startswith("cuda:") and int(worker.device[5:]) >= gpus:
            text = f"workers.{index}.device is {worker.device}, but torch finds {gpus} GPUs"
            yield broken(text, f"set workers.{index}.device to auto")
