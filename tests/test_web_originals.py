"""The first version's routes, as its callers use them: curl, requests, a proxy, a browser; with a real daemon."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
import requests
from numpy.typing import NDArray

from daemon.spool.spool import Spool
from daemon.web import pieces
from daemon.web.changes import Changes
from daemon.web.gateway import Gateway
from daemon.web.slow_video import FileInMemory
from pipeline.config import load_config
from tests.browser import CHROMIUM, Browser
from tests.gateway import RunningGateway, Studio
from tests.media import audio, frames, streams, top_level_boxes
from tests.running import RunningDaemon, until

SIZE = (64, 64)
JOB = {"text": "Раз, два, три.", "language": "ru", "size": "64x64"}
PIECES = {**JOB, "text": "Раз, два, три, раз, два. " + 2 * "Раз, два, три, раз, два, три, раз, два. "}
TWO_PIECES = {**JOB, "text": "Раз, два, три, раз, два. Раз, два, три, раз, два, три, раз, два."}
AT_ONCE = {"Prefer": "wait=0"}
CURL_PARTIAL_FILE, CURL_TIMEOUT = 18, 28
PROXY_SECONDS = 5
"""After this time without a byte the proxy ends a request. A filler is sent every 2 s."""
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
NGINX_CONFIG = """
daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/1;
    uwsgi_temp_path {folder}/2; scgi_temp_path {folder}/3;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass {url};
            proxy_http_version {version};
            proxy_set_header Host $host;
            proxy_read_timeout {seconds}s;
        }}
    }}
}}
"""


@pytest.fixture
def daemon(studio: Studio) -> RunningDaemon:
    return studio.daemon


@pytest.fixture
def gateway(studio: Studio) -> RunningGateway:
    return studio.gateway


@pytest.fixture
def web(gateway: RunningGateway) -> httpx.Client:
    return gateway.client


@contextmanager
def paused(daemon: RunningDaemon) -> Iterator[None]:
    """No new job is begun during the block."""
    spool = Spool(daemon.spool)
    spool.pause()
    try:
        yield
    finally:
        spool.resume()


@contextmanager
def proxied(folder: Path, url: str, version: str = "1.1") -> Iterator[str]:
    """nginx in front of a gateway; gives its URL."""
    assert NGINX is not None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = folder / "nginx.conf"
    config.write_text(NGINX_CONFIG.format(folder=folder, port=port, url=url, version=version, seconds=PROXY_SECONDS))
    process = subprocess.Popen([NGINX, "-p", folder, "-c", config, "-e", folder / "error.log"])
    try:
        until(lambda: accepts(port) or None, "nginx", 20)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def accepts(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def curl(url: str, output: Path, *options: str, job: dict[str, Any] = JOB) -> subprocess.Popen[bytes]:
    """The command line of the first version's guide."""
    argv = ["curl", "-sS", "-X", "POST", url, "-H", "Content-Type: application/json", "-d", json.dumps(job)]
    return subprocess.Popen([*argv, "--noproxy", "*", "--output", output, "-D", f"{output}.headers", *options])


def headers_of(output: Path) -> dict[str, str]:
    """The headers that curl received; waits for them."""
    path = Path(f"{output}.headers")
    text = until(lambda: found if path.exists() and "\n\n" in (found := path.read_text()) else None, "headers", 30)
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in text.splitlines())}


def fillers(output: Path) -> int:
    """How many empty boxes curl has received so far."""
    return (output.stat().st_size - 32) // 8 if output.exists() else 0


def assert_same(video: Path, original: Path) -> None:
    """Check that two videos decode to the same pictures and sound."""
    assert np.array_equal(frames(video, SIZE), frames(original, SIZE))
    assert np.array_equal(audio(video, 48_000), audio(original, 48_000))
    found, expected = streams(video), streams(original)
    for kind in ("video", "audio"):
        for key in ("codec_name", "duration_ts", "start_pts", "nb_read_packets", "time_base"):
            assert found[kind][key] == expected[kind][key]


