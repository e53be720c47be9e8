"""The folders of a copy, and what is in each."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from jobs.copies.files import RUN, is_part, is_plan
from jobs.copies.units import Untold

MANIFEST = "manifest.json"
FORMAT = "recuse-release/"
OF_RELEASE = ("ledger/", "evidence/")
"""Folders of a release that tell of rows which are not inside, and of the world outside."""
GIT, GIT_CONTENT = ".git", "lfs"


@dataclass(slots=True)
class Place:
    """A folder of the copy, and its files by name; then what they are.

    plans: of runs that broke off. roots: see `samples_of`. silent: keys of files that hold no rows
    as a rule; they are looked at all the same, and not named where they tell nothing.
    """

    path: Path
    files: dict[str, Path] = field(default_factory=dict)
    plans: set[Path] = field(default_factory=set)
    tars: list[Path] = field(default_factory=list)
    tables: list[Path] = field(default_factory=list)
    samples: dict[str, list[Path]] = field(default_factory=dict)  # files by key
    roots: dict[str, str] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Walk:
    """What a walk through a copy comes by.

    leftovers: parts of files that a run which broke off has left. quiet: files that a release in
    the copy lists, and which tell of rows that are not inside.
    """

    places: dict[Path, Place] = field(default_factory=dict)
    untold: list[Untold] = field(default_factory=list)
    leftovers: list[Path] = field(default_factory=list)
    quiet: set[Path] = field(default_factory=set)

    @classmethod
    def through(cls, copy: Path) -> "Walk":
        """Return the folders of a copy, each once; links are followed."""
        walk, seen, left = cls(), set[Path](), [copy]
        while left:
            folder = left.pop()
            if folder.resolve() not in seen:
                seen.add(folder.resolve())
                left += reversed(walk._enter(folder))
        return walk

    def _enter(self, folder: Path) -> list[Path]:
        """Take in the files of a folder; return the folders inside."""
        place = self.places[folder] = Place(folder)
        inside: list[Path] = []
        for path in self._entries(folder):
            try:
                if path.exists():  # links to nothing are passed over
                    inside += self._take_in(path, place)
            except OSError as e:
                why = f"cannot be read: {e.strerror or e}"
                self.untold.append(Untold(path, why, is_mute=True))
        if MANIFEST in place.files:
            self.quiet.update(_listed(place.files[MANIFEST]))
        return inside

    def _take_in(self, path: Path, place: Place) -> list[Path]:
        if path.name == GIT and path.is_dir():
            why = "its history holds files as they were: clone it anew"
            self.untold.append(Untold(path, why, is_mute=True))
            return [*filter(Path.is_dir, [path / GIT_CONTENT])]
        if path.is_dir():
            return [path]
        if is_part(path.name):
            self.leftovers.append(path)
        elif is_plan(path.name):
            place.plans.add(path)
        elif path.name != RUN and path.is_file() and path.stat().st_size:
            place.files[path.name] = path
        return []

    def _entries(self, folder: Path) -> list[Path]:
        try:
            return sorted(folder.iterdir())
        except OSError as e:
            why = f"a folder that cannot be read: {e.strerror or e}"
            self.untold.append(Untold(folder, why, is_mute=True))
            return []


def _listed(manifest: Path) -> Iterator[Path]:
    """Yield the files that a release lists as its ledger and its evidence; none where it is none.

    Its schema version is not asked for: a copy may be older than this code.
    """
    try:
        said = json.loads(manifest.read_bytes())
        is_release = str(said["format"]).startswith(FORMAT)
        paths = [str(one["path"]) for one in said["files"]] if is_release else []
    except (OSError, ValueError, RecursionError, LookupError, TypeError):
        return
    yield from (manifest.parent / path for path in paths if path.startswith(OF_RELEASE))
