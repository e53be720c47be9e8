"""Photographs that scikit-image ships inside its wheel, and cuts of them that share no pixel."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from jobs.demo.gallery import jpeg


@dataclass(frozen=True, slots=True)
class Photograph:
    """A cut from a file of the package: (left, top, right, bottom) in shares of its edges."""

    name: str
    file: str
    box: tuple[float, float, float, float]
    caption: str

    @property
    def path(self) -> str:
        """The file below the gallery's folder."""
        return f"photographs/{self.name}.jpg"


PHOTOGRAPHS = tuple(
    Photograph(*row)
    for row in (
        (
            "astronaut",
            "astronaut.png",
            (0.05, 0.0, 0.62, 0.66),
            "Portrait of an astronaut, smiling",
        ),
        (
            "shuttle-model",
            "astronaut.png",
            (0.66, 0.0, 1.0, 0.5),
            "Model of a shuttle on its stand",
        ),
        ("cat", "chelsea.png", (0.0, 0.0, 1.0, 1.0), "A ginger cat looks into the camera"),
        ("coffee", "coffee.png", (0.0, 0.0, 1.0, 1.0), "A cup of espresso with a spoon"),
        ("rocket", "rocket.jpg", (0.25, 0.0, 0.8, 1.0), "A rocket on its launch pad"),
        ("photographer", "camera.png", (0.0, 0.0, 0.62, 1.0), "A man with a camera on a tripod"),
        ("galaxies", "hubble_deep_field.jpg", (0.0, 0.0, 0.5, 0.5), "Galaxies, a deep field"),
        (
            "spiral-galaxy",
            "hubble_deep_field.jpg",
            (0.5, 0.5, 1.0, 1.0),
            "Far galaxies, yellow and blue",
        ),
        ("bricks", "brick.png", (0.0, 0.0, 0.7, 0.7), "A wall of bricks"),
        ("grass", "grass.png", (0.0, 0.0, 0.7, 0.7), "Grass from above"),
        ("gravel", "gravel.png", (0.3, 0.3, 1.0, 1.0), "Gravel on the ground"),
        ("coins", "coins.png", (0.0, 0.0, 1.0, 0.5), "Greek coins from Pompeii, upper rows"),
        ("tissue", "ihc.png", (0.0, 0.0, 0.6, 0.6), "Stained tissue under the microscope"),
        ("retina", "retina.jpg", (0.0, 0.0, 1.0, 1.0), "The retina of an eye"),
        ("clock", "clock_motion.png", (0.0, 0.0, 1.0, 1.0), "A clock, blurred by motion"),
    )
)


def folder_of_package() -> Path | None:
    """Return where the photographs lie, None where the package is not installed."""
    spec = importlib.util.find_spec("skimage")  # finds, does not import
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))) / "data"


def cut_photographs(folder: Path) -> list[Photograph]:
    """Write the photographs that the package has below `folder`; return them, possibly none."""
    source = folder_of_package()
    if source is None:
        return []
    found = [p for p in PHOTOGRAPHS if (source / p.file).is_file()]
    (folder / "photographs").mkdir(parents=True, exist_ok=True)
    for photograph in found:
        target = folder / photograph.path
        if not target.is_file():
            target.write_bytes(cut(source / photograph.file, photograph.box))
    return found


def cut(file: Path, box: tuple[float, float, float, float], longest_px: int = 640) -> bytes:
    """Return a part of an image file as JPEG bytes, at most `longest_px` long."""
    pixels = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if pixels is None:
        raise RuntimeError(f"expected an image, found something else in {file}")
    h, w = pixels.shape[:2]
    left, top, right, bottom = (round(v * s) for v, s in zip(box, (w, h, w, h), strict=True))
    part = pixels[top:bottom, left:right, ::-1]
    scale = longest_px / max(part.shape[:2])
    if scale < 1:
        part = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return jpeg(np.ascontiguousarray(part))
