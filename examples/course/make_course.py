#!/usr/bin/env python3
"""Make a video course from a table of lessons, with a page that plays them in order.

Usage: make_course.py LESSONS.csv COURSE [lipdrop options, such as --spool DIR]

LESSONS.csv has the columns lesson (a number), title and text, and any keys of a job, such as language or avatar. The
folder COURSE gets lesson-01.mp4 and so on, and index.html. Needs a running daemon and nothing but Python. Run it again
after a change: lessons that did not change are not rendered again.
"""

from __future__ import annotations

import csv
import html
import json
import shutil
import subprocess
import sys
from pathlib import Path

PAGE = """<!doctype html>
<html lang="{language}"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
video {{ position: sticky; top: 0; width: 100%; max-height: 60vh; background: #000; border-radius: .5rem }}
li {{ padding: .2rem; cursor: pointer }}
li.on {{ font-weight: 600 }}
small {{ color: #666 }}
</style>
<h1>{title}</h1><video controls></video><ol>
{items}
</ol>
<script>
const video = document.querySelector("video"), items = [...document.querySelectorAll("li")];
const show = index => {{
  items.forEach((item, at) => item.classList.toggle("on", at === index));
  video.src = items[index].dataset.video;
}};
items.forEach((item, index) => item.onclick = () => {{ show(index); video.play() }});
video.onended = () => {{
  const next = items.findIndex(item => item.classList.contains("on")) + 1;
  if (next < items.length) {{ show(next); video.play() }}
}};
show(0);
</script></html>
"""


def read_lessons(table: Path) -> list[dict[str, str]]:
    """The rows of the table, in order, without empty cells."""
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = [{key: cell for key, cell in row.items() if cell} for row in csv.DictReader(file)]
    return sorted(rows, key=lambda row: int(row["lesson"]))


def write_jobs(lessons: list[dict[str, str]], file: Path) -> dict[str, dict[str, str]]:
    """Write one job a line, as `lipdrop submit` reads them; returns the lessons by the names of their jobs."""
    named = {f"lesson-{int(lesson['lesson']):02d}": lesson for lesson in lessons}
    with file.open("w", encoding="utf-8") as jobs:
        for name, lesson in named.items():
            keys = {key: cell for key, cell in lesson.items() if key not in ("lesson", "title")}
            job = {"name": name, **keys, "metadata": {"title": lesson["title"]}}
            jobs.write(json.dumps(job, ensure_ascii=False) + "\n")
    return named


def render(jobs: Path, options: list[str]) -> tuple[list[Path], int]:
    """Run the jobs; returns the videos that were made, and lipdrop's exit code. Errors appear on standard error."""
    command = ["lipdrop", "submit", "--wait", *options, str(jobs)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as lipdrop:
        videos = []
        for line in lipdrop.stdout:
            videos.append(Path(line.strip()))
            print(f"{len(videos)}: {videos[-1].stem}", flush=True)
    return videos, lipdrop.returncode


def item(video: Path, lesson: dict[str, str]) -> str:
    """One lesson of the page, with its length from the timing JSON beside the video."""
    seconds = round(json.loads(video.with_suffix(".json").read_text("utf-8"))["audio"]["seconds"])
    length = f"{seconds // 60}:{seconds % 60:02d}"
    return f'<li data-video="{video.name}">{html.escape(lesson["title"])} <small>{length}</small></li>'


def main(table: Path, course: Path, options: list[str]) -> int:
    """Render all lessons, and write the page about those that were rendered."""
    course.mkdir(parents=True, exist_ok=True)
    lessons = read_lessons(table)
    named = write_jobs(lessons, course / "jobs.jsonl")
    videos, code = render(course / "jobs.jsonl", options)
    items = [item(video, named[video.stem]) for video in sorted(videos)]
    for video in videos:
        shutil.copy(video, course)
    language = lessons[0].get("language", "en")
    page = PAGE.format(title=html.escape(table.stem.capitalize()), language=language, items="\n".join(items))
    (course / "index.html").write_text(page, encoding="utf-8")
    print(f"{len(videos)} of {len(lessons)} lessons: {course / 'index.html'}")
    return code


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
