"""The languages of the pages, and their texts."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from fastapi import Request

from pipeline.config import Config

LANGUAGES = {"en": "English", "ru": "Русский"}
"""Names of the languages in themselves, the default one first."""

COOKIE = "lipdrop_language"
COOKIE_SECONDS = 365 * 24 * 3600
FOLDER = Path(__file__).parent / "texts"


class Texts:
    """The texts of one language. A key is `GROUP.KEY`, for the key KEY of `GROUP.json`."""

    def __init__(self, language: str) -> None:
        self._groups = _groups(language)

    def text(self, key: str, **values: object) -> str:
        """A text with its placeholders filled in. Raises KeyError if there is none of that key."""
        group, _, name = key.partition(".")
        text = self._groups[group][name]
        for placeholder, value in values.items():
            text = text.replace(f"{{{placeholder}}}", str(value))
        return text

    def groups(self, *groups: str) -> dict[str, str]:
        """All texts of some groups by their full keys; groups without a file are empty."""
        return {f"{group}.{key}": text for group in groups for key, text in self._groups.get(group, {}).items()}


def spoken(config: Config) -> dict[str, str | list[str]]:
    """The language of jobs without one, and all that the configuration names, for the scripts of pages."""
    return {"language": config.language, "languages": config.languages}


def requested(request: Request) -> str | None:
    """The language that the query asks for; None if that is not one of ours."""
    language = request.query_params.get("lang")
    return language if language in LANGUAGES else None


def chosen(request: Request) -> str:
    """The language of a page: from the query, else as chosen earlier, else the browser's first one that we have."""
    earlier = request.cookies.get(COOKIE)
    return requested(request) or (earlier if earlier in LANGUAGES else None) or _accepted(request)


def _accepted(request: Request) -> str:
    weights: dict[str, float] = {}
    for part in request.headers.get("accept-language", "").split(","):
        tag, _, weight = part.strip().lower().partition(";q=")
        try:
            weights.setdefault(tag.partition("-")[0], float(weight or 1))
        except ValueError:
            continue
    known = {language: weight for language, weight in weights.items() if language in LANGUAGES and weight > 0}
    return max(known, key=known.__getitem__) if known else next(iter(LANGUAGES))


@cache
def _groups(language: str) -> dict[str, dict[str, str]]:
    return {file.stem: json.loads(file.read_text("utf-8")) for file in sorted((FOLDER / language).glob("*.json"))}
