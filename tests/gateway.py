"""A real gateway for tests: started from its command line, and used over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import httpx
import yaml

from tests.running import ROOT

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
