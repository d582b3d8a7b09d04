"""What every request to the gateway must pass: host, token, origin, rate, size, framing; and headers of responses."""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from daemon.spool.spool import Spool
from daemon.web import access
from daemon.web.app import make_app
from daemon.web.bodies import SILENT_SECONDS, Bodies
from daemon.web.tokens import COOKIE, Tokens
from pipeline.config import Config, WebSettings, load_config
from pipeline.errors import ConfigError
from tests.gateway import REQUEST_SECONDS, STOP_SECONDS, RunningGateway, WarmGateway
from tests.running import in_process, until

SITE = "https://shop.example"
LIMIT_BYTES = 1 << 20
REQUESTS = 40
JOB: dict[str, Any] = {"text": "hello", "size": "64x64"}


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Tokens:
    return Tokens(tmp_path_factory.mktemp("tokens") / "tokens")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, tokens: Tokens) -> Iterator[RunningGateway]:
    """A gateway with tokens, one foreign site, and low limits."""
    tokens.add("someone")
    spool = tmp_path_factory.mktemp("access") / "spool"
    settings = {"names": ["video.example"], "origins": [SITE], "upload_megabytes": LIMIT_BYTES >> 20}
    settings |= {"tokens": str(tokens._file), "requests_per_minute": REQUESTS, "proxies": ["127.0.0.1"]}
    with WarmGateway(spool, **settings) as running:
        yield running


@pytest.fixture
def anonymous(gateway: RunningGateway) -> httpx.Client:
    return gateway.client


@pytest.fixture
def token(tokens: Tokens, request: pytest.FixtureRequest) -> str:
    """A token of this test alone, so that its rate is its own."""
    return tokens.add(request.node.name.partition("[")[0][:50] + f"-{time.monotonic_ns() % 10**9}")


@pytest.fixture
def web(gateway: RunningGateway, token: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=gateway.url, headers=headers, trust_env=False, timeout=REQUEST_SECONDS) as client:
        yield client


def refused(answer: httpx.Response, status: int, code: str) -> None:
    """Check that a response is this problem, with the headers of every response."""
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert_has_headers(answer)


def assert_has_headers(answer: httpx.Response) -> None:
    assert {name: answer.headers.get(name) for name in access.HEADERS} == access.HEADERS


# Hosts


@pytest.mark.parametrize("host", ["localhost", "localhost:3000", "127.0.0.1", "[::1]", "[::1]:80", "VIDEO.example:443"])
def test_known_hosts_are_served(host: str, web: httpx.Client) -> None:
    assert web.get("/api/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:3000", "localhost.evil.example", "video.example.", "", "127.0.0.2", "[::2]"]
)
def test_other_hosts_are_refused(host: str, web: httpx.Client) -> None:
    """A page elsewhere may have a name that points here (DNS rebinding)."""
    for path in ("/api/health", "/api/ready", "/login"):
        refused(web.get(path, headers={"Host": host}), 403, "host")


# Tokens


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer wrong", "Basic {token}", "{token}", "Bearer {token}x", "Bearer x{token}"],
)
def test_a_request_needs_a_valid_token(authorization: str | None, token: str, anonymous: httpx.Client) -> None:
    headers = {} if authorization is None else {"Authorization": authorization.format(token=token)}
    for method, path in (("GET", "/api/health"), ("POST", "/api/jobs"), ("GET", "/openapi.json"), ("GET", "/none")):
        answer = anonymous.request(method, path, headers=headers)
        refused(answer, 401, "unauthorized")
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_each_of_several_tokens_is_valid(scheme: str, tokens: Tokens, anonymous: httpx.Client) -> None:
    for name in ("one", "two"):
        token = tokens.add(f"{name}-{scheme}")
        assert anonymous.get("/api/health", headers={"Authorization": f"{scheme} {token}"}).status_code == 200


def test_a_token_may_be_a_cookie(token: str, anonymous: httpx.Client) -> None:
    cookie = {"Cookie": f"other=1; {COOKIE}={token}"}
    assert anonymous.get("/api/health", headers=cookie).status_code == 200
    refused(anonymous.get("/api/health", headers={"Cookie": f"{COOKIE}={token[:-1]}"}), 401, "unauthorized")


