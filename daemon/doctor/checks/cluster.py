"""The Ray cluster: its nodes, what each has of lipdrop and of the shared folder, and room for the workers."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any

from daemon.doctor.finding import Finding, broken, ok, pip_install, warning
from daemon.doctor.machine import Machine, ProbeError
from daemon.scheduling.sizing import homeless, needs_room
from daemon.scheduling.workers import sized_specs, worker_specs
from pipeline.config import Config
from pipeline.executors.base import NodeOffer

CLOCK_SECONDS = 2.0
"""Logs and times of files are hard to compare with clocks that differ by more."""


def check(machine: Machine) -> Iterator[Finding]:
    """Whether the workers find nodes that can do their work. Nothing is shown of a cluster that is not used."""
    if machine.config.executor != "ray":
        return
    if find_spec("ray") is None:
        yield broken("executor: ray needs the package ray", pip_install("lipdrop[ray]"))
    elif not machine.spool.run.is_dir():
        yield warning(
            "the nodes are not checked: the spool has no folder run/ yet", "start the daemon once: lipdrop run"
        )
    else:
        yield from _cluster(machine)


def _cluster(machine: Machine) -> Iterator[Finding]:
    address = machine.config.ray.address
    try:
        nodes = machine.ask("cluster", str(machine.spool.run))
    except ProbeError as error:
        where = "this machine is not part of a Ray cluster" if address == "auto" else f"no Ray cluster at {address}"
        fix = "ray start --head --port 6379" if address == "auto" else f"ray start --address {address}"
        yield broken(f"{where}: {error}", f"{fix}; the head first; the same versions of Ray and Python everywhere")
        return
    yield ok(f"the Ray cluster ({address}) has {len(nodes)} {'nodes' if len(nodes) > 1 else 'node'}")
    for node in nodes:
        yield from _node(node, machine)
    usable = [node for node in nodes if node["problem"] is None and node["is_same_version"]]
    if _shares_folder(machine):
        usable = [node for node in usable if node["sees_folder"]]
    yield _room(machine.config, [NodeOffer(node["node"], node["resources"], node["labels"]) for node in usable])
    yield from _kinds(usable)


def _node(node: dict[str, Any], machine: Machine) -> Iterator[Finding]:
    name, folder = f"node {node['node']}", machine.spool.run
    if node["problem"] is not None:
        yield broken(f"{name} cannot run lipdrop: {node['problem']}", _install(name))
    elif not node["is_same_version"]:
        yield broken(f"{name} has another version of lipdrop than this machine, and is not used", _install(name))
    elif not _shares_folder(machine):
        yield ok(f"{name}: {_amounts(node['resources'])}; the same lipdrop; it needs no folder")
    elif not node["sees_folder"]:
        yield broken(
            f"{name} does not see {folder}, and is not used", f"mount the folder there, at the same path: {folder}"
        )
    elif not node["writes_folder"]:
        yield broken(f"{name} cannot write to {folder}", "let the user that runs Ray there write to the spool")
    else:
        yield ok(f"{name}: {_amounts(node['resources'])}; the same lipdrop; it reads and writes the spool")
    ahead = node["ahead_seconds"]
    if abs(ahead) > CLOCK_SECONDS:
        direction = "ahead of" if ahead > 0 else "behind"
        yield warning(
            f"the clock of {name} is {abs(ahead):.0f} s {direction} this machine's", "timedatectl set-ntp true"
        )


def _shares_folder(machine: Machine) -> bool:
    """Whether nodes must see the spool."""
    return machine.config.ray.transfer == "shared_folder"


def _install(name: str) -> str:
    return f"on {name}, into the Python that runs Ray: pip install of the same lipdrop, then ray stop and ray start"


def _amounts(resources: dict[str, float]) -> str:
    """What a node offers, in words."""
    own = {key: amount for key, amount in resources.items() if "memory" not in key and not key.startswith("node:")}
    return ", ".join(f"{key} {amount:g}" for key, amount in own.items()) or "no CPUs"


def _room(config: Config, offers: Sequence[NodeOffer]) -> Finding:
    specs = sized_specs(config, offers) if config.follows_cluster else worker_specs(config, 0)
    left = homeless([spec for spec in specs if needs_room(config, spec.role)], offers)
    if not left:
        return ok(f"there is room for all {len(specs)} workers")
    fix = "start more nodes, or ask for less: workers[].count, ray.place, ray.other_place"
    text = f"the nodes have no room for {len(left)} of {len(specs)} workers, such as {left[0]}"
    return broken(text, fix) if len(left) == len(specs) else warning(text, fix)


def _kinds(nodes: Sequence[dict[str, Any]]) -> Iterator[Finding]:
    kinds = {node["kind"]: node["node"] for node in nodes}
    if len(kinds) > 1:
        text = f"the nodes are of {len(kinds)} kinds that round differently: each job is rendered by nodes of one"
        yield warning(
            f"{text} ({', '.join(kinds.values())}, ...)", f"use equal machines and libraries (Python {_python()})"
        )


def _python() -> str:
    return ".".join(map(str, sys.version_info[:3]))
