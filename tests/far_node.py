"""A node of a Ray cluster with a network of its own, which can be cut. Needs root."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.warm_start import environment

NAMESPACE, INNER, OUTER = "lipdrop-far", "10.77.0.2", "10.77.0.1"
LINK = "lipdrop-far0"
NETWORK = (
    f"ip netns add {NAMESPACE}",
    f"ip link add {LINK} type veth peer name far1 netns {NAMESPACE}",
    f"ip addr add {OUTER}/30 dev {LINK}",
    f"ip link set {LINK} up",
    f"ip -n {NAMESPACE} addr add {INNER}/30 dev far1",
    f"ip -n {NAMESPACE} link set far1 up",
    f"ip -n {NAMESPACE} link set lo up",
    f"ip -n {NAMESPACE} route add default via {OUTER}",
)


class FarNode:
    """Runs `ray start` again whenever it ends, as a service manager does."""

    def __init__(self, address: str, log: Path, resources: str) -> None:
        """`resources`: as JSON."""
        node = (
            f"--address {address} --node-ip-address {INNER} --node-name second --num-cpus 8 --resources '{resources}'"
        )
        start = f"{sys.executable} -m ray.scripts.scripts start {node} --object-store-memory 100000000 --block"
        argv = ["ip", "netns", "exec", NAMESPACE, "sh", "-c", f"while :; do {start}; sleep 1; done"]
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                argv, env=environment(), stdout=output, stderr=output, start_new_session=True
            )

    @contextlib.contextmanager
    def cut(self) -> Iterator[None]:
        """Its network is down for a block."""
        _run(f"ip link set {LINK} down")
        try:
            yield
        finally:
            _run(f"ip link set {LINK} up")
            _run(f"ip -n {NAMESPACE} route replace default via {OUTER}")

    def end(self) -> None:
        """End its processes: all that are in its network."""
        self._process.kill()
        found = subprocess.run(["ip", "netns", "pids", NAMESPACE], capture_output=True, text=True, check=True)
        for pid in map(int, found.stdout.split()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        self._process.wait()


@contextlib.contextmanager
def far_node(address: str, log: Path, resources: str) -> Iterator[FarNode]:
    """A node for a block."""
    for command in NETWORK:
        _run(command)
    node = FarNode(address, log, resources)
    try:
        yield node
    finally:
        node.end()
        _run(f"ip netns del {NAMESPACE}")


def may_make_networks() -> bool:
    """Whether this process may make a network namespace."""
    return os.geteuid() == 0 and subprocess.run(["unshare", "-n", "true"], check=False).returncode == 0


def _run(command: str) -> None:
    subprocess.run(command.split(), check=True)
