"""Streams as others read them: a strict parser of playlists, MP4Box's parser, and Shaka Player in a real browser.

`npm install --prefix tests/conformance` brings these programs; `.ci/run` does so. The rules are those of RFC 8216, and
of Apple's HLS authoring specification where a stream of one quality can follow them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from daemon.outputs.hls import TARGET_SECONDS, peak_rate
from tests.browser import CHROMIUM, Browser
from tests.hls import CLOCKS_HZ
from tests.running import ROOT, RunningDaemon, until

pytestmark = pytest.mark.slow

PROGRAMS = ROOT / "tests" / "conformance" / "node_modules"
MISSING = not PROGRAMS.exists() or shutil.which("node") is None
NEEDS_PROGRAMS = pytest.mark.skipif(MISSING, reason="needs node, and npm install --prefix tests/conformance")
VIDEO_CODEC, SOUND_CODEC = "avc1.64000a", "mp4a.40.2"
XMP_BOX = "be7acfcb97a942e89c71999491e3afac"
"""The identifier of the box with the mark; a parser that does not know it says so and goes on."""
SHAKA = """<link rel=icon href=data:,><script src=shaka-player.compiled.js></script>
<video id=video muted autoplay></video>
<script>
const player = new shaka.Player();
const fail = (error) => console.error(`shaka ${error.code} ${error.data}`);
player.addEventListener('error', ({detail}) => fail(detail));
player.attach(video).then(() => player.load('stream/master.m3u8')).then(() => { video.playbackRate = 4; }, fail);
</script>"""


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a stream that has ended, with captions."""
    with RunningDaemon(tmp_path_factory.mktemp("conformance")) as daemon:
        text = "Good morning to all of you. Nobody knew who had sent the letters, but everyone wanted to read them."
        daemon.start().ready()
        daemon.drop("told", text=text, language="en", voice="hibari:heart", mode="stream", captions=True, size="64x64")
        ending = daemon.ending("told")
        assert ending["status"] == "done", ending
        yield daemon.spool / "outbox" / "told"


@NEEDS_PROGRAMS
def test_strict_parsers_find_nothing_to_say(stream: Path) -> None:
    found = read(stream)
    assert found["playlists"] == ["captions.m3u8", "index.m3u8", "master.m3u8"]
    assert [warning for warning in found["warnings"] if XMP_BOX not in warning] == []
    assert found["isFragmented"]
    assert "cmfc" not in found["brands"], "a CMAF track has one track a file"
    assert found["codecs"] == [VIDEO_CODEC, SOUND_CODEC]
    assert [box for box in found["boxes"] if box != "uuid"] == [
        "ftyp",
        "moov",
        *["moof", "mdat"] * len(found["segments"]),
    ]


@NEEDS_PROGRAMS
def test_each_segment_goes_on_where_the_last_one_ended_and_begins_with_a_keyframe(stream: Path) -> None:
    found = read(stream)
    for codec, clock_hz in zip((VIDEO_CODEC, SOUND_CODEC), CLOCKS_HZ.values(), strict=True):
        samples = [sample for sample in found["samples"] if sample["codec"] == codec]
        at = 0
        for sample in samples:
            assert (sample["dts"], sample["cts"]) == (at, at)
            at += sample["duration"]
        assert at / clock_hz == pytest.approx(seconds_of(stream), abs=1e-3)
        if codec == VIDEO_CODEC:
            firsts = {sample["fragment"]: sample["is_sync"] for sample in reversed(samples)}
            assert firsts == dict.fromkeys(range(len(found["segments"]), 0, -1), True)


@NEEDS_PROGRAMS
def test_the_variant_says_what_it_is(stream: Path) -> None:
    [variant] = read(stream)["variants"]
    sizes = [8 * (stream / name).stat().st_size for name, _ in segments_of(stream)]
    average = round(sum(sizes) / seconds_of(stream))
    assert variant == {
        "bandwidth": peak_rate(
            [(seconds, bits) for (_, seconds), bits in zip(segments_of(stream), sizes, strict=True)]
        ),
        "averageBandwidth": pytest.approx(average, abs=1),
        "codecs": f"{VIDEO_CODEC},{SOUND_CODEC}",
        "resolution": {"width": 64, "height": 64},
        "frameRate": 25,
    }


def test_the_peak_is_that_of_segments_that_last_about_as_long_as_the_target() -> None:
    assert TARGET_SECONDS == 3
    assert (
        peak_rate([(0.5, 900), (2.5, 300), (3.0, 300)]) == 400
    )  # the first two: 1,200 bits in 3 s; 0.5 s is too short
    assert peak_rate([(1.0, 500)]) == 500
    assert peak_rate([(2.0, 200), (2.0, 600), (2.0, 200)]) == 300


@NEEDS_PROGRAMS
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_shaka_player_plays_it_to_its_end(stream: Path, tmp_path: Path) -> None:
    page = tmp_path / "page"
    page.mkdir()
    (page / "stream").symlink_to(stream)
    (page / "shaka-player.compiled.js").symlink_to(PROGRAMS / "shaka-player" / "dist" / "shaka-player.compiled.js")
    (page / "index.html").write_text(SHAKA)
    with served(page) as url, Browser(tmp_path / "profile") as browser:
        browser.open(url)
        until(lambda: browser.value("video.ended") or browser.errors or None, "end")
        assert browser.errors == []
        assert browser.value("video.currentTime") == pytest.approx(seconds_of(stream), abs=0.1)
        assert browser.value("[video.videoWidth, video.videoHeight]") == [64, 64]


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a folder's files."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    """Writes no log."""

    def log_message(self, *_: object) -> None:
        pass


def read(stream: Path) -> Any:
    """What the parsers find in a stream's folder."""
    argv = ["node", str(ROOT / "tests" / "conformance" / "read.js"), str(stream)]
    return json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)


def segments_of(stream: Path) -> list[tuple[str, float]]:
    """The names of the segments and their lengths in seconds."""
    lines = (stream / "index.m3u8").read_text().splitlines()
    lengths = [float(line.partition(":")[2].rstrip(",")) for line in lines if line.startswith("#EXTINF")]
    return list(zip((line for line in lines if line.endswith(".m4s")), lengths, strict=True))


def seconds_of(stream: Path) -> float:
    return sum(seconds for _, seconds in segments_of(stream))
