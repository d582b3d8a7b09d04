"""Templates of the configuration: arguments of programs, and requests to services."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_PLACEHOLDER = re.compile(r"\{(language|voice|speed|text|output|key)\}")


def filled(template: str, values: Mapping[str, str]) -> str:
    """Fill in a template in one pass: braces in the text are kept, and so are placeholders without a value."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), template)


def filled_json(template: Any, values: Mapping[str, str]) -> Any:
    """Fill in every string of a JSON document; a lone `{speed}` becomes a number."""
    if isinstance(template, str):
        return float(values["speed"]) if template == "{speed}" else filled(template, values)
    if isinstance(template, dict):
        return {key: filled_json(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [filled_json(value, values) for value in template]
    return template


def mentions(template: Any, placeholder: str) -> bool:
    """Whether any string of a JSON document contains a placeholder."""
    if isinstance(template, dict):
        return any(mentions(value, placeholder) for value in template.values())
    if isinstance(template, list | tuple):
        return any(mentions(value, placeholder) for value in template)
    return isinstance(template, str) and "{" + placeholder + "}" in template
