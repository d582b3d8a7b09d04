"""Bridges of the executor `ray` that act, without Ray. They are processes, which import little."""

from __future__ import annotations

from multiprocessing.connection import Connection

from pipeline.executors.cluster.protocol import Connected, Kill, Send, Settings, Start, Trouble
from pipeline.messages import Died, Finished, Ready, Task


def answering_bridge(connection: Connection, _: Settings) -> None:
    """Does what it is told, and dies with a task of number 13."""
    connection.send(Connected())
    while True:
        match connection.recv():
            case Start(spec):
                connection.send(Ready(spec.name, spec.device, 5, "node"))
            case Send(worker, Task(13)):
                return
            case Send(worker, task):
                connection.send(Finished(worker, task.id))
            case Kill(worker):
                connection.send(Died(worker, None))


def refused_bridge(connection: Connection, _: Settings) -> None:
    connection.send(Trouble("connection refused"))


def crowded_bridge(connection: Connection, _: Settings) -> None:
    connection.send(Connected())
    connection.send(Trouble("no room for a"))
    connection.poll(60)


def silent_bridge(connection: Connection, _: Settings) -> None:
    connection.poll(60)


def bridge_once_refused(connection: Connection, settings: Settings) -> None:
    """Connects at the second attempt."""
    marker = settings.folder / "tried"
    bridge = answering_bridge if marker.exists() else refused_bridge
    marker.touch()
    bridge(connection, settings)
