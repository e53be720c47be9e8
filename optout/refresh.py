"""What a refresh may change: vectors of works that had none of the registry's matcher.

A level was proved for names, hosts, addresses and works as they stand, so none of these may move,
and vectors that the registry's matcher has given once stay: nobody swaps them for others later.
"""

from collections.abc import Mapping, Sequence

from optout.commitment import OpenedPart
from optout.entry import parse_leaf
from optout.leaf import entries
from optout.lifecycle import CARRYING
from schemas.claim import MatchPart, StyleCalibration, WorkKeys
from schemas.errors import ClaimError, ProofError, RegistryError

NO_VECTORS = {
    "matcher": "",
    "cpy": "",
    "sty": "",
    "cohort_mean": None,
    "views": (),
    "keypoints": "",  # a second key beside the copy vector, nothing without it
}
OF_ANOTHER = StyleCalibration(note="look-alikes were tested by another matcher")


def without_vectors(work: WorkKeys) -> WorkKeys:
    """Return the keys of a work that no matcher gave."""
    return work.model_copy(update=NO_VECTORS)


def as_judged(part: MatchPart, matcher: str) -> MatchPart:
    """Return a part as builds by a matcher see it: vectors of any other are left out.

    A style that was calibrated on others does not act.
    """
    used = {work.matcher for work in part.works if work.matcher}
    if used <= {matcher} and part.style.matcher in ("", matcher):
        return part
    works = tuple(w if w.matcher == matcher else without_vectors(w) for w in part.works)
    calibrated = {part.style.matcher} if part.style.matcher else used  # it did not always say so
    style = part.style if calibrated == {matcher} else OF_ANOTHER
    return part.model_copy(update={"works": works, "style": style})


def changed(before: MatchPart, after: MatchPart) -> list[WorkKeys]:
    """Return the works to which vectors were added, after a refresh.

    Raises ClaimError where anything else is not what it was.
    """
    if _lasting(before) != _lasting(after):
        raise ClaimError(
            "expected a refresh to change vectors and nothing else, found other works, names,"
            " hosts, addresses or terms; withdraw the claim and submit another"
        )
    new = [now for was, now in zip(before.works, after.works, strict=True) if was != now]
    old = {work.work_id: work.matcher for work in before.works}
    for work in new:
        if not work.matcher or work.matcher == old[work.work_id]:
            raise ClaimError(
                f"expected vectors of a matcher that work {work.work_id} had none of, found"
                f" {work.matcher[:16] or 'none'}"
            )
    if not new:
        raise ClaimError("expected vectors for at least one work, found nothing new")
    return new


def check_history(leaves: Sequence[bytes], parts: Mapping[int, OpenedPart], where: str) -> None:
    """Raise RegistryError where a refresh changed more than it may.

    parts: match parts by entry. One that was destroyed cannot be compared, and is passed over.
    """
    newest: dict[str, int] = {}
    for seq, entry in entries(leaves, where):
        if entry.type not in CARRYING:
            continue
        before = newest.get(entry.claim)
        newest[entry.claim] = seq
        if before is not None and before in parts and seq in parts:
            try:
                parts[seq].check(entry.match, f"the match part of entry {seq}")
                earlier = parse_leaf(leaves[before], where).match
                parts[before].check(earlier, f"the match part of entry {before}")
                changed(_parsed(parts[before]), _parsed(parts[seq]))
            except (ClaimError, ProofError, ValueError) as e:
                raise RegistryError(f"entry {seq} of {where} should not be there: {e}") from e


def _lasting(part: MatchPart) -> MatchPart:
    works = tuple(without_vectors(work) for work in part.works)
    return part.model_copy(update={"works": works, "style": StyleCalibration()})


def _parsed(part: OpenedPart) -> MatchPart:
    return MatchPart.model_validate_json(part.payload)