def shown(video: Path) -> NDArray[np.uint8]:
    """All frames, each once however long it is shown: [n, pixels]."""
    argv = ["ffmpeg", "-v", "error", "-i", str(video), "-map", "0:v", "-fps_mode", "passthrough"]
    raw = subprocess.run([*argv, "-f", "rawvideo", "-pix_fmt", "gray", "-"], check=True, capture_output=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, SIZE[0] * SIZE[1])


def problem(answer: httpx.Response) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    found: dict[str, Any] = answer.json()
    return found


# The whole video


@pytest.mark.slow
@pytest.mark.parametrize(("route", "mode"), [("generate", "sequential"), ("generate_parallel", "parallel")])
def test_curl_gets_the_video_and_its_times(
    route: str, mode: str, gateway: RunningGateway, daemon: RunningDaemon, tmp_path: Path
) -> None:
    target = tmp_path / "result.mp4"
    assert curl(f"{gateway.url}/api/{route}", target, job={**JOB, "num_workers": None}).wait(60) == 0
    found = headers_of(target)
    report = daemon.ending(found["x-lipdrop-job"])
    assert report["mode"] == mode
    assert target.read_bytes() == daemon.video(report["job"]).read_bytes()
    assert json.loads(found["x-lipdrop-timing"]) == report["timing"]
    assert f"total;dur={report['timing']['total_seconds'] * 1000:.1f}" in found["server-timing"]
    assert found["content-type"] == "video/mp4"


def test_requests_gets_the_video(gateway: RunningGateway, daemon: RunningDaemon) -> None:
    answer = requests.post(f"{gateway.url}/api/generate", json=JOB, timeout=60)
    assert answer.status_code == 200
    assert answer.content == daemon.video(answer.headers["X-Lipdrop-Job"]).read_bytes()


@pytest.mark.slow
def test_a_video_that_takes_long_begins_early_and_is_the_same(
    gateway: RunningGateway, daemon: RunningDaemon, tmp_path: Path
) -> None:
    target = tmp_path / "result.mp4"
    with paused(daemon):
        process = curl(f"{gateway.url}/api/generate", target, "-N", "-H", "Prefer: wait=0")
        found = headers_of(target)
        name = found["x-lipdrop-job"]
        assert (found["link"], found["content-type"]) == (f"</api/jobs/{name}>; rel=status", "video/mp4")
        until(lambda: fillers(target) >= 2 or None, "fillers")
        assert process.poll() is None
    assert process.wait(60) == 0
    assert top_level_boxes(target)[:3] == ["ftyp", "free", "free"]
    assert_same(target, daemon.video(name))


@pytest.mark.slow
@pytest.mark.skipif(NGINX is None, reason="needs nginx")
@pytest.mark.parametrize("version", ["1.1", pytest.param("1.0", marks=pytest.mark.soak)])
def test_a_proxy_that_ends_silent_requests_lets_it_pass(
    version: str, gateway: RunningGateway, daemon: RunningDaemon, tmp_path: Path
) -> None:
    target, wait = tmp_path / "result.mp4", {"Prefer": "wait=60", "Accept": "video/mp4"}
    with proxied(tmp_path, gateway.url, version) as url, ThreadPoolExecutor(2) as pool, paused(daemon):
        began = time.monotonic()
        silent = pool.submit(requests.post, f"{url}/api/jobs", json=JOB, headers=wait, timeout=60)
        whole = pool.submit(requests.post, f"{url}/api/generate", json=JOB, headers=AT_ONCE, timeout=60)
        process = curl(f"{url}/api/generate", target, "-N", "-H", "Prefer: wait=0")
        assert silent.result().status_code == 504
        until(lambda: time.monotonic() > began + PROXY_SECONDS + 1 or None, "time")
        assert fillers(target) >= 2
        Spool(daemon.spool).resume()
        assert process.wait(60) == 0
        answer = whole.result()
    assert_same(target, daemon.video(headers_of(target)["x-lipdrop-job"]))
    (tmp_path / "other.mp4").write_bytes(answer.content)
    assert_same(tmp_path / "other.mp4", daemon.video(answer.headers["X-Lipdrop-Job"]))


