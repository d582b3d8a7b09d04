"""torchaudio with a CPU-only torch."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from pipeline.engines.torchaudio_cpu import appearing_empty, import_torchaudio, torchaudio

MISSING = OSError("libc10_cuda.so: cannot open shared object file")


@pytest.mark.slow
def test_it_works_in_a_fresh_process() -> None:
    code = (
        "from pathlib import Path\n"
        "glob = Path.glob\n"
        "from pipeline.engines.torchaudio_cpu import torchaudio\n"
        "assert Path.glob is glob\n"
        "assert torchaudio.functional.melscale_fbanks(401, 55.0, 7600.0, 80, 16000).shape == (401, 80)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent.parent, check=True)


def test_resampling_needs_no_extension() -> None:
    assert torchaudio.functional.resample(torch.zeros(4800), 48_000, 16_000).shape == (1600,)


def test_only_the_one_folder_appears_empty(tmp_path: Path) -> None:
    hidden, other = tmp_path / "lib", tmp_path / "other"
    for folder in (hidden, other):
        folder.mkdir()
        (folder / "x.so").touch()
    original = Path.glob
    with pytest.raises(KeyError), appearing_empty(hidden):
        assert list(hidden.glob("*.so")) == []
        assert list(other.glob("*.so")) == [other / "x.so"]
        raise KeyError
    assert Path.glob is original
    assert list(hidden.glob("*.so")) == [hidden / "x.so"]


def test_a_working_import_is_not_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    original = Path.glob
    seen = []

    def plain(name: str) -> ModuleType:
        seen.append(Path.glob is original)
        return ModuleType(name)

    monkeypatch.setattr(importlib, "import_module", plain)
    assert import_torchaudio().__name__ == "torchaudio"
    assert seen == [True]


def test_without_cuda_a_failed_import_is_repeated_with_the_extension_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    original = Path.glob
    seen = []

    def failing_first(name: str) -> ModuleType:
        seen.append(Path.glob is original)
        if len(seen) == 1:
            raise MISSING
        return ModuleType(name)

    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(importlib, "import_module", failing_first)
    import_torchaudio()
    assert seen == [True, False]


def test_a_broken_cuda_installation_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(name: str) -> ModuleType:
        raise MISSING

    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(importlib, "import_module", failing)
    with pytest.raises(OSError, match="libc10_cuda"):
        import_torchaudio()
