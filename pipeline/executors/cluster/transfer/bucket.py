"""S3-compatible storage, by obstore. Credentials come from the environment; no message contains any."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pipeline.config import BucketSettings
from pipeline.executors.cluster.transfer.arriving import Arriving
from pipeline.executors.cluster.transfer.cargo import failure

if TYPE_CHECKING:
    from obstore.store import S3Config, S3Store

PART_BYTES = 4 << 20
RETRIES = 3
RETRY_SECONDS = 30.0
"""For all attempts of one request."""
CONNECT_SECONDS = 5.0
REQUEST_SECONDS = 300.0
CODE = re.compile(r"<Code>(\w{1,60})</Code>")
"""In the body of an S3 error."""


@dataclass(frozen=True)
class Place:
    """A part of a bucket."""

    settings: BucketSettings
    folder: str
    """Below the prefix in the settings."""


class Bucket:
    """Objects below a place. Methods raise StageError, and OSError for local files."""

    def __init__(self, place: Place) -> None:
        self._settings = place.settings
        self._store = _store(place)

    def upload(self, key: str, file: Path) -> None:
        """Store a file, in parts if it is large: an object is there completely or not at all."""
        import obstore

        with self._errors():
            obstore.put(self._store, key, file, chunk_size=PART_BYTES, max_concurrency=2)

    def download(self, key: str, arriving: Arriving) -> None:
        """Receive an object."""
        import obstore

        with self._errors():
            for part in obstore.get(self._store, key).stream(min_chunk_size=PART_BYTES):
                arriving.write(bytes(part))

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects."""
        import obstore

        with self._errors():
            obstore.delete(self._store, keys)

    def list_keys(self, folder: str = "") -> list[str]:
        """The objects below a folder of the place."""
        import obstore

        with self._errors():
            return [found["path"] for batch in obstore.list(self._store, folder or None) for found in batch]

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Name what S3 says in a few words: its messages are long, and may quote the request."""
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, FileNotFoundError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # a local file is missing
            said = CODE.search(str(error))
            what = said[1] if said else type(error).__name__
            where = self._settings.endpoint or self._settings.url
            raise failure(f"S3 ({where}) failed: {what}") from None


@lru_cache(maxsize=4)
def _store(place: Place) -> S3Store:
    """Kept, and with it its connections."""
    from obstore.store import S3Store

    settings = place.settings
    address = urlsplit(settings.url)
    given: S3Config = {}
    if settings.endpoint is not None:
        given["endpoint"] = settings.endpoint
    if settings.region is not None:
        given["region"] = settings.region
    return S3Store(
        address.netloc,
        prefix=f"{address.path.strip('/')}/{place.folder}".strip("/"),
        client_options={
            "allow_http": (settings.endpoint or "").startswith("http://"),
            "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
            "timeout": timedelta(seconds=REQUEST_SECONDS),
        },
        retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_SECONDS)},
        config=given,
    )
