"""The structure is that of the example in C2SP tlog-policy, with keys of our own."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.log import policy
from optout.log.note import COSIGNATURE, SignerKey
from optout.log.policy import Group, Log, Policy, Witness
from schemas.errors import UsageError


def log_key(name: str, seed: int = 0):
    return SignerKey(name, bytes([seed]) * 32).verifier


def witness_key(name: str):
    return SignerKey(name, name.encode().ljust(32, b"."), COSIGNATURE).verifier


LOG = log_key("log.example")
KEYS = {name: witness_key(name) for name in ("X1", "X2", "X3", "Y1", "Y2", "Y3")}
EXAMPLE = f"""\
log {LOG}

witness X1 {KEYS["X1"]}
witness X2 {KEYS["X2"]}
witness X3 {KEYS["X3"]}
group X-witnesses 2 X1 X2 X3

witness Y1 {KEYS["Y1"]}
witness Y2 {KEYS["Y2"]}
witness Y3 {KEYS["Y3"]}
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""
X1 = f"witness X1 {KEYS['X1']}\n"


def parsed(text: str) -> Policy:
    return policy.parse(text.encode(), "policy")


@pytest.mark.parametrize(
    ("seen", "met"),
    [
        ("X1 X2 Y3", True),
        ("X1 X2 X3 Y1 Y2 Y3", True),
        ("X1 X2 X3", False),
        ("X1 Y1 Y2 Y3", False),
        ("", False),
    ],
)
def test_the_example_asks_for_two_of_one_side_and_one_of_the_other(seen, met):
    found = parsed(EXAMPLE)
    assert found.is_met({KEYS[name]: 1 for name in seen.split()}) is met
    assert found.log_keys("log.example") == (LOG,)
    assert found.log_keys("other.example") == ()


def test_the_example_says_what_it_says():
    found = parsed(EXAMPLE)
    assert found.logs == (Log(LOG),)
    assert found.witnesses[0] == Witness("X1", KEYS["X1"])
    assert found.groups[0] == Group("X-witnesses", 2, ("X1", "X2", "X3"))
    assert found.groups[2] == Group("X-and-Y", 2, ("X-witnesses", "Y-witnesses"))


def test_quorum_none_asks_for_nobody_and_a_stranger_counts_for_nothing():
    assert parsed("quorum none\n").is_met({})
    one = parsed(X1 + "quorum X1\n")
    assert not one.is_met({KEYS["X2"]: 1})
    assert one.is_met({KEYS["X1"]: 1})


def test_blanks_remarks_addresses_and_a_last_line_without_end_are_read():
    text = f"# a\n \t\n \tlog\t{LOG}  https://log.example/ \n  # b\nquorum \tnone"
    assert parsed(text) == Policy((Log(LOG, "https://log.example/"),))


@pytest.mark.parametrize(
    ("times", "existed", "current"),
    [
        ({"X1": 10, "X2": 20, "Y1": 30}, 30, 10),
        ({"X1": 10, "X2": 20, "X3": 15, "Y1": 12, "Y2": 99}, 15, 15),
        ({"X1": 10, "X2": 20, "X3": 90, "Y1": 5}, 20, 5),
        ({"X1": 10, "Y1": 5}, None, None),
        ({}, None, None),
    ],
)
def test_times_are_proved_by_a_quorum_and_not_by_one_witness_of_it(times, existed, current):
    found = parsed(EXAMPLE)
    seen = {KEYS[name]: at for name, at in times.items()}
    assert (found.existed_by(seen), found.current_at(seen)) == (existed, current)


def test_a_policy_that_asks_for_nobody_proves_no_time():
    found = parsed(X1 + "quorum none\n")
    assert found.existed_by({KEYS["X1"]: 10}) is found.current_at({KEYS["X1"]: 10}) is None


def test_a_log_may_have_two_keys():
    new = log_key("log.example", 1)
    assert parsed(f"log {LOG}\nlog {new}\nquorum none\n").log_keys("log.example") == (LOG, new)


