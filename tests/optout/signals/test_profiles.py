"""optout.signals.profiles: one table, of which profiles are columns and manifests keep one."""

import json
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.signals.profiles import PROFILES, TABLE, Mode, Profile, Tokens
from optout.signals.robots import STATUS_POLICIES
from schemas.config import SignalsConfig
from schemas.errors import SchemaError
from schemas.verdict import Channel

EVERY = pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
KEYS = [row.key for row in TABLE]
OTHER_FIELDS = {f.name for f in fields(Profile)} - {"name", "channels"}
FLAGS = sorted(f.name for f in fields(Profile) if f.type is bool)


def test_the_table_has_every_channel_once_in_order_and_then_every_other_field() -> None:
    channels = len(Channel)
    assert KEYS[:channels] == [str(channel) for channel in Channel]
    assert sorted(KEYS[channels:]) == sorted(OTHER_FIELDS)


def test_every_setting_says_what_it_means() -> None:
    assert all(row.meaning.strip() for row in TABLE)
    assert len({row.meaning for row in TABLE}) == len(TABLE)


@pytest.mark.parametrize("row", TABLE, ids=KEYS)
def test_the_values_of_a_setting_are_of_one_kind(row: Any) -> None:
    values = row.default, row.strict, row.literal
    if row.key in set(Channel):
        assert all(isinstance(value, Mode) for value in values)
    elif row.key == "robots_tokens":
        assert all(isinstance(value, Tokens) for value in values)
    elif row.key == "robots_status":
        assert set(values) <= set(STATUS_POLICIES)
    else:
        assert all(isinstance(value, bool) for value in values)


@EVERY
def test_a_profile_is_its_column(profile: Profile) -> None:
    column = {"rfc-literal": "literal"}.get(profile.name, profile.name)
    for row in TABLE:
        channel = row.key in set(Channel)
        value = profile.channels[Channel(row.key)] if channel else getattr(profile, row.key)
        assert value == getattr(row, column), row.key


def test_profiles_stand_under_their_names_and_the_config_knows_them_all() -> None:
    assert {name: p.name for name, p in PROFILES.items()} == {name: name for name in PROFILES}
    named = SignalsConfig.model_fields["profile"].annotation
    assert set(get_args(named)) == set(PROFILES)
    tokens = SignalsConfig.model_fields["robots_tokens"].annotation
    assert set(get_args(tokens)) == {"", *Tokens}


def test_strict_reads_all_that_another_profile_reads() -> None:
    for profile in PROFILES.values():
        read = {channel for channel in Channel if profile.reads(channel)}
        assert read <= {channel for channel in Channel if PROFILES["strict"].reads(channel)}


@EVERY
def test_a_channel_that_is_off_is_not_read(profile: Profile) -> None:
    for channel in Channel:
        for mode in Mode:
            changed = replace(profile, channels={**profile.channels, channel: mode})
            assert changed.reads(channel) is (mode is not Mode.OFF)


@EVERY
def test_nobody_changes_a_profile(profile: Profile) -> None:
    with pytest.raises(TypeError):
        profile.channels[Channel.XMP] = Mode.OFF  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        profile.noml = False  # type: ignore[misc]
    with pytest.raises(TypeError):
        PROFILES["default"] = profile  # type: ignore[index]


# --- as a manifest records it


PROFILE = st.builds(
    Profile,
    name=st.text(max_size=9),
    channels=st.fixed_dictionaries({channel: st.sampled_from(list(Mode)) for channel in Channel}),
    robots_status=st.sampled_from(sorted(STATUS_POLICIES)),
    robots_tokens=st.sampled_from(list(Tokens)),
    **{name: st.booleans() for name in FLAGS},
)


@given(PROFILE)
def test_what_was_recorded_reads_back_the_same(profile: Profile) -> None:
    again = Profile.from_json(json.loads(json.dumps(profile.as_json())))
    assert again == profile
    assert {type(mode) for mode in again.channels.values()} == {Mode}
    assert type(again.robots_tokens) is Tokens


@EVERY
def test_a_recorded_profile_is_plain_json(profile: Profile) -> None:
    value = profile.as_json()
    assert value == json.loads(json.dumps(value))
    assert list(value["channels"]) == [str(channel) for channel in Channel]


def recorded(**more: Any) -> dict[str, Any]:
    return {**PROFILES["default"].as_json(), **more}


def channels(**more: Any) -> dict[str, Any]:
    return {**PROFILES["default"].as_json()["channels"], **more}


@pytest.mark.parametrize(
    "value",
    [
        recorded(tdm_lifts=True),
        recorded(channels=channels(smoke="hold")),
        recorded(channels=channels(xmp="perhaps")),
        recorded(channels=channels(xmp=None)),
        recorded(channels={"xmp": "hold"}),
        recorded(channels=[]),
        recorded(channels="hold"),
        recorded(channels=None),
        recorded(robots_tokens="everybody"),
        recorded(robots_tokens=None),
        recorded(robots_status="perhaps"),
        recorded(robots_status=None),
        recorded(noml="no"),
        recorded(noml=None),
        recorded(rsl_attribution=0),
        recorded(name=7),
        {},
        [],
        "default",
        None,
        7,
    ],
)
def test_another_shape_is_refused(value: Any) -> None:
    with pytest.raises(SchemaError):
        Profile.from_json(value)


@pytest.mark.parametrize("key", sorted(recorded()))
def test_a_profile_without_one_of_its_keys_is_refused(key: str) -> None:
    value = recorded()
    del value[key]
    with pytest.raises(SchemaError):
        Profile.from_json(value)


@pytest.mark.parametrize("channel", list(Channel))
def test_a_profile_without_one_of_the_channels_is_refused(channel: Channel) -> None:
    value = channels()
    del value[channel]
    with pytest.raises(SchemaError):
        Profile.from_json(recorded(channels=value))


ANY_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=9)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(st.sampled_from(sorted(recorded())), ANY_JSON)
def test_any_value_of_a_key_is_answered(key: str, value: Any) -> None:
    try:
        profile = Profile.from_json(recorded(**{key: value}))
    except SchemaError:
        return
    assert profile.as_json()[key] == value
