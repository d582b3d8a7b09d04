"""Voices: list them, and hear a sample of each."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, FastAPI, Request, Response
from pydantic import BaseModel, WithJsonSchema

from daemon.web import answers
from daemon.web.gateway import Gateway, InGateway
from daemon.web.problems import documented, of_error
from daemon.web.speech import Text
from pipeline.errors import JobError
from pipeline.media.spoken_formats import SPOKEN_FORMATS
from pipeline.speech.samples import sample_text
from pipeline.speech.voices.settings import LanguageTag

FORMAT = SPOKEN_FORMATS["mp3"]
CACHED_MAX = 100
"""Number of samples that are kept in memory, each about 30 KB."""
CLIENT_SECONDS = 3600
"""How long clients may use a sample without asking again."""

Language = Annotated[LanguageTag, WithJsonSchema({"type": "string", "examples": ["en", "ru", "kk"]})]
"""As in a job: also `EN`, `eng` or `english`, which a pattern would refuse."""


class Voice(BaseModel):
    """One voice."""

    voice: str
    """Its name, as jobs give it."""
    language: str
    sample: str
    """URL of a spoken sample."""


class VoiceList(BaseModel):
    """Voices, the best of each language first."""

    voices: list[Voice]


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    gateway: Gateway = app.state.gateway
    app.state.samples = {}
    try:
        yield
    finally:
        gateway.speech.close()


router = APIRouter(tags=["voices"], lifespan=_lifespan)

READ = documented(
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)


@router.get("/api/voices", responses=READ)
async def list_voices(request: Request, gateway: InGateway, language: Language | None = None) -> VoiceList:
    """List the voices for a language; by default, for the languages that the configuration names."""
    config = gateway.config
    languages = config.languages if language is None else [language]
    base = f"{request.scope.get('root_path', '')}/api/voices"
    found = [
        Voice(voice=voice, language=tag, sample=f"{base}/{quote(voice, safe=':')}/sample?language={tag}")
        for tag in languages
        for voice in await gateway.speech.voices(tag)
    ]
    return VoiceList(voices=found)


@router.get(
    "/api/voices/{voice}/sample",
    response_class=Response,
    responses={
        200: {"content": {FORMAT.media_type: {}}, "description": "A short sentence, as MP3"},
        304: {"description": "Not changed"},
        **READ,
        **documented(HTTPStatus.NOT_FOUND),
    },
)
async def voice_sample(voice: str, request: Request, gateway: InGateway, language: Language | None = None) -> Response:
    """Hear a voice."""
    spoken = language or gateway.config.language
    content = await _sample(gateway, request.app.state.samples, voice, spoken)
    tag = hashlib.sha256(content).hexdigest()[:16]
    return answers.tagged(request, content, FORMAT.media_type, tag, f"private, max-age={CLIENT_SECONDS}")


async def _sample(gateway: Gateway, cache: dict[tuple[str, str], bytes], voice: str, language: str) -> bytes:
    """A spoken sample as MP3. Raises ProblemError if there is no such voice."""
    key = (voice, language)
    if key not in cache:
        text = Text(sample_text(language), language, voice)
        try:
            spoken = b"".join([block async for block in gateway.speech.speak(text, FORMAT)])
        except JobError as error:
            raise of_error(error, HTTPStatus.NOT_FOUND) from error
        while len(cache) >= CACHED_MAX:
            cache.pop(next(iter(cache)))
        cache[key] = spoken
    return cache[key]
