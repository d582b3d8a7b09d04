"""Webhook calls that are due: files that the daemon leaves, and that the web gateway sends and removes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection

from pydantic import BaseModel, ConfigDict

from daemon.outputs.report import FirstSegment, JobReport
from daemon.spool.layout import JOB, TIMING, Layout
from pipeline.errors import JobError
from pipeline.files import write_file
from pipeline.job import requested_webhook
from pipeline.webhooks import Event, receiver

SUFFIX = ".json"


class Delivery(BaseModel):
    """The content of `webhooks/ID.json`: one call that is due."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str
    """Identifies the event; the same if the event is reported again after a crash."""
    job: str
    event: Event
    url: str
    body: str
    """The JSON to send, byte for byte the same at each attempt."""
    attempts: int = 0
    """Attempts that failed."""
    next_at: float = 0.0
    """When to try next, seconds since the epoch: attempts go on after a reboot."""


class Webhooks(Layout):
    """The folder `webhooks/`."""

    def delivery(
        self, name: str, event: Event, hosts: Collection[str], data: JobReport | FirstSegment, at: str
    ) -> Delivery | None:
        """The call about an event of a job in flight; None unless its file asks for it and the host is allowed.

        None also if the job file has been moved: then the call was left before. `at`: the event's time, RFC 3339.
        """
        file = self.folder(name) / JOB
        try:
            webhook, inode = requested_webhook(file.read_bytes()), file.stat().st_ino
        except FileNotFoundError:
            return None
        if webhook is None or event not in webhook.events or not _is_allowed(webhook.url, hosts):
            return None
        # The inode differs for each claim of a file, and is the same after a crash.
        key = f"{name} {event} {data.submitted_at} {inode}"
        body = {"type": f"job.{event}", "timestamp": at, "data": data.model_dump(exclude_unset=True)}
        return Delivery(
            id=f"evt_{hashlib.sha256(key.encode()).hexdigest()[:32]}",
            job=name,
            event=event,
            url=webhook.url,
            body=json.dumps(body, ensure_ascii=False),
        )

    def leave(self, delivery: Delivery) -> None:
        """Keep a call durably until it is sent. Raises OSError."""
        self.webhooks.mkdir(mode=0o750, exist_ok=True)
        write_file(self.webhooks / f"{delivery.id}{SUFFIX}", delivery.model_dump_json().encode())

    def remove_delivery(self, delivery_id: str) -> None:
        """Remove a call that was sent or given up."""
        (self.webhooks / f"{delivery_id}{SUFFIX}").unlink(missing_ok=True)

    def delivery_ids(self) -> list[str]:
        """The ids of the calls that are due now or later."""
        try:
            names = [entry.name for entry in self.webhooks.iterdir()]
        except FileNotFoundError:
            return []
        return sorted(name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX) and name[0] != ".")

    def read_delivery(self, delivery_id: str) -> Delivery:
        """One of these calls. Raises OSError and ValidationError."""
        return Delivery.model_validate_json((self.webhooks / f"{delivery_id}{SUFFIX}").read_bytes())

    def may_be_sent(self, delivery: Delivery) -> bool:
        """Whether what a call reports is visible: the timing JSON of a job that has ended is in the outbox."""
        return delivery.event == "segment" or not (self.folder(delivery.job) / TIMING).exists()


def _is_allowed(url: str, hosts: Collection[str]) -> bool:
    try:
        receiver(url, hosts)
    except JobError:
        return False
    return True
