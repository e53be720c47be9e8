"""`recuse optout`: what artists do with a registry."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.console import console, safe, track
from jobs.cli.review import review
from schemas.errors import ClaimError, UsageError
from schemas.verdict import Captions, Scope, Stance

if TYPE_CHECKING:
    from jobs.enrol import Folder, Matcher, Tools
    from optout.registry import Registry

# ruff: noqa: PLC0415 - commands import what they need, so that --help and others start at once

app = typer.Typer(no_args_is_help=True, help="Ask that works be left out, or may be used.")
app.command()(review)

REGISTRY = Annotated[
    str, typer.Option("--registry", help="Path or SQLAlchemy URL. [RECUSE_REGISTRY, or your own]")
]
CLAIM = Annotated[str, typer.Argument(help="Id of a claim, or how it begins.")]
TRUST = Annotated[
    bool, typer.Option("--trust-local", help="Take control as proved: a registry of your own.")
]
BACKGROUND = Annotated[
    str, typer.Option("--background", help="Folder of images by others, or a release, to try on.")
]
HTML = Annotated[Path | None, typer.Option("--html", help="File to write a page with pictures to.")]
MATCHER = Annotated[
    str, typer.Option("--matcher", help="The registry's: builtin:lite or a matcher's folder.")
]
SHORTEST_PREFIX = 6
NEEDED = ("torch", "torchvision", "timm", "open_clip")  # by the matcher


@app.command()
def submit(
    folder: Annotated[str, typer.Argument(help="Folder of your works; none for hosts alone.")] = "",
    *,
    artist: Annotated[str, typer.Option("--artist", help="Your name.")],
    alias: Annotated[list[str], typer.Option("--alias", help="Another name; repeatable.")] = [],  # noqa: B006 - typer's
    host: Annotated[list[str], typer.Option("--host", help="A host of yours; repeatable.")] = [],  # noqa: B006 - typer's
    account: Annotated[
        list[str],
        typer.Option("--account", help="A page of yours on a shared host; repeatable."),
    ] = [],  # noqa: B006 - typer's
    url: Annotated[list[str], typer.Option("--url", help="An address; repeatable.")] = [],  # noqa: B006 - typer's
    kind: Annotated[Scope, typer.Option("--kind", help="What the claim covers.")] = Scope.ARTIST,
    captions: Annotated[
        Captions, typer.Option("--captions", help="What your name in a caption does to its row.")
    ] = Captions.DROP,
    opt_in: Annotated[bool, typer.Option("--opt-in", help="Grant use instead.")] = False,
    license_: Annotated[str, typer.Option("--license", help="Licence of an opt-in.")] = "",
    attribution: Annotated[str, typer.Option("--attribution", help="How to name you.")] = "",
    contact: Annotated[str, typer.Option("--contact", help="How to reach you; not shown.")] = "",
    contrast: Annotated[
        str, typer.Option("--contrast", help="Folder of works by others, near to yours.")
    ] = "",
    trust_local: TRUST = False,
    registry: REGISTRY = "",
    matcher: MATCHER = "builtin:lite",
    key: Annotated[Path | None, typer.Option("--key", help="Your key; made if absent.")] = None,
    receipt: Annotated[Path | None, typer.Option("--receipt", help="File of the receipt.")] = None,
    background: BACKGROUND = "",
    html: HTML = None,
) -> None:
    """Record a claim. Images are hashed and compared on this machine, never stored or sent."""
    from jobs.claimant_files import registry_at
    from jobs.cli import claim_words, trying
    from jobs.submit import Order, Rim
    from jobs.submit import submit as record
    from optout.intake import Wish, understand
    from pipeline.clock import clock_from_environment

    wish = Wish(
        artist=artist,
        scope=kind,
        stance=Stance.OPT_IN if opt_in else Stance.OPT_OUT,
        aliases=tuple(alias),
        hosts=tuple(host),
        accounts=tuple(account),
        urls=tuple(url),
        captions=captions,
        license=license_,
        attribution=attribution,
        contact=contact,
    )
    order = Order(
        registry=registry_at(registry),
        wish=wish,
        works=_folder(folder),
        contrast=_folder(contrast),
        trust_local=trust_local,
        key=key,
        receipt=receipt,
    )
    understand(wish)  # before a model is loaded
    if (background or html) and kind != Scope.STYLE:
        raise UsageError("expected --kind style for --background or --html: only styles are tried")
    out = console()
    tools = _tools(needed=bool(folder), matcher=matcher)
    done = record(order, tools, Rim(clock_from_environment()))
    part = done.enrolled.part
    out.print(f"[bold]claim {done.recorded.entry.claim}[/] is recorded. What was understood:")
    out.print(claim_words.understood(part, wish.artist))
    _say(claim_words.refusals(done.enrolled.exemplars))
    _say(claim_words.common_designs(done.enrolled.exemplars))
    out.print(safe(claim_words.level_words(0, trust_local=trust_local)))
    out.print(claim_words.effects(part, 0, trust_local=trust_local))
    _say(claim_words.style_words(part.style))
    out.print(claim_words.told(claim_words.style_numbers(part.style)))
    if order.works and tools.matcher and (background or html):
        trying.tell(trying.of_claim(done, tools, background), order.works, tools, html)
    _say(claim_words.who_can_see(order.registry))
    _say(claim_words.outcome(done))


@app.command("test")
def try_style(
    folder: Annotated[str, typer.Argument(help="Folder of your works.")],
    *,
    contrast: Annotated[
        str, typer.Option("--contrast", help="Folder of works by others, near to yours.")
    ] = "",
    background: BACKGROUND = "",
    html: HTML = None,
    trust_local: TRUST = False,
    registry: REGISTRY = "",
    matcher: MATCHER = "builtin:lite",
    key: Annotated[
        Path | None, typer.Option("--key", help="Your key: your own claims do not count.")
    ] = None,
) -> None:
    """Test a style as submit does, and record nothing.

    Exit code 0 where it is active, 3 where it is not separable, 4 where it needs review.
    """
    from jobs.claimant_files import registry_at
    from jobs.cli import trying

    wanted = trying.Wanted(
        works=_folder(folder),
        contrast=_folder(contrast),
        background=background,
        trust_local=trust_local,
        registry=registry_at(registry),
        must_exist=bool(registry),
        key=key,
        html=html,
    )
    code = trying.try_out(wanted, _tools(needed=True, matcher=matcher))
    if code:
        raise typer.Exit(code)


@app.command()
def simulate(
    claim: CLAIM,
    release: Annotated[str, typer.Argument(help="Folder or URL of a release.")],
    registry: REGISTRY = "",
    html: HTML = None,
    *,
    matcher: MATCHER = "builtin:lite",
    trust_local: TRUST = False,
) -> None:
    """Say what a claim would drop in a release, as if its control were proved; changes nothing."""
    from jobs.cli import trying
    from jobs.simulation import Registered

    with _opened(registry) as found:
        at = Registered(found, _whole_id(found, claim), trust_local=trust_local, cohort=matcher)
        trying.simulate(at, release, html)


@app.command("list")
def list_claims(registry: REGISTRY = "") -> None:
    """List the claims of a registry."""
    from jobs.cli import claim_words

    with _opened(registry) as found:
        rows = found.claims()
    out = console()
    out.print(claim_words.listing(rows) if rows else "no claims yet")


@app.command()
def show(
    claim: CLAIM,
    registry: REGISTRY = "",
    key: Annotated[
        Path | None, typer.Option("--key", help="The claimant's key: shows who asks as well.")
    ] = None,
    trust_local: TRUST = False,
) -> None:
    """Show a claim: what it says, what acts, and the numbers of its style."""
    from jobs.claimant_files import read_key
    from jobs.cli import claim_words
    from optout.parts import open_identity_part, open_match_part

    with _opened(registry) as found:
        standing = found.standing(_whole_id(found, claim))
        match, identity = found.parts(standing.claim_id)
    part, artist, contact = open_match_part(match), "", ""
    if key is not None:
        if read_key(key).public != standing.claimant_key:
            raise ClaimError(f"expected the key of claim {standing.claim_id} in {key}")
        who = open_identity_part(identity)
        artist, contact = who.artist, who.contact
    out = console()
    out.print(f"[bold]claim {standing.claim_id}[/] {safe(standing.state)}")
    _say([f"submitted {standing.submitted_at} by the registry's clock; entry {standing.seq}"])
    out.print(claim_words.understood(part, artist))
    _say([f"contact {contact}"] if contact else [])
    if standing.in_force:
        out.print(safe(claim_words.level_words(standing.level, trust_local=trust_local)))
        out.print(claim_words.effects(part, standing.level, trust_local=trust_local))
    _say(claim_words.style_words(part.style))
    out.print(claim_words.told(claim_words.style_numbers(part.style)))


@app.command()
def refresh(
    folder: Annotated[str, typer.Argument(help="Folder with images of the claim's works.")],
    claim: Annotated[str, typer.Option("--claim", help="Id of the claim, or how it begins.")],
    *,
    matcher: MATCHER = "builtin:lite",
    trust_local: TRUST = False,
    registry: REGISTRY = "",
    key: Annotated[
        Path | None, typer.Option("--key", help="Your key. [where submit wrote it]")
    ] = None,
    receipt: Annotated[Path | None, typer.Option("--receipt", help="File of the receipt.")] = None,
) -> None:
    """Add vectors of the registry's matcher to the works of a claim, from the same images.

    For works that have none of it: the registry has moved to a stronger matcher, or no model was
    installed when the claim was made. Nothing else of the claim changes, and its level stays.
    """
    from jobs.claimant_files import key_path, receipt_path, registry_at
    from jobs.cli import claim_words
    from jobs.refresh import Order
    from jobs.refresh import refresh as record
    from jobs.submit import Rim
    from pipeline.clock import clock_from_environment

    place = registry_at(registry)
    with _opened(registry) as found:
        claim_id = _whole_id(found, claim)
        usual = receipt_path(place, f"{claim_id}.{len(found.leaf_hashes())}")
    works = _folder(folder)
    tools = _tools(needed=True, matcher=matcher)
    if tools.matcher is None or works is None:
        raise UsageError("expected a model to be installed and a folder of works to refresh")
    order = Order(
        place, claim_id, works, key or key_path(place, claim_id), receipt or usual, trust_local
    )
    done = record(order, tools, tools.matcher, Rim(clock_from_environment()))
    _say(claim_words.refreshed(done, tools.matcher.embedder.card.name))
    _say([f"receipt: {order.receipt}"])
    _say(claim_words.style_words(done.part.style))


@app.command()
def withdraw(
    claim: CLAIM,
    registry: REGISTRY = "",
    key: Annotated[
        Path | None, typer.Option("--key", help="Your key. [where submit wrote it]")
    ] = None,
) -> None:
    """Withdraw a claim: builds that take a later snapshot no longer honour it."""
    from jobs.claimant_files import key_path, read_key, registry_at
    from optout.entry import draft_move
    from optout.lifecycle import Event

    with _opened(registry) as found:
        standing = found.standing(_whole_id(found, claim))
        signing = read_key(key or key_path(registry_at(registry), standing.claim_id))
        draft = draft_move(Event.WITHDRAW, standing.claim_id, standing.entry_hash, signing)
        recorded = found.append(draft)
    _say(
        [
            f"claim {standing.claim_id} is withdrawn, by entry {recorded.seq} of the log.",
            (
                "builds that take a snapshot from now on no longer honour it; releases that are out"
                " stay as they are. The history stays in the registry."
            ),
        ]
    )


@app.command("verify-receipt")
def verify_receipt(
    receipt: Annotated[Path, typer.Argument(help="File that submit wrote.")],
    registry: Annotated[
        str, typer.Option("--registry", help="Also ask whether this registry still agrees.")
    ] = "",
) -> None:
    """Check a receipt: what you said is what the log's entry commits to, and it is in the log."""
    from optout.log.merkle import root
    from optout.receipt import check, parse
    from schemas.errors import RollbackError

    try:
        body = receipt.read_bytes()
    except OSError as e:
        raise UsageError(f"expected a receipt in {receipt}: {e.strerror or e}") from e
    found = parse(body, str(receipt))
    check(found)
    lines = [
        (
            f"verified: claim {found.claim} is entry {found.seq} of {found.origin}, recorded"
            f" {found.entry.recorded_at} by the registry's clock."
        ),
        (
            f"verified: its parts, salts and signature belong to that entry, and the entry is in"
            f" the log of {found.size} entries with root {found.root}."
        ),
    ]
    if registry:
        with _opened(registry) as opened:
            leaves = opened.leaf_hashes(found.size)
        if len(leaves) < found.size or root(leaves).hex() != found.root:
            raise RollbackError(f"expected the log of the receipt in {registry}, found another one")
        lines.append(f"verified: {registry} still has that log.")
    else:
        lines.append("needs --registry: whether the registry still shows this log.")
    _say(lines)


