"""Rows that a style holds: shown, decided, and built from the vault without asking anybody."""

import hashlib
import json
import shutil
import stat
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from bench.copies import decoded
from jobs.audit import replay_signals
from jobs.build import Job, run_build
from jobs.cli import optout
from jobs.demo.run import gather
from jobs.enrol import Matcher
from jobs.planning import finished_release
from optout import snapshot, union
from optout.registry import Registry
from optout.tail import CAUTION, HOLD_CAUTION, Tail, caution
from optout.works import encode_vector
from pipeline.likeness import likeness
from pipeline.models.builtin_files import load_cohort
from pipeline.models.loading import load_matcher
from pipeline.shard import read_parquet, write_parquet
from pipeline.transport import AiohttpTransport
from pipeline.vault import edges_file
from schemas.config import BuildConfig
from schemas.errors import ModelMismatchError, PlanError, UsageError
from schemas.safe import parse_safe
from schemas.tables import EDGES, from_rows, with_metadata
from tests.e2e.builds import EPOCH, digests, manifest, url_list
from tests.e2e.generated_site import cache_folder
from tests.fakes import FixedClock
from tests.optout.claims import active_style, draft, unit, work
from tests.servers import serve

RUNNER = CliRunner()
# of an exponential tail, in its scale
DROP, HOLD = (np.log(0.02 * caution(1e-3, by) / 1e-3) for by in (CAUTION, HOLD_CAUTION))
DAY_S = 86_400


@dataclass
class World:
    folder: Path
    config: BuildConfig
    source: Path
    similar: list[tuple[str, float]]  # path and similarity, the nearest first
    urls: dict[str, str]  # by path
    claim: str = ""

    def job(self, source: Path | str, out: str, **sections: dict) -> Job:
        changed = {
            name: getattr(self.config, name).model_copy(update=values)
            for name, values in sections.items()
        }
        place = str(self.folder / out)
        config = self.config.model_copy(update=changed)
        return Job(str(source), place, f"{place}.run", "", config)


def tail_between(values: list[float]) -> Tail:
    """A tail by which the first is dropped, the next two are held, and the rest are let be."""
    drop, hold = (values[0] + values[1]) / 2, (values[2] + values[3]) / 2
    beta = (drop - hold) / (DROP - HOLD)
    return Tail(hold - HOLD * beta, 0.02, 0.0, beta, 1e-3, 0.0, 1.0)


def registered(where: Path, matcher: Matcher, sty: np.ndarray, tail: Tail) -> str:
    """Record a style of these vectors, with a calibration made up for the test."""
    fingerprint = matcher.embedder.card.fingerprint
    far = encode_vector(unit(1, 256))  # so that nothing is a copy of a work
    works = tuple(
        work(n, fingerprint, sty=encode_vector(v), cpy=far, pdq_quality=0)
        for n, v in enumerate(sty)
    )
    with Registry.open(str(where), FixedClock(), create=True) as registry:
        registry.pin_matcher(fingerprint, "builtin:lite")
        own = draft(1, names=(), works=works, style=active_style(tail.pack()))
        registry.append(own)
    return str(own.statement.claim)


