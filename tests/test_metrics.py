"""Metrics of a real daemon, in its file and through a real gateway, and the dashboard and alerts that use them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from daemon.metrics.observations import HookRan, WorkerExit
from daemon.metrics.recorder import Recorder
from daemon.metrics.registry import Counted, LeftByDaemon, Present, render
from daemon.outputs.report import ChunkReport
from daemon.spool.health import health
from daemon.spool.spool import Spool
from daemon.web.app import make_app
from daemon.web.tokens import Tokens
from pipeline.config import Config, MetricsSettings, WebSettings, load_config
from tests import reports
from tests.running import BRIEF_WAITS, ROOT, CheapDaemon, until

OPS = ROOT / "ops"
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian: prometheus)")

Values = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def values(text: str) -> Values:
    """Every sample by its name and labels."""
    families = text_string_to_metric_families(text)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def value(found: Values, name: str, **labels: str) -> float | None:
    return found.get((name, tuple(sorted(labels.items()))))


def promtool(*arguments: str, stdin: str = "", cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    assert PROMTOOL is not None
    argv = [PROMTOOL, *arguments]
    return subprocess.run(argv, input=stdin, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CheapDaemon]:
    spool = tmp_path_factory.mktemp("metrics") / "spool"
    with CheapDaemon(spool, metrics={"textfile": "shared.prom"}, **BRIEF_WAITS) as running:
        yield running.start("--brisk", "tts=tests.talkative:ObedientTts").ready()


@pytest.fixture(scope="module")
def client(daemon: CheapDaemon) -> Iterator[TestClient]:
    app = make_app(load_config(daemon.spool / "config.yaml"), Spool(daemon.spool))
    with TestClient(app, base_url="http://127.0.0.1") as made:
        yield made


def shared(daemon: CheapDaemon) -> Values:
    return values((daemon.spool / "shared.prom").read_text())


def until_counted(daemon: CheapDaemon, name: str, wanted: float, **labels: str) -> Values:
    """Wait until the daemon's file has a value; returns the whole file."""

    def found() -> Values | None:
        seen = shared(daemon)
        return seen if value(seen, name, **labels) == wanted else None

    return until(found, name, 20)


def test_the_daemon_counts_jobs_errors_and_exits(daemon: CheapDaemon) -> None:
    daemon.drop("good", text="2 hello")
    daemon.drop("bad", text="1 bad")
    daemon.drop("unlucky", text="1 kill")
    assert [ending["status"] for ending in daemon.endings(["good", "bad", "unlucky"])] == ["done", "failed", "done"]
    daemon.until_work_is_clear()
    found = until_counted(daemon, "lipdrop_jobs_ended_total", 2, status="done")
    assert value(found, "lipdrop_jobs_ended_total", status="failed") == 1
    assert value(found, "lipdrop_job_failures_total", code="voice") == 1
    assert value(found, "lipdrop_worker_exits_total", worker="tts-0", reason="crash") == 1
    assert value(found, "lipdrop_worker_exits_total", worker="tts-0", reason="cancel") == 0
    assert value(found, "lipdrop_frames_total", model="nogan", engine="builtin") == 0
    assert value(found, "lipdrop_frames_total", model="gan", engine="cheap") == 75
    assert value(found, "lipdrop_stage_seconds_count", stage="tts") == 2
    assert value(found, "lipdrop_real_time_factor_count", mode="parallel") == 2
    assert value(found, "lipdrop_daemon_up") == 1
    assert value(found, "lipdrop_daemon_state", state="ok") == 1
    assert value(found, "lipdrop_worker_state", worker="gan-0", state="idle") == 1
    assert value(found, "lipdrop_worker_info", worker="gan-0", node="", device="cpu") == 1


def test_another_program_may_read_the_file_but_not_the_spool(daemon: CheapDaemon) -> None:
    assert (daemon.spool / "shared.prom").stat().st_mode & 0o777 == 0o644


def test_the_gateway_shows_what_the_daemon_counted(daemon: CheapDaemon, client: TestClient) -> None:
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    left = values((daemon.spool / "run" / "metrics.prom").read_text())
    shown = values(response.text)
    changing = {"lipdrop_daemon_report_time_seconds", "lipdrop_free_bytes"}
    assert left.keys() == shown.keys()
    assert {key: v for key, v in shown.items() if key[0] not in changing} == {
        key: v for key, v in left.items() if key[0] not in changing
    }


