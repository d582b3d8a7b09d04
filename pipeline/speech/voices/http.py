"""http and openai: speech services configured by the user. One POST for each sentence; the response is MP3 or WAV."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote, urlsplit

from pipeline.credentials import credential
from pipeline.errors import ConfigError, StageError
from pipeline.speech.stress import Stress, with_pluses
from pipeline.speech.voices.base import About, Utterance
from pipeline.speech.voices.decode import decoded
from pipeline.speech.voices.levels import finished
from pipeline.speech.voices.settings import (
    HTTP_BACKOFF_SECONDS,
    HttpSettings,
    OpenaiSettings,
    ServiceSettings,
    VoiceSettings,
)
from pipeline.speech.voices.template import filled, filled_json, mentions

if TYPE_CHECKING:
    import requests  # at run time only where a service is configured: it takes a third of a voice worker's start

DEFAULT_VOICE = "default"
OPENAI_VOICE = "alloy"
"""The voice that servers with OpenAI's API have or map to one of theirs."""
BODY = {"text": "{text}", "lang": "{language}"}
"""Request of a service without a template."""
RETRY_STATUSES = (429, 500, 502, 503, 504)
BLOCK_BYTES = 64 * 1024


class Service:
    """A speech service: its address, JSON body and headers are templates. Base of the back ends."""

    name: ClassVar[str]
    phonemes: ClassVar[bool] = False
    default_voice: ClassVar[str] = DEFAULT_VOICE

    def __init__(
        self, settings: ServiceSettings, url: str, body: Mapping[str, Any], headers: Mapping[str, str]
    ) -> None:
        """`{key}` in a header is the secret that the settings name."""
        self._url, self._body, self._headers = url, dict(body), headers
        self._settings = settings

    @cached_property
    def _session(self) -> requests.Session:
        """Made on first use: only the daemon has the secret, but others list the voices too."""
        session = _session(self.name, self._settings)
        key = {"key": credential(self._settings.key, f"tts.{self.name}.key")} if self._settings.key else {}
        session.headers.update({name: filled(value, key) for name, value in self._headers.items()})
        return session

    @property
    def concurrency(self) -> int:
        """See `Concurrent`."""
        return self._settings.concurrency

    @property
    def stress(self) -> Stress:
        """See `Stressing`."""
        return "none" if self._settings.stress == "none" else "every"

    def voices(self, language: str) -> list[str]:
        """The configured names; one voice for any language if none are configured."""
        configured = self._settings.voices
        return list(configured.get(language, ())) if configured else [self.default_voice]

    def about(self, voice: str) -> About:
        """See `Describing`."""
        return About("your service")

    def languages(self) -> dict[str, str]:
        """See `Describing`: only those that the configuration names."""
        return dict.fromkeys(self._settings.voices, "")

    def speak(self, text: str, language: str, voice: str, speed: float, scratch: Path | None = None) -> Utterance:
        """Request one sentence. If the request has no speed, the tempo of the response is changed.

        Raises ConfigError `tts_missing` if there is no secret, besides StageError.
        """
        text = with_pluses(text) if self._settings.stress == "plus" else text
        values = {"text": text, "language": language, "voice": voice, "speed": f"{speed:g}"}
        address = filled(self._url, {name: quote(value, safe="") for name, value in values.items()})
        audio = self._request(address, filled_json(self._body, values))
        return finished(*decoded(audio, tempo=1.0 if mentions([self._url, self._body], "speed") else speed))

    def _request(self, address: str, body: Any) -> bytes:
        import requests
        from urllib3.exceptions import HTTPError, ReadTimeoutError

        seconds = self._settings.timeout_seconds
        try:
            with self._session.post(
                address, json=body, timeout=seconds, stream=True, allow_redirects=False
            ) as response:
                self._check(response)
                return self._read(response, deadline=time.monotonic() + seconds)
        except (requests.Timeout, ReadTimeoutError):
            raise self._too_slow() from None
        except requests.RequestException:
            raise self._error("tts_unreachable", f"{self._host} cannot be reached: no connection") from None
        except HTTPError:
            raise self._error("tts_unreachable", f"{self._host} cannot be reached: the response was cut off") from None

    def _check(self, response: requests.Response) -> None:
        status = response.status_code
        if response.is_redirect:
            raise self._error("tts_http_status", f"{self._host} responded with {status}: redirects are not followed")
        if status != HTTPStatus.OK:
            raise self._error("tts_http_status", f"{self._host} responded with {status}")

    def _read(self, response: requests.Response, deadline: float) -> bytes:
        """Read the body, aborting once it is too large or too slow.

        `read1` returns available data; waiting for full blocks would let a slow response outlive the deadline.
        """
        body = bytearray()
        while block := response.raw.read1(BLOCK_BYTES, decode_content=True):
            body += block
            if len(body) > self._settings.max_bytes:
                message = f"the response of {self._host} exceeds {self._settings.max_bytes} bytes"
                raise self._error("tts_too_large", message)
            if time.monotonic() > deadline:
                raise self._too_slow()
        return bytes(body)

    def _too_slow(self) -> StageError:
        return self._error("tts_timeout", f"{self._host} took over {self._settings.timeout_seconds:g} s")

    def _error(self, code: str, message: str) -> StageError:
        return _error(self.name, code, message)

    @property
    def _host(self) -> str:
        """The service name for messages: without path, query or password."""
        return urlsplit(self._url).hostname or ""


