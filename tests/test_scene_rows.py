"""Tables whose rows are the scenes of jobs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.cli.submission import drafts
from pipeline.errors import JobError, all_errors

TALK = """name,scene,avatar,text,speed,pause_seconds,size,captions
talk,1,presenter,Hello,,,1280x720,true
alone,,host,Only me,1.5,,,
talk,3,presenter,Bye,,,,
talk,2,host,"Hi, you",1.2,0.5,1280x720,
"""
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=8)
SCENES = st.fixed_dictionaries(
    {"text": WORDS},
    optional={"avatar": st.sampled_from(["host", "presenter"]), "speed": st.sampled_from([0.5, 1.25, 2])},
)
JOBS = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True),
    st.tuples(
        st.fixed_dictionaries({}, optional={"size": st.just("64x64"), "captions": st.booleans()}),
        st.lists(SCENES, min_size=1, max_size=5),
    ),
    min_size=1,
    max_size=4,
)
BACKGROUNDS = """name,scene,text,background
talk,1,Hello,1
talk,2,Bye,#204060
"""
HEADER = ("name", "scene", "text", "avatar", "speed", "size", "captions")


def read(table: str) -> dict[str, dict[str, Any]]:
    return {draft.name: json.loads(draft.data) for draft in drafts("batch.csv", table.encode())}


def mistakes(table: str) -> list[tuple[str, str | None]]:
    with pytest.raises(JobError) as refused:
        read(table)
    return [(one.code, one.field) for one in all_errors(refused.value)]


def test_rows_with_a_scene_and_the_same_name_are_one_job() -> None:
    """Its scenes are in the order of their numbers; what only a job has may stand in any of its rows."""
    jobs = read(TALK)
    assert list(jobs) == ["talk", "alone"]
    assert jobs["alone"] == {"avatar": "host", "text": "Only me", "speed": 1.5}
    assert jobs["talk"] == {
        "size": "1280x720",
        "captions": True,
        "scenes": [
            {"avatar": "presenter", "text": "Hello"},
            {"avatar": "host", "text": "Hi, you", "speed": 1.2, "pause_seconds": 0.5},
            {"avatar": "presenter", "text": "Bye"},
        ],
    }


def test_a_background_is_a_name_even_if_it_is_a_number() -> None:
    assert [scene["background"] for scene in read(BACKGROUNDS)["talk"]["scenes"]] == ["1", "#204060"]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["a,1,64x64", "a,1,"], [("scenes", "scene")]),
        (["a,1,64x64", "a,2,128x128"], [("scenes", "size")]),
        ([",1,", ",2,"], [("missing", "name")]),
        (["a,one,"], [("type", "scene")]),
        (["a,1.5,", "b,true,"], [("type", "scene"), ("type", "scene")]),
        (["a,1,", "b,2,,,,x"], [("not_csv", None)]),
    ],
)
def test_rows_that_do_not_make_a_job_are_refused(rows: Sequence[str], expected: list[tuple[str, str | None]]) -> None:
    table = "name,scene,size,text\n" + "".join(f"{row},Hello\n" for row in rows)
    assert mistakes(table) == expected


@given(JOBS, st.data())
def test_jobs_survive_a_table_in_any_order(
    jobs: dict[str, tuple[dict[str, Any], list[Any]]], data: st.DataObject
) -> None:
    """The same bytes whatever the order of the rows: else a repeated job would be made again."""
    rows = [
        {"name": name, "scene": number, **(common if number == 1 else {}), **scene}
        for name, (common, scenes) in jobs.items()
        for number, scene in enumerate(scenes, start=1)
    ]
    expected = {name: {**common, "scenes": scenes} for name, (common, scenes) in jobs.items()}
    shuffled = data.draw(st.permutations(rows))
    assert read(written(shuffled)) == read(written(rows)) == expected
    assert {d.name: d.data for d in drafts("a.csv", written(shuffled).encode())} == {
        d.name: d.data for d in drafts("a.csv", written(rows).encode())
    }


def written(rows: Sequence[dict[str, Any]]) -> str:
    table = io.StringIO()
    writer = csv.DictWriter(table, HEADER)
    writer.writeheader()
    writer.writerows({key: json.dumps(v) if isinstance(v, bool) else v for key, v in row.items()} for row in rows)
    return table.getvalue()
