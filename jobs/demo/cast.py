"""Who appears in a site: people with their works, and what of it is registered."""

import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Work:
    """An image file, the words beside it, and where it hangs. The caption names nobody."""

    file: Path
    caption: str
    host: str = "archive.localhost"

    def body(self) -> bytes:
        """Return the file."""
        return self.file.read_bytes()


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with works, the first `listed` of which stand in their claim."""

    name: str
    works: tuple[Work, ...]
    listed: int
    aliases: tuple[str, ...] = ()

    @property
    def slug(self) -> str:
        """The name as it stands in host names and folders."""
        return "-".join("".join(c if c.isalnum() else " " for c in self.name.lower()).split())

    @property
    def registered(self) -> tuple[Work, ...]:
        """The works that stand in the claim."""
        return self.works[: self.listed]

    @property
    def unlisted(self) -> tuple[Work, ...]:
        """The works that do not."""
        return self.works[self.listed :]


@dataclass(frozen=True, slots=True)
class Cast:
    """The people of a site and the works of everybody else.

    stylist: claims a style that can be told apart. host: claims their works and their own host.
    sibling: claims a style that cannot, of which `contrast` is the other half.
    others: at least 70 works that nobody claims.
    """

    stylist: Person
    host: Person
    sibling: Person
    others: tuple[Work, ...]
    contrast: Person | None = None


def exemplars(person: Person, folder: Path) -> Path:
    """Put the registered works of a person into a folder of their own; return it."""
    place = folder / person.slug
    place.mkdir(parents=True, exist_ok=True)
    for work in person.registered:
        target = place / work.file.name
        if not target.is_file():
            shutil.copyfile(work.file, target)
    return place