def test_the_job_of_a_client_that_gives_up_goes_on(
    gateway: RunningGateway, web: httpx.Client, daemon: RunningDaemon, tmp_path: Path
) -> None:
    server = psutil.Process(gateway.process.pid)
    before, log = len(server.net_connections()), gateway.log()
    with paused(daemon):
        target = tmp_path / "result.mp4"
        process = curl(f"{gateway.url}/api/generate", target, "-H", "Prefer: wait=0", "--max-time", "1")
        assert process.wait(20) == CURL_TIMEOUT
        until(lambda: len(server.net_connections()) <= before or None, "closed connection", 20)
    name = headers_of(target)["x-lipdrop-job"]
    assert daemon.ending(name)["status"] == "done"
    assert web.get(f"/api/jobs/{name}/video").content == daemon.video(name).read_bytes()
    assert gateway.log() == log


def test_no_one_takes_a_failed_job_for_a_video(
    gateway: RunningGateway, web: httpx.Client, daemon: RunningDaemon, tmp_path: Path
) -> None:
    target = tmp_path / "result.mp4"
    with paused(daemon), ThreadPoolExecutor(1) as pool:
        process = curl(f"{gateway.url}/api/generate", target, "-H", "Prefer: wait=0")
        answer = requests.post(f"{gateway.url}/api/generate", json=JOB, headers=AT_ONCE, stream=True, timeout=60)
        waiting = pool.submit(web.post, "/api/generate_parallel", json=JOB)
        names = [headers_of(target)["x-lipdrop-job"], answer.headers["X-Lipdrop-Job"]]
        until(lambda: len(list((daemon.spool / "inbox").glob("*.json"))) == 3 or None, "jobs")
        for path in (daemon.spool / "inbox").glob("*.json"):
            assert web.delete(f"/api/jobs/{path.stem}").status_code == 202
        assert process.wait(20) == CURL_PARTIAL_FILE
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            _ = answer.content
        refused = waiting.result()
    assert (refused.status_code, problem(refused)["code"]) == (409, "cancelled")
    assert refused.headers["x-lipdrop-job"] == problem(refused)["job"]
    assert {web.get(f"/api/jobs/{name}").json()["status"] for name in names} == {"failed"}
    assert top_level_boxes(target)[0] == "ftyp"
    assert "moov" not in top_level_boxes(target)
    assert "Traceback" not in gateway.log()


@pytest.mark.soak
def test_a_gateway_stops_although_a_client_waits(tmp_path: Path) -> None:
    target = tmp_path / "result.mp4"
    with RunningGateway(tmp_path / "spool") as lone:
        process = curl(f"{lone.url}/api/generate", target, "-H", "Prefer: wait=0")
        name = headers_of(target)["x-lipdrop-job"]
        lone.process.terminate()
        lone.process.wait(60)
    assert process.wait(20) == CURL_PARTIAL_FILE
    assert (tmp_path / "spool" / "inbox" / f"{name}.json").is_file()


def test_a_client_may_ask_for_the_name_alone(web: httpx.Client, daemon: RunningDaemon) -> None:
    answer = web.post("/api/generate", json=JOB, headers={"Prefer": "respond-async"})
    assert (answer.status_code, answer.headers["preference-applied"]) == (202, "respond-async")
    name = answer.headers["x-lipdrop-job"]
    assert answer.headers["location"] == f"/api/jobs/{name}"
    assert daemon.ending(name)["mode"] == "sequential"