def similarities(where: Path, matcher: Matcher, sty: np.ndarray, names: list[str]) -> pa.Table:
    """How like the style of a registry vectors are."""
    with Registry.open(str(where), FixedClock()) as registry:
        claims = snapshot.take(registry, trust_local=True)
    column = pa.FixedSizeListArray.from_arrays(
        pa.array(sty.astype(np.float16).ravel()), sty.shape[1]
    )
    table = pa.table({"uid": names, "sty": column})
    honoured = union.join([claims], matcher.embedder.card.fingerprint)
    return likeness(table, honoured, matcher.cohort, 0.0)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> World:
    """A release of four pictures, of which a style drops one and holds two; its fetch store."""
    folder = tmp_path_factory.mktemp("review")
    matcher = Matcher(load_matcher(), load_cohort())
    cast = gather(cache_folder() / "gallery")
    # fewer than have a vote together: one source of more would be voted out
    shown = [*cast.stylist.works[5:8], *cast.others[:1]]
    bodies = {f"/{n}.jpg": one.body() for n, one in enumerate(shown)}
    sty = matcher.embedder.images([decoded(b) for b in bodies.values()])["sty"]
    claimed = matcher.embedder.images([decoded(one.body()) for one in cast.stylist.works[:5]])[
        "sty"
    ]
    wide = Tail(-1e3, 0.02, 0.0, 1.0, 1e-3, 0.0, 1.0)
    registered(folder / "wide.db", matcher, claimed, wide)
    table = similarities(folder / "wide.db", matcher, sty, list(bodies))
    pairs = zip(table["uid"].to_pylist(), table["similarity"].to_pylist(), strict=True)
    similar = sorted(pairs, key=lambda pair: -pair[1])
    tail = tail_between([value for _, value in similar])
    registry = folder / "registry.db"
    claim = registered(registry, matcher, claimed, tail)
    with (
        pytest.MonkeyPatch.context() as patch,
        serve({**bodies, "/robots.txt": b"User-agent: *\nAllow: /\n"}) as at,
    ):
        patch.setenv("SOURCE_DATE_EPOCH", EPOCH)
        urls = {path: at.url(path) for path in bodies}
        source = url_list(folder / "urls.jsonl", urls.values())
        config = BuildConfig.model_validate(
            {
                "registry": {"url": str(registry), "trust_local": True},
                "fetch": {"allow_hosts": at.at("127.0.0.1")},
                "relate": {"similarity": 0.9999},
                "workers": {"count": 0},
                "output": {"keep_store": True},
            }
        )
        world = World(folder, config, source, similar, urls, claim)
        run_build(world.job(source, "out"))
    return world


@pytest.fixture
def world(built, tmp_path, monkeypatch) -> World:
    """The release, to be changed at will; nobody answers any more, and nobody may be asked."""

    async def asked(self, request):
        raise AssertionError(f"asked for {request.url}")

    monkeypatch.setenv("SOURCE_DATE_EPOCH", EPOCH)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(AiohttpTransport, "open", asked)
    for name in ("out", "out.vault", "out.run"):
        shutil.copytree(built.folder / name, tmp_path / name)
    return replace(built, folder=tmp_path)


def review(world: World, *arguments: object) -> str:
    said = RUNNER.invoke(optout.app, ["review", str(world.folder / "out"), *map(str, arguments)])
    if said.exception and not isinstance(said.exception, SystemExit):
        raise said.exception
    assert said.exit_code == 0, said.output
    return said.output


def rows(folder: Path) -> list[dict]:
    return [r for p in sorted(folder.glob("*.parquet")) for r in pq.read_table(p).to_pylist()]


def held(world: World) -> dict[str, dict]:
    """The rows under review, by path."""
    paths = {url: path for path, url in world.urls.items()}
    return {
        paths[row["url"]]: row
        for row in rows(world.folder / "out.vault" / "rows")
        if row["reason"] == "review"
    }


def again(world: World, out: str = "more", **sections: dict) -> Path:
    """Build what was let in, and return where it is."""
    sections.setdefault("match", {"safe": (str(world.folder / "safe.jsonl"),)})
    job = world.job(world.folder / "out.vault", out, **sections)
    run_build(job)
    return world.folder / out


def test_what_is_in_the_band_is_held_and_shown(world):
    first, second, third = (path for path, _ in world.similar[:3])
    assert manifest(world.folder / "out")["dropped"] == {"optout_style": 1}
    assert set(held(world)) == {second, third}
    assert {row["rule"] for row in held(world).values()} == {"style_band"}
    said = review(world)
    assert "2 rows held for review: 2 wait" in said
    for path in (second, third):
        assert held(world)[path]["uid"] in said
    page = world.folder / "out.vault" / "held" / "review" / "index.html"
    text = page.read_text(encoding="utf-8")
    assert text.count("data:image/jpeg;base64,") == 2
    assert first not in text
    assert "<script" not in text
    assert stat.S_IMODE((world.folder / "out.vault").stat().st_mode) == 0o700
    assert not replay_signals(str(world.folder / "out")).disagreements  # the vault is as pinned


