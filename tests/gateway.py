"""A real gateway for tests: started from its command line, and used over HTTP."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx
import yaml

from pipeline.avatars import BUILT_IN_FOLDER
from tests.running import BRIEF_WAITS, ROOT, RunningDaemon

STOP_SECONDS = 20
REQUEST_SECONDS = 120


class RunningGateway:
    """A gateway of a spool. Context manager: inside the block it answers."""

    program: tuple[str, ...] = ("daemon", "serve")
    """Module and arguments."""

    def __init__(self, spool: Path, *arguments: str, **settings: Any) -> None:
        """`settings`: the section `web` of its configuration, which is its own file."""
        self.spool = spool
        self._arguments = arguments
        spool.mkdir(exist_ok=True)
        self._config = spool / "gateway.yaml"
        base = spool / "config.yaml"
        daemon = yaml.safe_load(base.read_text()) if base.exists() else {}
        self._config.write_text(yaml.safe_dump({**daemon, "spool": ".", "web": {"port": 0, **settings}}))
        self.url = ""
        self.client: httpx.Client

    def __enter__(self) -> Self:
        argv = [sys.executable, "-P", "-m", *self.program, "--config", str(self._config), *self._arguments]
        with (self.spool / "gateway.log").open("ab") as log:
            self.process = subprocess.Popen(
                argv,
                cwd=self.spool,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip().rstrip("/")
        assert self.url, self.log()
        self.client = httpx.Client(base_url=self.url, timeout=REQUEST_SECONDS, trust_env=False)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        finally:
            self.process.kill()
            assert self.process.stdout is not None
            self.process.stdout.close()

    def log(self) -> str:
        """What it wrote to standard error."""
        return (self.spool / "gateway.log").read_text("utf-8", "replace")


@dataclass(frozen=True)
class Studio:
    """A gateway and the daemon of its spool."""

    daemon: RunningDaemon
    gateway: RunningGateway


@contextmanager
def studio(spool: Path) -> Iterator[Studio]:
    """A gateway with a daemon that has real stages, all workers in one process, and a small default avatar, `anna`."""
    shutil.copytree(BUILT_IN_FOLDER / "presenter", spool / "avatars" / "anna")
    settings = spool / "avatars" / "anna" / "avatar.yaml"
    settings.write_text(settings.read_text().replace("720x720", "64x64"))
    daemon = RunningDaemon(
        spool,
        **BRIEF_WAITS,
        executor="threads",
        tts={"backend": "espeak"},
        avatars={"folder": "avatars", "default": "anna"},
        split={"chunk_seconds": 2, "prefer_pauses": False},
    )
    with daemon, RunningGateway(daemon.start().spool, requests_per_minute=100_000) as gateway:
        yield Studio(daemon.ready(), gateway)