@app.command()
def snapshot(
    registry: REGISTRY = "",
    out: Annotated[str, typer.Option("--out", help="Folder or URL to write it to.")] = "",
    trust_local: TRUST = False,
) -> None:
    """Take the claims in force, as builds use them; checks the whole log on the way."""
    from optout.snapshot import save, take
    from pipeline.storage import open_store

    with _opened(registry) as found:
        taken = take(found, trust_local=trust_local)
    header = taken.header
    if out:
        save(taken, open_store(out, private=True), "")
    _say(
        [
            (
                f"{taken.claims.num_rows} claims in force with {taken.works.num_rows} works,"
                f" of {header.size} log entries"
            ),
            f"origin {header.origin}, root {header.root}",
            f"newest entry {header.recorded_at or 'none'}",
            f"matcher {header.matcher_name or 'none'} {header.matcher}",
            f"tables {header.tables_sha256}",
            f"written to {out}" if out else "not written; name a folder with --out",
        ]
    )


@app.command("export")
def export(
    key: Annotated[Path, typer.Option("--key", help="Key that `recuse registry keygen` wrote.")],
    out: Annotated[str, typer.Option("--out", help="Folder or URL to write the list to.")],
    registry: REGISTRY = "",
) -> None:
    """Publish the claims in force as a signed list, for builders to subscribe to.

    A list holds what builders must see: hashes and vectors of works, names, hosts, addresses. Give
    it to builders and auditors under terms, not to everybody. Who asks and how to reach them are
    not in it. Levels are those that the registry states.
    """
    from jobs.cli import list_words
    from jobs.list_files import read_signer
    from jobs.signed_lists import export_list
    from pipeline.clock import clock_from_environment
    from pipeline.storage import open_store

    signer = read_signer(key)
    with _opened(registry) as found:
        done = export_list(found, signer, open_store(out), clock_from_environment())
    console().print(list_words.summary(done))
    _say([f"written to {out}", list_words.TERMS, f"verifier key {signer.verifier}"])


