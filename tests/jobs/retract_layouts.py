"""Copies laid out by chance, and what has to leave them: a second account of the same rules."""

import hashlib
import json
import os
import random
import tarfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.retracted import Retracted
from tests.jobs.retracting import write_members

ROWS = 7
UIDS = [f"{n + 1:032x}" for n in range(ROWS)]
JPEG = b"\xff\xd8\xff"


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def stored(n: int) -> bytes:
    """Return the image of a row as it was released."""
    return JPEG + b"stored %d " % n + bytes([n]) * 40


SOURCES = [sha256(b"source %d" % n) for n in range(ROWS)]
STORED = [sha256(stored(n)) for n in range(ROWS)]


@dataclass(eq=False)
class Group:
    """What goes together: rows of a table, files of a sample.

    pieces: what each of these is, by its bytes. is_named: by more than the digests of its own
    images; is_named_here: without the table beside it. taken: rows that were taken back, by what
    tells them here.
    """

    place: Path
    pieces: list[bytes] = field(default_factory=list)
    images: set[bytes] = field(default_factory=set)
    is_named: bool = False
    is_named_here: bool = False
    taken: set[int] = field(default_factory=set)


@dataclass
class Layout:
    """A copy, made by chance: groups of what is in it. taken: rows that were taken back."""

    chance: random.Random
    copy: Path
    taken: set[int]
    is_shared: bool  # whether two parts may hold the same image, encoded anew
    groups: list[Group] = field(default_factory=list)

    @classmethod
    def of(cls, seed: int, copy: Path) -> "Layout":
        """Write a copy; the same seed gives the same one."""
        chance = random.Random(seed)
        taken = set(chance.sample(range(ROWS), chance.randint(1, 4)))
        layout = cls(chance, copy, taken, chance.random() < 0.3)
        parts = [layout.tar, layout.folder, layout.table, layout.listed, layout.texts]
        parts += [layout.saved, layout.cache]
        for number in range(chance.randint(1, 4)):
            root = copy / chance.choice(["", "x", "y/z", f"part{number}"])
            root.mkdir(parents=True, exist_ok=True)
            rows = sorted(chance.sample(range(ROWS), chance.randint(1, ROWS)))
            chance.choice(parts)(Part(layout, f"part{number}", root, rows))
        return layout

    @property
    def retracted(self) -> Retracted:
        rows = [(UIDS[n], SOURCES[n], STORED[n]) for n in sorted(self.taken)]
        digests = frozenset(digest for row in rows for digest in row[1:])
        known = tuple(map(frozenset, rows))
        return Retracted(frozenset(row[0] for row in rows), digests, "", known)

    def going(self) -> list[Group]:
        """Return the groups that go; an image does wherever it is."""
        going = [g for g in self.groups if g.taken]
        while more := [
            g
            for g in self.groups
            if g not in going and any(g.images & other.images for other in going)
        ]:
            going += more
        met = {n for g in going if g.images for n in g.taken}
        is_mute = any(g.images and not g.is_named for g in self.groups if g not in going)
        return [g for g in going if g.images or g.taken <= met or not is_mute]

    # --- parts

    def tar(self, part: "Part") -> None:
        """A tar of samples, perhaps with a table beside it."""
        is_deep = not self.is_shared and self.chance.random() < 0.3
        files = part.samples(is_deep=is_deep)
        path = part.root / f"{part.name}.tar"
        if self.chance.random() < 0.3:
            self.chance.shuffle(files)
        write_members(path, files)
        part.table_beside(path)

    def folder(self, part: "Part") -> None:
        """A folder of samples, perhaps with a table beside it."""
        path = part.root / part.name
        path.mkdir(exist_ok=True)
        for name, body in part.samples(is_deep=False):
            (path / name).write_bytes(body)
        part.table_beside(path)

    def table(self, part: "Part") -> None:
        """A table with images, told by JSON in a column."""
        path = part.root / f"{part.name}.parquet"
        rows = []
        for n in part.rows:
            image = part.image(n) if self.chance.random() < 0.9 else None
            group, said = part.group(path, n, image)
            rows.append({"piece": part.piece(group, f"row {n}"), "image": image, "metadata": said})
        column = self.chance.choice(["image", "jpg", "content"])
        columns = {name: [row[name] for row in rows] for name in ("piece", "metadata")}
        images = pa.array([row["image"] for row in rows], pa.binary())
        size = self.chance.choice([1, 3, 100])
        pq.write_table(pa.table({**columns, column: images}), path, row_group_size=size)

    def listed(self, part: "Part") -> None:
        """A list of rows without images."""
        path = part.root / f"{part.name}.parquet"
        groups = [part.group(path, n, None, tells="uid")[0] for n in part.rows]
        pieces = [part.piece(g, f"row {n}") for g, n in zip(groups, part.rows, strict=True)]
        uids = [UIDS[n] for n in part.rows]
        pq.write_table(pa.table({"piece": pieces, "uid": uids}), path)

    def texts(self, part: "Part") -> None:
        """JSON of rows whose images are elsewhere."""
        path = part.root / f"{part.name} texts"
        path.mkdir()
        for n in part.rows:
            group, said = part.group(path, n, None, tells="uid")
            (path / f"{n}.json").write_text(said)
            group.pieces.append(said.encode())

    def saved(self, part: "Part") -> None:
        """A dataset saved to disk."""
        import datasets  # noqa: PLC0415 - the test is skipped where it is missing

        path = part.root / f"{part.name} saved"
        rows: dict[str, list[object]] = {"piece": [], "image": [], "uid": []}
        for n in part.rows:
            image = part.image(n) if self.chance.random() < 0.9 else None
            tells = "uid" if image is None or self.chance.random() < 0.5 else "nothing"
            group, _ = part.group(path, n, image, tells=tells)
            rows["piece"].append(part.piece(group, f"row {n}"))
            rows["image"].append({"bytes": image, "path": None} if image else None)
            rows["uid"].append(UIDS[n] if tells == "uid" else None)
        kinds = {"piece": datasets.Value("string"), "uid": datasets.Value("string")}
        features = datasets.Features({**kinds, "image": datasets.Image(decode=False)})
        made = datasets.Dataset.from_dict(rows, features=features)
        made.save_to_disk(path, num_shards=min(len(part.rows), self.chance.choice([1, 2])))

    def cache(self, part: "Part") -> None:
        """Revisions of a folder of images in a cache, which share blobs."""
        path = part.root / f"{part.name} cache"
        (path / "blobs").mkdir(parents=True)
        revisions = ["first", "second"][: self.chance.randint(1, 2)]
        for n in part.rows:
            image = part.image(n)
            for revision in revisions:
                files = {f"{n}.jpg": image}
                if self.chance.random() < 0.5:
                    files[f"{n}.cls"] = b"3"
                is_told = self.chance.random() < 0.5
                group, said = part.group(path, n, image, tells=None if is_told else "nothing")
                if is_told:
                    files[f"{n}.json"] = said.encode()
                for name, body in files.items():
                    blob = path / "blobs" / sha256(body)
                    blob.write_bytes(body)
                    place = path / "snapshots" / revision / name
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.symlink_to(os.path.relpath(blob, place.parent))
                    group.pieces += [body] if body != b"3" else []


