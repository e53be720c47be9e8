"""The end-to-end fixture over generated images: the painters of the demo, its own verdicts.

`site(folder)` is the demo's site: about 250 rows on ten loopback hosts, three claims. It always
runs; pictures are cached below RECUSE_TEST_CACHE or the platform's temporary folder.
"""

import os
import tempfile
from functools import cache
from pathlib import Path

from jobs.demo.expect import Limits, Site
from jobs.demo.hosts import Hosts
from jobs.demo.run import gather
from jobs.demo.site import CONFIG, claims, lay_out


def cache_folder() -> Path:
    """Return where pictures are kept between runs."""
    given = os.environ.get("RECUSE_TEST_CACHE")
    return Path(given) if given else Path(tempfile.gettempdir()) / "recuse-test-cache"


@cache
def picture(number: int) -> bytes:
    """One of some pictures that nobody takes for each other."""
    return gather(cache_folder() / "gallery").others[number].body()


def site(folder: Path, port: int = 0) -> Site:
    """Return the site; the claims' folders lie below `folder`. Enter `serve()` while building."""
    cast = gather(cache_folder() / "gallery")
    hosts = Hosts(port)
    rows = lay_out(cast, hosts)
    return Site(hosts, rows, claims(cast, folder / "claims"), Limits(style_at_least=4), CONFIG)
