"""Geometry of the pages' charts: numbers in, coordinates out. Templates draw, colours are CSS."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.report.tally import CAPTION_CHARACTERS, CLIP_STEP, EDGE_PX, SIZE_KB
from pipeline.report.words import humane
from schemas.verdict import Channel, Say, Verdict

# --- the flow of rows

TRUNK_HEIGHT = 200.0
TRUNK_TOP = 10.0
TRUNK_START = 112.0
BEND = 12.0
DROP = 34.0
STREAM_WIDTH = 800.0
LABEL_WIDTH = 100.0
THINNEST = 1.5
END_WIDTH = 152.0
LINE_CHARACTERS = 14


@dataclass(frozen=True)
class Branch:
    """Rows that leave the stream for one family of reasons."""

    family: str
    title: str
    rows: int
    told: str


@dataclass(frozen=True)
class Drawn:
    """A branch with its path and the place of its label."""

    branch: Branch
    path: str
    label_x: float
    label_y: float
    lines: Sequence[str]


@dataclass(frozen=True)
class Flow:
    """The stream from rows in to rows released."""

    width: float
    height: float
    trunk: str
    branches: Sequence[Drawn]
    middle_in: float
    middle_out: float
    end_x: float


def flow(rows_in: int, released: int, branches: Sequence[Branch]) -> Flow | None:
    """Return the stream, its height in proportion to rows; None where there are no rows.

    Branches leave at the lower bank, in order; the upper bank stays level, so that what is left at
    the right can be compared with what came in at the left.
    """
    if not rows_in:
        return None
    scale = TRUNK_HEIGHT / rows_in
    room = max(LABEL_WIDTH, STREAM_WIDTH / max(len(branches), 1))
    bank, x = TRUNK_TOP + TRUNK_HEIGHT, TRUNK_START + room / 2 - BEND
    floor = bank + DROP
    lower = [f"L{TRUNK_START:.1f} {bank:.2f}"]
    drawn = []
    for branch in branches:
        thick = branch.rows * scale
        shown = max(thick, THINNEST)
        lower.append(f"L{x:.1f} {bank:.2f}")
        path, middle = _bend(x, bank, shown, floor), x + BEND + shown / 2
        drawn.append(Drawn(branch, path, middle, floor + 24, _lines(branch.title)))
        bank -= thick
        lower.append(f"L{x:.1f} {bank:.2f}")
        x += max(room, BEND + shown + room / 2)
    end = max(x - room / 2 + BEND, TRUNK_START + STREAM_WIDTH)
    lower.append(f"L{end:.1f} {max(bank, TRUNK_TOP + (THINNEST if released else 0)):.2f}")
    trunk = f"M{TRUNK_START:.1f} {TRUNK_TOP:.1f}{''.join(lower)}L{end:.1f} {TRUNK_TOP:.1f}Z"
    return Flow(
        width=round(end + END_WIDTH, 1),
        height=round(floor + 70, 1),
        trunk=trunk,
        branches=drawn,
        middle_in=TRUNK_TOP + TRUNK_HEIGHT / 2,
        middle_out=max((TRUNK_TOP + bank) / 2, TRUNK_TOP + 12),
        end_x=end,
    )


def _lines(title: str) -> list[str]:
    """Return a label in two lines at most, cut between words."""
    words, lines = title.split(), [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + len(word) >= LINE_CHARACTERS and len(lines) == 1:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _bend(x: float, bank: float, thick: float, floor: float) -> str:
    """Return a band that leaves the lower bank to the right and turns down."""
    outer, left, right = BEND + thick, x + BEND, x + BEND + thick
    return (
        f"M{x:.2f} {bank - thick:.2f}"
        f"A{outer:.2f} {outer:.2f} 0 0 1 {right:.2f} {bank + BEND:.2f}"
        f"V{floor:.2f}H{left:.2f}V{bank + BEND:.2f}"
        f"A{BEND:.2f} {BEND:.2f} 0 0 0 {x:.2f} {bank:.2f}Z"
    )


# --- histograms

EDGE_LABELS = {str(e): humane(e) for e in EDGE_PX}
SIZE_LABELS = {str(e): humane(e) for e in SIZE_KB}
CAPTION_LABELS = {str(e): humane(e) for e in CAPTION_CHARACTERS}

PLOT_WIDTH = 480.0
PLOT_HEIGHT = 132.0
PLOT_TOP = 20.0
MOST_TICKS = 8


@dataclass(frozen=True)
class Bar:
    """One bin: where it stands, and what it says."""

    x: float
    y: float
    width: float
    height: float
    rows: int
    label: str


@dataclass(frozen=True)
class Histogram:
    """Bars of equal width, ticks below them, the median marked."""

    title: str
    unit: str
    bars: Sequence[Bar] = ()
    ticks: Sequence[tuple[float, str]] = ()
    median_x: float = 0.0
    rows: int = 0
    most: int = 0
    summary: str = ""


def even_histogram(title: str, unit: str, counts: Mapping[str, int]) -> Histogram:
    """Return a histogram over bins of CLIP_STEP; counts by lower edge, e.g. {"0.24": 7}."""
    if not counts:
        return Histogram(title, unit)
    places = {round(float(edge) / CLIP_STEP): n for edge, n in counts.items()}
    first, last = min(places), max(places)
    values = [places.get(i, 0) for i in range(first, last + 1)]
    edges = [f"{i * CLIP_STEP:.2f}" for i in range(first, last + 2)]
    return _histogram(title, unit, values, edges)


def edged_histogram(
    title: str, unit: str, counts: Mapping[str, int], labels: Mapping[str, str]
) -> Histogram:
    """Return a histogram over given edges (labels: edge -> text, in order), cut to those in use."""
    edges = list(labels)
    used = [i for i, e in enumerate(edges) if counts.get(e)]
    if not used:
        return Histogram(title, unit)
    values = [counts.get(e, 0) for e in edges[used[0] : used[-1] + 1]]
    texts = [labels[e] for e in edges[used[0] : used[-1] + 2]]
    return _histogram(title, unit, values, texts if len(texts) > len(values) else [*texts, "∞"])


def _histogram(title: str, unit: str, values: Sequence[int], edges: Sequence[str]) -> Histogram:
    most, step = max(values), PLOT_WIDTH / len(values)
    bars = [
        Bar(
            x=round(i * step + 0.75, 2),
            y=round(PLOT_TOP + PLOT_HEIGHT * (1 - n / most), 2),
            width=round(max(step - 1.5, 0.5), 2),
            height=round(PLOT_HEIGHT * n / most, 2),
            rows=n,
            label=f"{edges[i]} to {edges[i + 1]}",
        )
        for i, n in enumerate(values)
    ]
    every = math.ceil(len(edges) / MOST_TICKS)
    ticks = [(round(i * step, 2), edges[i]) for i in range(0, len(edges), every)]
    middle = _median(values)
    told = f"{humane(sum(values))} rows, from {edges[0]} to {edges[-1]}"
    return Histogram(
        title, unit, bars, ticks, round(middle * step, 2), sum(values), most, summary=told
    )


def _median(values: Sequence[int]) -> float:
    """Return the median's place among the bins, in bins."""
    half, before = sum(values) / 2, 0
    for i, n in enumerate(values):
        if n and before + n >= half:
            return i + (half - before) / n
        before += n
    return 0.0


