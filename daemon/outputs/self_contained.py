"""HTML pages in one file, from the scripts, styles and texts of the web gateway's pages.

They need no network and no other file, and their policy lets nothing run but their own script. The web gateway's
packages need not be installed.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import daemon

PAGES = Path(daemon.__path__[0]) / "web" / "pages"
LANGUAGE = "en"

IMPORT = re.compile(r'^import \{([^}]*)\} from "\./(\w+)\.js";\n', re.MULTILINE)
EXPORT = re.compile(r"^export ((?:async )?(?:function|class|const|let) (\w+))", re.MULTILINE)
"""The only forms of import and export that the pages' scripts use."""

SHELL = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<main id="main">{body}</main>
<footer class="foot"><span>{footer}</span></footer>
<script type="application/json" id="page-data">{data}</script>
{attachments}<script>{script}</script>
</body>
</html>
"""


@dataclass(frozen=True)
class Page:
    """A page and its content security policy."""

    html: str
    policy: str


def self_contained(
    name: str,
    *,
    title: str,
    texts: Sequence[str],
    styles: Sequence[str],
    data: Mapping[str, Any],
    attachments: Mapping[str, bytes] = {},
    language: str = LANGUAGE,
) -> Page:
    """The page that the script NAME.js draws.

    `texts`: the groups of texts that it needs; `styles`: names of style sheets; `data`: what it shows;
    `attachments`: files that it carries, by the ids of their elements.
    """
    script, style = bundle(name), "\n".join(_file("static", f"{sheet}.css") for sheet in styles)
    policy = _policy(script, style)
    known = page_texts(texts, language)
    carried = (
        f'<script type="text/plain" id="{key}">{base64.b64encode(content).decode()}</script>\n'
        for key, content in attachments.items()
    )
    content = SHELL.format(
        language=language,
        policy=html.escape(policy),
        title=html.escape(title),
        style=style,
        body="",
        footer=html.escape(known["report.made"].replace("{version}", version("lipdrop"))),
        data=_script_json({"root": "", "lang": language, "texts": known, **data}),
        attachments="".join(carried),
        script=script,
    )
    return Page(content, policy)


def page_texts(groups: Sequence[str], language: str) -> dict[str, str]:
    """The texts of some groups, by their full keys."""
    found = {group: json.loads(_file("texts", language, f"{group}.json")) for group in groups}
    return {f"{group}.{key}": text for group, texts in found.items() for key, text in texts.items()}


def bundle(name: str) -> str:
    """The script NAME.js with all that it imports, as one classic script: each module is a function's result."""
    modules: dict[str, str] = {}
    _add_module(name, modules)
    return '"use strict";\n' + "\n".join(modules.values())


def _add_module(name: str, modules: dict[str, str]) -> None:
    """Add a module behind those that it imports."""
    if name in modules:
        return
    source = _file("static", f"{name}.js")
    imports = IMPORT.findall(source)
    for _, imported in imports:
        _add_module(imported, modules)
    taken = "".join(f"const {{{names.replace(' as ', ': ')}}} = module_{imported};\n" for names, imported in imports)
    given = ", ".join(match[2] for match in EXPORT.finditer(source))
    body = EXPORT.sub(r"\1", IMPORT.sub("", source))
    modules[name] = f"const module_{name} = (() => {{\n{taken}{body}\nreturn {{{given}}};\n}})();"


def _file(*parts: str) -> str:
    return PAGES.joinpath(*parts).read_text("utf-8")


def _policy(script: str, style: str) -> str:
    """Nothing may run or be loaded but the page's own script and style, and its video."""
    return (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src data:; "
        "media-src 'self' blob: file:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _script_json(value: Any) -> str:
    """JSON inside a script element, which ends at the first `</script`, whatever that is part of."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")
