"""`python -m jobs.demo.paint OUT`: paint the gallery and one contact sheet a hand, to look at."""

import sys
from pathlib import Path

import cv2
import numpy as np

from jobs.demo.gallery import catalogue, paint_gallery
from jobs.demo.photographs import cut_photographs

TILE_PX = 240


def contact_sheet(files: list[Path], columns: int = 6) -> np.ndarray:
    """Return a BGR sheet on which every picture stands whole, in its own cell."""
    rows = -(-len(files) // columns)
    sheet = np.full((rows * TILE_PX, columns * TILE_PX, 3), 240, np.uint8)
    for k, file in enumerate(files):
        picture = cv2.imread(str(file))
        if picture is None:
            continue
        scale = (TILE_PX - 8) / max(picture.shape[:2])
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        h, w = small.shape[:2]
        top = (k // columns) * TILE_PX + (TILE_PX - h) // 2
        left = (k % columns) * TILE_PX + (TILE_PX - w) // 2
        sheet[top : top + h, left : left + w] = small
    return sheet


def main() -> None:
    """Paint into the folder that is named, and say where the sheets are."""
    folder = Path(sys.argv[1])
    pictures = catalogue()
    painted = paint_gallery(folder, pictures)
    photographs = cut_photographs(folder)
    groups: dict[str, list[Path]] = {}
    for path in [p.path for p in pictures] + [p.path for p in photographs]:
        groups.setdefault(Path(path).parent.name, []).append(folder / path)
    for name, files in groups.items():
        cv2.imwrite(str(folder / f"sheet-{name}.png"), contact_sheet(files))
    sys.stdout.write(f"painted {painted} of {len(pictures)} pictures; sheets in {folder}\n")


if __name__ == "__main__":
    main()