# --- stacked bars


@dataclass(frozen=True)
class Piece:
    """One part of a stacked bar: start and width in percent."""

    kind: str
    x: float
    width: float
    rows: int


@dataclass(frozen=True)
class Stack:
    """A labelled stacked bar."""

    label: str
    rows: int
    pieces: Sequence[Piece] = field(default_factory=tuple)


def stack(label: str, counts: Mapping[str, int], order: Sequence[str], full: int) -> Stack:
    """Return a bar of the kinds in `order`; `full` rows fill it."""
    pieces, x = [], 0.0
    for kind in order:
        rows = counts.get(kind, 0)
        if rows:
            width = 100 * rows / full
            pieces.append(Piece(kind, round(x, 3), round(width, 3), rows))
            x += width
    return Stack(label, sum(p.rows for p in pieces), pieces)


VERDICT_ORDER = [str(v) for v in (Verdict.KEEP, Verdict.HOLD, Verdict.DROP)]
SAY_ORDER = [str(s) for s in (Say.ALLOW, Say.SILENT, Say.ERROR, Say.DENY)]


def host_bars(
    hosts: Mapping[str, Mapping[str, int]], shown: int, *, by_others: bool = False
) -> list[Stack]:
    """Return the largest hosts, by released rows or by the others; all bars to one scale."""

    def weight(host: str) -> int:
        kept = hosts[host].get(str(Verdict.KEEP), 0)
        return sum(hosts[host].values()) - kept if by_others else kept

    largest = sorted(hosts, key=lambda h: (-weight(h), h))[:shown]
    full = max((sum(hosts[h].values()) for h in largest), default=1)
    return [stack(h, hosts[h], VERDICT_ORDER, full) for h in largest]


def signal_bars(signals: Mapping[str, Mapping[str, int]]) -> list[Stack]:
    """Return what each channel said, each bar full width, in the order in which they are read."""
    order = {str(channel): place for place, channel in enumerate(Channel)}
    named = sorted(signals.items(), key=lambda pair: (order.get(pair[0], len(order)), pair[0]))
    return [stack(c, n, SAY_ORDER, sum(n.values())) for c, n in named if sum(n.values())]
