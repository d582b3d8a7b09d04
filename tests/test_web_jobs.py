"""Jobs over HTTP: submitting, waiting, following, listing, cancelling; on a real gateway with a real daemon."""

from __future__ import annotations

import itertools
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from daemon.outputs import hls
from daemon.spool.spool import Spool
from tests.gateway import RunningGateway, WarmGateway
from tests.running import BRIEF_WAITS, CheapDaemon, until

WAIT = {"Prefer": "wait=60"}
VIDEO = {**WAIT, "Accept": "video/mp4"}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CheapDaemon]:
    with CheapDaemon(tmp_path_factory.mktemp("web") / "spool", **BRIEF_WAITS) as running:
        yield running.start("--brisk", "tts=tests.web_stages:PickyTts").ready()


@pytest.fixture(scope="module")
def gateway(daemon: CheapDaemon) -> Iterator[RunningGateway]:
    with WarmGateway(daemon.spool, queued_jobs=20, requests_per_minute=100_000) as running:
        yield running


@pytest.fixture
def web(gateway: RunningGateway) -> httpx.Client:
    return gateway.client


@pytest.fixture
def lone(tmp_path: Path) -> Iterator[RunningGateway]:
    """A gateway without a daemon."""
    with WarmGateway(tmp_path / "spool", queued_jobs=3) as running:
        yield running


