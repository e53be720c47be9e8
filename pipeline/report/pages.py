"""Facts of a build to its two pages: one file each, no script, no network, everything escaped."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jinja2
import pyarrow as pa
from markupsafe import Markup

from pipeline.report import charts, words
from pipeline.report.tally import Tally
from schemas.manifest import Manifest
from schemas.verdict import Reason, Verdict

HOSTS_SHOWN = 15
CLAIMS_SHOWN = 12
LICENSES_SHOWN = 8


@dataclass(frozen=True)
class ReportFacts:
    """What a page is made of.

    manifest: without its files, since the page is one of them. pictures: PICTURES; the public page
    takes released rows from it, the review page the others. lists: name of the signed list behind
    a claim, for the review page.
    """

    manifest: Manifest
    tally: Tally
    pictures: pa.Table
    lists: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ReasonRow:
    """One line of the table of reasons."""

    reason: str
    verdict: str
    family: str
    title: str
    sentence: str
    rows: int


def render_report(facts: ReportFacts) -> str:
    """Return report.html: counts, flow, charts and released rows. Holds nothing of other rows.

    Hosts are named only where a released row names them too.
    """
    return render("report.html.j2", _shared(facts) | _public(facts))


def render_review(facts: ReportFacts) -> str:
    """Return the vault's review.html: dropped and held rows by reason and claim. Never public."""
    return render("review.html.j2", _shared(facts) | _private(facts))


def reason_rows(manifest: Manifest) -> list[ReasonRow]:
    """Return every reason that occurs: by family in stream order, then the most frequent first."""
    order = list(words.Family)
    said = [(Verdict.DROP, manifest.dropped), (Verdict.HOLD, manifest.held)]
    rows = [_reason_row(verdict, r, n) for verdict, by in said for r, n in by.items() if n]
    return sorted(rows, key=lambda r: (order.index(words.Family(r.family)), -r.rows, r.reason))


def _reason_row(verdict: Verdict, reason: str, count: int) -> ReasonRow:
    told = words.REASONS[Reason(reason)]
    return ReasonRow(reason, str(verdict), str(told.family), told.title, told.sentence, count)


def _shared(facts: ReportFacts) -> dict[str, Any]:
    manifest, rows = facts.manifest, reason_rows(facts.manifest)
    families = {family: sum(r.rows for r in rows if r.family == family) for family in words.Family}
    return {
        "manifest": manifest,
        "reasons": rows,
        "families": families,
        "family_title": words.FAMILY_TITLE,
        "dropped": sum(manifest.dropped.values()),
        "held": sum(manifest.held.values()),
        "unchecked": max(manifest.unchecked.values(), default=0),
        "most": max((r.rows for r in rows), default=0),
    }


def _public(facts: ReportFacts) -> dict[str, Any]:
    manifest, tally = facts.manifest, facts.tally
    shown = facts.pictures.to_pylist() if facts.pictures.num_rows else []
    families = _shared(facts)["families"]
    released_hosts = {h: v for h, v in tally.hosts.items() if v.get(str(Verdict.KEEP))}
    return {
        "flow": charts.flow(
            manifest.rows_in,
            manifest.released,
            [
                charts.Branch(str(f), words.FAMILY_TITLE[f], n, _inside(manifest, f))
                for f, n in families.items()
                if n
            ],
        ),
        "hosts": charts.host_bars(released_hosts, HOSTS_SHOWN),
        "host_count": len(released_hosts),
        "signals": charts.signal_bars(tally.signals or manifest.signals),
        "histograms": _histograms(tally.histograms),
        "licenses": _largest(tally.licenses, LICENSES_SHOWN),
        "pictures": [_picture(p) for p in shown if p["verdict"] == str(Verdict.KEEP)],
    }


def _private(facts: ReportFacts) -> dict[str, Any]:
    tally = facts.tally
    pictures = [
        _picture(p) for p in facts.pictures.to_pylist() if p["verdict"] != str(Verdict.KEEP)
    ]
    sections = []
    for row in reason_rows(facts.manifest):
        own = [p for p in pictures if p["reason"] == row.reason]
        claims = _largest(
            {c: n.get(row.reason, 0) for c, n in tally.claims.items() if n.get(row.reason)},
            CLAIMS_SHOWN,
        )
        told = [(claim, rows, facts.lists.get(claim, "")) for claim, rows in claims]
        sections.append({"row": row, "claims": told, "pictures": own})
    return {
        "sections": sorted(sections, key=lambda s: s["row"].verdict != str(Verdict.HOLD)),
        "hosts": charts.host_bars(tally.hosts, HOSTS_SHOWN * 2, by_others=True),
        "host_count": len(tally.hosts),
        "histograms": _histograms(tally.withheld)[:1],
        "shown": len(pictures),
    }


def _inside(manifest: Manifest, family: words.Family) -> str:
    """Return the reasons of a family in one line, for whoever points at its branch."""
    own = [r for r in reason_rows(manifest) if r.family == family]
    return ", ".join(f"{r.title.lower()} {words.humane(r.rows)}" for r in own)


def _histograms(named: Mapping[str, Mapping[str, int]]) -> list[charts.Histogram]:
    made = [
        charts.even_histogram(
            "How well caption and image agree",
            "cosine between caption and image, by the build's model",
            named.get("clip_similarity", {}),
        ),
        charts.edged_histogram(
            "Shorter edge as found", "pixels", named.get("edge_px", {}), charts.EDGE_LABELS
        ),
        charts.edged_histogram(
            "Image as stored", "kilobytes", named.get("size_kb", {}), charts.SIZE_LABELS
        ),
        charts.edged_histogram(
            "Length of captions", "characters", named.get("caption", {}), charts.CAPTION_LABELS
        ),
    ]
    return [h for h in made if h.bars]


def _largest(counts: Mapping[str, int], shown: int) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda c: (-c[1], c[0]))[:shown]


def _picture(row: Mapping[str, Any]) -> dict[str, Any]:
    thumb = base64.b64encode(row["thumb"]).decode()
    return dict(row) | {"source": f"data:image/jpeg;base64,{thumb}"}


# --- rendering


def render(name: str, values: Mapping[str, Any], *styles: str) -> str:
    """Return a template as a page that may load nothing. styles: files beside style.css."""
    style = "".join(_style(file) for file in ("style.css", *styles))
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        "default-src 'none'; img-src data:; "
        f"style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    css = Markup(style)  # noqa: S704  # our own file: its quotes must stay what they are
    return _pages().get_template(name).render(values, style=css, policy=policy)


@cache
def _pages() -> jinja2.Environment:
    pages = jinja2.Environment(
        loader=jinja2.PackageLoader("pipeline.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters |= {
        "humane": words.humane,
        "short": words.short,
        "size": words.size,
        "plain": _plain,
        "when": words.when,
    }
    pages.globals |= {"share": words.share}
    return pages


@cache
def _style(file: str) -> str:
    text, _, _ = jinja2.PackageLoader("pipeline.report").get_source(
        jinja2.Environment(autoescape=True), file
    )
    return text


def _plain(text: str | None, length: int = 300) -> str:
    """Return text on one line, without control or direction marks, cut to a length."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text or "").split())
    return line if len(line) <= length else f"{line[: length - 1]}…"
