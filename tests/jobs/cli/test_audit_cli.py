"""What `recuse audit` and its kin say of files that are not there, or are something else."""

import pytest
from typer.testing import CliRunner

from jobs.cli import app
from schemas.errors import UsageError

UID = "0" * 32
HEX = "0" * 64


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("audit verify {place}/none", "release (with manifest.json)"),
        ("audit verify {place}/words.txt", "release (with manifest.json)"),
        (f"audit explain {{place}}/none {UID}", "release (with manifest.json)"),
        ("audit diff {place}/none {place}/none", "release (with manifest.json)"),
        ("audit prove-absence {place}/none --image {place}/none.jpg", "an image"),
        ("audit prove-absence {place}/none --image {place}/words.txt", "words.txt: expected one"),
        (f"audit verify-absence {{place}}/none --root rows={HEX} --root bands={HEX}", "a proof"),
        ("audit verify-absence {place}/none --root-from {place}/none", "the manifest"),
        ("optout verify-receipt .", "a file of a receipt"),
        ("optout verify-receipt /", "a file of a receipt"),
    ],
)
def test_what_cannot_be_used_is_named_and_nobody_blamed(tmp_path, monkeypatch, words, said):
    """Exit code 2, where 1 says that a copy is inside or that a proof does not hold."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words.txt").write_text("no image")
    given = words.format(place=tmp_path).split()
    done = CliRunner().invoke(app, given)
    assert isinstance(done.exception, UsageError)
    assert said in str(done.exception)
    assert [p.name for p in tmp_path.iterdir()] == ["words.txt"]