class Http(Service):
    """Speaks through a service with a request of your own. Raises ConfigError `tts_missing` if none is configured."""

    name: ClassVar[str] = "http"

    def __init__(self, settings: HttpSettings) -> None:
        if settings.url is None:
            raise _not_configured("tts.http.url")
        super().__init__(settings, settings.url, BODY if settings.body is None else settings.body, settings.headers)

    @classmethod
    def load(cls, settings: VoiceSettings, base: Path) -> Http:
        """See `Backend`."""
        return cls(settings.http)


class Openai(Service):
    """Speaks through a server with OpenAI's API. Raises ConfigError `tts_missing` if none is configured."""

    name: ClassVar[str] = "openai"
    default_voice: ClassVar[str] = OPENAI_VOICE

    def __init__(self, settings: OpenaiSettings) -> None:
        if settings.url is None:
            raise _not_configured("tts.openai.url")
        body = {"model": settings.model, "input": "{text}", "voice": "{voice}", "speed": "{speed}"}
        body["response_format"] = "wav"
        headers = {"Authorization": "Bearer {key}"} if settings.key else {}
        super().__init__(settings, f"{settings.url.rstrip('/')}/audio/speech", body, headers)

    @classmethod
    def load(cls, settings: VoiceSettings, base: Path) -> Openai:
        """See `Backend`."""
        return cls(settings.openai)


def _session(backend: str, settings: ServiceSettings) -> requests.Session:
    """A session that retries only on failed connections, 5xx responses and 429, as late as `Retry-After` asks."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    class PatientRetry(Retry):
        """Fails if the service asks for a longer pause than the time limit."""

        def sleep(self, response: Any = None) -> None:
            pause = self.get_retry_after(response) if response is not None else None
            if pause is not None and pause > settings.timeout_seconds:
                message = f"the service responded with {response.status} and asks to wait {pause:.0f} s"
                raise _error(backend, "tts_http_status", message)
            super().sleep(response)

    logging.getLogger("urllib3").setLevel(logging.ERROR)  # its warnings quote addresses, which may contain secrets
    session = requests.Session()
    session.trust_env = False
    retry = PatientRetry(
        total=settings.retries,
        read=False,
        redirect=False,
        status_forcelist=RETRY_STATUSES,
        allowed_methods=["POST"],
        backoff_factor=HTTP_BACKOFF_SECONDS,
        raise_on_status=False,
    )
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry, pool_maxsize=settings.concurrency))
    return session


def _not_configured(field: str) -> ConfigError:
    return ConfigError("tts_missing", "no speech service is configured", field=field, hint=f"set {field}")


def _error(backend: str, code: str, message: str) -> StageError:
    return StageError(code, message, hint=f"see tts.{backend} in the configuration, and the log of the service")
