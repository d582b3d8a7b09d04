"""The reverse proxies of the documentation, as they are written there, in front of a real gateway."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from daemon.web.tokens import Tokens
from pipeline.config import WebSettings
from tests.gateway import REQUEST_SECONDS, RunningGateway, WarmGateway
from tests.running import until

PAGE = (Path(__file__).parent.parent / "docs" / "how-to" / "serve-the-web.md").read_text("utf-8")
NAME = "video.example.org"
LIMIT_BYTES = 1 << 20
NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/errors;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
    uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
    {site}
}}
"""
CADDY = "{{\n admin off\n auto_https disable_redirects\n skip_install_trust\n}}\n{site}"


def example(language: str) -> str:
    """The first example of a language on the page."""
    found = re.search(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    file = tmp_path_factory.mktemp("proxies") / "tokens"
    return Tokens(file).add("x"), file


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, token: tuple[str, Path]) -> Iterator[RunningGateway]:
    settings = {"names": [NAME], "proxies": ["127.0.0.1"], "tokens": str(token[1]), "requests_per_minute": 60}
    with WarmGateway(tmp_path_factory.mktemp("proxied") / "spool", upload_megabytes=1, **settings) as running:
        yield running


def arguments(kind: str, folder: Path, port: int, upstream: str) -> list[str]:
    """Write a proxy's configuration; returns its command line."""
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    argv += ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
    subprocess.run([*argv, "-keyout", f"{folder}/key", "-out", f"{folder}/cert"], check=True, capture_output=True)
    if kind == "nginx":
        site = re.sub(r"/etc/ssl/\S+\.pem", f"{folder}/cert", example(kind)).replace(" 443 ", f" 127.0.0.1:{port} ")
        site = re.sub(r"/etc/ssl/\S+\.key", f"{folder}/key", site).replace("127.0.0.1:3000", upstream)
        (folder / "conf").write_text(NGINX.format(folder=folder, site=site))
        return ["nginx", "-c", f"{folder}/conf", "-p", str(folder), "-e", f"{folder}/errors"]
    site = example("caddyfile").replace("127.0.0.1:3000", upstream)
    site = site.replace(f"{NAME} {{", f"https://{NAME}:{port} {{\ntls {folder}/cert {folder}/key", 1)
    (folder / "conf").write_text(CADDY.format(site=site))
    return ["caddy", "run", "--config", f"{folder}/conf", "--adapter", "caddyfile"]


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def address(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, gateway: RunningGateway
) -> Iterator[tuple[str, int]]:
    """A running proxy: its kind and its port."""
    kind: str = request.param
    if shutil.which(kind) is None:
        pytest.skip(f"{kind} is not installed")
    folder, port = tmp_path_factory.mktemp(kind), free_port()
    argv = arguments(kind, folder, port, gateway.url.removeprefix("http://"))
    home = {"HOME": str(folder), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(argv, env=home, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        until(lambda: _is_open(port) or None, f"{kind}: {(folder / 'log').read_text()}", 20)
        yield kind, port
    finally:
        process.terminate()
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:  # Caddy waits for its clients
            process.kill()
            process.wait(10)


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def unchecked() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Renamed(httpx.HTTPTransport):
    """Connects to this machine under the site's name."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions["sni_hostname"] = NAME
        request.headers["Host"] = f"{NAME}:{request.url.port}"
        return super().handle_request(request)


@pytest.fixture
def web(address: tuple[str, int], token: tuple[str, Path]) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {token[0]}"}
    url, transport = f"https://127.0.0.1:{address[1]}", Renamed(verify=unchecked())
    with httpx.Client(base_url=url, transport=transport, headers=headers, timeout=REQUEST_SECONDS) as client:
        yield client


def test_the_documented_limits_are_the_defaults() -> None:
    megabytes = WebSettings().upload_megabytes
    assert f"client_max_body_size {megabytes}m;" in example("nginx")
    assert f"max_size {megabytes}MiB" in example("caddyfile")


def test_requests_pass_with_the_sites_own_origin(web: httpx.Client) -> None:
    assert web.get("/api/ready").status_code == 503
    origin = f"https://{NAME}:{web.base_url.port}"
    headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
    assert web.post("/api/jobs", json={"text": "hello"}, headers=headers).status_code == 202
    assert web.post("/api/jobs", json={"text": "hello"}, headers={"Origin": "https://evil.example"}).status_code == 403


def test_events_are_not_held_back(web: httpx.Client) -> None:
    name = f"live-{web.base_url.port}"
    web.put(f"/api/jobs/{name}", json={"text": "hello"}).raise_for_status()
    with web.stream("GET", f"/api/jobs/{name}/events", timeout=10) as answer:
        assert next(answer.iter_lines()).startswith("id: ")


@pytest.mark.parametrize("is_declared", [True, False])
def test_a_body_over_the_limit_is_refused(is_declared: bool, web: httpx.Client) -> None:
    form = httpx.Request("POST", "http://x", files={"job": (None, "{}"), "audio": ("a.wav", b"\0" * 2 * LIMIT_BYTES)})
    body, headers = form.read(), {"Content-Type": form.headers["content-type"]}
    parts = iter([body[: 3 << 19], body[3 << 19 :]])
    answer = web.post("/api/jobs", content=body if is_declared else parts, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_a_client_cannot_choose_its_address(web: httpx.Client) -> None:
    """The proxy overwrites what it says; without a token, the rate is counted for each address."""
    answers = []
    for number in range(61):
        headers = {"X-Forwarded-For": f"9.9.9.{number}", "Authorization": ""}
        answers.append(web.post("/login", headers=headers).status_code)
    assert answers[-1] == 429


HIDDEN = b'PUT /api/jobs/hidden HTTP/1.1\r\n%bContent-Length: 16\r\n\r\n{"text":"hello"}'
"""A second request, hidden in what one side takes for the body of the first."""


@pytest.mark.parametrize(
    "lines",
    [
        *("Content-Length: 6\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 6"),
        *("Content-Length: 5\r\nContent-Length: 300", "Content-Length: +5", "Transfer-Encoding: xchunked"),
        *(
            "Transfer-Encoding : chunked\r\nContent-Length: 300",
            "Transfer-Encoding: \x0bchunked\r\nContent-Length: 300",
        ),
        *("X-A: a\n Transfer-Encoding: chunked\r\nContent-Length: 300", "Content_Length: 5\r\nContent-Length: 300"),
    ],
)
def test_no_second_request_is_hidden_in_a_body(
    lines: str, address: tuple[str, int], token: tuple[str, Path], gateway: RunningGateway
) -> None:
    """If the proxy takes what follows for another request, as Caddy does after a chunked body, it answers it too."""
    dropped = gateway.spool / "inbox" / "hidden.json"
    dropped.unlink(missing_ok=True)
    head = f"Host: {NAME}\r\nAuthorization: Bearer {token[0]}\r\nContent-Type: application/json\r\n".encode()
    hidden = HIDDEN % head
    body = b"0\r\n\r\n" + hidden + b" " * (295 - len(hidden))
    with (
        socket.create_connection(("127.0.0.1", address[1]), 5) as plain,
        unchecked().wrap_socket(plain, server_hostname=NAME) as sent,
    ):
        sent.sendall(b"POST /api/none HTTP/1.1\r\n" + head + lines.encode() + b"\r\n\r\n" + body)
        statuses = re.findall(rb"HTTP/1\.1 (\d+)", received(sent))
    assert statuses[0] in (b"400", b"404", b"501")
    assert dropped.exists() == (b"202" in statuses)
    assert address[0] == "caddy" or not dropped.exists()


def received(sent: ssl.SSLSocket) -> bytes:
    """Everything that is received until the connection is closed or silent."""
    sent.settimeout(1)
    found = bytearray()
    with contextlib.suppress(TimeoutError):
        while block := sent.recv(1 << 16):
            found += block
    return bytes(found)