def test_running_and_waiting_jobs_are_counted_by_state(daemon: CheapDaemon, client: TestClient) -> None:
    Spool(daemon.spool).pause()
    until(lambda: daemon.status()["state"] == "paused" or None, "pause")
    daemon.drop("late", text="1 hello")
    os.utime(daemon.spool / "inbox" / "late.json", (0, 0))  # its writer's clock does not make it look old
    found = values(client.get("/metrics").text)
    assert value(found, "lipdrop_jobs", state="waiting") == 1
    assert 0 <= (value(found, "lipdrop_queue_oldest_seconds") or 0) < 600
    assert value(found, "lipdrop_daemon_state", state="paused") == 1
    Spool(daemon.spool).resume()
    daemon.ending("late")
    daemon.drop("long", text="1 wait")
    daemon.until_ran("late merge")
    until(lambda: daemon.status()["jobs"] == {"long": "tts"} or None, "long job")
    found = values(client.get("/metrics").text)
    assert value(found, "lipdrop_jobs", state="tts") == 1
    assert value(found, "lipdrop_jobs", state="waiting") == 0


@needs_promtool
def test_promtool_accepts_the_metrics(client: TestClient) -> None:
    checked = promtool("check", "metrics", stdin=client.get("/metrics").text)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_the_gateway_works_while_the_daemon_is_down(daemon: CheapDaemon, client: TestClient) -> None:
    """And the counters begin again with the next daemon."""
    done = {"name": "lipdrop_jobs_ended_total", "status": "done"}
    until(lambda: value(values(client.get("/metrics").text), **done) == 3 or None, "report of the last job")
    daemon.stop(signal.SIGKILL)
    daemon.drop("next", text="1 hello")
    down = values(client.get("/metrics").text)
    assert value(down, "lipdrop_daemon_up") == 0
    assert value(down, "lipdrop_daemon_state", state="down") == 1
    assert value(down, "lipdrop_jobs", state="waiting") == 1
    assert value(down, "lipdrop_jobs", state="queued") == 1
    assert not [key for key in down if key[0] == "lipdrop_worker_state"]
    assert value(down, **done) == 3
    (daemon.spool / "go").touch()
    daemon.start("--brisk", "tts=tests.talkative:ObedientTts").ready()
    daemon.endings(["next", "long"])
    until(lambda: value(values(client.get("/metrics").text), **done) == 2 or None, "counters from 0", 20)


def test_metrics_need_a_token_where_others_do(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "tokens")
    token = tokens.add("prometheus")
    spool = Spool(tmp_path / "spool")
    spool.create()
    config = Config(web=WebSettings(tokens=str(tmp_path / "tokens")))
    with TestClient(make_app(config, spool), base_url="http://127.0.0.1") as client:
        assert client.get("/metrics").status_code == 401
        shown = client.get("/metrics", headers={"Authorization": f"Bearer {token}"})
        assert value(values(shown.text), "lipdrop_daemon_up") == 0


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"lipdrop_jobs_ended_total{", b"# TYPE x counter\nx 1"])
def test_without_a_readable_file_all_counters_are_zero(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "metrics.prom").write_bytes(content)
    assert render(LeftByDaemon(tmp_path / "metrics.prom")) == render(Counted())


def test_late_pieces_of_streams_count_as_stalls() -> None:
    piece = {"index": 0, "start_seconds": 0, "end_seconds": 1, "frames": 25, "model": "gan", "engine": "builtin"}
    piece |= {"device": "cpu", "worker": "gan-0", "queued_seconds": 0, "inference_seconds": 0.5}
    piece |= {"encode_seconds": 0.25, "total_seconds": 0.5, "ready_seconds": 1}
    chunks = [ChunkReport.model_validate({**piece, "slack_seconds": slack}) for slack in (0.5, -0.25, -0.5)]
    counted = Counted()
    counted.count(reports.done(mode="stream").model_copy(update={"chunks": chunks}))
    found = values(render(counted).decode())
    assert value(found, "lipdrop_stream_pieces_total") == 3
    assert value(found, "lipdrop_stream_stalls_total") == 2
    assert value(found, "lipdrop_stream_stall_seconds_total") == 0.75
    assert value(found, "lipdrop_inference_seconds_total", model="gan", engine="builtin") == 1.5
    assert value(found, "lipdrop_encode_seconds_total") == 0.75


def test_a_cached_job_is_counted_without_its_times() -> None:
    counted = Counted()
    counted.count(reports.done().model_copy(update={"cached": True}))
    found = values(render(counted).decode())
    assert value(found, "lipdrop_jobs_ended_total", status="cached") == 1
    assert value(found, "lipdrop_job_seconds_count") == 0


def test_a_file_that_cannot_be_written_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = Config(metrics=MetricsSettings(textfile=str(tmp_path / "missing" / "a.prom")))
    spool = Spool(tmp_path)
    spool.create()
    recorder = Recorder(config, spool)
    recorder.start()
    recorder.observe(WorkerExit("gan-0", "cancel"))
    recorder.close()
    found = values(spool.metrics_file.read_text())
    assert value(found, "lipdrop_worker_exits_total", worker="gan-0", reason="cancel") == 1
    assert [record.message for record in caplog.records if "cannot write the metrics" in record.message]


