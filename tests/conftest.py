"""Fixtures that several test modules share, and the order in which files run."""

from __future__ import annotations

import gc
import os
import signal
import tempfile
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests import warm_start
from tests.running import BRIEF_WAITS, CheapDaemon
from tests.same_sound import restart_espeak

if TYPE_CHECKING:
    import torch
    from playwright.sync_api import Browser

    from daemon.scheduling.scheduler import Scheduler
    from pipeline.avatars.faces.results import Faces
    from tests.gateway import Studio
    from tests.recording_executor import RecordingExecutor

# Property tests check values, never time: a slow machine is not a defect. `make test` tries the same examples at every
# run, so that its result depends on the code alone; `make soak` looks for others.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile("same")

LONGEST_FIRST = (
    *("test_recordings", "test_web_pages", "test_open_stream_daemon", "test_stream", "test_daemon", "test_stages"),
    *("test_web_realtime", "test_web_comparison", "test_web_originals", "test_wav2lip", "test_overlay", "test_mouth"),
    *("test_web_avatars", "test_webhooks", "test_restarts", "test_scenes", "test_file_kinds", "test_voices"),
    *("test_faces", "test_video_files", "test_web_jobs", "test_video_avatars", "test_web_reading", "test_web_openai"),
    *("test_doctor", "test_video_tracking", "test_web_load", "test_clip_colours", "test_codecs", "test_provenance"),
    *("test_scheduler", "test_avatar_commands", "test_open_stream", "test_cached_avatars", "test_backgrounds"),
    *("test_make", "test_packing", "test_proxies", "test_drops", "test_hostile_daemon", "test_crash_steps"),
    *("test_long_text", "test_supervision", "test_talking_face", "test_picture_bombs", "test_avatar_files"),
    *("test_architecture", "test_crashes", "test_alignment", "test_commands", "test_extras", "test_report"),
)
"""Files that take more than ten seconds. They start first, so that none of them is still running at the end."""


def pytest_configure() -> None:
    """Test processes share the cores: compute on one thread, and let daemons' threads wait without using a core."""
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # which a shell's background jobs ignore, with all children
    gc.disable()  # until all tests are collected: imports make many objects and no garbage
    os.environ["OMP_WAIT_POLICY"] = "passive"
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # its threads spin while they wait; test processes inherit this
    if "PYTEST_XDIST_WORKER" in os.environ:
        import torch

        torch.set_num_threads(1)
    else:
        warm_start.share()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """`.ci/run` runs failed tests again only if pytest has run all tests."""
    if hasattr(session.config, "cache") and "PYTEST_XDIST_WORKER" not in os.environ:
        session.config.cache.set("lipdrop/exit-status", int(exitstatus))


def pytest_unconfigure() -> None:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        warm_start.unshare()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest files first."""
    order = {name: number for number, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def pytest_runtest_setup() -> None:
    """Before the fixtures of a test, since they speak too."""
    restart_espeak()


@pytest.fixture(autouse=True)
def same_umask() -> Iterator[None]:
    """Commands change the process's umask, on which later tests depend."""
    umask = os.umask(0o022)
    os.umask(umask)
    yield
    os.umask(umask)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """As in a worker; many small frames are slower on several threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[CheapDaemon]:
    """A daemon with cheap stages for one test, not started yet."""
    with CheapDaemon(tmp_path / "spool", **BRIEF_WAITS) as running:
        yield running


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A gateway and a daemon that several modules share. Their jobs stay in its spool."""
    from tests.gateway import studio

    with studio(tmp_path_factory.mktemp("studio") / "spool") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. Not for the whole session: while it runs, tests of the same process cannot run event loops."""
    from tests.pages import chromium

    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def weights() -> dict[str, torch.Tensor]:
    """Seeded weights of Wav2Lip under the network's own names."""
    from tests.seeded_weights import seeded_state_dict

    return seeded_state_dict()


@pytest.fixture(scope="session")
def checkpoint(weights: dict[str, torch.Tensor]) -> Iterator[Path]:
    """A Wav2Lip checkpoint as written by training, under a neutral name; removed at the end (145 MB)."""
    import torch

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.bin"
        state = {f"module.{key}": value for key, value in weights.items()}
        torch.save({"state_dict": state, "optimizer": None, "global_step": 1, "global_epoch": 1}, path)
        yield path


@pytest.fixture(scope="session")
def portrait_faces() -> Faces:
    """The face of the test portrait."""
    from tests.clips import portrait
    from tests.videos import faces_in

    return faces_in(portrait())


@pytest.fixture(scope="session")
def sway(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip in which a face moves."""
    from tests.clips import film, swaying, write_clip
    from tests.videos import SWAY_FRAMES

    return write_clip(tmp_path_factory.mktemp("clips") / "sway.mp4", film(swaying(SWAY_FRAMES)))


@pytest.fixture(scope="session")
def gap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip in which the face is temporarily missing."""
    from tests.clips import film, interrupted, write_clip

    return write_clip(tmp_path_factory.mktemp("clips") / "gap.mp4", film(interrupted()))


@pytest.fixture(scope="session")
def video_spool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spool whose cache of faces and frames is shared by all tests."""
    return tmp_path_factory.mktemp("spool")


@pytest.fixture
def anna(tmp_path: Path) -> Path:
    """The empty folder of an avatar "anna"."""
    from tests.pictures import anna_folder

    return anna_folder(tmp_path)


@pytest.fixture
def processes() -> Iterator[list[BaseProcess]]:
    """Processes that are killed at the end of the test."""
    from tests.cache_processes import DEADLINE_SECONDS

    started: list[BaseProcess] = []
    yield started
    for process in started:
        process.kill()
        process.join(DEADLINE_SECONDS)


@pytest.fixture
def executor() -> RecordingExecutor:
    from tests.recording_executor import RecordingExecutor

    return RecordingExecutor()


@pytest.fixture
def scheduler(executor: RecordingExecutor) -> Scheduler:
    """A scheduler with the usual workers, all of them ready."""
    from daemon.scheduling.scheduler import Scheduler
    from pipeline.config import Config
    from tests.cheap_daemon import cheap_specs
    from tests.recording_executor import settle

    made = Scheduler(executor, Config(), cheap_specs(Config()))
    settle(made)
    return made
