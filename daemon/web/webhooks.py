"""Sends the webhook calls that the daemon has left in the spool, and tries again until they are accepted.

The queue is the folder `webhooks/`, so it survives restarts. One gateway per spool sends; others wait for its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator
from datetime import UTC, datetime
from http import HTTPStatus
from importlib.metadata import version
from typing import IO

import httpx
from pydantic import ValidationError

from daemon.spool.spool import Spool
from daemon.spool.webhooks import Delivery
from daemon.web.addresses import resolved
from daemon.web.changes import Changes
from daemon.web.secret import FIELD
from daemon.web.signing import Signer
from pipeline.config import Config
from pipeline.errors import ConfigError, JobError
from pipeline.files import try_lock
from pipeline.webhooks import PORTS, Place, Receiver, receiver

RETRY_SECONDS = (5, 60, 600, 3600, 6 * 3600)
"""Pauses between attempts; after the last attempt a call is given up."""
JITTER = 0.2
"""Share by which a pause varies, so that calls that failed together are not repeated together."""
ATTEMPT_SECONDS = 20.0
"""For one attempt, from resolving the host to the response's headers."""
AT_ONCE, AT_ONCE_PER_HOST = 16, 4
"""Attempts at the same time; a host that hangs does not hold up others."""
POLL_SECONDS = 2.0
"""How often the folder is read even if no change was noticed."""
PAUSE_SECONDS = 0.05
"""Least time between two looks at the folder: the spool changes often."""
LOCK = ".lock"

log = logging.getLogger(__name__)


