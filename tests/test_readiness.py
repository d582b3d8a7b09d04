"""`check` runs the checks of a job at a job's frame size, without rendering."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.avatars.avatar import Avatar
from pipeline.avatars.faces.tracking import find_in_picture
from pipeline.avatars.readiness import check
from pipeline.avatars.settings import AvatarSettings
from pipeline.errors import JobError
from tests.clips import Picture, beside, portrait


def avatar(picture: Picture) -> Avatar:
    return Avatar(picture, AvatarSettings(), lambda: find_in_picture(picture))


def refused(picture: Picture, size: tuple[int, int] | None = None) -> JobError:
    with pytest.raises(JobError) as caught:
        check(avatar(picture), size)
    assert caught.value.hint
    return caught.value


def test_a_good_picture_passes() -> None:
    assert check(avatar(portrait()), (128, 128)).size == (128, 128)


def test_a_face_that_cannot_be_used_is_refused() -> None:
    assert refused(beside(portrait(), portrait())).code == "several_faces"


def test_a_mouth_that_is_cut_off_is_refused() -> None:
    error = refused(portrait()[:150])
    assert error.code == "no_face"
    assert "cut off at the lower edge" in error.message


def test_a_mouth_that_is_too_small_at_the_jobs_size_is_refused() -> None:
    picture = np.pad(portrait(), ((0, 512), (0, 512), (0, 0)))
    assert "4 pixels" in refused(picture, (64, 64)).message