def problem(answer: httpx.Response) -> dict[str, Any]:
    """The problem document of a response, which must be one."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    found: dict[str, Any] = answer.json()
    assert found["status"] == answer.status_code
    assert found["type"] == f"/problems/{found['code']}"
    return found


def ended(web: httpx.Client, name: str) -> dict[str, Any]:
    """The state of a job once it has ended."""

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = web.get(f"/api/jobs/{name}").json()
        return found if found["status"] in ("done", "failed") else None

    return until(look, f"end of {name}")


def events(web: httpx.Client, name: str, last: str | None = None) -> list[dict[str, str]]:
    """All events of a job until its end."""
    headers = {} if last is None else {"Last-Event-ID": last}
    found, current = [], dict[str, str]()
    with web.stream("GET", f"/api/jobs/{name}/events", headers=headers) as answer:
        for line in answer.iter_lines():
            key, _, value = line.partition(": ")
            if not line and current:
                found.append(current)
                current = {}
            elif key in ("id", "event", "data"):
                current[key] = value
    return found


# Submitting


def test_a_job_is_accepted_and_can_be_followed_to_its_end(web: httpx.Client, daemon: CheapDaemon) -> None:
    answer = web.post("/api/jobs", json={"text": "1 hello", "metadata": {"order": 7}})
    assert answer.status_code == 202
    name = answer.headers["x-lipdrop-job"]
    assert answer.headers["location"] == answer.json()["links"]["self"] == f"/api/jobs/{name}"
    assert answer.json()["status"] in ("queued", "running")
    found = ended(web, name)
    assert found["status"] == "done"
    assert found["report"] == json.loads((daemon.spool / "outbox" / f"{name}.json").read_bytes())
    assert web.get(found["links"]["video"]).content == daemon.video(name).read_bytes()


def test_a_client_may_wait_for_the_result(web: httpx.Client, daemon: CheapDaemon) -> None:
    answer = web.post("/api/jobs", json={"text": "1 waiting"}, headers=WAIT)
    assert (answer.status_code, answer.headers["preference-applied"]) == (200, "wait=60")
    assert answer.json()["report"]["status"] == "done"
    both = web.post("/api/generate", json={"text": "1 both"}, headers={"Prefer": "respond-async, wait=60"})
    assert (both.status_code, both.headers["content-type"]) == (200, "video/mp4")
    sent = web.post("/api/jobs", json={"text": "1 waiting for a video"}, headers=VIDEO)
    assert (sent.status_code, sent.headers["content-type"]) == (200, "video/mp4")
    assert sent.content == daemon.video(sent.headers["x-lipdrop-job"]).read_bytes()
    assert "lipsync;dur=" in sent.headers["server-timing"]
    assert json.loads(sent.headers["x-lipdrop-timing"])["total_seconds"] > 0


def test_waiting_ends_after_the_given_time(lone: RunningGateway) -> None:
    for preferences in ("wait=1", "respond-async, wait=1"):
        began = time.monotonic()
        answer = lone.client.post("/api/jobs", json={"text": "1 hello"}, headers={"Prefer": preferences})
        assert (answer.status_code, answer.json()["status"]) == (202, "queued")
        assert time.monotonic() - began >= 1
    at_once = lone.client.post("/api/generate", json={"text": "1 hello"}, headers={"Prefer": "respond-async, wait=0"})
    assert (at_once.status_code, at_once.json()["status"]) == (202, "queued")


def test_a_failed_job_has_its_error(web: httpx.Client) -> None:
    answer = web.post("/api/jobs", json={"text": "bad"}, headers=WAIT)
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["report"]["error"]["code"]) == ("failed", "voice")
    refused = web.post("/api/jobs", json={"text": "bad"}, headers=VIDEO)
    found = problem(refused)
    assert (refused.status_code, found["code"], found["field"]) == (400, "voice", "voice")
    assert found["job"] == refused.headers["x-lipdrop-job"]
    assert problem(web.get(f"/api/jobs/{found['job']}/video"))["code"] == "voice"


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        (b"", 400, "not_json", None),
        (b"{", 400, "not_json", None),
        (b"[]", 400, "not_object", None),
        (b'{"text": "a", "text": "b"}', 400, "duplicate_key", "text"),
        (b'{"text": "a", "spped": 1}', 400, "unknown_field", "spped"),
        (b'{"text": "a", "speed": 9}', 400, "range", "speed"),
        (b'{"text": "a", "avatar": "../secret"}', 400, "avatar", "avatar"),
        (b'{"audio": "/etc/passwd"}', 400, "audio", "audio"),
        (b'{"scenes": [{"text": "a"}, {"text": "b", "avatar": "nobody"}]}', 400, "avatar", "scenes.1.avatar"),
        (b'{"scenes": [{"audio": "none.wav"}]}', 400, "audio", "scenes.0.audio"),
        (b'{"text": "\xff"}', 400, "encoding", None),
        (b'{"text": "' + b"a" * 70_000 + b'"}', 413, "too_large", None),
    ],
)
def test_a_bad_job_is_refused(body: bytes, status: int, code: str, field: str | None, web: httpx.Client) -> None:
    answer = web.post("/api/jobs", content=body, headers={"Content-Type": "application/json"})
    found = problem(answer)
    assert (answer.status_code, found["code"], found["field"]) == (status, code, field)


def test_everything_that_is_wrong_with_a_job_is_listed(web: httpx.Client) -> None:
    job = {"text": "...", "spped": 1, "avatar": "nobody", "fps": "25"}
    found = problem(web.post("/api/jobs", json=job))
    wrong = [("fps", "type"), ("spped", "unknown_field"), ("text", "no_speech"), ("avatar", "avatar")]
    assert [(one["field"], one["code"]) for one in found["errors"]] == wrong
    assert [found[key] for key in found["errors"][0]] == list(found["errors"][0].values()), "the first is its own"
    recording = problem(web.post("/api/jobs", json={"audio": "none.wav", "speed": 9}))
    assert [one["field"] for one in recording["errors"]] == ["speed", "audio"]
    parts = problem(web.post("/api/jobs", files={"jobs": (None, b"{}"), "audio": (None, b"text")}))
    assert [one["field"] for one in parts["errors"]] == ["jobs", "audio"]
    parameters = problem(web.get("/api/jobs", params={"limit": 0, "status": "x"}))
    assert [one["field"] for one in parameters["errors"]] == ["limit", "status"]
    speech = web.post("/v1/audio/speech", json={"model": "tts-1", "speed": 9, "voice": 1}).json()["error"]["message"]
    assert all(key in speech for key in ("input: ", "voice: ", "speed: "))


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml"])
def test_a_job_of_another_media_type_is_refused(media_type: str, web: httpx.Client) -> None:
    answer = web.post("/api/jobs", content=b'{"text": "a"}', headers={"Content-Type": media_type})
    assert (answer.status_code, problem(answer)["code"]) == (415, "media_type")


def test_a_recording_can_be_uploaded(web: httpx.Client, daemon: CheapDaemon) -> None:
    parts: dict[str, tuple[str | None, bytes]] = {
        "job": (None, json.dumps({"metadata": {"a": 1}}).encode()),
        "audio": ("my voice.WAV", b"RIFF sound"),
    }
    answer = web.post("/api/jobs", files=parts, headers=WAIT)
    assert answer.status_code == 200, answer.text
    assert answer.json()["report"]["metadata"] == {"a": 1}
    again = web.post("/api/jobs", files={**parts, "audio": ("a.exe", b"MZ")})
    assert (again.status_code, problem(again)["code"]) == (415, "media_type")
    both = web.post("/api/jobs", files={**parts, "job": (None, b'{"audio": "other.wav"}')})
    assert problem(both)["code"] == "conflict"
    assert problem(web.post("/api/jobs", files={**parts, "jobs": (None, b"{}")}))["code"] == "unknown_field"
    assert not list((daemon.spool / "inbox").glob(".*"))


def test_a_recording_can_be_uploaded_with_its_text(web: httpx.Client, daemon: CheapDaemon) -> None:
    """Both reach the job."""
    job = (None, json.dumps({"text": "Что сказано"}).encode())
    answer = web.post("/api/jobs", files={"job": job, "audio": ("голос.wav", b"RIFF sound")}, headers=WAIT)
    assert answer.status_code == 200, answer.text
    dropped = json.loads((daemon.spool / "done" / f"{answer.json()['job']}.json").read_bytes())
    assert dropped["text"] == "Что сказано"
    assert (daemon.spool / "inbox" / dropped["audio"]).read_bytes() == b"RIFF sound"


def test_putting_a_job_twice_runs_it_once(web: httpx.Client, daemon: CheapDaemon) -> None:
    for _ in range(2):
        assert web.put("/api/jobs/put-1", json={"text": "1 put"}, headers=WAIT).json()["status"] == "done"
    assert daemon.ran().count("put-1 tts") == 1
    assert problem(web.put("/api/jobs/.hidden", json={"text": "1 put"}))["code"] == "name"


def test_a_request_with_a_key_may_be_repeated(web: httpx.Client, daemon: CheapDaemon) -> None:
    key = {"Idempotency-Key": "order 1"}
    first = web.post("/api/jobs", json={"text": "1 keyed", "speed": 1.5}, headers={**key, **WAIT})
    again = web.post("/api/jobs", json={"speed": 1.5, "text": "1 keyed"}, headers={**key, **WAIT})
    assert first.json() == again.json()
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert daemon.ran().count(f"{first.headers['x-lipdrop-job']} tts") == 1
    other = web.post("/api/jobs", json={"text": "1 another"}, headers=key)
    assert (other.status_code, problem(other)["code"]) == (422, "key_reused")
    assert problem(web.post("/api/jobs", json={"text": "a"}, headers={"Idempotency-Key": "k" * 300}))["status"] == 400


def test_a_request_with_a_key_may_be_repeated_while_the_queue_is_full(lone: RunningGateway) -> None:
    keys = [{"Idempotency-Key": f"order {number}"} for number in range(4)]
    names = [lone.client.post("/api/jobs", json={"text": "1"}, headers=key).json().get("job") for key in keys]
    again = [lone.client.post("/api/jobs", json={"text": "1"}, headers=key).json().get("job") for key in keys]
    assert again == names
    assert len(set(names[:3])) == 3
    assert names[3] is None


def test_putting_a_waiting_job_again_changes_nothing_even_while_the_queue_is_full(lone: RunningGateway) -> None:
    def put(number: int) -> int:
        return lone.client.put(f"/api/jobs/again-{number % 3}", json={"text": "1 again"}).status_code

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(put, range(12))) == {202}
    assert len([*(lone.spool / "inbox").iterdir()]) == 3


def test_jobs_are_queued_while_the_daemon_is_down_until_the_queue_is_full(lone: RunningGateway) -> None:
    for number in range(3):
        assert lone.client.put(f"/api/jobs/job-{number}", json={"text": "1 hello"}).json()["status"] == "queued"
    full = lone.client.post("/api/jobs", json={"text": "1 hello"})
    assert (full.status_code, problem(full)["code"]) == (429, "queue_full")
    assert int(full.headers["retry-after"]) > 0
    assert sorted(path.name for path in (lone.spool / "inbox").iterdir()) == [f"job-{n}.json" for n in range(3)]
    (lone.spool / "inbox" / "job-2.json").unlink()
    conflict = lone.client.put("/api/jobs/job-0", json={"text": "1 other"})
    assert (conflict.status_code, problem(conflict)["code"]) == (409, "conflict")
    health = lone.client.get("/api/health").json()
    assert (health["status"], health["daemon"], health["queue"]["waiting"]) == ("unhealthy", "down", 2)
    assert lone.client.get("/api/ready").status_code == 503


def test_nothing_is_lost_or_run_twice_when_many_submit_at_once(web: httpx.Client, daemon: CheapDaemon) -> None:
    def submit(number: int) -> str:
        while (answer := web.post("/api/jobs", json={"text": f"1 number {number}"})).status_code == 429:
            assert int(answer.headers["retry-after"]) > 0
        assert answer.status_code == 202, answer.text
        return str(answer.headers["x-lipdrop-job"])

    with ThreadPoolExecutor(16) as pool:
        names = list(pool.map(submit, range(40)))
    assert {ended(web, name)["status"] for name in names} == {"done"}
    ran = daemon.ran()
    assert all(ran.count(f"{name} tts") == 1 for name in names)


# Following


def test_events_tell_the_progress_and_the_end(web: httpx.Client) -> None:
    web.put("/api/jobs/followed", json={"text": "1 followed"})
    found = events(web, "followed")
    assert found[-1]["event"] == "done"
    assert json.loads(found[-1]["data"])["report"]["status"] == "done"
    shares = [json.loads(one["data"])["progress"] for one in found if one["event"] == "progress"]
    assert shares == sorted(set(shares))


def test_a_reconnected_listener_gets_only_newer_events(web: httpx.Client) -> None:
    web.put("/api/jobs/resumed", json={"text": "1 resumed"}, headers=WAIT)
    assert [one["event"] for one in events(web, "resumed", "97-3")] == ["done"]
    assert web.get("/api/jobs/resumed/events", headers={"Last-Event-ID": "end"}).status_code == 204
    assert [one["event"] for one in events(web, "resumed", "x-y-z")] == ["done"]
    assert problem(web.get("/api/jobs/unheard-of/events"))["status"] == 404


def test_fifty_listeners_follow_one_job(gateway: RunningGateway, daemon: CheapDaemon) -> None:
    daemon.drop("watched", text="50 watched")
    until(lambda: "watched" in daemon.status()["jobs"] or None, "job in flight")
    limits = httpx.Limits(max_connections=50)
    with httpx.Client(base_url=gateway.url, limits=limits, timeout=60) as web, ThreadPoolExecutor(50) as pool:
        followed = list(pool.map(lambda _: events(web, "watched"), range(50)))
    assert {found[-1]["event"] for found in followed} == {"done"}


# Listing, cancelling, results


def test_the_list_has_every_job_once_latest_first(web: httpx.Client, daemon: CheapDaemon) -> None:
    for number in range(5):
        web.put(f"/api/jobs/list-{number}", json={"text": "1 listed"}, headers=WAIT)
    names, cursor = list[str](), None
    while True:
        page = web.get("/api/jobs", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        assert len(page["jobs"]) <= 2
        names += [job["job"] for job in page["jobs"]]
        if (cursor := page["next"]) is None:
            break
    assert sorted(names) == sorted({path.stem for path in (daemon.spool / "outbox").glob("*.json")})
    assert [name for name in names if name.startswith("list-")] == [f"list-{number}" for number in range(4, -1, -1)]
    failed = web.get("/api/jobs", params={"status": "failed"}).json()["jobs"]
    assert {job["status"] for job in failed} <= {"failed"}
    assert problem(web.get("/api/jobs", params={"cursor": "nonsense"}))["code"] == "cursor"
    assert problem(web.get("/api/jobs", params={"limit": 0}))["field"] == "limit"


def test_a_job_can_be_cancelled(web: httpx.Client, daemon: CheapDaemon) -> None:
    web.put("/api/jobs/long", json={"text": "1000 long"})
    assert web.delete("/api/jobs/long").status_code == 202
    found = ended(web, "long")
    assert (found["status"], found["report"]["error"]["code"]) == ("failed", "cancelled")
    assert problem(web.delete("/api/jobs/long"))["code"] == "ended"
    assert problem(web.delete("/api/jobs/unheard-of"))["status"] == 404
    video = web.get("/api/jobs/long/video")
    assert (video.status_code, problem(video)["code"]) == (409, "cancelled")


def test_a_playlist_that_is_replaced_meanwhile_is_sent_whole(lone: RunningGateway) -> None:
    folder, texts = lone.spool / "outbox" / "growing", [b"#EXTM3U\n" + b"x" * length for length in (10, 5000)]
    (lone.spool / "work" / "growing").mkdir(parents=True)
    folder.mkdir()

    def replace(text: bytes) -> None:
        (folder / ".new").write_bytes(text)
        (folder / ".new").replace(folder / "index.m3u8")

    def replace_until(over: threading.Event) -> None:
        for text in itertools.cycle(texts):
            replace(text)
            if over.is_set():
                return

    replace(texts[0])
    over = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(replace_until, over)
        answers = [lone.client.get("/api/jobs/growing/stream/index.m3u8") for _ in range(100)]
        over.set()
        writing.result()
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.content for answer in answers} <= set(texts)


def test_a_playlist_that_is_not_there_yet_says_when_it_is_expected(lone: RunningGateway) -> None:
    spool = Spool(lone.spool)
    (spool.work / "held").mkdir()
    spool.open_stream("held", hls.ASSETS, fresh=True)
    spool.announce("held", time.time() + 60)
    answer = lone.client.get("/api/jobs/held/stream/index.m3u8")
    assert answer.status_code == 204
    assert 30 <= int(answer.headers["Retry-After"]) <= 61


def test_results_are_sent_in_parts(web: httpx.Client, daemon: CheapDaemon) -> None:
    web.put("/api/jobs/parts", json={"text": "1 parts"}, headers=WAIT)
    whole = daemon.video("parts").read_bytes()
    part = web.get("/api/jobs/parts/video", headers={"Range": "bytes=2-5"})
    assert (part.status_code, part.content) == (206, whole[2:6])
    beyond = web.get("/api/jobs/parts/video", headers={"Range": f"bytes={len(whole)}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(whole)}")
    assert problem(beyond)["status"] == 416


@pytest.mark.parametrize(
    "path", ["stream/..%2Fx.json", "stream/x.json", "stream/.m4s", "captions.txt", "captions.srt", "stream/link.m4s"]
)
def test_only_files_of_the_job_are_served(path: str, web: httpx.Client, daemon: CheapDaemon) -> None:
    web.put("/api/jobs/served", json={"text": "1 served"}, headers=WAIT)
    folder = daemon.spool / "outbox" / "served"
    folder.mkdir(exist_ok=True)
    for name in ("x.json", ".m4s"):
        (folder / name).write_text("secret")
    if not os.path.lexists(folder / "link.m4s"):
        (folder / "link.m4s").symlink_to("/etc/passwd")
    assert problem(web.get(f"/api/jobs/served/{path}"))["status"] == 404


@pytest.mark.parametrize("given", ["lines=1-2", "bytes=abc", "bytes=3-1", "bytes=", "bytes=0-1,x"])
def test_ranges_that_mean_nothing_are_ignored(web: httpx.Client, given: str) -> None:
    web.put("/api/jobs/whole", json={"text": "1 whole"}, headers=WAIT)
    answer = web.get("/api/jobs/whole/video", headers={"Range": given})
    assert (answer.status_code, answer.content) == (200, b"1 whole")


def test_a_client_that_has_the_video_does_not_get_it_again(web: httpx.Client) -> None:
    """Nor does a cache take the video of an earlier job of that name for the current one."""
    web.put("/api/jobs/kept", json={"text": "1 kept"}, headers=WAIT)
    first = web.get("/api/jobs/kept/video")
    tag, changed = first.headers["etag"], first.headers["last-modified"]
    assert first.headers["cache-control"] == "no-cache"
    for has in ({"If-None-Match": f'"other", W/{tag}'}, {"If-None-Match": "*"}, {"If-Modified-Since": changed}):
        again = web.get("/api/jobs/kept/video", headers=has)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    for lacks in ({"If-None-Match": '"other"', "If-Modified-Since": changed}, {"If-Modified-Since": "yesterday"}):
        assert web.get("/api/jobs/kept/video", headers=lacks).status_code == 200
    part = {"Range": "bytes=0-1"}
    assert web.get("/api/jobs/kept/video", headers=part | {"If-Range": tag}).content == b"1 "
    assert web.get("/api/jobs/kept/video", headers=part | {"If-Range": '"other"'}).content == b"1 kept"


@pytest.mark.parametrize("path", ["video", "", "report"])
def test_head_has_the_headers_of_get(web: httpx.Client, path: str) -> None:
    web.put("/api/jobs/headed", json={"text": "1 headed"}, headers=WAIT)
    url = f"/api/jobs/headed/{path}".rstrip("/")
    got, head = web.get(url), web.head(url)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-type", "content-length"):
        assert head.headers[name] == got.headers[name]


def test_a_method_that_does_not_exist_is_answered_with_those_that_do(web: httpx.Client) -> None:
    refused = web.patch("/api/jobs/any")
    assert (refused.status_code, problem(refused)["code"]) == (405, "method")
    assert refused.headers["allow"] == "DELETE, GET, HEAD, PUT"
    assert web.head("/api/jobs/any/events").status_code == 405


def test_a_client_that_goes_away_while_it_sends_leaves_no_traceback(gateway: RunningGateway) -> None:
    address = httpx.URL(gateway.url)
    head = f"POST /api/jobs HTTP/1.1\r\nHost: {address.netloc.decode()}\r\nContent-Type: application/json\r\n"
    server = psutil.Process(gateway.process.pid)
    before = len(server.net_connections())
    with socket.create_connection((address.host, address.port)) as client:
        client.sendall(f'{head}Content-Length: 100\r\n\r\n{{"text"'.encode())
        until(lambda: len(server.net_connections()) > before or None, "connection")
    until(lambda: len(server.net_connections()) <= before or None, "closed connection")
    assert gateway.client.get("/api/health").status_code == 200
    assert "Traceback" not in gateway.log()
