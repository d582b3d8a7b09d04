"""What an executor is: it says where workers run and what joins them to the scheduler, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pipeline.messages import Event, Task

if TYPE_CHECKING:
    from pipeline.config import Config


@dataclass(frozen=True)
class WorkerSpec:
    """One worker: which stage it runs, and where."""

    name: str
    """Unique, like `gan-0`."""
    role: str
    """Which items it takes: tts, split, lipsync or merge."""
    stage: str
    """Import path of the stage, `module:class`; called with the spec."""
    config: Config
    device: str = "cpu"
    """cpu or cuda:N."""
    model: str | None = None
    """For lip-sync workers: the model that is loaded and warmed up at the start."""
    cpus: tuple[int, ...] = ()
    """Cores this worker computes on; empty: any."""
    encoder_cpus: tuple[int, ...] = ()
    """Cores its encoder may run on; empty: those of the worker."""
    threads: int = 1
    """Threads for its numerical libraries."""


class Executor(Protocol):
    """Starts workers, hands them tasks, tells what became of them. Used from one thread, `wake` from any."""

    def start(self, spec: WorkerSpec) -> None:
        """Start a worker, or start it again after it died. `Ready`, `Failed` or `Died` follows."""
        ...

    def send(self, worker: str, task: Task) -> None:
        """Give a ready worker a task. A worker that is gone meanwhile is told by `Died`."""
        ...

    def wait(self, timeout_seconds: float) -> Sequence[Event]:
        """Return what happened, as soon as something did; empty after the timeout or a `wake`."""
        ...

    def wake(self) -> None:
        """Make `wait` return at once."""
        ...

    def kill(self, worker: str) -> None:
        """End a worker that is not to be waited for; `Died` follows."""
        ...

    def close(self) -> None:
        """End all workers and wait until they are gone."""
        ...
