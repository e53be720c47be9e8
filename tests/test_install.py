"""recuse in empty environments: the registry without torch, and everything with it."""

import subprocess
import venv
from pathlib import Path

import pytest

from tests.e2e.builds import ROOT, picture

pytestmark = pytest.mark.clean


def environment(folder: Path, what: str) -> Path:
    """Return the bin folder of a new environment with recuse installed in it."""
    venv.create(folder, with_pip=True)
    installed = subprocess.run(
        [folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
         "-c", ROOT / "constraints.txt", what],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert installed.returncode == 0, installed.stderr
    return folder / "bin"


def run(*words, cwd: Path, **more):
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False, **more)


def test_plain_install_has_the_registry_and_says_what_builds_need(tmp_path):
    bin_folder = environment(tmp_path / "env", ".")
    recuse = bin_folder / "recuse"
    assert run(recuse, "--version", cwd=tmp_path).stdout.startswith("recuse ")
    packages = run(bin_folder / "python", "-m", "pip", "list", cwd=tmp_path).stdout
    assert not {"torch", "dask", "faiss-cpu"} & set(packages.split())
    (tmp_path / "works").mkdir()
    for i in range(3):
        (tmp_path / "works" / f"{i}.jpg").write_bytes(picture(i))
    submitted = run(
        recuse, "optout", "submit", "works", "--artist", "Ada Moss", "--registry", "reg.db",
        cwd=tmp_path,
    )  # fmt: skip
    assert submitted.returncode == 0, submitted.stderr
    listed = run(recuse, "optout", "list", "--registry", "reg.db", cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    assert "recorded" in listed.stdout
    (receipt,) = (tmp_path / "claimant").glob("*.tlog-proof")
    proved = run(recuse, "optout", "verify-receipt", receipt, cwd=tmp_path)
    assert proved.returncode == 0, proved.stderr
    assert "verified: the entry is in the log" in " ".join(proved.stdout.split())
    assert run(recuse, "registry", "publish", "--registry", "reg.db", "--to", "log",
               cwd=tmp_path).returncode == 0  # fmt: skip
    built = run(recuse, "build", "works", "--out", "rel", cwd=tmp_path)
    assert built.returncode == 2
    assert "pip install -c constraints.txt '.[build]'" in built.stderr
    assert "Traceback" not in built.stderr


def test_full_install_builds(tmp_path):
    bin_folder = environment(tmp_path / "env", ".[build]")
    version = run(
        bin_folder / "python", "-c", "import torch; print(torch.version.cuda)", cwd=tmp_path
    )
    assert version.stdout.strip() == "None", "a CUDA build was installed"
    (tmp_path / "works").mkdir()
    for i in range(3):
        (tmp_path / "works" / f"{i}.jpg").write_bytes(picture(i))
    built = run(
        bin_folder / "recuse", "build", "works", "--out", "rel", "--workers", "1",
        "--accept-unchecked", "robots,well-known,headers", "--similarity", "0.9999", cwd=tmp_path,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    assert (tmp_path / "rel" / "manifest.json").exists()