class RefusedError(Exception):
    """A receiver did not accept a call."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.is_final = status == HTTPStatus.GONE
        """Whether the receiver asks not to be called again."""


def make_signer(config: Config) -> Signer | None:
    """What signs the calls; None if no host may be called. Raises ConfigError if there is no secret to sign with."""
    if not config.web.webhook_hosts:
        return None
    if config.web.webhook_secret is None:
        hint = "set it to a file, and write that with: lipdrop webhooks secret"
        raise ConfigError("webhook_secret", "webhooks are allowed, but have no secret", field=FIELD, hint=hint)
    return Signer(config.path(config.web.webhook_secret))


@contextlib.asynccontextmanager
async def delivering(config: Config, spool: Spool, changes: Changes, signer: Signer | None) -> AsyncIterator[None]:
    """Send webhook calls during a block, unless there is no signer."""
    if signer is None:
        yield
        return
    task = asyncio.create_task(Deliverer(config.web.webhook_hosts, spool, changes, signer).run())
    task.add_done_callback(_log_defect)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def _log_defect(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.critical("webhooks are not sent any more", exc_info=task.exception())


class Deliverer:
    """Sends the calls of one spool. Used in one event loop."""

    def __init__(self, hosts: Collection[str], spool: Spool, changes: Changes, signer: Signer) -> None:
        self._hosts = hosts
        self._spool = spool
        self._changes = changes
        self._signer = signer
        self._pending: dict[str, Delivery] = {}
        """By id, without their bodies, which may be large."""
        self._unreadable: set[str] = set()
        self._running: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Send calls until cancelled."""
        file = await self._locked()
        # verify: the system's certificates. trust_env: no proxy, which would resolve the host again.
        limits = httpx.Limits(max_keepalive_connections=0)
        context = await asyncio.to_thread(ssl.create_default_context)
        try:
            async with httpx.AsyncClient(verify=context, trust_env=False, limits=limits, timeout=None) as client:
                while True:
                    seen = self._changes.count
                    await self._load()
                    self._start_due(client)
                    await self._changes.after(seen, self._idle_seconds())
                    await asyncio.sleep(PAUSE_SECONDS)
        finally:
            await self._stop()
            file.close()

    async def _locked(self) -> IO[str]:
        """Wait until no other gateway sends the calls of this spool."""
        while True:
            with contextlib.suppress(OSError):
                file = (self._spool.webhooks / LOCK).open("a")
                if try_lock(file):
                    return file
                file.close()
            await asyncio.sleep(POLL_SECONDS)

    async def _stop(self) -> None:
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _idle_seconds(self) -> float:
        now = time.time()
        waits = (call.next_at - now for key, call in self._pending.items() if key not in self._running)
        return min([POLL_SECONDS, *(wait for wait in waits if wait > 0)])

    def _start_due(self, client: httpx.AsyncClient) -> None:
        hosts = Counter(_host(self._pending[key]) for key in self._running)
        for call in self._due():
            if len(self._running) < AT_ONCE and hosts[_host(call)] < AT_ONCE_PER_HOST:
                hosts[_host(call)] += 1
                self._running[call.id] = asyncio.create_task(self._deliver(client, call))

    async def _load(self) -> None:
        """Read the calls that are new, forget those that are gone."""
        ids = set(await asyncio.to_thread(self._spool.delivery_ids))
        self._pending = {key: call for key, call in self._pending.items() if key in ids or key in self._running}
        for key in ids - self._pending.keys() - self._unreadable:
            try:
                call = await asyncio.to_thread(self._spool.read_delivery, key)
            except FileNotFoundError:
                continue
            except (OSError, ValidationError) as error:
                log.warning("webhook %s cannot be read: %s", key, type(error).__name__)
                self._unreadable.add(key)
            else:
                self._pending[key] = call.model_copy(update={"body": ""})

    def _due(self) -> Iterator[Delivery]:
        """The calls to make now, those first that wait longest."""
        now = time.time()
        for key, call in sorted(self._pending.items(), key=lambda item: item[1].next_at):
            if key not in self._running and call.next_at <= now and self._spool.may_be_sent(call):
                yield call

    async def _deliver(self, client: httpx.AsyncClient, call: Delivery) -> None:
        """Make one attempt, and record its result."""
        failure, is_final = "", True
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS):
                await self._attempt(client, call)
        except TimeoutError:
            failure, is_final = f"no response within {ATTEMPT_SECONDS:g} s", False
        except RefusedError as error:
            failure, is_final = str(error), error.is_final
        except (JobError, httpx.HTTPError, OSError, ValidationError) as error:
            failure, is_final = f"{type(error).__name__}: {error}", False
        finally:
            self._running.pop(call.id)
        try:
            await self._record(call, failure, is_final)
        except OSError as error:
            log.warning("webhook %s: cannot be recorded: %s", call.id, error)

    async def _record(self, call: Delivery, failure: str, is_final: bool) -> None:
        """Remove a call that was accepted or given up; plan the next attempt of any other. Raises OSError."""
        attempts = call.attempts + 1
        is_final = is_final or attempts > len(RETRY_SECONDS)
        if failure:
            then = "; given up" if is_final else ""
            log.warning("webhook %s: job %s: attempt %d: %s%s", call.id, call.job, attempts, ascii(failure), then)
        if is_final:
            self._pending.pop(call.id, None)
            self._spool.remove_delivery(call.id)
            return
        pause = RETRY_SECONDS[attempts - 1] * random.uniform(1 - JITTER, 1 + JITTER)
        changes = {"attempts": attempts, "next_at": time.time() + pause}
        self._pending[call.id] = call.model_copy(update=changes)  # first: it also holds if it cannot be written
        whole = await asyncio.to_thread(self._spool.read_delivery, call.id)
        await asyncio.to_thread(self._spool.leave, whole.model_copy(update=changes))

    async def _attempt(self, client: httpx.AsyncClient, call: Delivery) -> None:
        """Make one call.

        Raises JobError if its host is not allowed any more, RefusedError, OSError, HTTPError and ValidationError.
        """
        body = (await asyncio.to_thread(self._spool.read_delivery, call.id)).body
        found = receiver(call.url, self._hosts)
        addresses = await resolved(found)
        address = addresses[call.attempts % len(addresses)]
        headers = {
            "Host": _host_header(found.place),
            "Content-Type": "application/json",
            "User-Agent": f"lipdrop/{version('lipdrop')}",
            **self._signer.headers(call.id, datetime.now(UTC), body),
        }
        extensions = {} if found.place.is_address else {"sni_hostname": found.place.host}
        request = client.build_request(
            "POST", _url(found, address), content=body.encode(), headers=headers, extensions=extensions
        )
        answer = await client.send(request, stream=True)
        await answer.aclose()  # its body is not read
        if not answer.is_success:  # redirects are not followed
            raise RefusedError(answer.status_code)


def _host(call: Delivery) -> str:
    """The host and port of a call, to count by."""
    return call.url.partition("://")[2].partition("/")[0]


def _url(found: Receiver, address: str) -> httpx.URL:
    """The URL to connect to, with the address that was checked."""
    return httpx.URL(
        scheme=found.place.scheme, host=address, port=found.place.port, raw_path=found.target.encode("ascii")
    )


def _host_header(place: Place) -> str:
    host = f"[{place.host}]" if ":" in place.host else place.host
    return host if place.port == PORTS[place.scheme] else f"{host}:{place.port}"