def test_a_revoked_token_is_refused_at_once(tokens: Tokens, anonymous: httpx.Client) -> None:
    token = tokens.add("leaver")
    headers = {"Authorization": f"Bearer {token}"}
    assert anonymous.get("/api/health", headers=headers).status_code == 200
    assert tokens.revoke("leaver")
    refused(anonymous.get("/api/health", headers=headers), 401, "unauthorized")


def test_every_token_is_compared_in_constant_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All hashes are compared, by a function whose time does not depend on them, whichever matches."""
    known = Tokens(tmp_path / "tokens")
    given = [known.add(name) for name in ("first", "second", "third")]
    compared: list[str] = []
    whole = hmac.compare_digest

    def compare(one: str, other: str) -> bool:
        compared.append(other)
        return whole(one, other)

    monkeypatch.setattr("daemon.web.tokens.hmac.compare_digest", compare)
    for token in (*given, "wrong", ""):
        compared.clear()
        known.owner(token)
        assert compared == list(known.hashes().values())


def test_open_paths_need_no_token(anonymous: httpx.Client) -> None:
    for path in ("/api/ready", "/login", "/static/x", "/problems/x"):
        assert anonymous.get(path).status_code != 401, path
    for path in ("/api/ready/", "/loginx", "/login/", "/static", "/LOGIN", "/api/health?/login"):
        refused(anonymous.get(path), 401, "unauthorized")


@pytest.mark.parametrize(
    "path", ["/static/../api/jobs", "/static/%2e%2e/api/jobs", "/problems/..%2fapi/jobs", "//api/jobs"]
)
def test_an_open_path_does_not_lead_to_a_closed_one(path: str, gateway: RunningGateway) -> None:
    url = httpx.URL(gateway.url).copy_with(raw_path=path.encode())
    assert gateway.client.get(url).status_code in (401, 404)


def test_a_job_is_not_seen_without_a_token(web: httpx.Client, anonymous: httpx.Client) -> None:
    web.put("/api/jobs/secret", json=JOB)
    for path in ("", "/events", "/video", "/stream/index.m3u8"):
        refused(anonymous.get(f"/api/jobs/secret{path}"), 401, "unauthorized")
    refused(anonymous.delete("/api/jobs/secret"), 401, "unauthorized")
    assert web.get("/api/jobs/secret").json()["status"] == "queued"


# Other sites


@pytest.mark.parametrize(
    "headers",
    [
        *({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}),
        *({"Sec-Fetch-Site": "same-site"}, {"Origin": f"{SITE}.evil.example"}, {"Origin": "http://shop.example"}),
        {"Origin": "http://127.0.0.1:1"},
    ],
)
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
def test_requests_from_other_sites_are_refused(headers: dict[str, str], content_type: str, web: httpx.Client) -> None:
    answer = web.post("/api/jobs", content=json.dumps(JOB), headers={**headers, "Content-Type": content_type})
    refused(answer, 403, "origin")
    assert "access-control-allow-origin" not in answer.headers


def test_a_form_of_another_site_is_refused_although_it_has_the_cookie(token: str, anonymous: httpx.Client) -> None:
    headers = {"Cookie": f"{COOKIE}={token}", "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    refused(anonymous.post("/api/jobs", files={"job": (None, json.dumps(JOB))}, headers=headers), 403, "origin")


def test_a_form_without_a_browsers_headers_needs_json(web: httpx.Client) -> None:
    """Old browsers send neither; the media types that a form can have are not accepted as JSON."""
    answer = web.post("/api/jobs", content=json.dumps(JOB), headers={"Content-Type": "text/plain"})
    refused(answer, 415, "media_type")


def test_the_own_pages_may_send_requests(gateway: RunningGateway, web: httpx.Client) -> None:
    headers = {"Origin": gateway.url, "Sec-Fetch-Site": "same-origin"}
    assert web.post("/api/jobs", json=JOB, headers=headers).status_code == 202
    headers = {"Host": "video.example", "Origin": "https://video.example", "Sec-Fetch-Site": "same-origin"}
    assert web.post("/api/jobs", json=JOB, headers=headers).status_code == 202


def test_a_configured_site_may_send_requests_and_read_the_answers(web: httpx.Client, anonymous: httpx.Client) -> None:
    headers = {"Origin": SITE, "Sec-Fetch-Site": "cross-site"}
    asks = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization,content-type"}
    preflight = anonymous.options("/api/jobs/x", headers={"Origin": SITE, **asks})  # browsers send it without a token
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == SITE
    assert "PUT" in preflight.headers["access-control-allow-methods"]
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    assert_has_headers(preflight)
    for answer in (web.post("/api/jobs", json=JOB, headers=headers), anonymous.get("/api/jobs", headers=headers)):
        assert answer.headers["access-control-allow-origin"] == SITE
        assert "access-control-allow-credentials" not in answer.headers


def test_no_other_site_gets_cors_headers(web: httpx.Client) -> None:
    answer = web.get("/api/health", headers={"Origin": "https://evil.example"})
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control-allow")]


def test_there_is_no_cors_unless_configured() -> None:
    app = FastAPI()
    access.install(app, Config())
    with TestClient(app, "http://localhost") as client:
        answer = client.options("/", headers={"Origin": SITE, "Access-Control-Request-Method": "GET"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


# Limits


def test_too_many_requests_are_refused_until_a_minute_is_over(web: httpx.Client, tokens: Tokens) -> None:
    answers = [web.post("/api/jobs", content=b"{}") for _ in range(REQUESTS + 1)]
    assert {answer.status_code for answer in answers[:-1]} == {400}
    refused(answers[-1], 429, "rate")
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert web.get("/api/health").status_code == 200  # reading is not limited
    other = {"Authorization": f"Bearer {tokens.add('other')}"}
    assert web.post("/api/jobs", content=b"{}", headers=other).status_code == 400  # nor are other tokens


def test_a_proxy_says_who_sends_a_request(anonymous: httpx.Client) -> None:
    """Without a token the rate is counted for each address; a trusted proxy names it, from the right."""
    for _ in range(REQUESTS):
        assert anonymous.post("/login", headers={"X-Forwarded-For": "9.9.9.9, 8.8.8.1"}).status_code != 429
    refused(anonymous.post("/login", headers={"X-Forwarded-For": "7.7.7.7, 8.8.8.1"}), 429, "rate")
    assert anonymous.post("/login", headers={"X-Forwarded-For": "8.8.8.2"}).status_code != 429


def recording(size: int) -> dict[str, Any]:
    return {"job": (None, "{}"), "audio": ("a.wav", b"\0" * size)}


def test_an_upload_that_declares_too_much_is_refused_before_it_is_sent(gateway: RunningGateway, token: str) -> None:
    address = httpx.URL(gateway.url)
    head = f"POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
    head += f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {LIMIT_BYTES + 1}\r\n\r\n"
    with socket.create_connection((address.host, address.port), 20) as sent:
        sent.sendall(head.encode())
        answer = sent.recv(1 << 16)
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_an_upload_of_unknown_length_is_stopped_at_the_limit(gateway: RunningGateway, web: httpx.Client) -> None:
    request = httpx.Request("POST", gateway.url + "/api/jobs", files=recording(LIMIT_BYTES))
    body = request.read()
    headers = {"Content-Type": request.headers["content-type"]}

    def parts() -> Iterator[bytes]:
        for start in range(0, len(body), 1 << 16):
            yield body[start : start + (1 << 16)]

    refused(web.post("/api/jobs", content=parts(), headers=headers), 413, "too_large")
    assert list((gateway.spool / "inbox").glob("*.wav")) == []


@pytest.mark.parametrize(
    ("path", "lines", "status"),
    [
        ("/api/jobs", "Content-Length: {size}", 413),
        ("/api/jobs", "Content-Length: {size}\r\nAuthorization: Bearer none", 401),
        ("/api/jobs", "Content-Length: {size}\r\nOrigin: https://evil.example", 403),
        ("/api/none", "Content-Length: {size}", 404),
        ("/api/jobs", "Content-Length: {size}\r\nExpect: 100-continue", 413),
        ("/api/jobs", "Transfer-Encoding: chunked", 400),
        ("/api/none", "Transfer-Encoding: chunked", 404),
    ],
)
def test_who_reads_only_after_sending_everything_gets_the_refusal(
    path: str, lines: str, status: int, gateway: RunningGateway, token: str
) -> None:
    """Closing a connection on which bytes still arrive would reset it, and the response would be lost."""
    address, size = httpx.URL(gateway.url), 16 * LIMIT_BYTES
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines.format(size=size)}\r\n"
    head += "" if "Authorization" in lines else f"Authorization: Bearer {token}\r\n"
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (size, bytes(size)) if "chunked" in lines else bytes(size)
    with socket.create_connection((address.host, address.port), 20) as sent:
        sent.sendall(f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\n".encode())
        if "Expect" not in lines:
            sent.sendall(body)
        answer = b"".join(iter(lambda: sent.recv(1 << 16), b""))
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    length = re.search(rb"content-length: (\d+)", answer)
    assert length is not None and len(answer.partition(b"\r\n\r\n")[2]) == int(length[1])


@pytest.mark.parametrize(
    ("headers", "order"),
    [
        ([(b"transfer-encoding", b"chunked")], "receive receive receive start end"),
        ([(b"content-length", b"20")], "receive receive receive start end"),
        ([(b"content-length", b"30")], "start receive receive receive end"),  # too much: refused before it is sent
        ([(b"content-length", b"20"), (b"expect", b"100-continue")], "start end"),
        ([], "start end"),
    ],
)
def test_a_response_waits_for_the_end_of_the_body(headers: list[tuple[bytes, bytes]], order: str) -> None:
    """Caddy loses some responses that come while it still sends: 8 of 400 without this."""
    seen: list[str] = []
    part: Message = {"type": "http.request", "body": b"x" * 7, "more_body": True}
    parts = iter([part, part, {"type": "http.request"}])

    async def refuse(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b"no"})

    async def receive() -> Message:
        seen.append("receive")
        return next(parts)

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            seen.append("start")
        elif not message.get("more_body"):
            seen.append("end")

    asyncio.run(Bodies(refuse, max_bytes=25)({"type": "http", "headers": headers}, receive, send))
    assert " ".join(seen) == order


def test_a_connection_is_kept_after_a_refused_upload(web: httpx.Client) -> None:
    answer = web.post("/api/jobs", content=bytes(2 * LIMIT_BYTES))
    refused(answer, 413, "too_large")
    following = web.get("/api/health")
    assert following.extensions["network_stream"].get_extra_info("client_addr") == answer.extensions[
        "network_stream"
    ].get_extra_info("client_addr")


def test_a_client_that_stops_sending_is_answered(gateway: RunningGateway, token: str) -> None:
    address = httpx.URL(gateway.url)
    head = f"POST /api/none HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: 9\r\n\r\n"
    with socket.create_connection((address.host, address.port), SILENT_SECONDS + 20) as sent:
        sent.sendall(f"{head}1234".encode())
        assert sent.recv(1 << 16).startswith(b"HTTP/1.1 404 ")


def test_an_upload_within_the_limit_is_accepted(web: httpx.Client) -> None:
    assert web.post("/api/jobs", files=recording(LIMIT_BYTES - 1000)).status_code == 202


# Framing


@pytest.mark.parametrize(
    "lines",
    [
        *("Content-Length: 2\r\nTransfer-Encoding: chunked", "Content-Length: 2\r\nContent-Length: 3"),
        *("Transfer-Encoding: xchunked", "Transfer-Encoding : chunked", "Transfer-Encoding: chunked, identity"),
        *("Content-Length: +2", "Content-Length: 0x2", "Content-Length: -1", "X-A: a\0b", "X-A: a\rb"),
        "Host: evil.example",
    ],
)
def test_ambiguous_requests_are_refused_and_their_connections_closed(
    lines: str, gateway: RunningGateway, token: str
) -> None:
    """Whatever a proxy in front makes of it, a second request cannot hide in the body (request smuggling)."""
    address = httpx.URL(gateway.url)
    head = f"Host: localhost\r\nAuthorization: Bearer {token}\r\n"
    hidden = f"0\r\n\r\nPUT /api/jobs/hidden HTTP/1.1\r\n{head}Content-Length: 15\r\n\r\n" + '{"text":"hello"}'
    with socket.create_connection((address.host, address.port), 20) as sent:
        sent.sendall(f"POST /api/jobs HTTP/1.1\r\n{head}{lines}\r\n\r\n{hidden}".encode())
        answer = b""
        while block := sent.recv(1 << 16):
            answer += block
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert not (gateway.spool / "inbox" / "hidden.json").exists()


# Headers


def test_every_response_has_the_security_headers(web: httpx.Client, anonymous: httpx.Client) -> None:
    answers = [
        *(web.get("/api/health"), web.get("/openapi.json"), web.get("/none"), web.get("/api/jobs/x")),
        *(web.put("/api/health"), web.post("/api/jobs", content=b"{"), web.head("/api/health")),
        *(anonymous.get("/api/jobs"), web.get("/api/jobs?limit=0"), web.options("/api/jobs")),
    ]
    assert {answer.status_code for answer in answers} >= {200, 404, 405, 400, 401}
    for answer in answers:
        assert_has_headers(answer)
        assert "server" not in answer.headers


def test_a_defect_is_a_problem_with_the_security_headers_and_no_details(tmp_path: Path) -> None:
    app = make_app(Config(), Spool(tmp_path))

    @app.get("/defect")
    def defect() -> None:
        raise RuntimeError("secret detail")

    with TestClient(app, "http://localhost", raise_server_exceptions=False) as client:
        answer = client.get("/defect")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret" not in answer.text
    assert {name: answer.headers.get(name) for name in access.HEADERS} == access.HEADERS


def test_under_a_root_path_open_paths_and_problems_have_it(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "tokens")
    tokens.add("x")
    app = make_app(Config(base=tmp_path, web=WebSettings(tokens="tokens", root_path="/lipdrop")), Spool(tmp_path))
    with TestClient(app, "http://localhost", root_path="/lipdrop") as client:
        assert client.get("/lipdrop/login").status_code == 200
        answer = client.get("/lipdrop/api/jobs")
    assert (answer.status_code, answer.json()["type"]) == (401, "/lipdrop/problems/unauthorized")


# Starting


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_an_address_that_others_reach_needs_tokens(host: str, tmp_path: Path) -> None:
    shown = in_process("serve", "--host", host, "--port", "0", cwd=tmp_path)
    assert (shown.returncode, "web_open" in shown.stderr) == (78, True)


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        shown = in_process("serve", "--with-daemon", "--port", str(port), cwd=tmp_path)
    assert shown.returncode == 78
    [line] = shown.stderr.strip().splitlines()
    assert f"web_port: cannot listen on 127.0.0.1, port {port}: Address already in use" in line


def test_a_gateway_that_stops_says_what_it_waits_for(tmp_path: Path) -> None:
    with WarmGateway(tmp_path / "spool") as running, ThreadPoolExecutor() as threads:
        asked: dict[str, Any] = {"json": {"text": "Hello"}, "headers": {"Prefer": "wait=60"}}
        threads.submit(
            lambda: running.client.post("/api/jobs", **asked)
        )  # no daemon runs: without a second signal it waits
        until(lambda: list(running.spool.glob("inbox/*.json")) or None, "the job")
        os.kill(running.process.pid, signal.SIGINT)
        until(lambda: "Ctrl-C again stops now" in running.log() or None, "the notice")
        os.kill(running.process.pid, signal.SIGINT)
        running.process.wait(STOP_SECONDS)
    assert "stopping: finishing 1 response," in running.log()
    assert "ERROR" not in running.log() and "Traceback" not in running.log()


@pytest.mark.parametrize("settings", [{"proxies": ["*"]}, {"proxies": ["proxy"]}, {"root_path": "lipdrop"}])
def test_wrong_proxy_settings_are_a_bad_configuration(settings: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(json.dumps({"web": settings}))
    with pytest.raises(ConfigError):
        load_config(tmp_path / "config.yaml")
