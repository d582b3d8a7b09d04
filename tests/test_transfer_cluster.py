"""Nodes that do not share the spool: the frames are those of one machine, and nothing is left behind.

Each node is in a mount namespace of its own, without the daemon's folder and with one of its own for what it keeps.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'lipdrop[ray]'")

from tests.bucket_server import CREDENTIALS, MISSING, bucket_server
from tests.clips import portrait
from tests.ray_cluster import BlindNode, LocalCluster, can_blind, local_cluster
from tests.running import RunningDaemon, frames_hash, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(not can_blind(), reason="mount namespaces are not allowed here: nodes would see the spool"),
]

VOICE = "hibari:heart"
"""Its sounds and their times are always the same; those of espeak-ng, and of voices aligned with it, are not."""
PICTURES = {"background": "field.png", "logo": "red.png"}
SETTINGS: dict[str, Any] = {"language": "en", "brand": {"folder": "brand"}, "limits": {"free_megabytes": 1}}


class Machines:
    """A cluster: the daemon's machine, which renders nothing, and two nodes."""

    def __init__(self, cluster: LocalCluster, folder: Path) -> None:
        self.cluster = cluster
        self.hidden = folder / "daemon"
        self.hidden.mkdir()
        self.node_folder = folder / "node"
        self.nodes = [self.add_node(), self.add_node()]

    def add_node(self) -> BlindNode:
        return self.cluster.add_blind_node(self.hidden, self.node_folder)

    def daemon(self, **ray: Any) -> RunningDaemon:
        """A daemon that uses the nodes: always the same spool, so that the next one replaces idle workers at once."""
        place = {"num_cpus": max(1, len(os.sched_getaffinity(0)) // 2)}
        settings = {"address": self.cluster.address, "node_folder": str(self.node_folder), "place": place, **ray}
        return with_pictures(RunningDaemon(self.hidden / "spool", executor="ray", ray=settings, **SETTINGS))

    def left_of_jobs(self) -> list[Path]:
        """What nodes that live have of jobs."""
        left = [file for node in self.nodes for file in node.files.glob("*/workers/*/work/*")]
        return left + [file for node in self.nodes for file in node.files.glob("*/jobs-*/*")]


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    with patch.dict(os.environ, CREDENTIALS), local_cluster(num_cpus=0) as started:
        yield Machines(started, tmp_path_factory.mktemp("machines"))


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The frames that one machine renders."""
    with with_pictures(RunningDaemon(tmp_path_factory.mktemp("alone") / "spool", **SETTINGS)).start() as daemon:
        return render(daemon.ready())


def with_pictures(daemon: RunningDaemon) -> RunningDaemon:
    """Give a daemon an avatar, a background and a logo."""
    for folder, name, picture in (
        ("avatars/anna", "picture.png", portrait()),
        ("backgrounds", "field.png", np.full((90, 160, 3), (40, 160, 90), np.uint8)),
        ("brand", "red.png", np.full((32, 32, 3), (0, 0, 200), np.uint8)),
    ):
        (daemon.spool / folder).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(daemon.spool / folder / name), picture[..., ::-1])
    return daemon


def render(daemon: RunningDaemon, turn: str = "") -> list[str]:
    """Render a recording in two chunks, and a text; return the hashes of the frames."""
    recorded, spoken = f"recorded{turn}", f"spoken{turn}"
    daemon.record("voice.wav", 3)
    looks = {"avatar": "anna", "size": "160x160", "burn_captions": True, **PICTURES}
    daemon.drop(recorded, audio="voice.wav", text="Good morning.", mode="parallel", model="gan", **looks)
    daemon.drop(spoken, text="Good morning to all of you.", voice=VOICE, size="128x128")
    endings = daemon.endings([recorded, spoken])
    assert [(ending["status"], len(ending["chunks"])) for ending in endings] == [("done", 2), ("done", 1)], endings
    return [frames_hash(daemon.video(ending["job"])) for ending in endings]


def gone(left: Callable[[], list[Path]]) -> None:
    """Wait until nothing is left: nodes are told when a job has ended, but nobody waits for them."""
    until(lambda: True if not left() else None, "end of what is left")


def test_nodes_do_not_see_the_spool(machines: Machines) -> None:
    (machines.hidden / "file").touch()
    until(lambda: None if any(node.sees(machines.hidden / "file") for node in machines.nodes) else True, "blindness")
    assert [node.sees(machines.node_folder) for node in machines.nodes] == [True, True]


def test_files_travel_through_the_object_store_and_a_node_is_lost_half_way(
    machines: Machines, expected: list[str]
) -> None:
    with machines.daemon(transfer="object_store").start() as daemon:
        assert render(daemon.ready()) == expected
        nodes = {worker: state.get("node") for worker, state in daemon.status()["workers"].items()}
        names = {node.name for node in machines.nodes}
        assert {nodes["tts-0"], nodes["gan-0"], nodes["nogan-1"]} - {None} <= names
        assert not {nodes["split-0"], nodes["merge-0"]} & names
        lose_a_node(machines, daemon)
        gone(machines.left_of_jobs)
        assert daemon.stop() == 0


@pytest.mark.soak
@pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
def test_files_travel_through_a_bucket_and_a_node_is_lost_half_way(
    machines: Machines, expected: list[str], tmp_path: Path
) -> None:
    with bucket_server(tmp_path) as server:
        s3 = server.settings.model_dump()
        with machines.daemon(transfer="s3", s3=s3).start() as daemon:
            assert render(daemon.ready(), "-again") == expected
            lose_a_node(machines, daemon)
            gone(lambda: [file for file in server.objects() if "jobs" in file.parts])
            gone(machines.left_of_jobs)
            assert daemon.stop() == 0
        assert server.objects() == []
        assert not [word for word in CREDENTIALS.values() if word in daemon.log()]


def lose_a_node(machines: Machines, daemon: RunningDaemon) -> None:
    """Kill a node while it renders a job; another one joins, and the job ends well."""
    daemon.record("long.wav", 30)
    name = f"lost-{machines.nodes[-1].name}"  # which joined last: a repeated job would not be rendered
    daemon.drop(name, audio="long.wav", size="160x160", mode="parallel", model="gan", avatar="anna")
    lost = until(lambda: rendering(machines, name), "chunk on a node")
    lost.kill()
    machines.nodes.remove(lost)
    machines.nodes.append(machines.add_node())
    assert daemon.ending(name)["status"] == "done"


def rendering(machines: Machines, job: str) -> BlindNode | None:
    """The node on which a chunk of the job is being rendered."""
    for node in machines.nodes:
        if list(node.files.glob(f"*/workers/*gan-*/work/{job}/*")):
            return node
    return None
