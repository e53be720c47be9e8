"""A PostgreSQL server for the tests, started once and thrown away; each test has its own database.

It listens on a socket in a folder of its own, and nowhere else. Where none is installed, one is
unpacked from the packages of the system, into that folder: nothing is installed.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

SUPERUSER = "recuse_tests"
PLACES = "usr/lib/postgresql/*/bin"  # Debian's, whose programs are not on the path
SERVERS = ("postgres", "nobody")  # who may run a server where the tests are run by root
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "listen_addresses": "",
    "max_connections": "40",
    "shared_buffers": "16MB",
    "autovacuum": "off",  # what a sweep leaves is for a test to see
    "lc_messages": "C",
}
APT_S = 300
START_S = 60
UNTIL_READ = '"$0" -D "$1" >"$2/log" 2>&1 & read -r _; kill -QUIT $!; wait; rm -rf "$2" 2>&-'
"""Runs a server until whoever holds the other end of its input is gone, also by being killed."""


@dataclass(frozen=True)
class Server:
    """A running server."""

    folder: Path  # of its socket
    programs: Path
    names: Iterator[int]
    environment: dict[str, str]  # of its programs

    def url(self, database: str = "postgres", user: str = SUPERUSER) -> str:
        return f"postgresql://{user}@/{database}?host={self.folder}"

    def psql(self, *statements: str, database: str = "postgres") -> str:
        """Run statements, each a transaction of its own; returns what they give."""
        done = subprocess.run(
            [self.programs / "psql", "--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1",
             "-h", self.folder, "-U", SUPERUSER, "-d", database],
            input=";\n".join(statements), capture_output=True, text=True, check=False,
            env=self.environment,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def create(self, template: str = "template0") -> str:
        """Make a database, an empty one by default; returns its name."""
        name = f"test_{next(self.names)}"
        self.psql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, name: str) -> None:
        self.psql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextmanager
def running() -> Iterator[Server]:
    """Start a server; skips the test where there is none to be had."""
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # pytest's own are shut to other users
    try:
        programs, libraries = _programs(folder)
        user = _user(folder)
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "LD_LIBRARY_PATH": libraries}

        them = {"user": user, "group": user and pwd.getpwnam(user).pw_gid,
                "extra_groups": user and [], "env": environment, "cwd": folder}  # fmt: skip
        data = folder / "data"
        done = subprocess.run(
            [programs / "initdb", "-D", data, "-U", SUPERUSER, "--auth=trust", "--no-sync",
            "--no-instructions", "-E", "UTF8",
            # By this text is not sorted as its bytes are.
             "--locale=C", "--locale-provider=icu", "--icu-locale=en-US"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            check=False, **them,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        lines = [f"{name} = '{value}'" for name, value in SETTINGS.items()]
        lines.append(f"unix_socket_directories = '{folder}'")
        with (data / "postgresql.conf").open("a") as file:
            file.write("\n".join(lines) + "\n")
        known = (data / "pg_hba.conf").read_text()
        (data / "pg_hba.conf").write_text(f"local all guarded scram-sha-256\n{known}")
        held = subprocess.Popen(
            ["sh", "-c", UNTIL_READ, programs / "postgres", data, folder],
            stdin=subprocess.PIPE, start_new_session=True, **them,
        )  # fmt: skip
        try:
            yield _awaited(Server(folder, programs, count(), environment), folder / "log")
        finally:
            held.communicate()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _awaited(server: Server, log: Path) -> Server:
    """Return a server once it answers."""
    end = time.monotonic() + START_S
    while True:
        try:
            server.psql("SELECT 1")
        except AssertionError:
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        else:
            return server


def _user(folder: Path) -> str | None:
    """Return who runs the server, null for whoever runs the tests; the folder becomes theirs."""
    if os.geteuid() != 0:
        return None
    for name in SERVERS:
        try:
            known = pwd.getpwnam(name)
        except KeyError:
            continue
        os.chown(folder, known.pw_uid, known.pw_gid)
        folder.chmod(0o700)
        return name
    return pytest.skip(f"PostgreSQL runs as a user such as {SERVERS[0]}, and there is none here")


def _programs(folder: Path) -> tuple[Path, str]:
    """Return where a server's programs are, and a path for libraries that only they need."""
    if found := _newest(Path("/")):
        return found, ""
    if path := shutil.which("pg_ctl"):
        return Path(path).resolve().parent, ""
    root = folder / "root"
    if problem := _unpack(root):
        pytest.skip(f"PostgreSQL is not installed, and apt does not give it: {problem}")
    found = _newest(root)
    if found is None:
        pytest.skip("PostgreSQL is not installed, and apt's package of it holds none")
    libraries = {path.parent for path in root.rglob("*.so.*")}
    return found, ":".join(sorted(map(str, libraries)))


def _newest(root: Path) -> Path | None:
    found = [p for p in root.glob(PLACES) if (p / "pg_ctl").exists() and (p / "psql").exists()]
    return max(found, key=lambda path: float(path.parent.name), default=None)


def _unpack(root: Path) -> str:
    """Unpack the system's packages of a server into a folder; returns what went wrong, or ""."""
    if not shutil.which("apt-get"):
        return "there is no apt-get"
    archives = root / "archives"
    (archives / "partial").mkdir(parents=True)
    fetch = [
        "apt-get", "install", "--download-only", "--yes", "-qq", "--no-install-recommends",
        "-o", f"Dir::Cache::archives={archives}", "-o", "Debug::NoLocking=1",
        "-o", "APT::Sandbox::User=root", "postgresql",
    ]  # fmt: skip
    try:
        done = subprocess.run(fetch, capture_output=True, text=True, timeout=APT_S, check=False)
    except subprocess.TimeoutExpired:
        return f"no answer within {APT_S} s"
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["?"])[-1]
    for package in sorted(archives.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", package, root], check=True, capture_output=True)
    shutil.rmtree(archives)
    return ""
