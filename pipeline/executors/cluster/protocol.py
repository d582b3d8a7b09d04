"""Messages between the daemon, the bridge and the actors, besides those in `pipeline.messages`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.executors.base import NodeOffer, WorkerSpec
from pipeline.messages import Task

if TYPE_CHECKING:
    from pipeline.config import BucketSettings

FIRST_LEASE_SECONDS = 120.0
"""The lease until an actor begins: imports take long on a busy node, and without tasks it harms nobody."""


@dataclass(frozen=True)
class Patience:
    """How long the two ends wait for each other. Tests shorten it."""

    poll_seconds: float = 2.0
    """How long an actor waits for something to report before it answers that there is nothing."""
    lease_seconds: float = 20.0
    """An actor that was not asked for messages for this long has lost its owner: if it is busy, it exits."""
    orphan_seconds: float = 60.0
    """If it is idle, it waits this long in all for the next daemon, with its model loaded, before it exits."""
    margin_seconds: float = 2.0
    """What the end of a lease may take besides."""
    refusal_seconds: float = 30.0
    """A node that was refused is tried again after this long."""

    @property
    def fence_seconds(self) -> float:
        """An actor that was last asked this long ago and has not answered does no work any more, wherever it is."""
        return self.lease_seconds + self.poll_seconds + self.margin_seconds


@dataclass(frozen=True)
class Transfer:
    """How files reach nodes that do not share the spool."""

    node_folder: str
    """Where nodes keep them; `~` is the home of the user on the node."""
    bytes_max: int
    """How much of what outlives jobs a node keeps."""
    bucket: BucketSettings | None
    """None: through Ray's object store."""


@dataclass(frozen=True)
class MirrorTerms:
    """Where a node keeps the files of a spool's workers."""

    folder: str
    """See `Transfer.node_folder`."""
    spool: str
    """Identifies the spool: several may use a node."""
    session: str
    """Identifies the bridge."""
    bytes_max: int
    """See `Transfer.bytes_max`."""


@dataclass(frozen=True)
class Settings:
    """What the bridge starts with."""

    address: str
    """Of the cluster's head, `HOST:PORT`; `auto`: of the cluster that this machine is part of."""
    folder: Path
    """The spool's `run/`. Nodes share it, unless files travel."""
    log_level: str
    patience: Patience = Patience()
    transfer: Transfer | None = None
    """None: nodes share the folder."""


@dataclass(frozen=True)
class Start:
    """To the bridge: start a worker."""

    spec: WorkerSpec


@dataclass(frozen=True)
class Send:
    """To the bridge: send a task to a worker."""

    worker: str
    task: Task


@dataclass(frozen=True)
class Kill:
    """To the bridge: kill a worker."""

    worker: str


@dataclass(frozen=True)
class Forget:
    """To the bridge: a job has ended."""

    job: str


Command = Start | Send | Kill | Forget


@dataclass(frozen=True)
class Connected:
    """From the bridge: it is connected to the cluster."""


@dataclass(frozen=True)
class Trouble:
    """From the bridge: why workers cannot start or the cluster cannot be reached."""

    why: str | None
    """None: all is well."""


@dataclass(frozen=True)
class Offered:
    """From the bridge: what the nodes that are used offer, whenever that changes."""

    nodes: tuple[NodeOffer, ...]


@dataclass(frozen=True)
class Terms:
    """What a node must offer to run workers."""

    version: str
    """Of lipdrop: see `version.own_version`."""
    folder: Path
    """A folder that it must share with the daemon, unless files travel."""
    token: str
    """Content of the file `TOKEN_FILE` in that folder."""
    owner: str
    """The bridge. Actors obey the latest one only."""
    patience: Patience
    mirror: MirrorTerms | None = None
    """Where the node keeps files that travel; None: it shares the folder."""


TOKEN_FILE = "cluster-token"


@dataclass(frozen=True)
class Hello:
    """From an actor: it starts its worker."""

    node_id: str
    """As Ray calls it."""
    boot_id: str
    """Equal on processes that share a monotonic clock."""
    kind: str
    """See `pipeline.messages.Ready`."""
    folder: Path = Path()
    """Of its mirror of the spool, if files travel."""


@dataclass(frozen=True)
class Refusal:
    """From an actor: its node does not offer what it must, or does so no longer. It does no work any more."""

    node_id: str
    why: str
