"""What an artist gives, to the parts of a claim: parsed, normalised, refused with a reason. Pure.

Images come as bytes and leave as keys; no pixel is kept. Whatever cannot protect anything, or
would reach what is not the artist's, is refused with words that say what to do about it.
"""

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from optout import hot
from optout.lines import is_common
from optout.match import PDQ_MIN_QUALITY
from optout.names import check_name
from optout.urls import canonical_url, check_account, check_host
from schemas.canonical import sha256_hex
from schemas.claim import IdentityPart, WorkKeys
from schemas.errors import ClaimError, ImageError, UsageError
from schemas.ports import Hasher
from schemas.verdict import Captions, Scope, Stance

STYLE_WORKS = 5
STYLE_WORKS_UNPROVED = 10
MAX_WORKS = 20_000
MAX_LIST = 1_000
MAX_TEXT_CHARS = 1_000
WORK_ID_CHARS = 16
NOBODY = hot.Listed.of(())  # has listed anything


@dataclass(frozen=True, slots=True)
class Wish:
    """What the claimant asks for, as typed."""

    artist: str
    scope: Scope = Scope.ARTIST
    stance: Stance = Stance.OPT_OUT
    aliases: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    captions: Captions = Captions.DROP
    license: str = ""
    attribution: str = ""
    contact: str = ""


@dataclass(frozen=True, slots=True)
class Understood:
    """A wish after parsing: what will be recorded."""

    scope: Scope
    stance: Stance
    names: tuple[str, ...]
    captions: Captions
    hosts: tuple[str, ...]
    accounts: tuple[str, ...]
    urls: tuple[str, ...]
    license: str
    attribution: str
    identity: IdentityPart


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that cannot protect anything, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Exemplars:
    """What became of the images: one entry a work, and one word for each that is none.

    distinct: place in `works` of one of each group of near-duplicates; what a style counts.
    accepted: names of the files behind `works`, same order.
    """

    works: tuple[WorkKeys, ...] = ()
    accepted: tuple[str, ...] = ()
    distinct: tuple[int, ...] = ()
    refused: tuple[Refusal, ...] = field(default=())


def understand(wish: Wish) -> Understood:
    """Return a wish in the form in which it is recorded.

    Raises ClaimError for a name, host, address or text that cannot be taken, or that a claim of
    its scope needs and lacks.
    """
    artist = _line("the artist's name", wish.artist)
    if not artist:
        raise ClaimError("expected the artist's name, found nothing")
    # A claim on works alone says no names: what is not needed is not recorded.
    named = wish.scope in (Scope.ARTIST, Scope.STYLE)
    where = _all("accounts", wish.accounts, check_account)
    accounts = tuple(account for account in where if "/" in account)
    own = tuple(host for host in where if "/" not in host)  # mira.github.io is a host
    hosts = _unique((*_all("hosts", wish.hosts, check_host), *own))
    urls = _all("addresses", wish.urls, _url)
    names = _names((artist, *wish.aliases), backed=bool(where or hosts)) if named else ()
    if wish.scope == Scope.DOMAIN and not where and not hosts:
        raise ClaimError(
            "expected a host or an account for a claim on domains; add --host or --account"
        )
    if wish.captions == Captions.REDACT and (not named or wish.stance == Stance.OPT_IN):
        raise ClaimError(
            "expected an opt-out of kind artist or style for --captions redact: no other claim"
            " reaches captions"
        )
    if wish.stance == Stance.OPT_IN and not wish.license:
        raise ClaimError("expected the licence under which you grant; add --license")
    if wish.stance == Stance.OPT_IN and wish.scope == Scope.STYLE:
        raise ClaimError(
            "expected works, hosts, accounts or addresses to grant: a style cannot be granted"
        )
    return Understood(
        scope=wish.scope,
        stance=wish.stance,
        names=_unique(names),
        captions=wish.captions,
        hosts=hosts,
        accounts=accounts,
        urls=urls,
        license=_line("the licence", wish.license),
        attribution=_line("the attribution", wish.attribution),
        identity=IdentityPart(artist=artist, contact=_line("the contact", wish.contact)),
    )


