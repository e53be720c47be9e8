"""`python -m jobs.demo.run [FOLDER]`: the whole product in a minute, on a web made for it.

Paints a gallery, opens its hosts on loopback, records three claims, builds a release over real
HTTP, and compares every row with what had to become of it. The folder may be deleted at any time;
a second run keeps the gallery and makes everything else anew.
"""

import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from jobs.demo.cast import Cast, Person, Work
from jobs.demo.expect import ClaimSpec, Comparison, Limits, Site, compare
from jobs.demo.gallery import ARTISTS, catalogue, paint_gallery
from jobs.demo.hosts import Hosts
from jobs.demo.outcome import rows_of
from jobs.demo.photographs import cut_photographs
from jobs.demo.site import CONFIG, claims, lay_out
from jobs.demo.telling import Told, tell
from jobs.list_files import read_signer
from jobs.receipts import policy_beside
from pipeline.vault import vault_of

PORT = 8765  # a free one is taken where somebody else has it
LISTED = 10
TITLE = "A small web, without those who asked to be left out"
PHOTOS = "photos.localhost"
PROVED = "mira-venn.tlog-proof"


@dataclass(frozen=True, slots=True)
class Places:
    """What lies where below the demo's folder."""

    root: Path

    @property
    def gallery(self) -> Path:
        """The pictures; kept from run to run."""
        return self.root / "gallery"

    @property
    def registry(self) -> Path:
        """The registry's file."""
        return self.root / "registry.db"

    @property
    def urls(self) -> Path:
        """The list of URLs and captions."""
        return self.root / "urls.parquet"

    @property
    def config(self) -> Path:
        """build.yaml."""
        return self.root / "build.yaml"

    @property
    def key(self) -> Path:
        """The key that signs the release; made by the build."""
        return self.root / "builder.key"

    @property
    def release(self) -> Path:
        """The release; its vault and its work folder stand beside it."""
        return self.root / "release"

    def clear(self) -> None:
        """Remove what an earlier run made, except for the gallery."""
        for old in self.root.iterdir():
            if old == self.gallery:
                continue
            if old.is_dir():
                shutil.rmtree(old)
            else:
                old.unlink()


def gather(gallery: Path) -> Cast:
    """Return the cast of the demo; paints what the folder lacks."""
    pictures = catalogue()
    paint_gallery(gallery, pictures)
    works = {
        a.name: tuple(Work(gallery / p.path, p.caption) for p in pictures if p.artist is a)
        for a in ARTISTS
    }
    photographs = [Work(gallery / p.path, p.caption, PHOTOS) for p in cut_photographs(gallery)]
    free = ("Oskar Pell", "Lena Orlow", "Anouk Dray", "Ravi Quill")
    others = [work for turn in zip(*(works[name] for name in free), strict=True) for work in turn]
    return Cast(
        stylist=Person("Mira Venn", works["Mira Venn"], LISTED, ("ミラ・ヴェン",)),
        host=Person("Teo Marsh", works["Teo Marsh"], LISTED),
        sibling=Person("Jon Holm", works["Jon Holm"], LISTED),
        others=(*others, *photographs),
        contrast=Person("Pia Holm", works["Pia Holm"], len(works["Pia Holm"])),
    )


def make_site(folder: Path, port: int = 0) -> Site:
    """Return the demo's site, its works below `folder`, its hosts not yet answering."""
    cast = gather(folder / "gallery")
    hosts = Hosts(port)
    rows = lay_out(cast, hosts)
    limits = Limits(style_at_least=4)
    return Site(hosts, rows, claims(cast, folder / "claims"), limits, CONFIG)


def submit_command(claim: ClaimSpec, registry: Path, folder: Path) -> list[str]:
    """Return the arguments of `recuse` that record a claim; key and receipt go into `folder`."""
    name = claim.folder.name
    command = [
        "optout",
        "submit",
        str(claim.folder),
        "--artist",
        claim.artist,
        "--kind",
        claim.kind,
    ]
    for alias in claim.aliases:
        command += ["--alias", alias]
    for host in claim.hosts:
        command += ["--host", host]
    if claim.contrast:
        command += ["--contrast", str(claim.contrast)]
    command += ["--registry", str(registry), "--trust-local"]
    return [
        *command,
        "--key",
        str(folder / f"{name}.pem"),
        "--receipt",
        str(folder / f"{name}.tlog-proof"),
    ]


def audit_command(places: Places) -> list[str]:
    """Return the arguments of `recuse` that check the release with all that its builder has."""
    return [
        "audit",
        "verify",
        str(places.release),
        "--key",
        str(read_signer(places.key).verifier),
        "--policy",
        str(policy_beside(str(places.registry))),
        "--registry",
        str(places.registry),
        "--vault",
        vault_of(str(places.release)),
        "--require-complete",
    ]


def write_list(site: Site, path: Path) -> None:
    """Write the URL list as Parquet."""
    table = pa.table({"url": [r.url for r in site.rows], "caption": [r.caption for r in site.rows]})
    pq.write_table(table, path)


def recuse(arguments: Sequence[str], *, quiet: bool = False) -> str:
    """Run a command of recuse; return what it printed where `quiet`.

    Raises SystemExit where the command fails.
    """
    sys.stdout.write(f"\n$ recuse {shlex.join(arguments)}\n")
    sys.stdout.flush()
    command = [sys.executable, "-m", "jobs", *arguments]
    done = subprocess.run(command, check=False, capture_output=quiet, encoding="utf-8")  # noqa: S603  # our own command
    if done.returncode:
        sys.stdout.write(f"{done.stdout or ''}{done.stderr or ''}")
        raise SystemExit(f"expected exit code 0 from the command above, found {done.returncode}")
    return done.stdout or ""


def run(root: Path) -> tuple[Comparison, Told]:
    """Do everything below `root`; return the comparison and what is to be told."""
    started = time.monotonic()
    places = Places(root)
    root.mkdir(parents=True, exist_ok=True)
    places.clear()
    sys.stdout.write("painting the gallery (once) and opening its hosts\n")
    sys.stdout.flush()
    site = make_site(root, PORT)
    painted = time.monotonic()
    write_list(site, places.urls)
    output = {"title": TITLE, "key": str(places.key)}
    config = site.build_config(str(places.registry)) | {"output": output}
    places.config.write_text(yaml.safe_dump(config, sort_keys=True), encoding="utf-8")
    told = [
        recuse(submit_command(claim, places.registry, root / "claims"), quiet=True)
        for claim in site.claims
    ]
    with site.serve():
        arguments = [
            "build",
            str(places.urls),
            "--out",
            str(places.release),
            "--config",
            str(places.config),
        ]
        recuse(arguments)
    policy = str(policy_beside(str(places.registry)))
    recuse(["optout", "verify-receipt", str(root / "claims" / PROVED), "--policy", policy])
    recuse(audit_command(places))
    done = compare(site, rows_of(places.release))
    seconds = {"paint": painted - started, "all": time.monotonic() - started}
    return done, Told(site, places.release, told, done, seconds)


def main() -> None:
    """Run the demo in the folder that is named, ./demo by default."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else "demo")
    done, told = run(root)
    tell(told)
    if not done.holds:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
