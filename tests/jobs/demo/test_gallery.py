from pathlib import Path

import cv2
import numpy as np
import pytest

from jobs.demo.gallery import ARTISTS, Artist, catalogue, paint, paint_gallery
from jobs.demo.photographs import PHOTOGRAPHS, cut_photographs, folder_of_package

HANDS = sorted({a.hand: a for a in ARTISTS}.values(), key=lambda a: a.hand)


@pytest.mark.parametrize("artist", HANDS, ids=lambda a: a.hand)
def test_a_picture_is_the_same_each_time_and_not_blank(artist: Artist) -> None:
    picture = next(p for p in catalogue(2) if p.artist is artist)
    body = paint(picture)
    assert body == paint(picture)
    pixels = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    assert pixels.std() > 10


def test_a_second_run_paints_nothing(tmp_path: Path) -> None:
    pictures = catalogue(1)[-2:]
    assert paint_gallery(tmp_path, pictures) == 2
    assert paint_gallery(tmp_path, pictures) == 0
    assert paint_gallery(tmp_path, pictures[:1]) == 1


def test_siblings_paint_the_same_subjects() -> None:
    by_name = {
        name: [p.scene for p in catalogue() if p.artist.name == name]
        for name in ("Pia Holm", "Jon Holm")
    }
    assert by_name["Pia Holm"] == by_name["Jon Holm"]


def test_no_caption_of_the_gallery_names_anybody() -> None:
    words = " ".join(p.caption for p in catalogue()).casefold()
    assert not [a.name for a in ARTISTS if a.name.split()[1].casefold() in words]


def test_photographs_are_cut_once_where_the_package_is_there(tmp_path: Path) -> None:
    found = cut_photographs(tmp_path)
    if folder_of_package() is None:
        assert found == []
        return
    assert len(found) == len(PHOTOGRAPHS)
    first = tmp_path / found[0].path
    before = first.stat().st_mtime_ns
    cut_photographs(tmp_path)
    assert first.stat().st_mtime_ns == before
