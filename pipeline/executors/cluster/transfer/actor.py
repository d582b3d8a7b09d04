"""The end of the transfer on a node: an actor whose worker has a mirror of the spool.

Its methods return why something did not succeed: errors that are raised in an actor arrive as Ray's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from pipeline.errors import StageError
from pipeline.executors.base import WorkerSpec
from pipeline.executors.cluster.actor import WorkerActor, version_unmet
from pipeline.executors.cluster.protocol import Hello, Refusal, Terms
from pipeline.executors.cluster.transfer.arriving import Arriving
from pipeline.executors.cluster.transfer.bucket import Bucket, Place
from pipeline.executors.cluster.transfer.cargo import Cargo, Parcel
from pipeline.executors.cluster.transfer.mirror import Mirror


class CarryingActor(WorkerActor):
    """After `begin`, files for the worker's start are brought and `set_up` is called."""

    def __init__(self) -> None:
        super().__init__()
        self._mirror: Mirror | None = None
        self._arriving: dict[str, Arriving] = {}
        """Files that arrive in parts, by their digests."""

    @property
    def mirror(self) -> Mirror:
        """Of its worker, once it has begun."""
        assert self._mirror is not None
        return self._mirror

    def begin(self, spec: WorkerSpec, terms: Terms) -> Hello | Refusal:
        """Make the mirror, unless this node lacks something."""
        answer = super().begin(spec, terms)
        if isinstance(answer, Refusal):
            return answer
        why = self._problem(lambda: self._make_mirror(spec, terms))
        if why is not None:
            return Refusal(answer.node_id, f"it cannot keep files: {why}")
        self._hello = replace(answer, folder=self.mirror.folder)
        return self._hello

    def _unmet(self, terms: Terms) -> str | None:
        return version_unmet(terms)

    def _make_mirror(self, spec: WorkerSpec, terms: Terms) -> None:
        assert terms.mirror is not None
        self._mirror = Mirror(terms.mirror, spec.name)

    def _start(self, spec: WorkerSpec) -> None:
        """The worker starts later, when its files are here."""

    def set_up(self, spec: WorkerSpec) -> None:
        """Start the worker."""
        super()._start(spec)

    def rejoin(self, spec: WorkerSpec, terms: Terms) -> Hello | None:
        """Work for another bridge, with the same mirror."""
        hello = super().rejoin(spec, terms)
        if hello is not None and terms.mirror is not None:
            self.mirror.join(terms.mirror.session)
        return hello

    def renew(self, owner: str) -> None:
        """Renew the lease while files travel."""
        if self._outbox is None or self._outbox.is_owned_by(owner):
            self._renew()

    def lacking(self, cargo: Cargo) -> list[Parcel]:
        """The files that are not here yet."""
        return self.mirror.lacking(cargo)

    def receive(self, parcel: Parcel, part: bytes, is_first: bool, is_last: bool) -> str | None:
        """Receive a part of a file; the last one completes it. Returns why it failed."""
        return self._problem(lambda: self._receive(parcel, part, is_first, is_last))

    def _receive(self, parcel: Parcel, part: bytes, is_first: bool, is_last: bool) -> None:
        if is_first:
            self._drop(parcel)
            self._arriving[parcel.digest] = self.mirror.arriving(parcel)
        self._arriving[parcel.digest].write(part)
        if is_last:
            _complete(self._arriving.pop(parcel.digest))

    def _drop(self, parcel: Parcel) -> None:
        """Forget what arrived of a file before the transfer was given up."""
        begun = self._arriving.pop(parcel.digest, None)
        if begun is not None:
            begun.drop()

    def download(self, parcel: Parcel, place: Place, key: str) -> str | None:
        """Receive a file from the bucket. Returns why it failed."""
        return self._problem(lambda: self._download(parcel, place, key))

    def _download(self, parcel: Parcel, place: Place, key: str) -> None:
        arriving = self.mirror.arriving(parcel)
        try:
            Bucket(place).download(key, arriving)
        except BaseException:
            arriving.drop()
            raise
        _complete(arriving)

    def upload(self, parcel: Parcel, place: Place, key: str) -> str | None:
        """Put a file of the mirror into the bucket. Returns why it failed."""
        return self._problem(lambda: Bucket(place).upload(key, parcel.source))

    def arrange(self, cargo: Cargo) -> str | None:
        """Put what an item needs into the mirror. Returns why it failed."""
        return self._problem(lambda: self.mirror.arrange(cargo))

    def described(self, places: Sequence[str], job: str) -> list[Parcel] | str:
        """The files that a result names, or why they cannot be read."""
        try:
            return self.mirror.described(places, job)
        except OSError as error:
            return _words(error)

    def read(self, place: str, start: int, size: int) -> bytes:
        """A part of a file; nothing if it cannot be read: then it is not complete, which the receiver notices."""
        try:
            return self.mirror.read(place, start, size)
        except OSError:
            return b""

    def forget(self, job: str) -> None:
        """Remove what is kept of a job."""
        self.mirror.forget(job)

    def _end(self, code: int) -> None:
        if self._mirror is not None:
            self._problem(self._mirror.remove)
        super()._end(code)

    def _problem(self, action: Callable[[], None]) -> str | None:
        """Do something; return why it failed."""
        try:
            action()
        except (StageError, OSError) as error:
            return _words(error)
        return None


def _complete(arriving: Arriving) -> None:
    try:
        arriving.check()
        arriving.keep()
    except BaseException:
        arriving.drop()
        raise


def _words(error: StageError | OSError) -> str:
    return error.message if isinstance(error, StageError) else error.strerror or str(error)
