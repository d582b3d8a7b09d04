"""A local web server for one stream: browsers do not let a page opened from disk read the files next to it."""

from __future__ import annotations

import functools
import io
import re
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO

from daemon.spool.layout import PLAYER, PLAYLIST
from daemon.spool.streams import retry_after

HOST = "127.0.0.1"
RANGE = re.compile(r"bytes=(\d+)-(\d*)")


def serve(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server for the files of a folder; port 0 takes any free port. Raises OSError if the port is taken."""
    return ThreadingHTTPServer((HOST, port), functools.partial(_Files, directory=str(folder)))


def address(server: ThreadingHTTPServer) -> str:
    """The player's URL."""
    return f"http://{HOST}:{server.server_port}/{PLAYER}"


class _Files(SimpleHTTPRequestHandler):
    """Plain files, whole or in part."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | {
        ".m3u8": "application/vnd.apple.mpegurl",
        ".m4s": "video/iso.segment",
        ".vtt": "text/vtt",
    }

    def send_head(self) -> io.BytesIO | BinaryIO | None:
        """Send the response's header; return its body."""
        if self.headers.get("Host") != f"{HOST}:{self.server.server_port}":  # type: ignore[attr-defined]
            self.send_error(HTTPStatus.FORBIDDEN)  # DNS rebinding: a foreign page whose host name points here
            return None
        path = Path(self.translate_path(self.path))
        if path.name == PLAYLIST and not path.exists() and path.with_name(PLAYER).exists():
            self.send_response(HTTPStatus.NO_CONTENT)  # does not exist yet; browsers log an error for a 404
            for name, value in retry_after(path.parent).items():
                self.send_header(name, value)
            self.end_headers()
            return None
        if path.is_dir():
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        del self.headers["If-Modified-Since"]  # it has a resolution of one second, in which a playlist may change twice
        wanted = RANGE.fullmatch(self.headers.get("Range", ""))
        return self._part(path, wanted) if wanted and path.is_file() else super().send_head()

    def _part(self, path: Path, wanted: re.Match[str]) -> io.BytesIO | None:
        data = path.read_bytes()
        first, last = int(wanted[1]), min(int(wanted[2] or len(data)), len(data) - 1)
        if first > last:
            self.send_error(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            return None
        self.send_response(HTTPStatus.PARTIAL_CONTENT)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        return io.BytesIO(data[first : last + 1])

    def end_headers(self) -> None:
        """Forbid caching, because playlists change."""
        self.send_header("Cache-Control", "no-store")
        self.send_header("Accept-Ranges", "bytes")
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        """Log nothing: a player sends a request every second."""