@app.command("import")
def import_(
    source: Annotated[str, typer.Argument(metavar="LIST", help="Folder or URL of a signed list.")],
    key: Annotated[
        str, typer.Option("--key", help="Verifier key of its publisher, NAME+ID+BASE64.")
    ],
    to: Annotated[str, typer.Option("--to", help="Folder of lists. [in your data folder]")] = "",
) -> None:
    """Fetch a list, verify it by the key that you were given, and keep it for builds.

    Refused are a list that the key has not signed, one that is not what was signed, and one that
    is older than the copy held, or shows another history.
    """
    from jobs.claims import open_list_store
    from jobs.cli import list_words
    from jobs.list_files import lists_folder
    from jobs.signed_lists import import_list
    from optout.log.note import parse_verifier_key
    from pipeline.clock import clock_from_environment
    from pipeline.storage import open_store

    home = to.rstrip("/") or str(lists_folder())
    verifier = parse_verifier_key(key)
    kept = import_list(open_list_store(source), verifier, open_store(home, private=True))
    out = console()
    out.print(list_words.summary(kept.found, clock_from_environment().now_us()))
    _say(list_words.kept(kept, f"{home}/{kept.folder}"))


def _say(lines: Sequence[str]) -> None:
    out = console()
    for line in lines:
        out.print(safe(line))


