"""A build from SOURCE to RELEASE: which stages run when, on the tasks of jobs/tasks.py.

What they decide stands in pipeline/.

source → identify → screen → lists → pages → sift → images → prepare → relate
       → newest snapshots → redact → match → decide → release → map → evidence → seal

Where the source is the vault of a release, `readmit` stands for all from source to prepare: rows
that were let in come whole, and nothing is asked.

Pages and images are journeys: (requests → fetch → redirects)*, round after round while answers
move to other hosts. Lists and pages are asked only where the config or the source names any.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from jobs.claims import (
    Pinned,
    newest,
    pin,
    pinned_at,
    require_comparable,
    require_forward,
    require_not_withdrawn,
)
from jobs.context import context_at
from jobs.engine import DaskEngine, Engine, SerialEngine
from jobs.lock import locked
from jobs.planning import Job, finished_release, kept_plan, plan_of
from jobs.progress import RunProgress, progress
from jobs.readmission import note_taken
from jobs.sealing import Finished, forget, seal
from jobs.summary import say_plan, say_summary
from jobs.tasks import Tasks, outputs
from pipeline.clock import clock_from_environment
from pipeline.fetch import Errand
from pipeline.plan import Plan, Receipt, Ref, Task
from pipeline.storage import open_store
from pipeline.vault import purge_held
from schemas.errors import UsageError
from schemas.manifest import Manifest
from schemas.ports import Store

__all__ = ["Job", "run_build"]


def run_build(job: Job, *, dry_run: bool = False) -> None:
    """Run or continue a build, and print what came of it.

    Raises UsageError for an input that cannot be used, PlanError where the folders belong to
    another build, RegistryError where the registry or a list cannot be read or trusted.
    """
    from jobs.cli.console import console  # noqa: PLC0415  # the command line's own console

    out = console()
    work = open_store(job.work)
    done = finished_release(job)
    if done is not None:
        if (plan := kept_plan(work)) is not None:
            note_taken(plan, job.out, done)  # where an earlier run was killed before it could
        if not job.config.output.keep_store:
            forget(work)  # where an earlier run was killed right after publishing
        purge_held(open_store(job.vault, private=True), clock_from_environment().now_us())
        say_summary(out, job, done, again=True)
        return
    if dry_run:
        say_plan(out, job, plan_of(job, work, keep=False))
        return
    with locked(work), progress(out, job.log_path()) as shown:
        plan = plan_of(job, work, keep=True)
        for notice in plan.notices():
            shown.say(notice)
        with engine(job, work, shown) as runner:
            manifest = Build(job, plan, work, runner, shown).run()
        note_taken(plan, job.out, manifest)
    say_summary(out, job, manifest, again=False)


@contextmanager
def engine(job: Job, work: Store, shown: RunProgress) -> Iterator[Engine]:
    """Yield the engine that the config asks for."""
    workers = job.config.workers
    if not workers.count and not workers.scheduler:
        yield SerialEngine(work)
        return
    from jobs.cluster import cluster  # noqa: PLC0415  # Dask takes a second to load

    with cluster(workers) as client:
        if workers.dashboard and client.dashboard_link:
            shown.say(f"dashboard: {client.dashboard_link}")
        slots = max(1, sum(client.nthreads().values()))
        yield DaskEngine(client, work, window=3 * slots, retries=workers.retries)


@dataclass(frozen=True)
class Gathered:
    """Receipts of the stages that bring rows as far as their vectors."""

    screened: list[Receipt]
    prepared: list[Receipt]
    answers: list[Receipt]


@dataclass
class Build:
    """One run of the stages of a plan."""

    job: Job
    plan: Plan
    work: Store
    engine: Engine
    shown: RunProgress

    @property
    def tasks(self) -> Tasks:
        return Tasks(self.plan, self.work.root, self.job.out)

    def run(self) -> Manifest:
        """Run every stage that is not done, and publish the release."""
        start = self.claims_at_start()
        if self.job.config.registry.pin:
            self.require_in_force(start)  # before the web is asked for a build that cannot end
        gathered = self.readmitted() if self.plan.is_of_vault else self.gathered(start)
        screened, prepared, answers = gathered.screened, gathered.prepared, gathered.answers
        related = self.stage("relate", self.tasks.relate(prepared))
        final = start
        if self.job.config.registry.pin:
            self.require_in_force(start)
        else:
            final = self.newest_claims()
            require_forward(start.members, final.members)
        redacted = self.stage("redact", self.tasks.redact(screened, prepared, final.ref))
        matched = self.stage("match", self.tasks.match(redacted, prepared, final.ref))
        decided = self.stage("decide", self.tasks.decide(prepared, matched, related, final.ref))
        released = self.stage("release", self.tasks.release(redacted, prepared, matched, decided))
        maps = self.stage("map", self.tasks.maps(released))
        evidence = self.stage("evidence", self.tasks.evidence(prepared))
        receipts = {
            "answers": answers,
            "evidence": evidence,
            "prepared": prepared,
            "related": related,
            "matched": matched,
            "decided": decided,
            "released": released,
            "maps": maps,
        }
        return seal(self.job, Finished(context_at(self.work.root), receipts, final))

    def gathered(self, start: Pinned) -> Gathered:
        """Read the source, ask the web or the store, and judge what came."""
        sourced = self.stage("source", self.tasks.source())
        identified = self.stage("identify", self.tasks.identify(sourced))
        screened = self.stage("screen", self.tasks.screen(identified, start.ref))
        self.require_contact(screened)
        listed = self.stage("lists", self.tasks.lists(screened, start.ref))
        pages = self.journeys(Errand.PAGE, outputs(screened, "pages"))
        known = self.tasks.known(listed, pages)
        sifted = self.stage("sift", self.tasks.sift(screened, start.ref, known))
        images = self.journeys(Errand.IMAGE, outputs(sifted, "requests"))
        known |= self.tasks.observed(identified, pages, images)
        prepared = self.stage("prepare", self.tasks.prepare(screened, known))
        return Gathered(screened, prepared, [*pages, *images])

    def readmitted(self) -> Gathered:
        """Take rows that were let in out of a vault; nothing is asked."""
        receipts = self.stage("readmit", self.tasks.readmit())
        return Gathered(receipts, receipts, receipts)

    def claims_at_start(self) -> Pinned:
        """Return the claims that the plan pinned; newest ones where a finished run forgot them."""
        ref = Ref.from_json(self.plan.claims) if self.plan.claims else None
        if ref is None or not self.work.exists(ref.path):
            return self.newest_claims()
        return pinned_at(ref, self.job.config.registry, self.work)

    def require_in_force(self, held: Pinned) -> None:
        """Raise RegistryError where claims that are pinned were erased since."""
        require_not_withdrawn(held.members, newest(self.job.config.registry), self.work.root)

    def newest_claims(self) -> Pinned:
        """Return the claims of registry and lists as they are now, kept in the work folder."""
        matcher = self.plan.matcher.fingerprint
        members = newest(self.job.config.registry, self.plan.created)
        require_comparable(members, matcher)
        return pin(members, matcher, self.work)

    def stage(self, name: str, tasks: Sequence[Task]) -> list[Receipt]:
        """Run independent tasks of one stage."""
        return self.chains(name, [[t] for t in tasks])

    def chains(self, name: str, chains: Sequence[Sequence[Task]], what: str = "") -> list[Receipt]:
        """Run chains of tasks of one stage. what: stands behind its label."""
        tasks = sum(len(c) for c in chains)
        if not tasks:
            return []
        line = self.shown.stage(name, tasks, what)
        receipts = self.engine.run(chains, line.done)
        line.end()
        return receipts

    def journeys(self, errand: Errand, wanted: list[Ref]) -> list[Receipt]:
        """Ask the web, round after round while answers move to other hosts; or ask the store."""
        asked: list[Receipt] = []
        if not wanted:
            return asked
        for number in range(self.plan.build_config().fetch.max_redirects + 1):
            receipts = self.round(errand, number, wanted)
            asked += receipts
            if not sum(r.counts.get("moved", 0) for r in receipts):
                break
            moved = self.stage("redirects", self.tasks.redirects(errand, number, receipts))
            wanted = outputs(moved, "requests")
        return asked

    def round(self, errand: Errand, number: int, wanted: list[Ref]) -> list[Receipt]:
        """Ask one round of requests, host bucket by host bucket, chunk after chunk."""
        planned = self.stage("requests", self.tasks.requests(errand, number, wanted))
        stage, chains = self.tasks.asking(errand, number, planned)
        return self.chains(stage, chains, f"{errand}s")

    def require_contact(self, screened: list[Receipt]) -> None:
        public = sum(r.counts.get("public_urls", 0) for r in screened)
        fetch = self.plan.build_config().fetch
        if public and not fetch.contact and not self.plan.store_root:
            raise UsageError(
                f"expected fetch.contact (--contact URL-or-mail) before asking {public:,} URLs of "
                "public hosts, found none: sites must be able to reach whoever asks"
            )
