"""The player's server, and a real browser that plays a stream."""

from __future__ import annotations

import http.client
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from daemon.outputs import hls
from daemon.outputs import player_server as play
from daemon.spool.spool import Spool
from tests.browser import CHROMIUM, Browser
from tests.running import until


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a server for a folder."""
    with play.serve(folder, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield play.address(server)
        finally:
            server.shutdown()
            thread.join()


def asked(address: str, path: str, **headers: str) -> http.client.HTTPResponse:
    host = address.split("/")[2]
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.request("GET", path, headers=headers)
    return connection.getresponse()


def answer(address: str, path: str, **headers: str) -> tuple[int, bytes]:
    response = asked(address, path, **headers)
    return response.status, response.read()


def test_only_a_streams_folder_is_served_and_only_to_this_machine(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    folder = tmp_path / "stream"
    folder.mkdir()
    (folder / "a.m4s").write_bytes(b"0123456789")
    with served(folder) as address:
        assert address.startswith("http://127.0.0.1:")
        assert answer(address, "/a.m4s") == (200, b"0123456789")
        later = {"If-Modified-Since": "Fri, 31 Dec 2100 23:59:59 GMT"}  # a playlist may change twice in a second
        assert answer(address, "/a.m4s", **later) == (200, b"0123456789")
        assert answer(address, "/a.m4s", Range="bytes=2-4") == (206, b"234")
        assert answer(address, "/a.m4s", Range="bytes=7-") == (206, b"789")
        assert answer(address, "/a.m4s", Range="bytes=10-")[0] == 416
        assert answer(address, "/../secret")[0] == 404
        assert answer(address, "/%2e%2e/secret")[0] == 404
        assert answer(address, "/")[0] == 404
        assert answer(address, "/a.m4s", Host="evil.example")[0] == 403


def test_a_playlist_that_is_not_there_yet_says_when_it_is_expected(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    with served(spool.outbox / "job") as address:
        early = asked(address, "/index.m3u8")
        assert (early.status, early.headers["Retry-After"]) == (204, None)
        spool.announce("job", time.time() + 20)
        assert 10 <= int(asked(address, "/index.m3u8").headers["Retry-After"]) <= 21  # to the next whole second
        spool.announce("job", time.time() - 20)  # it is late
        assert asked(address, "/index.m3u8").headers["Retry-After"] == "1"


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_the_page_says_when_the_stream_begins(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.announce("job", time.time() + 60)
    with served(spool.outbox / "job") as address, Browser(tmp_path / "profile") as browser:
        browser.open(address)
        said = until(lambda: re.search(r"in about (\d+) s", browser.value("state.textContent") or ""), "announcement")
        assert 0 < int(said[1]) <= 60
        assert browser.errors == []


def opened(folder: Path) -> Spool:
    """A spool with the folder of a stream that has not begun."""
    spool = Spool(folder)
    spool.create()
    spool.open_stream("job", hls.ASSETS, fresh=True)
    return spool