def _opened(registry: str) -> "Registry":
    from jobs.claimant_files import registry_at
    from optout.registry import Registry
    from pipeline.clock import clock_from_environment

    return Registry.open(registry_at(registry), clock_from_environment())


def _whole_id(found: "Registry", text: str) -> str:
    """Return the claim id that begins with `text`. Raises UsageError unless there is just one."""
    ids = [str(row.claim_id) for row in found.claims()]
    hits = [claim_id for claim_id in ids if claim_id.startswith(text)]
    if len(text) < SHORTEST_PREFIX or len(hits) != 1:
        raise UsageError(
            f"expected the id of one claim, or at least {SHORTEST_PREFIX} characters of its"
            f" beginning, found {text!r}, which {len(hits)} claims in {found.where} begin with"
        )
    return hits[0]


def _folder(path: str) -> "Folder | None":
    from jobs.enrol import folder
    from pipeline.storage import open_store

    return folder(open_store(path)) if path else None


def _tools(*, needed: bool, matcher: str = "builtin:lite") -> "Tools":
    from jobs.enrol import Tools
    from pipeline.image.canonical import CanonicalHasher

    return Tools(CanonicalHasher(), _matcher(matcher) if needed else None, track)


def _matcher(name: str) -> "Matcher | None":
    """Return a matcher, null where torch is missing; says which it is."""
    from jobs.enrol import NO_MATCHER, Matcher
    from pipeline.models.loading import load_matcher
    from pipeline.models.matcher_files import load_cohort

    if not all(_is_installed(name) for name in NEEDED):
        _say([NO_MATCHER])
        return None
    embedder = load_matcher(name)
    _say([embedder.card.notice] if embedder.card.notice else [])
    return Matcher(embedder, load_cohort(name))


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False
