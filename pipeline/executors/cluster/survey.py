"""What the nodes of a cluster are like, for `lipdrop doctor`: a task looks at each."""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipeline.executors.base import WorkerSpec
from pipeline.executors.cluster.version import own_version, worker_kind

LOOK_SECONDS = 60.0
"""For a node to start a process that imports lipdrop, and to answer."""


@dataclass(frozen=True)
class NodeFacts:
    """One node."""

    node: str
    resources: dict[str, float]
    labels: dict[str, str]
    problem: str | None = None
    """Why nothing else is known about it."""
    is_same_version: bool = False
    """Whether its lipdrop is this machine's."""
    python: str = ""
    sees_folder: bool = False
    """Whether it can read what this machine has just written into the shared folder."""
    writes_folder: bool = False
    """Whether this machine can read what it has written there."""
    ahead_seconds: float = 0.0
    """By how much its wall clock is ahead, within half the time of the answer."""
    kind: str = ""
    """Workers on nodes of one kind round alike."""


@dataclass(frozen=True)
class _Look:
    """What a task finds on its node."""

    version: str
    python: str
    read: str | None
    at: float
    kind: str


def survey(address: str, folder: Path, spec: WorkerSpec) -> list[dict[str, Any]]:
    """The facts about each node that is alive; `spec` is the worker whose kind counts.

    Raises ConnectionError, and OSError if the folder cannot be written.
    """
    logging.getLogger("ray").setLevel(logging.ERROR)
    with _silence():
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    try:
        nodes = [node for node in ray.nodes() if node["Alive"]]
        with _probe(folder) as (name, content):
            began = time.time()
            looks = [_looks(node["NodeID"], folder / name, spec) for node in nodes]
            return [
                asdict(_facts(node, look, began, folder / name, content))
                for node, look in zip(nodes, looks, strict=True)
            ]
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Ray writes to the standard output, which is the answer's."""
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


@contextlib.contextmanager
def _probe(folder: Path) -> Iterator[tuple[str, str]]:
    """A file in the folder for a block: its name and its content."""
    name, content = f"doctor-{secrets.token_hex(4)}", secrets.token_hex()
    (folder / name).write_text(content)
    try:
        yield name, content
    finally:
        for file in folder.glob(f"{name}*"):
            file.unlink()


def _looks(node_id: str, file: Path, spec: WorkerSpec) -> Any:
    """A reference to what is found on a node."""
    place = NodeAffinitySchedulingStrategy(node_id, soft=False)
    task = ray.remote(look).options(num_cpus=0, scheduling_strategy=place, max_retries=0)
    return task.remote(file, f"{file}-{node_id}", spec)


def look(file: Path, answer: str, spec: WorkerSpec) -> _Look:
    """Runs on a node: read the probe, and write an answer beside it."""
    read: str | None = None
    with contextlib.suppress(OSError):
        read = file.read_text()
        Path(answer).write_text(read)
    return _Look(own_version(), platform.python_version(), read, time.time(), worker_kind(spec))


def _facts(node: dict[str, Any], reference: Any, began: float, file: Path, content: str) -> NodeFacts:
    facts = NodeFacts(node["NodeName"], node["Resources"], node["Labels"])
    try:
        found: _Look = ray.get(reference, timeout=LOOK_SECONDS)
    except GetTimeoutError:
        return replace(facts, problem=f"no answer within {LOOK_SECONDS:.0f} s")
    except (RayError, ImportError) as error:
        return replace(facts, problem=" ".join(str(error).split())[-200:])
    answer = Path(f"{file}-{node['NodeID']}")
    return replace(
        facts,
        is_same_version=found.version == own_version(),
        python=found.python,
        sees_folder=found.read == content,
        writes_folder=answer.exists() and answer.read_text() == content,
        ahead_seconds=_outside(found.at, began, time.time()),
        kind=found.kind,
    )


def _outside(at: float, began: float, ended: float) -> float:
    """By how much a time is outside of a span."""
    return min(0.0, at - began) + max(0.0, at - ended)
