"""Which rows of a table mean which samples, by their keys."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from pipeline.retracted import is_image

NO_SAMPLE = "\0"
"""How the key of a file begins that belongs to no sample; no row can mean it."""

Parts = tuple[str, ...]


def together(
    every: AbstractSet[str], keys: Sequence[str | None]
) -> Iterator[tuple[list[str], list[int]]]:
    """Yield samples with the rows that mean them, each once; either side may be empty.

    every: keys of the samples. keys: of the rows, null for none. Tables leave out folders, or add
    some; they write numbers, or whole names. So what does not agree by the whole key is joined by
    the longest end that any has in common with it; where several share that end, all are one. Where
    a key without folder is there more than once, folders were left out.
    """
    yield from (([key], []) for key in sorted(every) if key.startswith(NO_SAMPLE))
    every = {key for key in every if not key.startswith(NO_SAMPLE)}
    of_key: dict[str, list[int]] = {}
    for number, key in enumerate(keys):
        if key is None:
            yield [], [number]
        else:
            of_key.setdefault(key, []).append(number)
    both = every & of_key.keys()
    loose, unmet = every - both, of_key.keys() - both
    last = {_parts(key)[-1] for key in loose}
    doubtful = {
        key for key in both if "/" not in key and len(of_key[key]) > 1 and _parts(key)[-1] in last
    }
    yield from (([key], of_key[key]) for key in sorted(both - doubtful))
    yield from _by_ends(loose | doubtful, {key: of_key[key] for key in unmet | doubtful})


def _by_ends(
    every: AbstractSet[str], of_key: Mapping[str, list[int]]
) -> Iterator[tuple[list[str], list[int]]]:
    """Yield samples and rows joined by the longest end that their keys have in common."""
    samples, rows = ({key: _parts(key) for key in side} for side in (every, of_key))
    ends = _ends(samples.values()) & _ends(rows.values())
    shared: dict[Parts, tuple[list[str], list[str]]] = {}
    for side, those in enumerate((samples, rows)):
        for key, parts in sorted(those.items()):
            end = next((parts[at:] for at in range(len(parts)) if parts[at:] in ends), None)
            if end is not None:
                shared.setdefault(end, ([], []))[side].append(key)
            else:
                yield from _apart([key] if not side else [], [key] if side else [], of_key)
    for own, meant in shared.values():
        if own and meant:
            yield own, [number for key in meant for number in of_key[key]]
        else:
            yield from _apart(own, meant, of_key)


def _apart(
    own: Iterable[str], meant: Iterable[str], of_key: Mapping[str, list[int]]
) -> Iterator[tuple[list[str], list[int]]]:
    yield from (([key], []) for key in own)
    yield from (([], [number]) for key in meant for number in of_key[key])


def _ends(every: Iterable[Parts]) -> set[Parts]:
    return {parts[at:] for parts in every for at in range(len(parts))}


def _parts(key: str) -> Parts:
    """Return folders and name of a key, so that those who write it in other ways agree."""
    *folders, name = [part for part in key.split("/") if part not in ("", ".")] or [""]
    stem, _, ending = name.rpartition(".")
    name = stem if stem and is_image(ending) else name
    return (*folders, name.lstrip("0") or "0" if name.isdigit() else name)
