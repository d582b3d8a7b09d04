"""How loud a soundtrack is to be: targets by name or number."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from pipeline.errors import nearest_hint

PRESETS: dict[str, float] = {"youtube": -14.0, "podcast": -16.0, "broadcast": -23.0}
"""Integrated loudness in LUFS (ITU-R BS.1770): YouTube's own level, AES's and Apple's for podcasts, EBU R 128."""
LUFS_MIN, LUFS_MAX = -31.0, -14.0
"""Louder speech would need its peaks cut off by more than is unheard."""
TRUE_PEAK_DBFS = -1.5
"""Limit for peaks between samples too. The soundtrack may reach -1: resampling and AAC raise peaks a little."""


def _as_target(value: Any) -> Any:
    """Refuse what is neither a name nor a number within the limits: one error instead of one for each of them."""
    if value is None or (isinstance(value, str) and value in PRESETS):
        return value
    choices = f"{', '.join(map(repr, PRESETS))} or a number of LUFS from {LUFS_MIN:g} to {LUFS_MAX:g}"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if LUFS_MIN <= value <= LUFS_MAX:
            return float(value)
        raise PydanticCustomError("range_error", f"Input should be {choices}")
    kind = "range_error" if isinstance(value, str) else "float_type"
    context = {"hint": nearest_hint(value[:100].lower(), list(PRESETS))} if isinstance(value, str) else {}
    raise PydanticCustomError(kind, f"Input should be {choices}", context)


Loudness = Annotated[float | str, BeforeValidator(_as_target)]
"""A key of `PRESETS`, or a number of LUFS."""