def exemplars(
    images: Iterable[tuple[str, bytes]], hasher: Hasher, listed: hot.Listed = NOBODY
) -> Exemplars:
    """Return the works that images make: exact repeats once, near-duplicates counted once.

    images: file name and bytes, read one at a time. listed: what others have listed. Order decides
    which of a group of near-duplicates counts. Raises ClaimError for more than MAX_WORKS works.
    """
    works: list[WorkKeys] = []
    accepted: list[str] = []
    refused: list[Refusal] = []
    seen: set[str] = set()
    for name, body in images:
        found = _keys(body, hasher, listed)
        if isinstance(found, str):
            refused.append(Refusal(name, found))
        elif found.sha256 in seen:
            refused.append(Refusal(name, "the same file as another one"))
        else:
            if len(works) == MAX_WORKS:
                raise ClaimError(f"expected at most {MAX_WORKS} works in a claim, found more")
            seen.add(found.sha256)
            works.append(found)
            accepted.append(name)
    return Exemplars(tuple(works), tuple(accepted), distinct(works), tuple(refused))


def distinct(works: Sequence[WorkKeys]) -> tuple[int, ...]:
    """Return the places of works that are no near-duplicate, mirrored or not, of an earlier one."""
    kept: list[int] = []
    hashes = [hot.words([bytes.fromhex(text) for text in work.pdq]) for work in works]
    upright = np.empty((len(works), 4), np.uint64)  # of those that are kept
    for place, variants in enumerate(hashes):
        if (hot.distances(upright[: len(kept)], variants) > hot.SAME_RADIUS).all():
            upright[len(kept)] = variants[0]
            kept.append(place)
    return tuple(kept)


def require_something(understood: Understood, found: Exemplars) -> None:
    """Raise ClaimError for a claim that would protect nothing, with what the artist can do."""
    if found.works or understood.urls or understood.hosts or understood.accounts:
        return
    reasons = "; ".join(f"{r.name}: {r.reason}" for r in found.refused[:3])
    if found.refused:
        raise ClaimError(
            f"expected at least one image that can be told from others, found none among"
            f" {len(found.refused)} ({reasons})"
        )
    if not understood.names or understood.scope == Scope.STYLE:
        raise ClaimError(
            "expected a folder of works, --url, --host or --account: there is nothing to protect"
        )


def require_style(count: int, *, proved: bool) -> None:
    """Raise ClaimError unless there are enough distinct works to make a style."""
    least = STYLE_WORKS if proved else STYLE_WORKS_UNPROVED
    if count >= least:
        return
    more = f"add {least - count} more, or use --kind artist"
    cheaper = "" if proved else f" (with proved control, {STYLE_WORKS} are enough)"
    raise ClaimError(
        f"expected at least {least} distinct works for a style{cheaper}, found {count}: {more}"
    )


def _keys(body: bytes, hasher: Hasher, listed: hot.Listed) -> WorkKeys | str:
    """Return the keys of an image, or why there are none."""
    try:
        keys = hasher.keys(body)
        if keys.pdq_quality < PDQ_MIN_QUALITY:
            return (
                f"too flat or blank to be told from other images (quality {keys.pdq_quality},"
                f" {PDQ_MIN_QUALITY} needed); protect it by its address or host"
            )
        if hasher.striped(body):
            return (
                "stripes, lines or bare paper and nothing else; protect it by its address or host"
            )
        variants = hasher.dihedral(body)
    except ImageError as e:
        return f"cannot be read as an image ({e})"
    refused = hot.refusal(hot.words(variants), listed)
    if refused:
        return refused
    sha256 = sha256_hex(body)
    return WorkKeys(
        work_id=sha256[:WORK_ID_CHARS],
        sha256=sha256,
        pixel_sha256=keys.pixel_sha256,
        pdq=tuple(variant.hex() for variant in variants),
        pdq_quality=keys.pdq_quality,
    )


def _url(text: str) -> str:
    try:
        return canonical_url(text)
    except UsageError as e:
        raise ClaimError(str(e)) from e


def _names(texts: Sequence[str], *, backed: bool) -> tuple[str, ...]:
    """Return the names of a claim. One that is a common word needs something beside it."""
    others = any(not is_common(text) for text in texts)
    return tuple(check_name(text, backed=backed or others) for text in texts)


def _all(what: str, texts: Sequence[str], check: Callable[[str], str]) -> tuple[str, ...]:
    if len(texts) > MAX_LIST:
        raise ClaimError(f"expected at most {MAX_LIST} {what} in a claim, found {len(texts)}")
    return _unique(tuple(check(text) for text in texts))


def _unique(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _line(what: str, text: str) -> str:
    tidy = " ".join(unicodedata.normalize("NFC", text).split(" ")).strip()
    if any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in tidy):
        raise ClaimError(f"expected {what} on one line, found control characters in it")
    if len(tidy) > MAX_TEXT_CHARS:
        raise ClaimError(f"expected {what} in {MAX_TEXT_CHARS} characters, found {len(tidy)}")
    return tidy