def test_names_are_octets():
    text = X1.encode().replace(b"X1 ", b"\xe2\x84\xaa ") + b"quorum \xe2\x84\xaa\n"
    assert policy.parse(text, "p").quorum == "\u212a"
    odd = X1.encode().replace(b"X1 ", b"\xff ", 1) + b"quorum \xff\n"
    assert policy.parse(odd, "p").to_bytes() == odd
    with pytest.raises(UsageError):
        policy.parse(odd.replace(b"quorum \xff", b"quorum \xfe"), "p")


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 0, "quorum line"),
        (X1, 0, "quorum line"),
        ("quorum X1\n" + X1, 1, "line above"),
        (X1 + "quorum none\nquorum none\n", 3, "one quorum"),
        ("quorum\n", 1, "quorum NAME"),
        ("quorum none none\n", 1, "quorum NAME"),
        ("Quorum none\n", 1, "quorum NAME"),
        ("quorum none # all\n", 1, "quorum NAME"),
        (X1 + X1, 2, "again"),
        (X1 + X1.replace("X1 ", "X2 ", 1), 2, "again"),
        (X1 + f"witness X1 {KEYS['X2']}\n", 2, "not in use"),
        (X1.replace("X1 ", "none ", 1), 1, "not in use"),
        (f"log {LOG}\nlog {log_key('other.example')}\n", 2, "again"),
        (f"log {KEYS['X1']}\n", 1, "Ed25519"),
        (f"witness X1 {LOG}\n", 1, "cosignature"),
        (f"log {str(LOG).replace('log', 'lag', 1)}\n", 1, "key id"),
        (f"log {LOG} a b\n", 1, "VKEY"),
        (X1 + "group g any\n", 2, "NAME..."),
        (X1 + "group g 0 X1\n", 2, "1 to 1"),
        (X1 + "group g 2 X1\n", 2, "1 to 1"),
        (X1 + "group g 01 X1\n", 2, "1 to 1"),
        (X1 + "group g any X1 X1\n", 2, "one group"),
        (X1 + "group g any X1\ngroup h any X1\n", 3, "one group"),
        (X1 + "group g any none\n", 2, "line above"),
        (X1 + "group g any g\n", 2, "line above"),
        (X1 + "group X1 any X1\n", 2, "not in use"),
        ("quorum none\r\n", 1, "control"),
        ("# \x7f\nquorum none\n", 1, "control"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text, line, said):
    with pytest.raises(UsageError, match=said) as caught:
        parsed(text)
    assert f"line {line}:" in str(caught.value) or not line


def test_a_policy_that_is_too_long_is_not_read():
    with pytest.raises(UsageError, match="bytes at most"):
        policy.parse(b"#" * (policy.MAX_POLICY_BYTES + 1), "p")


@st.composite
def policies(draw) -> Policy:
    names = draw(st.lists(st.sampled_from(sorted(KEYS)), unique=True, max_size=6))
    free, groups = list(names), []
    for number in range(draw(st.integers(0, 3))):
        size = draw(st.integers(0, len(free)))
        if size:
            members, free = free[:size], free[size:]
            groups.append(Group(f"g{number}", draw(st.integers(1, size)), tuple(members)))
            free.append(f"g{number}")
    url = draw(st.sampled_from(["", "https://a.example/\u00e9"]))
    return Policy(
        tuple(Log(log_key(f"l{n}", n), url) for n in range(draw(st.integers(0, 3)))),
        tuple(Witness(name, KEYS[name], url) for name in names),
        tuple(groups),
        draw(st.sampled_from(["none", *names, *(g.name for g in groups)])),
    )


@given(policies())
def test_policies_survive_their_file(found):
    assert policy.parse(found.to_bytes(), "p") == found


@given(policies(), st.sets(st.sampled_from(sorted(KEYS))), st.sampled_from(sorted(KEYS)))
def test_a_further_cosignature_never_unmeets_a_quorum(found, seen, more):
    if found.is_met({KEYS[name] for name in seen}):
        assert found.is_met({KEYS[name] for name in {*seen, more}})


@given(
    st.binary(max_size=80)
    | st.lists(
        st.sampled_from([w.encode() for w in EXAMPLE.split(" ")] + [b" ", b"\n", b"\xff"]),
        max_size=12,
    ).map(b" ".join)
)
def test_any_bytes_are_a_policy_or_our_error(body):
    with contextlib.suppress(UsageError):
        found = policy.parse(body, "p")
        assert policy.parse(found.to_bytes(), "p") == found
