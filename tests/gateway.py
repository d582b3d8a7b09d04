"""A real gateway for tests: started from its command line, and used over HTTP."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import httpx
import yaml

from pipeline.avatars import BUILT_IN_FOLDER
from tests.running import BRIEF_WAITS, RunningDaemon
from tests.warm_start import Forked, environment, start

STOP_SECONDS = 20
REQUEST_SECONDS = 120


class RunningGateway:
    """A gateway of a spool, started from its command line. Context manager: inside the block it answers."""

    def __init__(self, spool: Path, *arguments: str, **settings: Any) -> None:
        """`settings`: the section `web` of its configuration, which is its own file."""
        self.spool = spool
        spool.mkdir(exist_ok=True)
        config = spool / "gateway.yaml"
        base = spool / "config.yaml"
        daemon = yaml.safe_load(base.read_text()) if base.exists() else {}
        config.write_text(yaml.safe_dump({**daemon, "spool": ".", "web": {"port": 0, **settings}}))
        self._arguments = ["--config", str(config), *arguments]
        self._log = spool / "gateway.log"
        self.url = ""
        self.client: httpx.Client
        self.process: subprocess.Popen[str] | Forked

    def __enter__(self) -> Self:
        self.process, self._output = self._start()
        self.url = self._output.readline().strip().rstrip("/")
        assert self.url, self.log()
        self.client = httpx.Client(base_url=self.url, timeout=REQUEST_SECONDS, trust_env=False)
        return self

    def _start(self) -> tuple[subprocess.Popen[str] | Forked, IO[str]]:
        """Start it; returns its process and its standard output."""
        argv = [sys.executable, "-P", "-m", "daemon", "serve", *self._arguments]
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                argv,
                cwd=self.spool,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert process.stdout is not None
        return process, process.stdout

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        finally:
            self.process.kill()
            self._output.close()

    def log(self) -> str:
        """What it wrote to standard error."""
        return self._log.read_text("utf-8", "replace")


class WarmGateway(RunningGateway):
    """The same, forked from a process that has imported what it needs: a tenth of the CPU time."""

    def _start(self) -> tuple[Forked, IO[str]]:
        with tempfile.TemporaryDirectory() as folder:
            pipe = Path(folder) / "output"
            os.mkfifo(pipe)
            process = start("tests.warm_gateway", self.spool, self._arguments, log=self._log, output=str(pipe))
            return process, pipe.open()


class BriskGateway(WarmGateway):
    """A gateway that soon tries webhooks again."""

    def __init__(self, spool: Path, **settings: Any) -> None:
        super().__init__(spool, "--brisk", **settings)


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
