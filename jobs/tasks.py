"""The tasks of each stage of a build, made out of the receipts of the stages before it.

A task names what it reads, by paths and hashes. Nothing here runs a task or decides anything; lists
of paths are written, since a task that named them all would cross the scheduler whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.context import context_at
from pipeline.fetch import Errand
from pipeline.plan import Plan, Receipt, Ref, Task
from pipeline.release_maps import depth_of


@dataclass(frozen=True)
class Tasks:
    """The tasks of a plan, stage by stage. work, out: folders of the work and of the release."""

    plan: Plan
    work: str
    out: str

    def source(self) -> list[Task]:
        parts = self.plan.source["parts"]
        return [
            Task("source", f"{i:05d}", {"part": part, "index": i}) for i, part in enumerate(parts)
        ]

    def readmit(self) -> list[Task]:
        """Take rows that were let in out of a vault."""
        return [Task("readmit", f"{s:05d}", {"shard": s}) for s in range(self.plan.shards)]

    def identify(self, sourced: list[Receipt]) -> list[Task]:
        rows, given = self.listed(outputs(sourced, "rows")), self.listed(outputs(sourced, "given"))
        return [
            Task("identify", f"{b:05d}", {"sourced": rows, "given": given, "bucket": b})
            for b in range(self.plan.identity_buckets)
        ]

    def screen(self, identified: list[Receipt], snapshot: Ref) -> list[Task]:
        rows = self.listed(outputs(identified, "rows"))
        return [
            Task(
                "screen",
                f"{s:05d}",
                {"identified": rows, "shard": s, "snapshot": snapshot.as_json()},
            )
            for s in range(self.plan.shards)
        ]

    def lists(self, screened: list[Receipt], snapshot: Ref) -> list[Task]:
        """Ask lists of others about the URLs of each shard, where any is configured."""
        lists = self.plan.build_config().lists
        if not lists.spawning_url and not lists.declarations:
            return []
        return [
            Task(
                "lists",
                f"{s:05d}",
                {"rows": rows.as_json(), "snapshot": snapshot.as_json(), "shard": s},
            )
            for s, rows in enumerate(outputs(screened, "rows"))
        ]

    def requests(self, errand: Errand, number: int, wanted: Sequence[Ref]) -> list[Task]:
        """Plan one round of requests, host bucket by host bucket."""
        args = {"requests": self.listed(wanted), "round": number}
        return [
            Task("requests", f"{round_name(errand, number)}-{b:05d}", {**args, "bucket": b})
            for b in range(self.plan.host_buckets)
        ]

    def asking(
        self, errand: Errand, number: int, planned: Sequence[Receipt]
    ) -> tuple[str, list[list[Task]]]:
        """Return the stage that answers a round, and its tasks: the chunks of a bucket in turn."""
        stage = "lookup" if self.plan.store_root else "fetch"
        of_round = {"round": number, "errand": str(errand)}
        chains = [
            [
                Task(
                    stage,
                    f"{round_name(errand, number)}-{bucket:05d}-{chunk}",
                    {"chunk": ref.as_json(), "bucket": bucket, **of_round},
                )
                for chunk, ref in sorted(receipt.outputs.items())
            ]
            for bucket, receipt in enumerate(planned)
        ]
        return stage, chains

    def redirects(self, errand: Errand, number: int, asked: Sequence[Receipt]) -> list[Task]:
        facts = self.listed(outputs(asked, "facts"))
        return [Task("redirects", round_name(errand, number), {"facts": facts})]

    def known(self, listed: list[Receipt], pages: list[Receipt]) -> dict[str, object]:
        """Return what is known before images are asked for, as task arguments."""
        return {
            "listed": self.listed(outputs(listed, "listed")),
            "pages": self.listed(outputs(pages, "observed")),
            "documents": self.listed(outputs(pages, "documents")),
        }

    def observed(
        self, identified: list[Receipt], pages: list[Receipt], images: list[Receipt]
    ) -> dict[str, object]:
        """Return what is known once images were asked for, as task arguments."""
        return {
            "observed": self.listed(outputs(identified, "observed") + outputs(images, "observed")),
            "documents": self.listed(outputs(pages, "documents") + outputs(images, "documents")),
        }

    def sift(self, screened: list[Receipt], snapshot: Ref, known: dict[str, object]) -> list[Task]:
        return [
            Task(
                "sift",
                f"{s:05d}",
                {"rows": rows.as_json(), "snapshot": snapshot.as_json(), "shard": s, **known},
            )
            for s, rows in enumerate(outputs(screened, "rows"))
        ]

    def prepare(self, screened: list[Receipt], known: dict[str, object]) -> list[Task]:
        return [
            Task("prepare", f"{s:05d}", {"rows": rows.as_json(), "shard": s, **known})
            for s, rows in enumerate(outputs(screened, "rows"))
        ]

    def relate(self, prepared: list[Receipt]) -> list[Task]:
        columns = self.columns(prepared, "decoded", "judged", "vectors")
        return [Task("relate", "all", columns)]

    def redact(self, screened: list[Receipt], prepared: list[Receipt], snapshot: Ref) -> list[Task]:
        return [
            Task(
                "redact",
                f"{s:05d}",
                {
                    "rows": rows.as_json(),
                    "snapshot": snapshot.as_json(),
                    **{k: receipt.outputs[k].as_json() for k in ("judged", "decoded", "vectors")},
                },
            )
            for s, (rows, receipt) in enumerate(
                zip(outputs(screened, "rows"), prepared, strict=True)
            )
        ]

    def match(self, redacted: list[Receipt], prepared: list[Receipt], snapshot: Ref) -> list[Task]:
        return [
            Task(
                "match",
                f"{s:05d}",
                {
                    "snapshot": snapshot.as_json(),
                    **{k: done.outputs[k].as_json() for k in ("rows", "named", "decoded")},
                    **{k: receipt.outputs[k].as_json() for k in ("judged", "vectors")},
                },
            )
            for s, (done, receipt) in enumerate(zip(redacted, prepared, strict=True))
        ]

    def decide(
        self,
        prepared: list[Receipt],
        matched: list[Receipt],
        related: list[Receipt],
        snapshot: Ref,
    ) -> list[Task]:
        columns = {
            **self.columns(matched, "slim", "matches", "similarities", "grants"),
            **self.columns(related, "edges"),
            **self.columns(prepared, "decoded"),
        }
        return [Task("decide", "all", {**columns, "snapshot": snapshot.as_json()})]

    def release(
        self,
        redacted: list[Receipt],
        prepared: list[Receipt],
        matched: list[Receipt],
        decided: list[Receipt],
    ) -> list[Task]:
        outcome = decided[0].outputs
        return [
            Task(
                "release",
                f"{s:05d}",
                {
                    "out": self.out,
                    "shard": s,
                    "decided": outcome["decided"].as_json(),
                    "parts": outcome["parts"].as_json(),
                    **{k: v.as_json() for k, v in prepared[s].outputs.items()},
                    **{k: v.as_json() for k, v in redacted[s].outputs.items()},
                    "similarities": matched[s].outputs["similarities"].as_json(),
                },
            )
            for s in range(self.plan.shards)
        ]

    def maps(self, released: list[Receipt]) -> list[Task]:
        """Make the row map in pieces, by the first bits of its keys; the other two whole."""
        depth = depth_of(self.plan.shards)
        entries = self.listed(outputs(released, "entries"))
        pieces = [
            Task("map", f"rows-{b:05d}", {"entries": entries, "bucket": b, "depth": depth})
            for b in range(1 << depth)
        ]
        bands = Task("map", "bands", self.columns(released, "codes"))
        return [*pieces, bands, Task("map", "ledger", self.columns(released, "leaves"))]

    def evidence(self, prepared: list[Receipt]) -> list[Task]:
        evidence = self.listed(outputs(prepared, "evidence"))
        return [
            Task("evidence", f"{b:05d}", {"out": self.out, "evidence": evidence, "bucket": b})
            for b in range(self.plan.shards)
        ]

    def listed(self, refs: Sequence[Ref]) -> dict[str, object]:
        """Publish a list of references; returns the argument that names it."""
        return context_at(self.work).publish_refs(refs).as_json()

    def columns(self, receipts: Sequence[Receipt], *names: str) -> dict[str, object]:
        """Return several named outputs of all receipts as task arguments."""
        return {name: self.listed(outputs(receipts, name)) for name in names}


def round_name(errand: Errand, number: int) -> str:
    """Return how the tasks of one round of requests are called."""
    return f"{errand}-{number:02d}"


def outputs(receipts: Sequence[Receipt], name: str) -> list[Ref]:
    """Return one named output of each receipt that has it."""
    return [r.outputs[name] for r in receipts if name in r.outputs]
