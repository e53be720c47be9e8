import datetime as dt
from dataclasses import dataclass

import pytest

from optout.signals.channels import SignalPolicy
from optout.signals.signal import Signal
from pipeline.embedded import embedded
from schemas.tables import JUDGED, from_rows
from schemas.verdict import Channel, Purpose, Say

AT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Reading(SignalPolicy):
    """A policy with a family that reads bodies: they say in plain text what they forbid."""

    @property
    def reads_bytes(self):
        return True

    def of_bytes(self, body, media_type):
        say, _, purpose = body.decode().partition(" ")
        return (Signal(Channel.X_ROBOTS, Purpose(purpose), Say(say), raw=body.decode()),)


POLICY = Reading("ArtBot")


def judged(*bodies, stop=None):
    rows = [
        {"uid": str(i), "sha256": b, "signals": [], "fetched_at": AT, "stop_reason": stop}
        for i, b in enumerate(bodies)
    ]
    return from_rows(rows, JUDGED)


class Bodies(dict):
    """Bodies that are their own names, and count how often they are asked."""

    def __init__(self):
        super().__init__()
        self.asked = 0

    def __getitem__(self, sha256):
        self.asked += 1
        return sha256.encode()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("DENY mine", "signal_header"),
        ("DENY infer", "signal_header"),
        ("DENY train-gen", "signal_header"),
        ("DENY train-disc", None),  # not what this release is for
        ("ERROR train-gen", "signal_error"),
        ("ALLOW train-gen", None),
        ("SILENT train-gen", None),
    ],
)
def test_body_that_reserves_its_rights_stops_its_row_before_decoding(body, reason):
    (row,) = embedded(judged(body), Bodies(), POLICY).to_pylist()
    assert row["stop_reason"] == reason
    (signal,) = row["signals"]
    assert f"{signal['verdict']} {signal['purpose']}" == body
    assert signal["at"] == AT


def test_equal_bodies_are_asked_once_and_stopped_rows_never():
    bodies = Bodies()
    embedded(judged("DENY mine", "DENY mine"), bodies, POLICY)
    assert bodies.asked == 1
    table = judged("DENY mine", stop="http_status")
    assert embedded(table, bodies, POLICY).equals(table)
    assert bodies.asked == 1


def test_where_no_family_reads_bytes_nobody_reads_them():
    bodies = Bodies()
    table = judged("DENY mine")
    assert embedded(table, bodies, SignalPolicy("ArtBot")).equals(table)
    assert bodies.asked == 0