@dataclass
class Part:
    """One of the parts of a copy: where it is, which rows it has, and how it tells them."""

    layout: Layout
    name: str
    root: Path
    rows: list[int]
    marks: int = 0

    def __post_init__(self) -> None:
        chance = self.layout.chance
        self.encoded = chance.choice(["as stored", "anew", "either"])
        self.tells = chance.choice(["nothing", "uid", "sha256", "stored", "nested", "text", "ours"])
        self.is_partial = chance.random() < 0.3
        self.keys: dict[str, tuple[int, Group]] = {}

    def image(self, n: int) -> bytes:
        encoded = self.encoded
        if encoded == "either":
            encoded = self.layout.chance.choice(["as stored", "anew"])
        by = "all" if self.layout.is_shared else self.name
        return stored(n) if encoded == "as stored" else JPEG + f"anew {n} {by}".encode()

    def piece(self, group: Group, of: str) -> str:
        """Return words that only this group has, as one of its pieces."""
        words = f"{self.name} {of}"
        group.pieces.append(words.encode())
        return words

    def group(
        self, place: Path, n: int, image: bytes | None, tells: str | None = None
    ) -> tuple[Group, str]:
        """Return a new group of a row, and JSON that tells it."""
        group = Group(place)
        self.layout.groups.append(group)
        if image:
            self.show(group, n, image)
        return group, self.say(group, n, self.telling() if tells is None else tells)

    def telling(self) -> str:
        if self.is_partial and self.layout.chance.random() < 0.5:
            return "nothing"
        return self.tells

    def show(self, group: Group, n: int, image: bytes) -> None:
        group.images.add(image)
        if sha256(image) == STORED[n]:
            group.taken |= {n} & self.layout.taken

    def say(self, group: Group, n: int, tells: str) -> str:
        """Return JSON that tells a row, and take in what it says of its group."""
        said: dict[str, object] = {
            "nothing": {},
            "uid": {"uid": UIDS[n]},
            "sha256": {"sha256": SOURCES[n]},
            "stored": {"stored_sha256": STORED[n]},
            "nested": {"deep": [{"er": {"UID": UIDS[n].upper()}}]},
            "text": {"metadata": json.dumps({"uid": UIDS[n]})},
            "ours": {"uid": UIDS[n], "sha256": SOURCES[n], "stored_sha256": STORED[n]},
        }[tells]
        if tells != "nothing":
            group.taken |= {n} & self.layout.taken
        # The digest of an image as it was released tells no more than the image, where it is there.
        is_own = tells == "stored" and stored(n) in group.images
        group.is_named |= tells != "nothing" and not is_own
        self.marks += 1
        return json.dumps({"mark": f"{self.name} {n} {self.marks}", **said})

    def samples(self, *, is_deep: bool) -> list[tuple[str, bytes]]:
        """Return files of samples. is_deep: in folders, where two may be called alike."""
        chance = self.layout.chance
        files: list[tuple[str, bytes]] = []
        for n in self.rows:
            key = f"{chance.choice('ab')}/{chance.randint(0, 3)}" if is_deep else f"{n:04}"
            if key in self.keys:
                continue
            group = Group(self.root)
            self.layout.groups.append(group)
            self.keys[key] = (n, group)
            own: list[tuple[str, bytes]] = []
            if chance.random() < 0.9:
                own.append((f"{key}.{chance.choice(['jpg', 'png', 'jpeg'])}", self.image(n)))
                self.show(group, n, own[0][1])
            if chance.random() < 0.5:
                own.append((f"{key}.txt", f"{self.name} text of {n}".encode()))
            if not own or chance.random() < 0.7:
                tells = self.telling() if own else "uid"
                own.append((f"{key}.json", self.say(group, n, tells).encode()))
            group.pieces += [body for _, body in own]
            group.is_named_here = group.is_named
            files += own
        return files

    def table_beside(self, path: Path) -> None:
        """Write a table with the rows of samples, and statistics, or none of these."""
        chance = self.layout.chance
        for _, group in self.keys.values():
            group.place = path
        written = chance.choice(["none", "whole", "last", "more", "other", "no"])
        if written == "none":
            return
        tells = self.tells if chance.random() < 0.7 else "nothing"
        rows = []
        for key, (n, own) in self.keys.items():
            if chance.random() < 0.1:
                continue
            group = own
            named = {"whole": key, "last": key.rpartition("/")[2], "more": f"more/{key}"}
            said = tells if not self.is_partial or chance.random() < 0.5 else "nothing"
            if written not in named:  # then it stands by itself
                group = Group(path.with_suffix(".parquet") if path.suffix else path)
                self.layout.groups.append(group)
            self.say(group, n, said)
            row = {"key": named.get(written, f"other {n}"), "piece": self.piece(group, f"row {n}")}
            rows.append(row | self.columns(n, said))
        if written == "last":
            self._merge([str(row["key"]) for row in rows])
        names = ["piece", "uid", "sha256", "stored_sha256", *(["key"] if written != "no" else [])]
        table = pa.table({k: pa.array([row.get(k) for row in rows], pa.string()) for k in names})
        name = f"{self.name}.parquet"
        pq.write_table(table, self.root / name, row_group_size=chance.choice([2, 100]))
        count = {"count": len(rows), "successes": len(rows)}
        (self.root / f"{self.name}_stats.json").write_text(json.dumps(count))

    @staticmethod
    def columns(n: int, tells: str) -> dict[str, str]:
        uid = {"uid": UIDS[n]} if tells in ("uid", "nested", "text", "ours") else {}
        source = {"sha256": SOURCES[n]} if tells in ("sha256", "ours") else {}
        return uid | source | ({"stored_sha256": STORED[n]} if tells in ("stored", "ours") else {})

    def _merge(self, named: Iterable[str]) -> None:
        """Take samples for one where a row may mean each of them."""
        for name in set(named):
            alike = [g for key, (_, g) in self.keys.items() if key.rpartition("/")[2] == name]
            if len(alike) > 1:
                is_named = all(group.is_named_here for group in alike if group.images)
                one = Group(alike[0].place, is_named=is_named)
                for group in alike:
                    one.pieces += group.pieces
                    one.images |= group.images
                    one.taken |= group.taken
                    self.layout.groups.remove(group)
                self.layout.groups.append(one)


def pieces_in(copy: Path) -> Counter[bytes]:
    """Return what a copy holds: files and members of tars by their bytes, rows by their words."""
    found: Counter[bytes] = Counter()
    for path in sorted(copy.rglob("*")):
        is_other = path.name.endswith("_stats.json") or "blobs" in path.parts
        if not path.is_file() or is_other or path.name in ("state.json", "dataset_info.json"):
            continue
        if path.suffix == ".tar":
            with tarfile.open(path) as tar:
                found.update(tar.extractfile(info).read() for info in tar)
        elif path.suffix in (".parquet", ".arrow"):
            table = (
                pq.ParquetFile(path).read()
                if path.suffix == ".parquet"
                else pa.ipc.open_stream(path.read_bytes()).read_all()
            )
            found.update(words.encode() for words in table["piece"].to_pylist())
        elif path.suffix != ".cls":
            found[path.read_bytes()] += 1
    return found
