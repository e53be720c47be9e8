from collections.abc import Iterator

import pytest

from jobs.demo.expect import ActualRow, ExpectedRow, Limits, Site, compare
from jobs.demo.hosts import Hosts


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    made = Hosts()
    yield made
    made.stop()


def _row(
    url: str, verdict: str, *reasons: str, group: str = "", by_style: bool = False
) -> ExpectedRow:
    return ExpectedRow(url, "c", verdict, frozenset(reasons), group=group, by_style=by_style)


def _actual(url: str, verdict: str = "keep", reason: str = "") -> ActualRow:
    return ActualRow(url, "c", verdict, reason)


def test_a_release_that_keeps_every_promise_holds(hosts: Hosts) -> None:
    site = Site(hosts, [_row("a", "keep"), _row("b", "drop", "optout_work")], [])
    done = compare(site, [_actual("b", "drop", "optout_work"), _actual("a")])
    assert done.holds
    assert (done.agreed, done.total) == (2, 2)


def test_an_opted_out_row_that_was_released_is_a_leak(hosts: Hosts) -> None:
    done = compare(Site(hosts, [_row("b", "drop", "optout_work")], []), [_actual("b")])
    assert len(done.leaked) == 1
    assert not done.holds


@pytest.mark.parametrize(
    "actual",
    [[], [_actual("b", "drop", "filter")], [_actual("b", "hold", "optout_work")], [_actual("z")]],
    ids=["lost", "other reason", "other verdict", "stranger"],
)
def test_anything_else_than_expected_is_wrong(hosts: Hosts, actual: list[ActualRow]) -> None:
    done = compare(Site(hosts, [_row("b", "drop", "optout_work")], []), actual)
    assert done.wrong
    assert not done.leaked


def test_chance_is_allowed_up_to_its_limit(hosts: Hosts) -> None:
    rows = [_row(name, "keep") for name in "abc"]
    lost = [_actual(name, "drop", "optout_style") for name in "abc"]
    assert compare(Site(hosts, rows, [], Limits(false_likeness=3)), lost).holds
    assert not compare(Site(hosts, rows, [], Limits(false_likeness=2)), lost).holds


def test_a_style_must_catch_what_it_promises(hosts: Hosts) -> None:
    rows = [_row("a", "any", "optout_style", by_style=True)]
    site = Site(hosts, rows, [], Limits(style_at_least=1))
    assert compare(site, [_actual("a", "drop", "optout_style")]).holds
    assert not compare(site, [_actual("a")]).holds


def test_of_copies_exactly_one_is_kept(hosts: Hosts) -> None:
    rows = [_row(name, "any", "duplicate", group="g") for name in "ab"]
    site = Site(hosts, rows, [])
    assert compare(site, [_actual("a"), _actual("b", "drop", "duplicate")]).holds
    assert not compare(site, [_actual("a"), _actual("b")]).holds


def test_equal_rows_are_told_apart_by_the_repeated_one(hosts: Hosts) -> None:
    rows = [_row("a", "keep"), _row("a", "drop", "repeated")]
    assert compare(Site(hosts, rows, []), [_actual("a", "drop", "repeated"), _actual("a")]).holds


def test_the_config_names_every_host_and_the_registry(hosts: Hosts) -> None:
    site = Site(hosts, [], [], config={"fetch": {"retries": 1}})
    config = site.build_config("r.db")
    assert config["fetch"]["retries"] == 1
    assert f"deadlinks.localhost:{hosts.closed_port}" in config["fetch"]["allow_hosts"]
    assert config["registry"] == {"url": "r.db", "trust_local": True}