def test_rows_let_in_are_released_from_the_vault_and_nobody_is_asked(world):
    (_, second, third) = (path for path, _ in world.similar[:3])
    row = held(world)[second]
    said = review(world, "--let-in", row["uid"][:8], "--keep-out", held(world)[third]["uid"],
                  "--by", "Ada", "--why", "another printer")  # fmt: skip
    assert "1 rows let in, 1 kept out; 0 wait" in said
    (line,) = parse_safe((world.folder / "safe.jsonl").read_bytes(), "")
    assert (line.claim_id, line.sha256, line.by) == (world.claim, row["sha256"], "Ada")
    out = again(world)
    told = manifest(out)
    assert (told["rows_in"], told["released"], told["source"]["format"]) == (1, 1, "vault")
    parent = (world.folder / "out" / "manifest.json").read_bytes()
    assert told["parent"] == hashlib.sha256(parent).hexdigest()
    (sample,) = rows(out / "samples")
    for name in ("uid", "url", "caption", "sha256", "pixel_sha256", "stored_sha256", "pdq",
                 "fetched_at", "http_status", "signals", "clip_similarity"):  # fmt: skip
        assert sample[name] == row[name], name
    assert (sample["width"], sample["caption_redacted"]) == (256, False)
    assert cv2.imdecode(np.frombuffer(sample["image"]["bytes"], np.uint8), 1) is not None
    assert len(rows(out / "embeddings")) == 1
    assert not replay_signals(str(out)).disagreements
    assert replay_signals(str(out)).documents
    lines = (world.folder / "out.vault" / "held/review/decisions.jsonl").read_text().splitlines()
    counted = Counter(json.loads(text)["choice"] for text in lines)
    assert counted == {"let_in": 1, "keep_out": 1, "released": 1}
    before = digests(out)
    run_build(world.job(world.folder / "out.vault", "more",
                        match={"safe": (str(world.folder / "safe.jsonl"),)}))  # fmt: skip
    assert digests(out) == before
    with pytest.raises(UsageError, match="later releases have taken 1"):
        again(world, "once-more")
    with pytest.raises(UsageError, match="is decided"):
        review(world, "--let-in", row["uid"])


def test_all_that_a_claim_holds_is_let_in_at_once_and_more_later_is_another_release(world):
    second, third = held(world)
    review(world, "--let-in", held(world)[second]["uid"])
    out = again(world)
    review(world, "--all-of", world.claim)
    job = world.job(world.folder / "out.vault", "more",
                    match={"safe": (str(world.folder / "safe.jsonl"),)})  # fmt: skip
    with pytest.raises(PlanError, match="safety lists"):  # the list has grown: another plan
        finished_release(job)
    later = again(world, "more2", output={"shard_rows": 1, "keep_store": False})
    uids = [row["uid"] for folder in (out, later) for row in rows(folder / "samples")]
    assert sorted(uids) == sorted(held(world)[path]["uid"] for path in (second, third))


def test_a_newer_claim_still_denies_what_was_let_in(world):
    second, _ = held(world)
    review(world, "--let-in", held(world)[second]["uid"])
    for suffix in ("", ".keys"):
        shutil.copy(f"{world.config.registry.url}{suffix}", world.folder / f"registry.db{suffix}")
    with Registry.open(str(world.folder / "registry.db"), FixedClock()) as registry:
        registry.append(draft(2, names=(), urls=(world.urls[second],)))
    out = again(world, registry={"url": str(world.folder / "registry.db")})
    assert (manifest(out)["released"], manifest(out)["dropped"]) == (0, {"optout_url": 1})
    assert "1 taken by a later release" in review(world)


def test_a_copy_of_what_is_released_is_not_released_again(world):
    second, third = held(world)
    review(world, "--all-of", world.claim)
    released = rows(world.folder / "out" / "samples")[0]["uid"]
    uid = held(world)[second]["uid"]
    first, other = sorted((uid, released))
    between = {"uid_a": first, "uid_b": other, "sha256": False, "pixel_sha256": False}
    edges = from_rows([between | {"pdq_distance": 4, "similarity": 0.99}], EDGES)
    (world.folder / "out.vault" / "edges.parquet").write_bytes(edges_file(edges))
    out = again(world, output={"shard_rows": 1})  # one of the two shards may be empty
    assert [row["uid"] for row in rows(out / "samples")] == [held(world)[third]["uid"]]
    (left,) = rows(world.folder / "more.vault" / "rows")
    assert (left["uid"], left["reason"]) == (uid, "duplicate")
    assert json.loads(left["detail"]) == {"released_as": released}


def test_a_safety_list_that_came_later_is_honoured(world):
    second, _ = held(world)
    review(world, "--let-in", held(world)[second]["uid"])
    path = world.folder / "sha256.txt"
    path.write_text(held(world)[second]["sha256"] + "\n")
    out = again(world, safety={"sha256": (str(path),)})
    assert manifest(out)["dropped"] == {"safety": 1}
    for path in (world.folder / "more.run").rglob("*.parquet"):
        if path.parent.name in {"stored", "vectors"}:
            assert not pq.read_table(path).num_rows


