"""Webhooks: real jobs on a daemon, sent by a real gateway to a real receiver that checks their signatures."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from daemon.web.addresses import AddressError, is_public, resolved
from daemon.web.secret import make_secret, read_secrets
from pipeline.config import Config, WebSettings, load_config
from pipeline.errors import ConfigError, JobError
from pipeline.files import write_file
from pipeline.job import parse_job
from pipeline.webhooks import Place
from pipeline.webhooks import Receiver as Target
from pipeline.webhooks import receiver as target
from tests.gateway import BriskGateway
from tests.running import BRIEF_WAITS, ONE_PROCESS, CheapDaemon, RunningDaemon, in_process, until
from tests.warm_gateway import PAUSES_SECONDS
from tests.webhook_receiver import Receiver

SECRET_FILE = "webhook-secret"


@dataclass(frozen=True)
class Stage:
    """A daemon without a gateway, and a receiver that it may name."""

    daemon: CheapDaemon
    receiver: Receiver
    web: dict[str, Any]
    """The settings of the gateway."""

    def gateway(self) -> BriskGateway:
        return BriskGateway(self.daemon.spool, **self.web)

    def calls_due(self) -> list[dict[str, Any]]:
        return [json.loads(file.read_bytes()) for file in (self.daemon.spool / "webhooks").glob("*.json")]

    def until_no_call_is_due(self, name: str) -> None:
        until(lambda: all(call["job"] != name for call in self.calls_due()) or None, f"no call of {name}", 20)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    spool = tmp_path_factory.mktemp("webhooks") / "spool"
    spool.mkdir()
    make_secret(spool / SECRET_FILE)
    with Receiver(read_secrets(spool / SECRET_FILE)[0]) as receiver:
        hosts = [f"http://127.0.0.1:{receiver.port}", "http://localhost"]
        web = {"webhook_hosts": hosts, "webhook_secret": SECRET_FILE}
        receiver.look = lambda job: (spool / "outbox" / f"{job}.json").exists()
        with CheapDaemon(spool, web=web, **BRIEF_WAITS).start("--brisk", "tts=tests.web_stages:PickyTts") as daemon:
            yield Stage(daemon.ready(), receiver, web)


# Gateways that end. These tests come first: the others share one gateway.


@pytest.mark.slow
def test_attempts_go_on_after_the_gateway_and_the_daemon_were_killed(stage: Stage) -> None:
    daemon, receiver = stage.daemon, stage.receiver
    with stage.gateway() as gateway:
        daemon.drop("restart", text="1 hello", webhook=receiver.url("fail-2/restart"))
        receiver.until_called("fail-2/restart")
        gateway.process.kill()
        gateway.process.wait(10)
    assert [call["job"] for call in stage.calls_due() if call["job"] == "restart"] == ["restart"]
    daemon.restarted("--brisk", "tts=tests.web_stages:PickyTts").ready()
    with stage.gateway():
        calls = receiver.until_called("fail-2/restart", 3)
        stage.until_no_call_is_due("restart")
    assert len({call.headers["webhook-id"] for call in calls}) == 1


def test_calls_wait_for_a_gateway_two_do_not_send_twice_and_the_second_takes_over(stage: Stage) -> None:
    daemon, receiver = stage.daemon, stage.receiver
    names = [f"pair-{number}" for number in range(8)]
    for name in names:
        daemon.drop(name, text="1 hello", webhook=receiver.url(f"ok/{name}"))
    daemon.endings(names)
    shown = in_process("webhooks", "list", cwd=daemon.spool).stdout.splitlines()
    assert sorted(line.split("\t")[1:] for line in shown) == [[name, "done", "0", "0"] for name in names]
    with stage.gateway() as first, stage.gateway():
        for name in names:
            stage.until_no_call_is_due(name)
        first.process.kill()
        daemon.drop("after", text="1 hello", webhook=receiver.url("ok/after"))
        receiver.until_called("ok/after")
    assert [len(receiver.of(f"ok/{name}")) for name in names] == [1] * len(names)


# A gateway that runs


@pytest.fixture(scope="module")
def gateway(stage: Stage) -> Iterator[BriskGateway]:
    with stage.gateway() as running:
        yield running


@pytest.fixture
def sending(stage: Stage, gateway: BriskGateway) -> Stage:
    """The stage, with a gateway that sends."""
    return stage


def test_a_done_job_is_reported_once_it_is_visible(sending: Stage) -> None:
    daemon, receiver = sending.daemon, sending.receiver
    daemon.drop("done", text="1 hello", webhook=receiver.url("ok/done?x=%20"), metadata={"é": 1})
    call = receiver.until_called("ok/done?x=%20")[0]
    timing = daemon.ending("done")
    assert call.payload == {"type": "job.done", "timestamp": timing["finished_at"], "data": timing}
    assert call.seen is True
    assert call.headers["content-type"] == "application/json"
    assert call.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert call.headers["user-agent"].startswith("lipdrop/")
    sending.until_no_call_is_due("done")
    assert len(receiver.of("ok/done?x=%20")) == 1


def test_a_call_waits_until_the_jobs_end_is_published(sending: Stage) -> None:
    """A daemon that dies between the two leaves both files."""
    spool, receiver = sending.daemon.spool, sending.receiver
    (spool / "work" / "held").mkdir()
    (spool / "work" / "held" / "timing.json").write_text("{}")
    call = {"id": "evt_held", "job": "held", "event": "done", "url": receiver.url("ok/held")}
    content = json.dumps({**call, "body": '{"data": {"job": "held"}}'})
    write_file(spool / "webhooks" / "evt_held.json", content.encode())  # at once: half a file is never read again
    sending.daemon.drop("later", text="1 hello", webhook=receiver.url("ok/later"))
    receiver.until_called("ok/later")
    assert receiver.of("ok/held") == []
    (spool / "work" / "held" / "timing.json").unlink()
    (spool / "work" / "held").rmdir()
    receiver.until_called("ok/held")


def test_a_failed_job_is_reported_whatever_its_fault(sending: Stage) -> None:
    daemon, receiver = sending.daemon, sending.receiver
    daemon.drop("fails", text="bad", webhook=receiver.url("ok/fails"))
    daemon.drop("invalid", text="1 hello", speed="fast", webhook=receiver.url("ok/invalid"))
    failed, invalid = receiver.until_called("ok/fails")[0], receiver.until_called("ok/invalid")[0]
    assert (failed.payload["type"], failed.payload["data"]["error"]["code"]) == ("job.failed", "voice")
    assert invalid.payload["data"] == daemon.ending("invalid")
    assert failed.headers["webhook-id"] != invalid.headers["webhook-id"]


def test_only_the_events_that_a_job_asks_for_are_sent(sending: Stage) -> None:
    daemon, receiver = sending.daemon, sending.receiver
    daemon.drop("quiet", text="1 hello", webhook={"url": receiver.url("ok/quiet"), "events": ["failed", "segment"]})
    daemon.ending("quiet")
    daemon.drop("loud", text="1 hello", webhook={"url": receiver.url("ok/loud"), "events": ["done"]})
    receiver.until_called("ok/loud")
    sending.until_no_call_is_due("quiet")
    assert receiver.of("ok/quiet") == []


def test_a_repeated_drop_is_another_event(sending: Stage) -> None:
    daemon, receiver = sending.daemon, sending.receiver
    ids = []
    for times in (1, 2):
        daemon.drop("twice", text="1 hello", webhook=receiver.url("ok/twice"))
        ids.append(receiver.until_called("ok/twice", times)[-1].headers["webhook-id"])
        daemon.until_work_is_clear()
    assert len(set(ids)) == 2


def test_a_failing_receiver_is_called_again_with_the_same_id(sending: Stage) -> None:
    daemon, receiver = sending.daemon, sending.receiver
    daemon.drop("again", text="1 hello", webhook=receiver.url("fail-3/again"))
    calls = receiver.until_called("fail-3/again", 4)
    assert len({call.headers["webhook-id"] for call in calls}) == 1
    assert all(call.payload == calls[0].payload for call in calls)
    times = [int(call.headers["webhook-timestamp"]) for call in calls]
    assert times == sorted(times)
    sending.until_no_call_is_due("again")
    assert len(receiver.of("fail-3/again")) == 4


def test_a_call_is_given_up_after_the_last_attempt(sending: Stage, gateway: BriskGateway) -> None:
    daemon, receiver = sending.daemon, sending.receiver
    daemon.drop("never", text="1 hello", webhook=receiver.url("fail-99/never"))
    receiver.until_called("fail-99/never", len(PAUSES_SECONDS) + 1)
    sending.until_no_call_is_due("never")
    assert len(receiver.of("fail-99/never")) == len(PAUSES_SECONDS) + 1
    assert "attempt 6: 'status 503'; given up" in gateway.log()


def test_a_receiver_that_is_gone_is_not_called_again(sending: Stage) -> None:
    sending.daemon.drop("gone", text="1 hello", webhook=sending.receiver.url("gone/gone"))
    sending.receiver.until_called("gone/gone")
    sending.until_no_call_is_due("gone")
    assert len(sending.receiver.of("gone/gone")) == 1


def test_redirects_are_not_followed(sending: Stage) -> None:
    sending.daemon.drop("moved", text="1 hello", webhook=sending.receiver.url("redirect/moved"))
    sending.receiver.until_called("redirect/moved", 3)
    assert sending.receiver.of("ok/elsewhere") == []
    sending.until_no_call_is_due("moved")


def test_a_hanging_receiver_holds_up_no_other_and_is_called_again(sending: Stage) -> None:
    daemon, receiver = sending.daemon, sending.receiver
    daemon.drop("hangs", text="1 hello", webhook=receiver.url("hang/hangs"))
    receiver.until_called("hang/hangs")
    daemon.drop("beside", text="1 hello", webhook=receiver.url("ok/beside"))
    receiver.until_called("ok/beside")
    assert len(receiver.until_called("hang/hangs", 2)) >= 2


def test_a_host_with_a_private_address_is_not_called(sending: Stage, gateway: BriskGateway) -> None:
    """`localhost` is allowed, but without a port: it would have to be public."""
    sending.daemon.drop("private", text="1 hello", webhook="http://localhost/private")
    sending.daemon.ending("private")
    until(lambda: "localhost has the address" in gateway.log() or None, "refusal", 60)
    sending.until_no_call_is_due("private")


def test_a_call_to_a_host_that_is_not_allowed_any_more_is_not_made(sending: Stage, gateway: BriskGateway) -> None:
    """Whoever may write a call into the spool cannot choose its host."""
    forged = {"id": "evt_forged", "job": "x", "event": "done", "url": "http://127.0.0.1:1/", "body": "{}"}
    (sending.daemon.spool / "webhooks" / "evt_forged.json").write_text(json.dumps(forged))
    until(lambda: "webhooks to http://127.0.0.1:1 are not allowed" in gateway.log() or None, "refusal", 20)
    sending.until_no_call_is_due("x")


def test_an_unreadable_call_is_left_alone(sending: Stage, gateway: BriskGateway) -> None:
    broken = sending.daemon.spool / "webhooks" / "evt_broken.json"
    broken.write_text("{")
    until(lambda: "evt_broken cannot be read" in gateway.log() or None, "warning", 60)
    assert "evt_broken\tunreadable" in in_process("webhooks", "list", cwd=sending.daemon.spool).stdout
    broken.unlink()


# Streams


@pytest.mark.slow
def test_the_first_playable_segment_is_reported(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    web = {"webhook_hosts": ["http://127.0.0.1:9"]}
    settings: dict[str, Any] = {**ONE_PROCESS, "web": web, "language": "en", "tts": {"backend": "espeak"}}
    text = "This is the first sentence of the stream, and it has some words. This is the second sentence of the stream."
    hook = {"url": "http://127.0.0.1:9/x", "events": ["segment", "done"]}
    with RunningDaemon(spool, **settings, **BRIEF_WAITS) as daemon:
        daemon.drop("live", text=text, mode="stream", size="64x64", webhook=hook)
        daemon.start("--once")
        timing = daemon.ending("live")
    calls = [json.loads(file.read_bytes()) for file in (spool / "webhooks").glob("*.json")]
    first, last = sorted(calls, key=lambda call: call["event"], reverse=True)
    assert [first["event"], last["event"]] == ["segment", "done"]
    sent = json.loads(first["body"])
    assert sent["type"] == "job.segment"
    assert sent["timestamp"] <= timing["finished_at"]
    assert sent["data"].keys() == {"job", "status", "submitted_at", "first_segment_seconds"}
    seconds = sent["data"]["first_segment_seconds"]
    assert timing["timing"]["first_segment_seconds"] <= seconds < timing["timing"]["total_seconds"]


# Which URLs are allowed

HOSTS = [
    "example.org",
    "internal:8443",
    "http://plain.example",
    "http://10.0.0.5:8000",
    "[2001:db8::1]:443",
    "10.1.1.1",
]


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "may_be_private"),
    [
        ("https://example.org", "example.org", 443, "/", False),
        ("https://EXAMPLE.org:443/a?b=c", "example.org", 443, "/a?b=c", False),
        ("https://example.org?b", "example.org", 443, "/?b", False),
        ("https://internal:8443/", "internal", 8443, "/", True),
        ("http://plain.example/", "plain.example", 80, "/", False),
        ("http://10.0.0.5:8000/", "10.0.0.5", 8000, "/", True),
        ("https://10.1.1.1/", "10.1.1.1", 443, "/", True),
        ("https://[2001:DB8:0::1]/", "2001:db8::1", 443, "/", True),
    ],
)
def test_an_allowed_url_is_taken_apart(url: str, host: str, port: int, path: str, may_be_private: bool) -> None:
    assert target(url, HOSTS) == Target(Place(url.partition(":")[0], host, port), path, may_be_private)


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.org/", "https://example.org:8443/", "https://internal/", "https://plain.example/"),
        *("http://10.0.0.5/", "https://10.0.0.5:8000/", "https://sub.example.org/", "https://example.org.evil.net/"),
        *("https://example.org@evil.net/", "https://evil.net#@example.org/", "https://evil.net\\@example.org/"),
        *("https://user:pw@example.org/", "https://example.org/a b", "https://example.org/é", "https://exämple.org/"),
        *(
            "https://example.org:0/",
            "https://example.org:99999/",
            "https:example.org",
            "//example.org/",
            "",
            "x" * 3000,
        ),
        *("ftp://example.org/", "file:///etc/passwd", "https://example.org/\n", "https://[::1/", "https://[1::2::3]/"),
        *("https://2130706433/", "https://0x0a.1.1.1/", "https://example.org./", "https://example.org/#x"),
    ],
)
def test_any_other_url_is_refused(url: str) -> None:
    with pytest.raises(JobError) as caught:
        target(url, HOSTS)
    assert (caught.value.code, caught.value.field) == ("webhook", "webhook")
    assert caught.value.hint


def test_no_host_is_allowed_unless_configured(tmp_path: Path) -> None:
    job = tmp_path / "job.json"
    job.write_text('{"text": "hello", "webhook": "https://example.org/"}')
    shown = in_process("submit", job, "--dry-run", cwd=tmp_path)
    assert shown.returncode == 65
    assert "webhook: job" not in shown.stderr
    assert "webhooks to https://example.org:443 are not allowed" in shown.stderr


def test_a_job_in_the_inbox_with_another_host_fails(stage: Stage) -> None:
    stage.daemon.drop("foreign", text="1 hello", webhook="https://example.org/")
    assert stage.daemon.ending("foreign")["error"]["code"] == "webhook"
    assert all(call["job"] != "foreign" for call in stage.calls_due())


def test_the_gateway_refuses_such_a_job(gateway: BriskGateway) -> None:
    answer = gateway.client.post("/api/jobs", json={"text": "1 hello", "webhook": "https://example.org/"})
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (400, "webhook", "webhook")


@pytest.mark.parametrize(
    "entry", ["", "https://", "example.org/path", "*.example.org", "ftp://x", "a:0", "[::1", "a b"]
)
def test_a_wrong_entry_in_the_allow_list_is_a_bad_configuration(entry: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps({"web": {"webhook_hosts": [entry]}}))
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert (caught.value.code, caught.value.field) == ("config_value", "web.webhook_hosts.0")


@pytest.mark.parametrize("webhook", [1, [], {}, {"url": 1}, {"url": "https://a/", "events": []}])
def test_a_malformed_webhook_is_refused(webhook: Any) -> None:
    job = json.dumps({"text": "hello", "webhook": webhook}).encode()
    with pytest.raises(JobError):
        parse_job(job, Config(web=WebSettings(webhook_hosts=["a"])), [])


# Addresses


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "::", "::1", "fe80::1", "fc00::1"),
        *("ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"),
        *("2002:a00:1::1", "64:ff9b::a9fe:a9fe", "2001::1"),
    ],
)
def test_special_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::101:101"])
def test_other_addresses_are_public(address: str) -> None:
    assert is_public(address)


def test_one_private_address_among_several_is_enough_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    def lookup(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("1.1.1.1", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with pytest.raises(AddressError, match=r"127\.0\.0\.1, which is not public"):
        asyncio.run(resolved(target("https://example.org/", HOSTS)))
    assert asyncio.run(resolved(target("https://internal:8443/", HOSTS))) == ["1.1.1.1", "127.0.0.1"]


# Certificates


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate for a host name, and its key."""
    key, file = folder / f"{name}.key", folder / f"{name}.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    argv += ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-keyout", str(key), "-out", str(file)]
    subprocess.run(argv, check=True, capture_output=True)
    return file, key