def test_a_repeated_request_with_a_key_gets_the_same_video(web: httpx.Client) -> None:
    first, again = (web.post("/api/generate", json=JOB, headers={"Idempotency-Key": "one"}) for _ in range(2))
    assert first.headers["x-lipdrop-job"] == again.headers["x-lipdrop-job"]
    assert first.content == again.content
    assert again.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize(
    ("route", "job", "code", "field"),
    [
        ("generate", {**JOB, "mode": "parallel"}, "range", "mode"),
        ("generate", {"language": "ru"}, "missing", "text"),
        ("generate", {**JOB, "chunk_index": 0}, "unknown_field", "chunk_index"),
        ("generate_parallel", {**JOB, "num_workers": 0}, "range", "num_workers"),
        ("generate_stream", {**JOB, "chunk_index": -1}, "range", "chunk_index"),
        ("generate_stream", {**JOB, "chunk_index": "0"}, "type", "chunk_index"),
        ("generate_stream", {**JOB, "chunk_index": True}, "type", "chunk_index"),
        ("generate_stream", {**JOB, "text": "?"}, "no_speech", "text"),
    ],
)
def test_a_bad_job_is_refused_at_once(
    route: str, job: dict[str, Any], code: str, field: str, web: httpx.Client
) -> None:
    answer = web.post(f"/api/{route}", json=job)
    assert (answer.status_code, problem(answer)["code"], problem(answer)["field"]) == (400, code, field)


@pytest.mark.parametrize("route", ["generate", "generate_parallel", "generate_stream"])
def test_forms_of_other_sites_are_refused(route: str, web: httpx.Client) -> None:
    body = json.dumps(JOB).encode()
    for media_type in ("text/plain", "application/x-www-form-urlencoded"):
        answer = web.post(f"/api/{route}", content=body, headers={"Content-Type": media_type})
        assert (answer.status_code, problem(answer)["code"]) == (415, "media_type")
    foreign = web.post(f"/api/{route}", json=JOB, headers={"Origin": "http://elsewhere.example"})
    assert (foreign.status_code, problem(foreign)["code"]) == (403, "origin")
    form = web.post("/api/generate_stream", files={"job": (None, body), "audio": ("a.wav", b"RIFF")})
    assert form.status_code == 415


# Streams


@pytest.mark.slow
def test_pieces_are_fetched_one_by_one(web: httpx.Client, daemon: RunningDaemon, tmp_path: Path) -> None:
    answers = [web.post("/api/generate_stream", json={**PIECES, "chunk_index": 0})]
    name = answers[0].headers["x-lipdrop-job"]
    report = daemon.ending(name)
    count = len(report["chunks"])
    assert count > 3
    answers += [web.post("/api/generate_stream", json={**PIECES, "chunk_index": index}) for index in range(1, count)]
    assert {answer.headers["x-lipdrop-job"] for answer in answers} == {name}
    said = [int(answer.headers["x-lipdrop-pieces"]) for answer in answers]
    assert said[0] >= count
    assert set(said[1:]) == {count}
    sound, pictures = list[Any](), list[Any]()
    for index, answer in enumerate(answers):
        path = tmp_path / f"{index}.mp4"
        path.write_bytes(answer.content)
        found = streams(path)
        assert {float(found[kind]["start_time"]) for kind in found} == {0.0}
        pictures.append(shown(path))
        sound.append(audio(path, 48_000))
    assert np.array_equal(np.concatenate(pictures), shown(daemon.video(name)))
    assert [len(found) for found in pictures] == [chunk["frames"] for chunk in report["chunks"]]
    assert sum(map(len, sound)) / 48_000 == pytest.approx(report["audio"]["seconds"], abs=0.05)


def test_a_piece_is_never_rendered_twice(web: httpx.Client, daemon: RunningDaemon) -> None:
    first = web.post("/api/generate_stream", json={**PIECES, "chunk_index": 1})
    report = daemon.ending(first.headers["x-lipdrop-job"])
    finished, count = report["finished_at"], len(report["chunks"])
    again = web.post("/api/generate_stream", json={"chunk_index": 1, **dict(reversed(PIECES.items()))})
    assert (again.headers["x-lipdrop-job"], again.content) == (first.headers["x-lipdrop-job"], first.content)
    beyond = web.post("/api/generate_stream", json={**PIECES, "chunk_index": count})
    expected = (404, "piece", str(count))
    assert (beyond.status_code, problem(beyond)["code"], beyond.headers["x-lipdrop-pieces"]) == expected
    daemon.wait_for_iterations()
    assert daemon.ending(first.headers["x-lipdrop-job"])["finished_at"] == finished


