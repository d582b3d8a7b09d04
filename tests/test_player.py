"""The player's server, and a real browser that plays a stream."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.outputs import player_server as play


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a server for a folder."""
    with play.serve(folder, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield play.address(server)
        server.shutdown()
        thread.join()


def answer(address: str, path: str, **headers: str) -> tuple[int, bytes]:
    host = address.split("/")[2]
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
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
