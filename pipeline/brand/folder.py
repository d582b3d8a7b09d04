"""The folder of a brand's files, of which jobs may only say the names."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.errors import JobError, nearest_hint
from pipeline.files import as_spelt, visible_files


def find(folder: Path, name: str, field: str) -> Path:
    """The file of a name. Raises JobError if there is none, naming the job's `field`."""
    file = as_spelt(folder, name)
    if not os.path.isfile(file):  # noqa: PTH113 - Path.is_file raises where this returns False
        hint = nearest_hint(name[:100], visible_files(folder), "files in the folder of the brand")
        raise JobError("brand", f"there is no file {name[:100]!r} in the folder of the brand", field=field, hint=hint)
    return file