def test_a_stream_is_found_while_its_work_folder_is_removed(daemon: RunningDaemon) -> None:
    """It is removed after the stream has ended: a request that still sees it finds the ending, not an earlier one."""

    async def find() -> FileInMemory | None:
        gateway = Gateway(load_config(None, spool=daemon.spool), Spool(daemon.spool), Changes())
        folder = gateway.spool.folder(pieces.stream(gateway, "127.0.0.1", PIECES).name)
        folder.mkdir()
        found = pieces.stream(gateway, "127.0.0.1", PIECES)
        folder.rmdir()
        return await pieces.piece(gateway, found, 0, 0)

    assert asyncio.run(find()) is not None


def test_requests_for_different_pieces_at_once_share_one_stream(web: httpx.Client, daemon: RunningDaemon) -> None:
    job = {**TWO_PIECES, "speed": 1.5}

    def fetch(index: int) -> httpx.Response:
        return web.post("/api/generate_stream", json={**job, "chunk_index": index}, headers=AT_ONCE)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(fetch, (0, 1, 0)))
    (name,) = {answer.headers["x-lipdrop-job"] for answer in answers}
    assert daemon.ending(name)["cached"] is False
    normal = [web.post("/api/generate_stream", json={**job, "chunk_index": index}) for index in (0, 1, 0)]
    for early, late in zip(answers, normal, strict=True):
        assert early.content.replace(b"\0\0\0\x08free", b"") == late.content
    other = web.post("/api/generate_stream", json={**job, "speed": 1.4})
    assert other.headers["x-lipdrop-job"] != name


def test_a_stream_that_failed_is_made_again(web: httpx.Client, daemon: RunningDaemon) -> None:
    job = {**JOB, "speed": 0.9}
    with paused(daemon):
        name = web.post("/api/generate_stream", json=job).json()["job"]
        assert web.delete(f"/api/jobs/{name}").status_code == 202
        assert daemon.ending(name)["error"]["code"] == "cancelled"
    answer = web.post("/api/generate_stream", json={**job, "chunk_index": 0})
    assert (answer.status_code, answer.headers["x-lipdrop-job"]) == (200, name)


def test_without_a_number_the_answer_is_the_streams_address(web: httpx.Client, daemon: RunningDaemon) -> None:
    job = {**JOB, "speed": 1.1}
    answer = web.post("/api/generate_stream", json={**job, "chunk_index": None})
    found = answer.json()
    name = found["job"]
    assert (answer.status_code, answer.headers["location"]) == (202, f"/api/jobs/{name}")
    assert (found["stream_url"], found["page_url"]) == (f"/api/jobs/{name}/stream/index.m3u8", f"/jobs/{name}")
    ending = daemon.ending(name)
    assert ending["mode"] == "stream"
    assert "#EXT-X-ENDLIST" in web.get(found["stream_url"]).text
    assert web.post("/api/generate_stream", json=job).json()["pieces"] == len(ending["chunks"])


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_plays_both_kinds_of_video(web: httpx.Client, daemon: RunningDaemon, tmp_path: Path) -> None:
    early = web.post("/api/generate", json=JOB, headers=AT_ONCE)
    assert "content-length" not in early.headers
    piece = web.post("/api/generate_stream", json={**PIECES, "chunk_index": 1})
    with Browser(tmp_path / "profile") as browser:
        for name, answer in (("early", early), ("piece", piece)):
            (tmp_path / f"{name}.mp4").write_bytes(answer.content)
            (tmp_path / f"{name}.html").write_text(f'<video id="video" src="{name}.mp4" autoplay muted></video>')
            browser.open(f"file://{tmp_path}/{name}.html")
            until(lambda: browser.value("video.ended") or None, f"end of {name}")
            length = float(streams(tmp_path / f"{name}.mp4")["video"]["duration"])
            assert browser.value("video.duration") == pytest.approx(length, abs=0.05)
            assert browser.value("video.videoWidth") == SIZE[0]
        assert browser.errors == []
