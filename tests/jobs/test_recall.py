"""Recalls of small releases in memory: what is rewritten, what is refused, and crashes anywhere."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from typer.testing import CliRunner

from jobs.claims import Member, newest
from jobs.cli import optout
from jobs.published import Published
from jobs.recall import Claims, claims_now, judge, registry_of, require_judged
from jobs.releases import open_release
from jobs.resealing import finished, rewrite
from jobs.rewriting import Target
from jobs.vaults import Vault, open_vault
from optout.log.note import SignerKey
from pipeline.held import read_whole
from pipeline.identify import shard_of
from pipeline.layout import RELEASE, VAULT, strangers
from pipeline.likeness import measured_styles
from pipeline.manifest import MANIFEST_PATH, assemble, manifest_bytes, read_manifest, row_counts
from pipeline.release import File, Form, name_of, plan_parts, release_shard, released_sizes
from pipeline.retracted import Retracted
from pipeline.shard import read_parquet, write_parquet
from pipeline.storage import open_store
from pipeline.stored_likeness import STYLES_PATH
from pipeline.vault import (
    CLAIMS_PATH,
    EDGES_PATH,
    EVIDENCE_ROWS,
    HELD_UNTIL,
    MATCHES_PATH,
    SECRET_PATH,
    edges_file,
    held_until,
    matches_file,
    read_held_until,
    stated_by,
    vault_digest,
)
from schemas.canonical import sha256_hex
from schemas.config import RegistryConfig
from schemas.errors import (
    PlanError,
    ProofError,
    RollbackError,
    SchemaError,
    StorageError,
    UsageError,
)
from schemas.manifest import ListEntry, ModelEntry
from schemas.snapshot import Honoured
from schemas.tables import MATCHES, SNAPSHOT_CLAIMS, TRACED, from_rows
from tests.fakes import MemoryStore
from tests.optout.snapshots import taken
from tests.pipeline.recalls import (
    CONFIG,
    MATCHER,
    POOL,
    THRESHOLD,
    Built,
    build,
    captions,
    claim,
    honoured,
    recaption,
    world,
)
from tests.pipeline.samples import roots
from tests.pipeline.test_likeness import COHORT
from tests.pipeline.test_manifest import draft

SHARDS = 4
KEY = SignerKey("builder/test", b"k" * 32)
OLD_CLAIMS = ("name", "copy")
SECRET = b"s" * 32
CREATED = "2026-02-01T00:00:00Z"


def untold(names, _doing):
    return names


def of_shard(table: pa.Table, shard: int, shards: int) -> pa.Table:
    return table.filter(pc.equal(shard_of(table["uid"], shards), shard)).combine_chunks()


def publish(
    built: Built, claims: Honoured, form: str = "parquet", shards: int = SHARDS
) -> Published:
    """Write the files of a release and its vault, as a build does."""
    out, vault = MemoryStore("memory://old"), MemoryStore("memory://old.vault")
    tables = built.tables
    shard = shard_of(tables.decided["uid"], shards)
    parts = plan_parts(released_sizes(tables.decided, shard, tables.decoded), 100)
    public, private = [], []
    for number in range(shards):
        own = replace(
            tables,
            **{
                name: of_shard(getattr(tables, name), number, shards)
                for name in (
                    "rows", "judged", "decoded", "stored", "vectors", "decided", "originals",
                    "similarities",
                )
            },
        )  # fmt: skip
        mine = [p for p in parts if p.shard == number]
        files = release_shard(own, mine, number, Form(form, "jpg", SECRET))
        traced = [
            {"uid": r["uid"], "url_key": r["url_key"]}
            for r in own.rows.select(["uid", "url_key"]).to_pylist()
        ]
        path = f"{EVIDENCE_ROWS}/{name_of(number)}.parquet"
        public += files.public
        private += [*files.private, File(path, write_parquet(from_rows(traced, TRACED)))]
    styles = measured_styles(claims, COHORT, CONFIG.match.epsilon)
    private += [
        File(EDGES_PATH, edges_file(built.edges)),
        File(MATCHES_PATH, matches_file(MATCHES.empty_table())),
        File(CLAIMS_PATH, write_parquet(stated_by(claims.claims, {}))),
        File(HELD_UNTIL, held_until(0, 30)),
        File(SECRET_PATH, SECRET),
        File(STYLES_PATH, write_parquet(styles)),
    ]
    public += [File("evidence/" + "e" * 64, b"User-agent: *\n"), File("report.html", b"<p>old")]
    for store, files in ((out, public), (vault, private)):
        for file in files:
            store.publish(file.path, file.body)
    released, dropped, held = row_counts(tables.decided)
    entry = {"fingerprint": MATCHER, "weights_sha256": "", "precision": "fp32", "device": "cpu"}
    config = CONFIG.model_copy(update={"output": CONFIG.output.model_copy(update={"format": form})})
    manifest = draft(
        config=config.as_json(),
        rows_in=tables.decided.num_rows,
        released=released,
        dropped=dropped,
        held=held,
        models=[ModelEntry(role="matcher", name="m", **entry)],
        thresholds={"duplicate_similarity": THRESHOLD},
        vault_sha256=vault_digest([f.entry for f in private]),
        roots=roots(released, tables.decided.num_rows - released),
    )
    body = manifest_bytes(assemble(manifest, [f.entry for f in public]))
    out.publish(MANIFEST_PATH, body)
    opened = open_release(out)
    return Published(opened, Vault(vault))


def claims_of(names, cohort=COHORT, url: str = "") -> Claims:
    own = [POOL[name] for name in sorted(names)]
    own += [(claim("one", urls=[url]), [])] if url else []
    rows = [{k: v for k, v in c.items() if k in SNAPSHOT_CLAIMS.names} for c, _ in own]
    snapshot = taken(rows, [w for _, works in own for w in works], matcher=MATCHER)
    return Claims((Member("", snapshot),), cohort)


@pytest.fixture(scope="module")
def built():
    return build(world(5, 40), honoured(OLD_CLAIMS))


@pytest.fixture(scope="module")
def fresh(built):
    return build(world(5, 40), honoured(POOL), built.fetched)


def target(out=None, vault=None, **more) -> Target:
    out = MemoryStore("memory://new") if out is None else out
    vault = MemoryStore("memory://new.vault") if vault is None else vault
    return Target(out, vault, CREATED, KEY, SECRET, **more)


def judged(old: Published, names=POOL, **more):
    return judge(old, claims_of(names, **more), untold, recaption)


def one_url(old: Published) -> str:
    """Return the address of a released row: a claim to it touches a shard or two."""
    return old.release.part(old.release.names[0]).rows["url"][0].as_py()


def released(store) -> dict[str, str]:
    opened = open_release(store)
    tables = [opened.part(name).rows for name in opened.names]
    return {uid: said for t in tables for uid, said in captions(t).items()}


@pytest.mark.parametrize("form", ["parquet", "webdataset", "urls"])
def test_a_recalled_release_is_whole_and_holds_what_a_fresh_build_would(built, fresh, form):
    old = publish(built, honoured(OLD_CLAIMS), form)
    to = target()
    done = rewrite(judged(old), to)
    expected = {uid: said for uid, said in fresh.kept.items() if uid in built.kept}
    assert released(to.out) == expected
    manifest = read_manifest(to.out)
    assert manifest == done.manifest
    assert manifest.parent == old.sha256
    assert manifest.recalled.removed == len(built.kept) - len(expected)
    notes = {f"{path}.note" for path in (MANIFEST_PATH, "retractions.parquet")}
    listed = {f.path for f in manifest.files} | {MANIFEST_PATH} | notes
    assert set(to.out.files) == listed
    opened = open_release(to.out)
    kept = open_vault_of(to, opened)
    assert sum(kept.part(s).rows.num_rows for s in range(SHARDS)) == 40 - len(expected)
    retracted = Retracted.read(
        to.out.read("retractions.parquet"), [KEY.verifier], to.out.read("retractions.parquet.note")
    )
    assert retracted.uids == built.kept.keys() - expected.keys()
    assert retracted.release == old.sha256
    again = judged(Published(opened, kept))
    assert again.changes.removed.num_rows == 0


def open_vault_of(to: Target, opened) -> Vault:
    from jobs.audit import check_vault  # noqa: PLC0415  # beside its one use

    check_vault(to.vault, opened.manifest)
    return Vault(to.vault)


def test_only_shards_with_changes_are_written_anew(built):
    old = publish(built, honoured(OLD_CLAIMS))
    to = target()
    done = rewrite(judged(old, OLD_CLAIMS, url=one_url(old)), to)
    assert 0 < len(done.touched) < len(old.release.names)
    before, after = old.release.files, {f.path: f for f in done.manifest.files}
    for path in before:
        number = path.rsplit("/", 1)[-1].split(".")[0]
        if path.startswith(("samples/", "embeddings/")):
            assert (before[path] == after.get(path)) == (number not in done.touched)
    assert after["evidence/" + "e" * 64] == before["evidence/" + "e" * 64]


def test_a_recall_of_a_recall_keeps_earlier_retractions(built):
    old = publish(built, honoured(OLD_CLAIMS))
    first = target()
    rewrite(judged(old, OLD_CLAIMS, url=one_url(old)), first)
    opened = open_release(first.out)
    second = target(MemoryStore("memory://2"), MemoryStore("memory://2.vault"))
    rewrite(judged(Published(opened, Vault(first.vault))), second)
    table = read_parquet(second.out.read("retractions.parquet"))
    gone = built.kept.keys() - released(second.out).keys()
    assert set(table["uid"].to_pylist()) == gone
    assert set(table["release"].to_pylist()) == {old.sha256, Published(opened, None).sha256}


def test_a_build_that_knew_all_claims_has_nothing_to_recall(built):
    old = publish(built, honoured(OLD_CLAIMS))
    to = target()
    done = rewrite(judged(old, OLD_CLAIMS), to)
    assert done.touched == ()
    assert released(to.out) == built.kept
    assert read_parquet(to.out.read("retractions.parquet")).num_rows == 0


# --- crashes


class Faulty(MemoryStore):
    """A store that fails once, at its n-th publication."""

    def __init__(self, root: str, kind: str, at: int) -> None:
        super().__init__(root)
        self.left = at
        self.fail = lambda _path: kind if self._now() else None

    def _now(self) -> bool:
        self.left -= 1
        return self.left == -1


def publications(old: Published) -> tuple[int, int]:
    counts = []
    for private in (False, True):
        store = Faulty("memory://count", "failed", 1 << 30)
        rewrite(judged(old), target(vault=store) if private else target(out=store))
        counts.append((1 << 30) - store.left)
    return counts[0], counts[1]


@pytest.mark.parametrize("kind", ["failed", "written"])
def test_a_crash_anywhere_leaves_no_half_release_and_the_same_command_finishes(built, kind):
    old = publish(built, honoured(OLD_CLAIMS), shards=2)
    found = judged(old)
    whole = target()
    rewrite(found, whole)
    public, private = publications(old)
    for where, count in (("out", public), ("vault", private)):
        for at in range(count):
            faulty = Faulty(f"memory://{where}", kind, at)
            to = target(**{where: faulty})
            with pytest.raises(StorageError, match="injected"):
                rewrite(found, to)
            if to.out.exists(MANIFEST_PATH):  # written, though nobody was told
                assert (kind, at) == ("written", public - 1)
                assert finished(found, to.out) == read_manifest(to.out)
            rewrite(found, to)
            assert to.out.files == whole.out.files
            assert to.vault.files == whole.vault.files


def test_another_recall_in_the_same_place_is_refused(built):
    old = publish(built, honoured(OLD_CLAIMS))
    to = target()
    assert finished(judged(old), to.out) is None
    rewrite(judged(old), to)
    assert finished(judged(old), to.out) is not None
    with pytest.raises(PlanError, match="another"):
        finished(judged(old, OLD_CLAIMS, url=one_url(old)), to.out)


def test_a_recall_that_could_judge_less_is_another_recall(built):
    """Else the rows that it left inside would pass for judged, once their cohort is at hand."""
    old = publish(built, honoured(OLD_CLAIMS))
    to = target()
    less = judged(old, cohort=None)
    assert less.changes.removed.num_rows < judged(old).changes.removed.num_rows
    rewrite(less, to)
    assert finished(less, to.out) is not None
    with pytest.raises(PlanError, match="another"):
        finished(judged(old), to.out)


def test_strays_of_an_unfinished_recall_are_forgotten(built):
    old = publish(built, honoured(OLD_CLAIMS))
    to = target()
    to.out.publish("samples/00099.parquet", b"left behind")
    to.vault.publish("held/00099.parquet", b"left behind")
    rewrite(judged(old), to)
    assert not to.out.exists("samples/00099.parquet")
    assert not to.vault.exists("held/00099.parquet")


def test_what_a_killed_recall_has_half_written_is_not_released(built, tmp_path):
    old = publish(built, honoured(OLD_CLAIMS))
    to = target(*(open_store(str(tmp_path / name)) for name in ("new", "new.vault")))
    left = [tmp_path / "new" / "samples" / ".part-01", tmp_path / "new.vault" / ".part-02"]
    for path in left:
        path.parent.mkdir(parents=True)
        path.write_bytes(b"rows that must go")
    rewrite(judged(old), to)
    assert [path for path in left if path.exists()] == []


def test_a_shard_without_rows_and_a_manifest_without_a_threshold_are_told(built):
    old = publish(built, honoured(OLD_CLAIMS))
    bare = old.manifest.model_copy(update={"thresholds": {}})
    with pytest.raises(SchemaError, match="duplicate_similarity"):
        judged(Published(replace(old.release, manifest=bare), old.vault))
    path = f"samples/{old.release.names[0]}.parquet"
    body = write_parquet(read_parquet(old.release.store.read(path)).slice(0, 0))
    old.release.store.publish(path, body)
    files = [
        f.model_copy(update={"sha256": sha256_hex(body), "rows": 0}) if f.path == path else f
        for f in old.manifest.files
    ]
    hollow = old.manifest.model_copy(update={"files": files})
    with pytest.raises(SchemaError, match=f"expected rows in {path}, found none"):
        judged(Published(replace(old.release, manifest=hollow), old.vault))


# --- folders that are somebody's


@pytest.mark.parametrize("form", ["parquet", "webdataset", "urls"])
def test_every_file_of_a_release_and_its_vault_is_known(built, form):
    old = publish(built, honoured(OLD_CLAIMS), form)
    to = target()
    rewrite(judged(old), to)
    for stores in ((old.release.store, old.vault.store), (to.out, to.vault)):
        for store, known in zip(stores, (RELEASE, VAULT), strict=True):
            assert strangers(store.paths(""), known) == []
    assert strangers(["letter.txt", "one/manifest.json", "samples/x.parquet"], RELEASE)
    assert strangers(["rows/00000.parquet", "secret"], RELEASE) == ["rows/00000.parquet", "secret"]
    assert strangers(["samples/00000.parquet", "manifest.json"], VAULT)


@pytest.mark.parametrize("where", ["out", "vault"])
def test_a_folder_with_files_of_somebody_is_left_as_it_is(built, where):
    """What is no file of the new release would be deleted as a stray."""
    old = publish(built, honoured(OLD_CLAIMS))
    mine = MemoryStore("memory://mine", files={"letter.txt": b"dear", "a/b.txt": b"c"})
    to = target(**{where: mine})
    with pytest.raises(PlanError, match=r"found 2 files that are neither, such as a/b\.txt"):
        rewrite(judged(old), to)
    assert mine.files == {"letter.txt": b"dear", "a/b.txt": b"c"}
    assert not to.out.exists(MANIFEST_PATH)


@pytest.mark.parametrize("out", ["old", "old/new", "old.vault", "old.vault/new", "link/new"])
def test_a_release_is_not_written_into_the_old_one(built, tmp_path, out):
    old = on_disk(publish(built, honoured(OLD_CLAIMS)), tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "old")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    stores = (open_store(str(tmp_path / out)), open_store(str(tmp_path / f"{out}.new.vault")))
    with pytest.raises(UsageError, match="apart from"):
        rewrite(judged(old), target(*stores))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def on_disk(memory: Published, place: Path) -> Published:
    for name, files in (("old", memory.release.store.files),
                        ("old.vault", memory.vault.store.files)):  # fmt: skip
        for path, body in files.items():
            (place / name / path).parent.mkdir(parents=True, exist_ok=True)
            (place / name / path).write_bytes(body)
    opened = open_release(open_store(str(place / "old")))
    return Published(opened, open_vault(str(place / "old.vault"), opened.manifest))


# --- files of another release, and links


def test_a_release_that_was_tampered_with_is_refused(built):
    old = publish(built, honoured(OLD_CLAIMS))
    path = f"embeddings/{old.release.names[0]}.parquet"
    old.release.store.files[path] += b" "
    with pytest.raises(ProofError, match="sha256"):
        judged(old)


def test_links_share_bytes_and_copies_do_not(built, tmp_path):
    memory = publish(built, honoured(OLD_CLAIMS))
    old = on_disk(memory, tmp_path)
    found = judged(old, OLD_CLAIMS, url=one_url(old))
    for name, link in (("linked", True), ("copied", False)):
        for _ in range(2):  # once more after a crash before the manifest
            stores = (open_store(str(tmp_path / n)) for n in (name, f"{name}.vault"))
            rewrite(found, target(*stores, link=link))
    same = Path("evidence") / ("e" * 64)
    inode = (tmp_path / "old" / same).stat().st_ino
    assert (tmp_path / "linked" / same).stat().st_ino == inode
    assert (tmp_path / "copied" / same).stat().st_ino != inode
    (touched, *_) = rewrite(found, target()).touched
    path = f"samples/{touched}.parquet"
    before = memory.release.store.files[path]
    assert (tmp_path / "old" / path).read_bytes() == before
    assert not (tmp_path / "linked" / path).exists() or (
        (tmp_path / "linked" / path).read_bytes() != before
    )


# --- held rows


def test_rows_that_a_claim_holds_leave_and_their_images_wait_in_the_vault():
    old = publish(build(world(9, 120), honoured([])), honoured([]))
    found = judged(old, ["broad"])
    held = found.changes.removed["uid"].to_pylist()
    assert set(found.changes.removed["verdict"].to_pylist()) == {"hold"}
    to = target()
    done = rewrite(found, to)
    assert done.manifest.recalled.held == sum(done.manifest.held.values()) == len(held)
    waiting = read_whole(to.vault, held)  # for recuse optout review, and a build of what is let in
    assert waiting.stored["uid"].to_pylist() == held
    assert read_held_until(to.vault) > to.created_us
    assert {*held}.isdisjoint(released(to.out))


# --- what cannot be judged


def test_without_the_vault_claims_cannot_be_judged_and_a_recall_says_so(built):
    old = publish(built, honoured(OLD_CLAIMS))
    found = judged(Published(old.release, None))
    with pytest.raises(UsageError, match="allow-unjudged") as refused:
        require_judged(found)
    assert any("vault" in note for note in refused.value.__notes__)
    to = target()
    done = rewrite(found, to)
    assert done.manifest.recalled.unjudged == len({u.claim_id for u in found.unjudged}) > 0
    assert released(to.out).keys() < built.kept.keys()
    require_judged(judged(old))


def test_without_the_vault_captions_still_say_that_a_name_was_taken_out():
    before = build(world(5, 40), honoured(["redact"]))
    old = publish(before, honoured(["redact"]))

    def redacted(release) -> set[str]:
        tables = [release.plain(name) for name in release.names]
        return {u for t in tables for u in t.filter(t["caption_redacted"])["uid"].to_pylist()}

    to = target()
    done = rewrite(judged(Published(old.release, None), ["redact", "host"]), to)
    kept = redacted(old.release) & released(to.out).keys()
    assert kept
    assert redacted(open_release(to.out)) == kept
    assert done.manifest.captions_redacted == len(kept)


def test_claims_of_another_matcher_are_told_and_their_names_still_act(built):
    old = publish(built, honoured(OLD_CLAIMS))
    (entry,) = old.manifest.models
    manifest = old.manifest.model_copy(
        update={"models": [entry.model_copy(update={"fingerprint": "x" * 64})]}
    )
    found = judged(
        Published(replace(old.release, manifest=manifest), None), ["host", "work"], cohort=None
    )
    assert {u.claim_id for u in found.unjudged} == {"work"}
    assert "optout_host" in found.changes.removed["reason"].to_pylist()


def test_a_registry_and_lists_that_the_release_honours_must_be_there(built):
    old = publish(built, honoured(OLD_CLAIMS))
    own = ListEntry(name="", origin="local/a", used=True, size=1, root="0" * 64)
    listed = ListEntry(name="guild", origin="guild.example", used=True, size=1, root="0" * 64)

    def with_lists(*lists: ListEntry):
        return replace(old.release, manifest=old.manifest.model_copy(update={"lists": list(lists)}))

    with pytest.raises(UsageError, match="--registry"):
        registry_of(with_lists(own), "", [], trust_local=False)
    assert registry_of(with_lists(own), "r.db", [], trust_local=True).trust_local
    with pytest.raises(UsageError, match="guild"):
        registry_of(with_lists(listed), "", [], trust_local=False)


def test_a_registry_that_does_not_go_on_from_what_the_release_has_seen_is_refused(built, own_place):
    """A copy from before was brought back, and as many claims came since."""
    early, seen = own_place / "early.db", own_place / "home" / "registry.db"

    def submit(name: str, registry: Path) -> None:
        words = ["submit", "--artist", name, "--registry", str(registry)]
        assert CliRunner().invoke(optout.app, words).exit_code == 0

    submit("Ann Grove", seen)
    for suffix in ("", ".keys", ".log-key"):
        shutil.copy(f"{seen}{suffix}", f"{early}{suffix}")
    submit("Bo Lind", seen)
    head = newest(RegistryConfig(url=str(seen)))[0].snapshot.header
    entry = ListEntry(name="", origin=head.origin, used=True, size=head.size, root=head.root)
    old = publish(built, honoured(OLD_CLAIMS))
    manifest = old.manifest.model_copy(update={"lists": [entry]})
    release = replace(old.release, manifest=manifest)
    assert claims_now(release, RegistryConfig(url=str(seen)), CREATED)
    with pytest.raises(RollbackError, match="2 log entries"):
        claims_now(release, RegistryConfig(url=str(early)), CREATED)
    for name in ("Cy Dale", "Dee Ash"):
        submit(name, early)
    with pytest.raises(RollbackError, match="does not go on from there"):
        claims_now(release, RegistryConfig(url=str(early)), CREATED)


def test_nothing_in_the_public_files_says_whose_claim_it_was(built):
    old = publish(built, honoured(OLD_CLAIMS))
    to = target()
    rewrite(judged(old), to)
    names = [f'"{name}"' for name in POOL]
    for path, body in to.out.files.items():
        text = body.decode("latin-1")
        if path.endswith(".parquet"):
            text = json.dumps(read_parquet(body).to_pylist(), default=str)
        assert not [n for n in names if f'"claim_id": {n}' in text], path
