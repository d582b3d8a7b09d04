"""The executor interface: where workers run, and how they are connected to the scheduler.

The scheduler sees ten methods and six events (`pipeline.messages.Event`); workers run `worker.work` with a
`worker.Link` to the executor. Everything between the two belongs to the executor.

Rules that the scheduler relies on:

- After `start`, exactly one of `Ready`, `Failed` (with `task=None`) or `Died` follows; `Died` also follows `Failed`.
- A worker holds one task at a time, and its events arrive in the order in which it sent them.
- `Died` is a worker's last event. Results that it sent before it died are reported first.
- While `trouble` says why, `start` may take any time.
- Messages name files by path, in items and results as on the daemon's machine: an executor moves them if workers do not
  share its filesystem. Spans in events are on the daemon's clock.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pipeline.messages import Event, Task

if TYPE_CHECKING:
    from pipeline.config import Config, PlaceSettings


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
    """For lip-sync workers: the model that is loaded and warmed up at startup."""
    cpus: tuple[int, ...] = ()
    """Cores this worker computes on; empty: any."""
    encoder_cpus: tuple[int, ...] = ()
    """Cores its encoder may run on; empty: the same as the worker."""
    log_level: str = "info"
    """The least severe records that it sends to the daemon."""
    threads: int = 1
    """Threads for its numerical libraries."""
    encoder_threads: int | None = None
    """Threads for its encoder; None: as many as it has cores."""
    place: PlaceSettings | None = None
    """What it needs of a node in a cluster."""


@dataclass(frozen=True)
class NodeOffer:
    """What one node of a cluster has for workers."""

    node: str
    resources: Mapping[str, float]
    """Amounts in all, by Ray's names: CPU, GPU and others."""
    labels: Mapping[str, str]


class Executor(Protocol):
    """Starts workers, sends them tasks and reports their events. Used from one thread; `wake` from any."""

    def gpu_count(self) -> int:
        """Return the number of GPUs that workers may use, as `cuda:0` up to `cuda:N-1`."""
        ...

    def start(self, spec: WorkerSpec) -> None:
        """Start a worker, or restart it after it died. `Ready`, `Failed` or `Died` follows. Raises OSError."""
        ...

    def send(self, worker: str, task: Task) -> None:
        """Send a task to a ready worker. If the worker has exited, `wait` reports `Died`."""
        ...

    def wait(self, timeout_seconds: float) -> Sequence[Event]:
        """Return new events as soon as there are any; empty after the timeout or a `wake`."""
        ...

    def trouble(self) -> str | None:
        """Why workers cannot start, through no fault of theirs; None if they can."""
        ...

    def offers(self) -> Sequence[NodeOffer] | None:
        """What the nodes of a cluster offer now; None if there is no cluster, or before it is known."""
        ...

    def wake(self) -> None:
        """Make `wait` return at once. Safe in signal handlers and other threads."""
        ...

    def kill(self, worker: str) -> None:
        """Kill a worker; `Died` follows."""
        ...

    def forget(self, job: str) -> None:
        """A job has ended: what workers keep of it, beside what is in the spool, may go."""
        ...

    def close(self, busy: Collection[str] = ()) -> None:
        """Stop all workers and wait until they have exited; the `busy` ones need not finish: their results are lost."""
        ...
