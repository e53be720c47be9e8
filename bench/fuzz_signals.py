"""Coverage-guided fuzzing of every parser of opt-out signals.

    pip install atheris==3.0.0        # in an environment that has recuse; it is no dependency
    python bench/fuzz_signals.py all --seconds 35
    python bench/fuzz_signals.py robots tdmrep --seconds 600 --keep corpus/
    python bench/fuzz_signals.py xmp --replay crash-0123456789abcdef

Targets are in bench/fuzz_targets.py, what they start from in bench/fuzz_seeds.py. Each runs in a
process of its own, one after another: at most 5 seconds and 3,000 MB an input, inputs of up to
256 KiB. Beside libFuzzer's mutations a piece may be repeated, so that what grows by the square
takes too long, and a value of JSON be exchanged for one of another kind.
Printed for each: executions, edges covered in the parsers, the most memory, and what was found.
Inputs that broke a promise are kept (one for each place in the code), and the exit code is 1;
--replay asks about one again, and tells a slow parser from a busy machine.
Native code (expat, lexbor, zlib, c2pa) is called and not instrumented.
"""

import argparse
import hashlib
import importlib
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

FOUND = Path(tempfile.gettempdir()) / "recuse-fuzz"
INPUT_S, MEMORY_MB, INPUT_BYTES = 5, 3000, 256 * 1024
INSTRUMENTED = ["optout.signals", "pipeline.facts", "http_sf"]
RESTARTS = 5
"""A timeout ends libFuzzer's process; so often a target begins again for the time left."""

USUAL_BYTES = 2048
REPEATED_EVERY, EXCHANGED_EVERY = 512, 8
WORDS = 200
_WORD = re.compile(rb"[A-Za-z0-9_.:/=<*-]{2,40}")
_VALUE = re.compile(rb'"(?:[^"\\]++|\\.)*+"|-?\d++|true|false|null|\[\]|\{\}')
_VALUES = (b"null", b"true", b"0", b"1e400", b"9007199254740993", b'""', b"[]", b"{}", b'[""]',
           b'{"":1}', b'"\\ud800"')  # fmt: skip
_COVERAGE = re.compile(r"cov: (\d+)")
_STATISTIC = re.compile(r"^stat::(\w+): +(\d+)", re.MULTILINE)
_SEEN = re.compile(r"^#(\d+)\t", re.MULTILINE)


