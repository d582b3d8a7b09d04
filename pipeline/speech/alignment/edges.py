"""Where phonemes begin and end, from the path of a warp: in order, with pauses in the actual silences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.media.runs import runs
from pipeline.messages import Phoneme
from pipeline.speech.alignment.spectra import COLUMN_SECONDS

GAP_SECONDS = 0.03
"""The shortest gap between two of the reference's phonemes that counts as a pause."""
PAUSE_SECONDS, LONG_PAUSE_SECONDS = 0.06, 0.14
"""The shortest silence that counts as a pause: where the reference also pauses, and where it does not."""
STOP_SECONDS = 0.09
"""The longest silence that is part of a stop."""
SHUT_SECONDS = 0.05
"""The shortest closure of lips or tongue. Its end is distinct; its start is sometimes missed, as it is often quiet in
one voice and voiced in the other."""
SEARCH_SECONDS = 0.12
"""How far from its warped position a pause is searched for."""

STOPS = frozenset("pbtdkgɡcqʈɖɟ")
SHUT = STOPS | frozenset("mnɲŋ")
STRESS = "ˈˌ"

Edges = NDArray[np.float64]


def moved(phonemes: Sequence[Phoneme], path: NDArray[np.intp], silent_columns: NDArray[np.bool_]) -> Edges:
    """The edges of the reference's phonemes in the sound, in seconds, [phonemes, 2].

    `path`: the reference's column for each column of the sound; `silent_columns`: those of the sound, [columns]. A
    phoneme for which there is no time has an end that is not after its start.
    """
    edges = np.array([(p.start_seconds, p.end_seconds) for p in phonemes]) / COLUMN_SECONDS
    found = np.asarray(np.searchsorted(path, edges, "left") - 0.5, np.float64)
    _set_pauses(found, silent_columns, [_letter(p) in STOPS for p in phonemes])
    # Phonemes start in order and do not overlap.
    found[:, 0] = np.maximum.accumulate(found[:, 0])
    found[:-1, 1] = np.minimum(found[:-1, 1], found[1:, 0])
    _lengthen(found, [_letter(p) in SHUT for p in phonemes])
    return found * COLUMN_SECONDS


def _letter(phoneme: Phoneme) -> str:
    return phoneme.symbol.lstrip(STRESS)[:1]


def _set_pauses(edges: Edges, silent_columns: NDArray[np.bool_], stop: Sequence[bool]) -> None:
    """Move the phonemes' edges [phonemes, 2] (columns) to the silences between them; `stop`: whether each is a stop.

    A short silence is a pause only if the reference also has one there; a long one always is.
    """
    sounding = np.flatnonzero(~silent_columns)
    held = np.where(stop, STOP_SECONDS / COLUMN_SECONDS, 0.0)
    # The speech begins and ends with the sound, unless that is noise or the echo of a room.
    reach = SEARCH_SECONDS / COLUMN_SECONDS
    edges[0, 0] = max(0.0, edges[0, 0] - reach, sounding[0] - held[0])
    edges[-1, 1] = min(edges[-1, 1] + reach, sounding[-1] + 1)
    gaps = edges[1:, 0] - edges[:-1, 1] > GAP_SECONDS / COLUMN_SECONDS
    filled = np.zeros(len(gaps), bool)
    for start, end in runs(silent_columns):
        if start == 0 or end == len(silent_columns):
            continue
        middles = 0.5 * (edges[:-1, 1] + edges[1:, 0])
        distance = np.maximum(np.maximum(start - middles, middles - end), 0) * COLUMN_SECONDS
        near = np.flatnonzero(gaps & ~filled & (distance < SEARCH_SECONDS))
        seconds = (end - start) * COLUMN_SECONDS
        if seconds >= PAUSE_SECONDS and len(near):
            at = int(near[distance[near].argmin()])
        elif seconds >= LONG_PAUSE_SECONDS and len(middles):
            at = int(np.abs(middles - 0.5 * (start + end)).argmin())
        else:
            continue
        filled[at] = True
        edges[at, 1], edges[at + 1, 0] = start, max(start, end - held[at + 1])
    for empty in np.flatnonzero(gaps & ~filled):
        edges[empty, 1] = edges[empty + 1, 0] = 0.5 * (edges[empty, 1] + edges[empty + 1, 0])


def _lengthen(edges: Edges, shut: Sequence[bool]) -> None:
    """Make too short closures start earlier, by up to half of the previous sound; edges [phonemes, 2]."""
    for at in 1 + np.flatnonzero(shut[1:]):
        earliest = 0.5 * (edges[at - 1, 0] + edges[at, 0])
        edges[at, 0] = min(edges[at, 0], max(earliest, edges[at, 1] - SHUT_SECONDS / COLUMN_SECONDS))
        edges[at - 1, 1] = min(edges[at - 1, 1], edges[at, 0])
