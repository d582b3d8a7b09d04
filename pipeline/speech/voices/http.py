"""http: a TTS service configured by the user. POST JSON {"text", "lang"}; the response is MP3 or WAV."""

from __future__ import annotations

import time
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from pipeline.errors import ConfigError, StageError
from pipeline.speech.voices.base import About, Utterance
from pipeline.speech.voices.decode import decoded
from pipeline.speech.voices.levels import finished
from pipeline.speech.voices.settings import HTTP_BACKOFF_SECONDS, HttpSettings, VoiceSettings

if TYPE_CHECKING:
    import requests  # at run time only where a service is configured: it takes a third of a voice worker's start

VOICE = "default"
FIELD = "tts.http.url"
RETRY_STATUSES = (500, 502, 503, 504)
BLOCK_BYTES = 64 * 1024


class Http:
    """Speaks through the configured service. Raises ConfigError `tts_missing` if none is configured."""

    name: ClassVar[str] = "http"

    def __init__(self, settings: HttpSettings) -> None:
        if settings.url is None:
            raise ConfigError("tts_missing", "no speech service is configured", field=FIELD, hint=f"set {FIELD}")
        self._url = settings.url
        self._settings = settings
        self._session = _session(settings.retries)

    @classmethod
    def load(cls, settings: VoiceSettings, base: Path) -> Http:
        """See `Backend`."""
        return cls(settings.http)

    def voices(self, language: str) -> list[str]:
        """One voice for any language: the service chooses it."""
        return [VOICE]

    def about(self, voice: str) -> About:
        """See `Describing`."""
        return About("your service")

    def languages(self) -> dict[str, str]:
        """See `Describing`. The service does not say."""
        return {}

    def speak(self, text: str, language: str, voice: str, speed: float, scratch: Path | None = None) -> Utterance:
        """Request one sentence; the protocol has no speed, so it is applied to the response."""
        audio = self._request({"text": text, "lang": language})
        return finished(*decoded(audio, tempo=speed))

    def _request(self, body: dict[str, str]) -> bytes:
        import requests
        from urllib3.exceptions import HTTPError, ReadTimeoutError

        seconds = self._settings.timeout_seconds
        try:
            with self._session.post(
                self._url, json=body, timeout=seconds, stream=True, allow_redirects=False
            ) as response:
                self._check(response)
                return self._read(response, deadline=time.monotonic() + seconds)
        except (requests.Timeout, ReadTimeoutError):
            raise self._too_slow() from None
        except requests.RequestException:
            raise _error("tts_unreachable", f"{self._host} cannot be reached: no connection") from None
        except HTTPError:
            raise _error("tts_unreachable", f"{self._host} cannot be reached: the response was cut off") from None

    def _check(self, response: requests.Response) -> None:
        status = response.status_code
        if response.is_redirect:
            raise _error("tts_http_status", f"{self._host} responded with {status}: redirects are not followed")
        if status != HTTPStatus.OK:
            raise _error("tts_http_status", f"{self._host} responded with {status}")

    def _read(self, response: requests.Response, deadline: float) -> bytes:
        """Read the body, aborting once it is too large or too slow.

        `read1` returns available data; waiting for full blocks would let a slow response outlive the deadline.
        """
        body = bytearray()
        while block := response.raw.read1(BLOCK_BYTES, decode_content=True):
            body += block
            if len(body) > self._settings.max_bytes:
                raise _error("tts_too_large", f"the response of {self._host} exceeds {self._settings.max_bytes} bytes")
            if time.monotonic() > deadline:
                raise self._too_slow()
        return bytes(body)

    def _too_slow(self) -> StageError:
        return _error("tts_timeout", f"{self._host} took over {self._settings.timeout_seconds:g} s")

    @property
    def _host(self) -> str:
        """The service name for messages: without path, query or password."""
        return urlsplit(self._url).hostname or ""


def _session(retries: int) -> requests.Session:
    """A session that retries only on failed connections and 5xx responses."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    session = requests.Session()
    session.trust_env = False
    retry = Retry(
        total=retries,
        read=False,
        redirect=False,
        status_forcelist=RETRY_STATUSES,
        allowed_methods=["POST"],
        backoff_factor=HTTP_BACKOFF_SECONDS,
        raise_on_status=False,
        respect_retry_after_header=False,
    )
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session


def _error(code: str, message: str) -> StageError:
    return StageError(code, message, hint="see tts.http in the configuration, and the log of the service")
