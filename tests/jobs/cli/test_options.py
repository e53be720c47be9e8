from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.cli.options import as_yaml, keys, option_names, overrides, read_config, with_listed_names
from schemas.config import BuildConfig
from schemas.errors import UsageError


def test_every_key_has_an_option_of_its_own():
    shared = Counter(k.leaf for k in keys())
    names = [n for k in keys() for n in option_names(k, shared)]
    assert len(names) == len(set(names))
    assert "--fetch.per-host" in names
    assert "--per-host" in names
    assert "--registry" in names


def test_full_path_of_a_key_is_understood():
    given_arguments = ["--fetch.per-host", "2", "--decode.image-size=128", "--fetch.retries", "1"]
    listed = ["--per-host", "2", "--image-size=128", "--fetch.retries", "1"]
    assert with_listed_names(given_arguments) == listed
    assert with_listed_names(["--relate.no-dedup"]) == ["--no-dedup"]


def test_options_win_over_the_file():
    given_options = {"opt_fetch__per_host": "9", "opt_decode__image_size": "128"}
    config = read_config("fetch: {per_host: 2, retries: 5}", overrides(given_options), "f.yaml")
    assert config.fetch.per_host == 9
    assert config.fetch.retries == 5
    assert config.decode.image_size == 128


def test_lists_are_cut_at_commas_but_filters_are_not():
    config = read_config(
        None,
        overrides(
            {
                "opt_fetch__allow_hosts": ["a.localhost:1,b.localhost:2"],
                "opt_filters": ["width in (1, 2)"],
            }
        ),
        "f",
    )
    assert config.fetch.allow_hosts == ("a.localhost:1", "b.localhost:2")
    assert config.filters == ("width in (1, 2)",)


def test_a_list_is_named_on_the_command_line_as_it_is_in_the_file():
    one = "{name: a, subscribe: false, reason: 'too broad, too old'}"
    found = read_config(None, overrides({"opt_registry__lists": [one]}), "f").registry.lists
    assert [(x.name, x.subscribe, x.reason) for x in found] == [("a", False, "too broad, too old")]
    for bad in ("{", "a", "{name: a}", "{name: a, subscribe: false}", "{name: '', key: k}"):
        with pytest.raises(UsageError, match=r"registry\.lists"):
            read_config(None, overrides({"opt_registry__lists": [bad]}), "f")


def test_lists_of_one_name_are_refused():
    one = "{name: a, subscribe: false, reason: r}"
    with pytest.raises(UsageError, match="names of their own"):
        read_config(None, overrides({"opt_registry__lists": [one, one]}), "f")


def test_shown_config_has_every_key_at_its_default():
    shown = as_yaml()
    assert read_config(shown, {}, "shown") == BuildConfig()
    for key in keys():
        assert f"{key.leaf}: " in shown
        assert key.field.description, key.path


def test_unknown_key_names_the_nearest_one():
    with pytest.raises(
        UsageError, match=r"unknown key 'fetch.per_hosts'; did you mean 'fetch.per_host'"
    ):
        read_config("fetch: {per_hosts: 2}", {}, "f.yaml")


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", "fetch: 3", "fetch: {per_host: many}"])
def test_unusable_config_is_a_usage_error(text):
    with pytest.raises(UsageError):
        read_config(text, {}, "f.yaml")


def test_agent_token_takes_no_digits():
    with pytest.raises(UsageError, match="letters"):
        read_config("fetch: {agent: Bot2}", {}, "f.yaml")


@given(st.text(max_size=200))
def test_any_text_gives_a_config_or_a_usage_error(text):
    try:
        config = read_config(text, {}, "f.yaml")
    except UsageError:
        return
    assert isinstance(config, BuildConfig)
