"""The webhook calls that a spool keeps: which jobs ask for one, what it says, where it lies."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from daemon.outputs.report import FirstSegment
from daemon.spool.layout import JOB, TIMING
from daemon.spool.spool import Spool
from daemon.spool.webhooks import Delivery
from pipeline.webhooks import Event

URL = "https://hooks.example/done"
HOSTS = ["https://hooks.example"]
AT = "2026-01-31T12:00:01.000Z"
DATA = FirstSegment(job="job", status="running", submitted_at="2026-01-31T12:00:00.000Z", first_segment_seconds=0.5)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    spool = Spool(tmp_path)
    spool.create()
    return spool


def claimed(spool: Spool, webhook: Any, name: str = "job") -> None:
    spool.folder(name).mkdir(exist_ok=True)
    (spool.folder(name) / JOB).write_text(json.dumps({"text": "привет", "webhook": webhook}))


def delivery(spool: Spool, event: Event = "segment", name: str = "job", hosts: list[str] = HOSTS) -> Delivery | None:
    return spool.delivery(name, event, hosts, DATA, AT)


def test_a_call_has_the_event_its_time_and_its_data(spool: Spool) -> None:
    claimed(spool, {"url": URL, "events": ["segment"]})
    call = delivery(spool)
    assert call is not None
    assert (call.job, call.event, call.url, call.attempts, call.next_at) == ("job", "segment", URL, 0, 0)
    assert json.loads(call.body) == {"type": "job.segment", "timestamp": AT, "data": DATA.model_dump()}


def test_the_text_of_a_call_is_readable(spool: Spool) -> None:
    claimed(spool, {"url": URL, "events": ["segment"]}, "job")
    call = spool.delivery("job", "segment", HOSTS, DATA.model_copy(update={"job": "é"}), AT)
    assert call is not None
    assert '"é"' in call.body


def test_an_event_has_one_id_until_the_job_is_dropped_again(spool: Spool) -> None:
    claimed(spool, {"url": URL, "events": ["segment", "done"]})
    first, again, other = (delivery(spool, event) for event in ("segment", "segment", "done"))
    assert first is not None and again is not None and other is not None
    assert first.id == again.id
    assert first.id.startswith("evt_")
    assert len(first.id) == len("evt_") + 32
    assert other.id != first.id
    later = spool.delivery("job", "segment", HOSTS, DATA.model_copy(update={"submitted_at": AT}), AT)
    os.link(spool.folder("job") / JOB, spool.root / "kept")  # so that its inode is not used again
    (spool.folder("job") / JOB).unlink()
    claimed(spool, {"url": URL, "events": ["segment"]})
    dropped_again = delivery(spool)
    assert later is not None and dropped_again is not None
    assert len({first.id, later.id, dropped_again.id}) == 3


@pytest.mark.parametrize(
    ("webhook", "event", "hosts"),
    [
        (None, "done", HOSTS),
        (URL, "segment", HOSTS),
        ({"url": URL, "events": ["failed"]}, "done", HOSTS),
        (URL, "done", []),
        ("https://elsewhere.example", "done", HOSTS),
    ],
)
def test_no_call_is_made_that_is_not_asked_for_or_not_allowed(
    webhook: Any, event: Event, hosts: list[str], spool: Spool
) -> None:
    claimed(spool, webhook)
    assert delivery(spool, event, hosts=hosts) is None


def test_a_plain_url_is_called_at_both_ends(spool: Spool) -> None:
    claimed(spool, URL)
    assert [call.event for event in ("done", "failed") if (call := delivery(spool, event))] == ["done", "failed"]


def test_a_job_whose_file_has_been_moved_was_reported_before(spool: Spool) -> None:
    assert delivery(spool, name="gone") is None


def test_calls_are_kept_until_they_are_removed(spool: Spool) -> None:
    assert spool.delivery_ids() == []
    claimed(spool, URL)
    calls = [call for event in ("done", "failed") if (call := delivery(spool, event))]
    for call in [*calls, calls[0]]:
        spool.leave(call)
    (spool.webhooks / ".hidden.json").write_text("")
    (spool.webhooks / "other.txt").write_text("")
    assert spool.delivery_ids() == sorted(call.id for call in calls)
    assert [spool.read_delivery(call.id) for call in calls] == calls
    assert spool.webhooks.stat().st_mode & 0o777 == 0o750 & ~_umask()
    spool.remove_delivery(calls[0].id)
    spool.remove_delivery(calls[0].id)
    assert spool.delivery_ids() == [calls[1].id]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_call_about_an_end_waits_until_the_end_can_be_seen(spool: Spool) -> None:
    claimed(spool, {"url": URL, "events": ["segment", "done"]})
    segment, done = delivery(spool, "segment"), delivery(spool, "done")
    assert segment is not None and done is not None
    (spool.folder("job") / TIMING).write_text("{}")
    assert (spool.may_be_sent(segment), spool.may_be_sent(done)) == (True, False)
    (spool.folder("job") / TIMING).unlink()
    assert spool.may_be_sent(done)