def test_the_shared_file_has_a_name_that_is_collected() -> None:
    with pytest.raises(ValueError, match=r"must end with \.prom"):
        MetricsSettings(textfile="/var/lib/node-exporter/lipdrop.txt")


# The dashboard, the alerts and the page about them


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of all samples that lipdrop exports."""
    spool = Spool(tmp_path_factory.mktemp("names"))
    spool.create()
    counted = Counted()
    counted.count(reports.done())
    counted.count(reports.failed())
    counted.count(WorkerExit("gan-0", "crash"))
    counted.count(HookRan("ok"))
    families = text_string_to_metric_families(
        render(Present(spool, lambda: health(spool), free_megabytes=1), counted).decode()
    )
    exported = set()
    for family in families:
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        exported |= {family.name + suffix for suffix in suffixes}
    return exported


def mentioned(text: str) -> set[str]:
    return set(re.findall(r"\blipdrop_[a-z_]+\b", text))


def expressions() -> dict[str, str]:
    """The queries of the dashboard and the alert rules, by where they are."""
    rules = yaml.safe_load((OPS / "alerts.yml").read_text())
    found = {rule["alert"]: rule["expr"] for group in rules["groups"] for rule in group["rules"]}
    dashboard = json.loads((OPS / "dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for number, target in enumerate(panel.get("targets", [])):
            found[f"{panel['title']} {number}"] = target["expr"]
    return found


def test_every_metric_of_the_dashboard_and_the_alerts_exists(names: set[str]) -> None:
    found = expressions()
    assert len(found) > 15
    assert {place: mentioned(query) - names for place, query in found.items() if mentioned(query) - names} == {}
    assert all(mentioned(query) for query in found.values())


def test_every_metric_is_documented(names: set[str]) -> None:
    page = (ROOT / "docs" / "how-to" / "monitor.md").read_text("utf-8")
    plain = {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}
    table = set(re.findall(r"^\| `(lipdrop_[a-z_]+)", page, re.MULTILINE))
    assert table == plain
    assert mentioned(page) <= names | plain


def test_the_panels_do_not_overlap() -> None:
    seen: set[tuple[int, int]] = set()
    for panel in json.loads((OPS / "dashboard.json").read_text())["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert place["x"] + place["w"] <= 24
        assert not seen & cells, panel["title"]
        seen |= cells


REQUIRED_OPTIONS = {
    "stat": {
        *("reduceOptions", "textMode", "colorMode", "graphMode", "justifyMode", "wideLayout", "orientation"),
        *("showPercentChange", "percentChangeColorMode"),
    },
    "timeseries": {"legend", "tooltip"},
}
"""What the package @grafana/schema 13.2 requires of these panels. Its types were checked with tsc as a whole."""


def test_the_panels_have_the_options_that_grafana_requires() -> None:
    for panel in json.loads((OPS / "dashboard.json").read_text())["panels"]:
        options = panel["options"]
        assert panel["description"]
        assert REQUIRED_OPTIONS[panel["type"]] <= options.keys(), panel["title"]
        legend, tooltip = options.get("legend"), options.get("tooltip")
        assert legend is None or {"displayMode", "placement", "showLegend", "calcs"} <= legend.keys()
        assert tooltip is None or {"mode", "sort"} <= tooltip.keys()


@needs_promtool
def test_promtool_accepts_the_alerts_and_their_tests() -> None:
    assert promtool("check", "rules", "--lint=all", "--lint-fatal", "alerts.yml", cwd=OPS).returncode == 0
    tested = promtool("test", "rules", "alerts-test.yml", cwd=OPS)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    untested = set(re.findall(r"alert: (\w+)", (OPS / "alerts.yml").read_text()))
    untested -= set(re.findall(r"alertname: (\w+)", (OPS / "alerts-test.yml").read_text()))
    assert untested == set()


@needs_promtool
def test_promtool_accepts_the_scrape_configuration(tmp_path: Path) -> None:
    for file in ("prometheus.yml", "alerts.yml"):
        shutil.copy(OPS / file, tmp_path)
    (tmp_path / "token").write_text("secret")
    text = (tmp_path / "prometheus.yml").read_text().replace("/etc/prometheus/lipdrop-token", "token")
    (tmp_path / "prometheus.yml").write_text(text)
    checked = promtool("check", "config", "prometheus.yml", cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@needs_promtool
@pytest.mark.parametrize("place", sorted(expressions()))
def test_promtool_parses_every_query(place: str, tmp_path: Path) -> None:
    query = re.sub(r"\$__rate_interval", "5m", expressions()[place])
    rule = {"groups": [{"name": "a", "rules": [{"record": "a:b", "expr": query}]}]}
    (tmp_path / "rule.yml").write_text(yaml.safe_dump(rule))
    checked = promtool("check", "rules", "rule.yml", cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
