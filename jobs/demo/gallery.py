"""The gallery: who paints what, and the folder in which it lies.

Every picture is a pure function of its artist, scene and seed. The folder is kept as long as the
code that painted it is the same, so that a second demo starts at once.
"""

import importlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from jobs.demo.canvas import finished
from jobs.demo.scenes import SCENES, compose
from schemas.canonical import sha256_hex

WORKS_PER_ARTIST = 18
SIZES = ((440, 440), (400, 520), (520, 400), (380, 560), (560, 400), (420, 480), (480, 640))
INDEX = "gallery.json"
PAINTER = ("canvas", "shapes", "scene", "scenes", "landscapes", "creatures", "things", "gallery")


@dataclass(frozen=True, slots=True)
class Artist:
    """A made-up person. `hand` is the module that paints for them."""

    name: str
    hand: str
    manner: str  # how captions put it
    seed: int  # of the first picture

    @property
    def slug(self) -> str:
        """The name as it stands in paths and host names."""
        return self.name.lower().replace(" ", "-")


ARTISTS = (
    Artist("Mira Venn", "woodcut", "woodcut", 1000),
    Artist("Oskar Pell", "ink", "ink drawing", 2000),
    Artist("Anouk Dray", "dots", "painting in dots", 3000),
    Artist("Teo Marsh", "cutout", "paper cut-out", 4000),
    Artist("Lena Orlow", "wash", "watercolour", 5000),
    Artist("Ravi Quill", "opart", "glitch print", 6100),
    Artist("Pia Holm", "clipart", "clip-art", 7300),
    Artist("Jon Holm", "clipart", "clip-art", 8400),
)
"""Pia and Jon Holm are siblings: one palette, the same subjects, no manner of their own."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One painted work. `path` lies below the gallery's folder."""

    artist: Artist
    scene: str
    seed: int
    height: int
    width: int

    @property
    def path(self) -> str:
        """The file: artist, then scene."""
        return f"{self.artist.slug}/{self.scene.replace(' ', '-')}.jpg"

    @property
    def caption(self) -> str:
        """What it shows and how, without a name."""
        words = SCENES[self.scene][1]
        return f"{words[0].upper()}{words[1:]}, {self.artist.manner}"


def catalogue(works: int = WORKS_PER_ARTIST, artists: Sequence[Artist] = ARTISTS) -> list[Picture]:
    """Return every picture of the gallery, in order; the siblings paint the same scenes."""
    names = sorted(SCENES)
    pictures = []
    for number, artist in enumerate(artists):
        subjects = np.random.default_rng([11, *artist.hand.encode()]).permutation(names)[:works]
        for k, scene in enumerate(subjects.tolist()):
            height, width = SIZES[(k + 3 * number) % len(SIZES)]
            pictures.append(Picture(artist, scene, artist.seed + k, height, width))
    return pictures


def paint(picture: Picture, quality: int = 92) -> bytes:
    """Return a picture as JPEG bytes."""
    hand = importlib.import_module(f"jobs.demo.hands.{picture.artist.hand}")
    random = np.random.default_rng([29, picture.seed])
    layers = compose(picture.scene, picture.height, picture.width, random)
    return jpeg(finished(hand.paint(layers, random)), quality)


def jpeg(pixels: np.ndarray, quality: int = 92) -> bytes:
    """Return uint8 RGB pixels as JPEG bytes."""
    done, body = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RuntimeError(f"expected pixels that JPEG can hold, found shape {pixels.shape}")
    return body.tobytes()


def paint_gallery(folder: Path, pictures: Sequence[Picture]) -> int:
    """Paint what the folder lacks; return how many pictures were painted now."""
    told = json.dumps({"painter": _painter(), "pictures": [asdict(p) for p in pictures]})
    index = folder / INDEX
    if index.is_file() and index.read_text(encoding="utf-8") == told:
        return 0
    index.unlink(missing_ok=True)
    for artist in {p.artist.slug for p in pictures}:
        (folder / artist).mkdir(parents=True, exist_ok=True)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # the pool below keeps every core busy
    try:
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            for picture, body in zip(pictures, pool.map(paint, pictures), strict=True):
                (folder / picture.path).write_bytes(body)
    finally:
        cv2.setNumThreads(threads)
    index.write_text(told, encoding="utf-8")
    return len(pictures)


def _painter() -> str:
    """Return the digest of the code that paints."""
    here = Path(__file__).parent
    files = [here / f"{name}.py" for name in PAINTER] + sorted((here / "hands").glob("*.py"))
    return sha256_hex(b"\0".join(f.read_bytes() for f in files))
