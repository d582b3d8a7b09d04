"""The `avatars` commands, as a user runs them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import click
import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from daemon.cli import avatar_files
from daemon.cli import avatars as commands
from pipeline.avatars import Avatars
from pipeline.avatars.faces.tracking import Faces, find_in_picture
from pipeline.config import load_config
from pipeline.messages import Origin
from tests.clips import beside, film, masked, portrait, smaller, swaying, write_clip
from tests.running import in_process, lipdrop

PORTRAIT = Path(__file__).parent / "data" / "portraits" / "astronaut.png"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a configuration."""
    (tmp_path / "config.yaml").write_text("avatars: {folder: mine}\n")
    return tmp_path


def avatars(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return in_process("avatars", *arguments, cwd=place)


def test_a_portrait_is_added_listed_and_checked(place: Path) -> None:
    added = lipdrop("avatars", "add", PORTRAIT, "--name", "eileen", cwd=place)
    assert (added.returncode, added.stderr) == (0, "")
    assert added.stdout == "eileen\tpicture of 512x512, frames of 512x512, mouth 44 pixels wide (fine)\n"
    assert [path.name for path in (place / "mine").rglob("*")] == ["eileen", "eileen.png"]
    listed = avatars(place, "list").stdout.splitlines()
    assert listed[0] == "eileen\tpicture of 512x512"
    assert "presenter\tpicture of 1920x1400" in listed
    assert avatars(place, "check", "eileen").stdout == added.stdout
    assert Avatars(load_config(place / "config.yaml")).load("eileen").fitted(None).require_landmarks()
    assert not (place / "cache").exists() or not list((place / "cache").glob("*.part"))


def test_a_consent_is_kept_with_the_avatar_and_in_its_videos(place: Path) -> None:
    statement = 'Анна "Аня" Иванова agreed: yes, #1'
    assert avatars(place, "add", str(PORTRAIT), "--name", "anna", "--consent", statement).returncode == 0
    library = Avatars(load_config(place / "config.yaml"))
    assert library.origin("anna") == Origin("picture", statement)
    recorded = library.load("anna").settings.consent
    assert recorded is not None
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", recorded.recorded_at or "")
    assert library.origin("presenter") == Origin("drawn")
    refused = avatars(place, "add", str(PORTRAIT), "--name", "other", "--consent", "two\nlines")
    assert (refused.returncode, "consent" in refused.stderr) == (65, True)
    assert not (place / "mine" / "other").exists()


def test_a_consent_is_asked_for_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = CliRunner().invoke(click.command()(lambda: click.echo(f"[{commands._asked()}]")), input="Anna agreed\n")
    assert asked.stdout == "[]\n"
    monkeypatch.setattr(commands, "is_terminal", lambda: True)
    asked = CliRunner().invoke(click.command()(lambda: click.echo(f"[{commands._asked()}]")), input="Anna agreed\n")
    assert asked.stdout.endswith("[Anna agreed]\n")
    assert "who agrees" in asked.stderr
    asked = CliRunner().invoke(click.command()(lambda: click.echo(f"[{commands._asked()}]")), input="\n")
    assert asked.stdout.endswith("[]\n")


def test_the_date_of_a_consent_makes_no_other_avatar() -> None:
    one, two = (avatar_files.consent_of("Anna agreed", datetime(2026, 1, day, tzinfo=UTC)) for day in (1, 2))
    assert one != two
    assert avatar_files.undated(f"face: 2\n{one}") == avatar_files.undated(f"face: 2\n{two}")
    assert avatar_files.undated(one) != avatar_files.undated(avatar_files.consent_of("Bob", datetime.now(UTC)))
    assert avatar_files.consent_of("  ", datetime.now(UTC)) == ""


def test_only_the_daemon_writes_into_its_cache(place: Path) -> None:
    """Given a video, since the caller may be another user, whose files the daemon could not use."""
    (place / "mine" / "anna").mkdir(parents=True)
    write_clip(place / "mine" / "anna" / "video.mp4", film(swaying(3)))
    assert "anna\tvideo of 256x256" in avatars(place, "list").stdout.splitlines()
    assert avatars(place, "check", "anna").returncode == 0
    assert not (place / "cache").exists()


def test_an_unusable_picture_is_not_added(place: Path) -> None:
    flat = place / "flat.png"
    cv2.imwrite(str(flat), np.full((300, 300, 3), 127, np.uint8))
    refused = avatars(place, "add", str(flat))
    assert refused.returncode == 65
    assert refused.stderr.startswith("lipdrop: no_face: no face was found")
    assert list((place / "mine").iterdir()) == []


@pytest.mark.parametrize("name", ["presenter", "../x", ".hidden", "a b"])
def test_a_name_must_be_free_and_plain(place: Path, name: str) -> None:
    refused = avatars(place, "add", str(PORTRAIT), "--name", name)
    assert refused.returncode == 65
    assert not (place / "mine" / name).exists()


def test_a_check_reports_each_bad_avatar(place: Path) -> None:
    for name, content in (("broken", b"no picture"), ("empty", b"")):
        (place / "mine" / name).mkdir(parents=True)
        (place / "mine" / name / "a.png").write_bytes(content)
    shutil.copytree(
        Path(__file__).parents[1] / "pipeline" / "avatars" / "assets" / "presenter", place / "mine" / "copy"
    )
    checked = avatars(place, "check")
    assert checked.returncode == 65
    assert [line.split(":")[:2] for line in checked.stderr.splitlines()] == [["broken", " media"], ["empty", " media"]]
    assert "copy\tpicture of 1920x1400, frames of 720x720" in checked.stdout


@pytest.mark.slow
def test_a_check_says_why_each_picture_is_unusable(place: Path) -> None:
    found = find_in_picture(portrait())
    assert isinstance(found, Faces)
    pictures = {
        "face_too_small": smaller(portrait(), 0.4),
        "mouth_hidden": masked(found.landmarks, (90, 140, 200), 6),
        "no_face": np.full((300, 300, 3), 127, np.uint8),
        "several_faces": beside(portrait(), portrait()),
    }
    for code, picture in pictures.items():
        (place / "mine" / code).mkdir(parents=True)
        cv2.imwrite(str(place / "mine" / code / "picture.png"), picture[:, :, ::-1])
    checked = avatars(place, "check")
    assert checked.returncode == 65
    assert [line.split(":")[:2] for line in checked.stderr.splitlines()] == [[code, f" {code}"] for code in pictures]


def test_one_of_several_faces_is_chosen_when_it_is_added(place: Path) -> None:
    both = place / "both.png"
    cv2.imwrite(str(both), beside(portrait(), portrait())[:, :, ::-1])
    refused = avatars(place, "add", "both.png")
    assert refused.returncode == 65
    assert "use --face N for the one that should speak, counted from the left" in refused.stderr
    beyond = avatars(place, "add", "both.png", "--face", "3")
    assert (beyond.returncode, "(use --face 1 to 2, counted from the left)" in beyond.stderr) == (65, True)
    assert avatars(place, "add", "both.png", "--face", "2", "--name", "second").returncode == 0
    assert (place / "mine" / "second" / "avatar.yaml").read_text() == "face: 2\n"
    added = avatars(place, "add", "both.png", "--crop", "0,0,512,512")
    assert (added.returncode, added.stderr) == (0, "")
    assert added.stdout == "both\tpicture of 1024x512, frames of 512x512, mouth 44 pixels wide (fine)\n"
    assert (place / "mine" / "both" / "avatar.yaml").read_text() == "crop: [0, 0, 512, 512]\n"
    wrong = avatars(place, "add", "both.png", "--crop", "0,0,512", "--name", "other")
    assert (wrong.returncode, "expected X1,Y1,X2,Y2" in wrong.stderr) == (2, True)


def test_a_small_mouth_is_called_small(place: Path) -> None:
    cv2.imwrite(str(place / "small.png"), smaller(portrait(), 0.7)[:, :, ::-1])
    added = avatars(place, "add", "small.png")
    assert "pixels wide (small: it will look soft; use a picture in which the face is larger)" in added.stdout


def test_an_avatars_warnings_are_shown_when_it_is_added_and_checked(place: Path) -> None:
    group = np.full((720, 1280, 3), 60, np.uint8)
    group[:512, :512], group[336:, 880:1264] = portrait(), cv2.resize(portrait(), (384, 384))
    cv2.imwrite(str(place / "group.png"), group[..., ::-1])
    added = avatars(place, "add", "group.png", "--face", "2")
    small, others = sorted(added.stderr.splitlines(), key=lambda line: "faces" in line)
    assert re.search(r"^group: warning: the mouth is only \d+ pixels wide .*set crop: \[\d+, \d+, \d+, \d+\]", small)
    assert others.startswith("group: warning: 2 faces are visible; number 2 from the left speaks")
    assert (added.returncode, avatars(place, "check", "group").stderr) == (0, added.stderr)


@pytest.mark.slow
def test_avatars_are_listed_for_people_and_for_programs(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "mine" / "anna").mkdir(parents=True)
    shutil.copy(PORTRAIT, place / "mine" / "anna")
    (place / "mine" / "anna" / "avatar.yaml").write_text("voice: {ru: espeak:ru+f3}\n")
    (place / "mine" / "broken").mkdir()
    found = {entry["name"]: entry for entry in json.loads(avatars(place, "list", "--json").stdout)}
    assert found["anna"]["voice"] == {"ru": ["espeak:ru+f3"]}
    assert (found["anna"]["kind"], found["anna"]["width"], found["anna"]["is_own"]) == ("picture", 512, True)
    assert (found["presenter"]["is_default"], found["presenter"]["is_own"]) == (True, False)
    assert "0 pictures" in found["broken"]["problem"]
    monkeypatch.setattr("daemon.cli.avatars.for_people", lambda: True)
    shown = avatars(place, "list").stdout.splitlines()
    assert ["anna", "picture of 512x512", "ru: espeak:ru+f3", "your folder"] in [
        re.split(r"  +", line.strip()) for line in shown
    ]
    assert any(line.startswith("  host ") and " male " in line for line in shown)


def test_a_picture_on_its_side_is_added_after_turning_it(place: Path) -> None:
    lying = place / "lying.jpg"
    cv2.imwrite(str(lying), np.rot90(portrait())[..., ::-1])
    refused = avatars(place, "add", str(lying))
    assert (refused.returncode, refused.stdout) == (65, "")
    assert "--rotate 90" in refused.stderr
    added = avatars(place, "add", str(lying), "--rotate", "90", "--crop", "80,0,512,512")
    assert added.stdout.startswith("lying\tpicture of 512x512, frames of 432x512, mouth 44")
    assert (place / "mine" / "lying" / "avatar.yaml").read_text() == "rotate: 90\ncrop: [80, 0, 512, 512]\n"


def test_what_a_job_refuses_is_not_added(place: Path) -> None:
    """Given a portrait that ends in the lower lip."""
    cv2.imwrite(str(place / "cut.png"), portrait()[:151, 60:360, ::-1])
    refused = avatars(place, "add", str(place / "cut.png"))
    assert (refused.returncode, refused.stdout) == (65, "")
    assert not (place / "mine" / "cut").exists()