@contextmanager
def tls_receiver(folder: Path, secret: str, name: str) -> Iterator[Receiver]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(folder, name))
    with Receiver(secret, tls=context) as receiver:
        yield receiver


def test_the_certificate_must_be_that_of_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection goes to an address, but the certificate is checked against the name in the URL."""
    spool = tmp_path / "spool"
    (spool / "webhooks").mkdir(parents=True)
    make_secret(spool / SECRET_FILE)
    secret = read_secrets(spool / SECRET_FILE)[0]
    with tls_receiver(tmp_path, secret, "localhost") as right, tls_receiver(tmp_path, secret, "other.example") as wrong:
        trusted = tmp_path / "trusted.pem"
        trusted.write_bytes(b"".join(file.read_bytes() for file in tmp_path.glob("*.pem")))
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        for receiver in (right, wrong):
            call = {"id": f"evt_{receiver.port}", "job": "x", "event": "done", "body": '{"data": {"job": "x"}}'}
            call["url"] = f"https://localhost:{receiver.port}/ok/tls"
            (spool / "webhooks" / f"{call['id']}.json").write_text(json.dumps(call))
        hosts = [f"localhost:{receiver.port}" for receiver in (right, wrong)]
        with BriskGateway(spool, webhook_hosts=hosts, webhook_secret=SECRET_FILE) as gateway:
            until(lambda: not list((spool / "webhooks").glob("*.json")) or None, "end of the calls", 20)
    assert (len(right.of("ok/tls")), len(wrong.of("ok/tls"))) == (1, 0)
    assert "Hostname mismatch" in gateway.log()


# The secret and the commands


def test_webhooks_without_a_secret_do_not_start(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("web: {port: 0, webhook_hosts: [example.org]}\n")
    shown = in_process("serve", cwd=tmp_path)
    assert (shown.returncode, "webhook_secret" in shown.stderr) == (78, True)
    config.write_text("web: {port: 0, webhook_hosts: [example.org], webhook_secret: secret}\n")
    assert in_process("serve", cwd=tmp_path).returncode == 78


def test_the_secret_is_written_once_and_printed(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("web: {webhook_secret: secret}\n")
    first, second = (in_process("webhooks", "secret", cwd=tmp_path) for _ in range(2))
    assert first.stdout == second.stdout == (tmp_path / "secret").read_text()
    assert first.stdout.startswith("whsec_")
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o640


def test_the_secret_needs_a_file(tmp_path: Path) -> None:
    shown = in_process("webhooks", "secret", cwd=tmp_path)
    assert (shown.returncode, "web.webhook_secret" in shown.stderr) == (78, True)


@pytest.mark.parametrize("content", ["", "\n", "secret\n", "whsec_\n", "whsec_!!!\n", "whsec_YWJj\n", "\xff"])
def test_an_invalid_secret_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigError) as caught:
        read_secrets(tmp_path / "secret")
    assert caught.value.code == "webhook_secret"
