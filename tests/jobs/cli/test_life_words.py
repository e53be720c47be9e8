"""What is said of a claim and of two releases, whatever they hold."""

from jobs.cli import life_words
from pipeline.delta import Delta, Opened
from pipeline.release_diff import Diff, Moved

STRANGE = "[bold]\x1b[31mno reason"


def test_a_reason_that_no_build_gives_is_shown_and_does_nothing_to_a_terminal():
    row = {"reason": STRANGE, "rule": STRANGE}
    opened = Opened(row=row, commitment="", index=0, proof=())
    delta = Delta(claim="c", manifest_sha256="", ledger="", ledger_rows=1, rows=(opened,))
    moved = Moved("keep", STRANGE, STRANGE, STRANGE, 1)
    told = [
        life_words.left_out(delta),
        life_words.moves(Diff(before=1, after=0, kept=0, moves=(moved,))),
    ]
    for table in told:
        cells = [cell for column in table.columns for cell in column.cells]
        assert any("no reason" in cell for cell in cells)
        assert not any("\x1b" in cell for cell in cells)
        assert not any(cell.startswith("[bold]") for cell in cells)
