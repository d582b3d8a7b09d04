"""The pages that people see in a browser: templates, styles, scripts, and their texts in several languages.

A page NAME is `templates/NAME.html`, with its texts in `texts/LANGUAGE/NAME.json` beside those in `common.json`.
"""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from daemon.explanations import explanations
from daemon.web.pages.languages import COOKIE, COOKIE_SECONDS, LANGUAGES, Texts, chosen, requested
from daemon.web.tokens import COOKIE as TOKEN_COOKIE

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"
HLS = FOLDER.parent.parent / "outputs" / "player" / "hls.light.min.js"
"""The library that plays streams, which the player of `lipdrop play` uses too."""

COMMON = "common"
"""The texts that every page has."""


def page(request: Request, name: str, status: HTTPStatus = HTTPStatus.OK, **values: Any) -> HTMLResponse:
    """A page in the language of the browser, or in the one that the query `lang` asks for, which is remembered.

    `values`: for the template, and under the key `data` for the page's scripts.
    """
    language = chosen(request)
    texts = Texts(language)
    root = request.scope.get("root_path", "")
    own = texts.groups(COMMON, name)
    content = (
        _templates()
        .get_template(f"{name}.html")
        .render(
            **{
                "page": name,
                "root": root,
                "path": request.url.path.removeprefix(root),
                "language": language,
                "languages": LANGUAGES,
                "version": version("lipdrop"),
                "has_tokens": request.app.state.gateway.config.web.tokens is not None,
                "is_logged_in": TOKEN_COOKIE in request.cookies,
                "t": texts.text,
                **values,
                "script_data": {"root": root, "lang": language, "texts": own, **values.get("data", {})},
            }
        )
    )
    response = HTMLResponse(content, status, {"Cache-Control": "no-cache", "Content-Language": language})
    response.headers["Vary"] = "Accept-Language, Cookie"
    if requested(request) == language:
        response.set_cookie(COOKIE, language, max_age=COOKIE_SECONDS, path=f"{root}/", samesite="lax")
    return response


def problem_page(request: Request, status: HTTPStatus, code: str, detail: str = "") -> HTMLResponse:
    """A page about an error: its cause and its fix. `detail`: what happened, if it happened now."""
    known = explanations(chosen(request)).get(code)
    return page(request, "problem", status, code=code, known=known, detail=detail, number=status.value)


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code_spans"] = code_spans
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    return environment


def code_spans(text: str) -> Markup:
    """A text with `code` between backticks, as HTML."""
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part)
        for number, part in enumerate(text.split("`"))
    )