class Ran(NamedTuple):
    """One run of one target."""

    runs: int
    edges: int
    peak_mb: int
    found: list[Path]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="+", help="names of targets, or all")
    parser.add_argument("--seconds", type=int, default=35, help="for each target")
    parser.add_argument("--keep", type=Path, help="folder of corpora to go on with")
    parser.add_argument("--found", type=Path, default=FOUND, help="folder of what broke a promise")
    parser.add_argument("--replay", type=Path, help="ask one target about one input")
    parser.add_argument("--child", nargs=2, type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        fuzz(args.targets[0], args.child[0], args.child[1], args.seconds)
        return
    from bench.fuzz_targets import TARGETS  # noqa: PLC0415 - a child instruments it first

    names = list(TARGETS) if args.targets == ["all"] else args.targets
    if unknown := set(names) - TARGETS.keys():
        parser.error(f"no targets {sorted(unknown)}; there are {list(TARGETS)}")
    if args.replay:
        TARGETS[names[0]](args.replay.read_bytes())
        return
    atheris()
    corpora = args.keep or Path(tempfile.mkdtemp())
    try:
        found = sum(report(name, corpora / name, args.found / name, args.seconds) for name in names)
    finally:
        if not args.keep:
            shutil.rmtree(corpora)
    sys.exit(found > 0)


def atheris() -> Any:
    """Return the fuzzer, which few installations have."""
    try:
        return importlib.import_module("atheris")  # no dependency of recuse
    except ImportError:
        sys.exit("expected atheris: pip install atheris==3.0.0 (it is no dependency of recuse)")


# --- around: one process a target


def report(name: str, corpus: Path, found: Path, seconds: int) -> int:
    """Fuzz one target, print what came of it, return how much was found."""
    plant(name, corpus)
    before = time.monotonic()
    ran = run(name, corpus, found, seconds)
    print(
        f"{name:16} {ran.runs:9,} runs  {ran.edges:6,} edges  {ran.peak_mb:5,} MB  "
        f"{time.monotonic() - before:4.0f} s  found {len(ran.found)}",
        flush=True,
    )
    for path in ran.found:
        print(f"    {path}", flush=True)
    return len(ran.found)


def plant(name: str, corpus: Path) -> None:
    """Write the seeds of a target, and beside them the words that stand in them."""
    from bench.fuzz_seeds import seeds  # noqa: PLC0415 - imports what a child instruments
    from bench.fuzz_targets import SEPARATOR  # noqa: PLC0415 - likewise

    corpus.mkdir(parents=True, exist_ok=True)
    counts: Counter[bytes] = Counter()
    for seed in seeds(name):
        (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
        counts.update(set(_WORD.findall(seed[:4096])))
    words = [word.decode() for word, _ in counts.most_common(WORDS)]
    words.append("".join(f"\\x{octet:02x}" for octet in SEPARATOR))
    _words_of(corpus).write_text("".join(f'"{word}"\n' for word in words))


def _words_of(corpus: Path) -> Path:
    return corpus.with_suffix(".dict")


def run(name: str, corpus: Path, found: Path, seconds: int) -> Ran:
    """Run a target until its time is over, begun again where an input killed it."""
    found.mkdir(parents=True, exist_ok=True)
    known = set(found.iterdir())
    runs = edges = peak_mb = 0
    deadline = time.monotonic() + seconds
    for _ in range(RESTARTS):
        left = int(deadline - time.monotonic())
        if left <= 0:
            break
        command = [sys.executable, __file__, name, "--seconds", str(left)]
        command += ["--child", str(corpus), str(found)]
        done = subprocess.run(command, check=False, capture_output=True, cwd=ROOT)
        log = done.stderr.decode("utf-8", "replace")
        told = {key: int(value) for key, value in _STATISTIC.findall(log)}
        seen = [int(number) for number in _SEEN.findall(log)]
        runs += told.get("number_of_executed_units", max(seen, default=0))
        edges = max([edges, *map(int, _COVERAGE.findall(log))])
        peak_mb = max(peak_mb, told.get("peak_rss_mb", 0))
        if done.returncode == 0:
            break
        (found / f"log-{os.getpid()}-{time.monotonic_ns()}").write_text(log)
    return Ran(runs, edges, peak_mb, sorted(set(found.iterdir()) - known))


# --- inside: one target


def fuzz(name: str, corpus: Path, found: Path, seconds: int) -> None:
    """Fuzz a target in this process; does not return."""
    fuzzer = atheris()
    with fuzzer.instrument_imports(include=INSTRUMENTED):
        from bench.fuzz_targets import TARGETS  # noqa: PLC0415 - instrumented here
    ask, places = TARGETS[name], set[tuple[str, str, int]]()

    def once(octets: bytes) -> None:
        try:
            ask(octets)
        except Exception as e:  # noqa: BLE001 - whatever it is, it is what is looked for
            last = traceback.extract_tb(e.__traceback__)[-1]
            place = type(e).__name__, last.filename, last.lineno or 0
            if place not in places:  # libFuzzer would stop at the first
                places.add(place)
                path = found / f"crash-{hashlib.sha256(octets).hexdigest()[:16]}"
                path.write_bytes(octets)
                path.with_name(path.name.replace("crash", "trace")).write_text(
                    "".join(traceback.format_exception(e, limit=-6))
                )

    def mutated(octets: bytes, most: int, seed: int) -> bytes:
        usual = min(most, max(len(octets), USUAL_BYTES))  # small ones are many times as fast
        made: bytes = fuzzer.Mutate(octets, usual)
        rng = random.Random(seed)
        if rng.randrange(REPEATED_EVERY) == 0:
            return repeated(made, most, rng)
        return exchanged(octets, rng)[:most] if rng.randrange(EXCHANGED_EVERY) == 0 else made

    options = {
        "max_total_time": seconds, "timeout": INPUT_S, "rss_limit_mb": MEMORY_MB,
        "max_len": INPUT_BYTES, "len_control": 0, "artifact_prefix": f"{found}/",
        "dict": _words_of(corpus), "print_final_stats": 1,
    }  # fmt: skip
    flags = [f"-{key}={value}" for key, value in options.items()]
    fuzzer.Setup([sys.argv[0], *flags, str(corpus)], once, custom_mutator=mutated)
    fuzzer.Fuzz()


def repeated(octets: bytes, most: int, rng: random.Random) -> bytes:
    """Return an input with a piece of it repeated, up to any size."""
    start = rng.randrange(len(octets) + 1)
    stop = min(start + rng.choice((1, 2, 3, 5, 8, 20, 100)), len(octets))
    piece = octets[start:stop] or b" "
    size = min(most, int(2 ** rng.uniform(6, 18)))
    made = octets[:stop] + piece * (max(size - len(octets), 0) // len(piece)) + octets[stop:]
    return made[:most]


def exchanged(octets: bytes, rng: random.Random) -> bytes:
    """Return an input with a value of JSON, if it has any, replaced by one of another kind."""
    found = list(_VALUE.finditer(octets))
    if not found:
        return octets
    match = rng.choice(found)
    return octets[: match.start()] + rng.choice(_VALUES) + octets[match.end() :]


if __name__ == "__main__":
    main()