def test_vectors_of_other_models_are_refused(world):
    second, _ = held(world)
    review(world, "--let-in", held(world)[second]["uid"])
    for path in (world.folder / "out.vault" / "held" / "review").glob("*.vectors.parquet"):
        table = read_parquet(path.read_bytes())
        path.write_bytes(write_parquet(with_metadata(table, matcher="0" * 64)))
    with pytest.raises(ModelMismatchError, match="the matcher"):
        again(world)


def test_without_its_line_in_the_safe_list_nothing_is_built(world):
    second, _ = held(world)
    with pytest.raises(UsageError, match="expected rows that were let in"):
        again(world, match={"safe": ()})
    review(world, "--let-in", held(world)[second]["uid"])
    with pytest.raises(UsageError, match="missing from it"):
        again(world, match={"safe": ()})


def test_a_config_under_which_the_rows_were_not_judged_is_refused(world):
    second, _ = held(world)
    review(world, "--let-in", held(world)[second]["uid"])
    with pytest.raises(UsageError, match="expected decode of the config"):
        again(world, decode={"image_size": 128})
    with pytest.raises(UsageError, match="expected signals of the config"):
        again(world, signals={"profile": "strict"})


def test_signals_that_are_too_old_by_now_hold_the_row(world, monkeypatch):
    second, _ = held(world)
    review(world, "--let-in", held(world)[second]["uid"])
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(int(EPOCH) + DAY_S))
    out = again(world, signals={"max_signal_age_h": 12.0}, registry={"max_age_days": 0.0})
    assert manifest(out)["held"] == {"signal_stale": 1}


def test_what_is_past_its_time_cannot_be_built(world, monkeypatch):
    second, third = held(world)
    review(world, "--let-in", held(world)[second]["uid"])
    shutil.rmtree(world.folder / "out.vault" / "held" / "review", ignore_errors=False)
    with pytest.raises(UsageError, match="expected rows that were let in"):
        again(world)
    review(world, "--let-in", held(world)[second]["uid"])
    with pytest.raises(UsageError, match="purged; the rows can only be fetched anew"):
        again(world)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(int(EPOCH) + 31 * DAY_S))
    with pytest.raises(UsageError, match="the time of the held rows"):
        again(world)
    assert third in held(world)


def test_a_file_of_decisions_is_taken_and_a_bad_one_is_not(world):
    second, third = held(world)
    path = world.folder / "said.csv"
    one, two = held(world)[second]["uid"], held(world)[third]["uid"]
    path.write_text(f"uid,decision,why\n{one},let-in,a photograph\n{two},keep-out,\n")
    review(world, "--decisions", path)
    lines = (world.folder / "out.vault" / "held/review/decisions.jsonl").read_text().splitlines()
    assert [json.loads(text)["why"] for text in lines] == ["a photograph", ""]
    for bad in ("uid\n", f"uid,decision\n{one},perhaps\n", "uid,decision\nabc,let-in\n"):
        path.write_text(bad)
        with pytest.raises(UsageError):
            review(world, "--decisions", path)


def test_nobody_is_asked_row_by_row_away_from_a_terminal(world):
    with pytest.raises(UsageError, match="expected a terminal"):
        review(world, "--ask")


def test_what_was_let_in_can_be_kept_out_until_it_is_released(world):
    second, _ = held(world)
    uid = held(world)[second]["uid"]
    review(world, "--let-in", uid)
    assert "remove it" in review(world, "--keep-out", uid)
    with pytest.raises(UsageError, match="expected rows that were let in"):
        again(world)


def test_a_kept_store_and_the_safe_list_build_the_whole_release_anew(world):
    second, _ = held(world)
    review(world, "--let-in", held(world)[second]["uid"])
    job = world.job(world.source, "whole", match={"safe": (str(world.folder / "safe.jsonl"),)})
    run_build(replace(job, from_store=str(world.folder / "out.run")))
    released = {row["uid"] for row in rows(world.folder / "whole" / "samples")}
    before = {row["uid"] for row in rows(world.folder / "out" / "samples")}
    assert released == before | {held(world)[second]["uid"]}
    assert manifest(world.folder / "whole")["held"] == {"review": 1}
    shown = manifest(world.folder / "whole")["config"]["match"]["safe"]
    assert [name[:7] for name in shown] == ["sha256:"]
