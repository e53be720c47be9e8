"""What `recuse recall` refuses before it reads anything."""

import pytest
from typer.testing import CliRunner

from jobs.cli import app
from schemas.errors import UsageError


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{place}/none", "--out", "{place}/new"], "manifest.json"),
        (["{place}/one", "--out", "{place}/one/"], "another folder"),
        (["{place}/one", "--out", "{place}/new", "--matcher", "{place}/none"], "cohort build"),
    ],
)
def test_what_is_no_release_and_no_place_is_refused(tmp_path, arguments, said):
    given = [text.format(place=tmp_path) for text in arguments]
    done = CliRunner().invoke(app, ["recall", *given])
    assert isinstance(done.exception, UsageError)
    assert said in str(done.exception)
    assert not list(tmp_path.iterdir())


def test_its_help_names_what_a_builder_may_give():
    shown = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["recall", "--help"]).output
    for option in ("--registry", "--list", "--vault", "--link", "--allow-unjudged", "--dry-run",
                   "--trust-local", "--safe", "--key"):  # fmt: skip
        assert option in shown
