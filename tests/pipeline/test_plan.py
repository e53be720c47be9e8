import pytest

from pipeline.plan import Ref, Task, flat, lasting, require_same, units
from schemas.config import BuildConfig
from schemas.errors import PlanError
from tests.jobs.test_engine import plan


def config(**sections):
    return BuildConfig.model_validate(sections).as_json()


def test_task_is_named_by_what_it_reads():
    one = Task("match", "00000", {"rows": Ref("a", "1").as_json()})
    same = Task("match", "00000", {"rows": Ref("a", "1").as_json()})
    other = Task("match", "00000", {"rows": Ref("a", "2").as_json()})
    assert one.digest == same.digest
    assert one.path("slim") != other.path("slim")


def test_changed_config_is_named_key_by_key():
    old = plan(config=config())
    new = plan(config=config(decode={"image_size": 128}, signals={"purpose": "train-disc"}))
    with pytest.raises(PlanError) as caught:
        require_same(old, new)
    assert "config.decode.image_size: was 256, now 128" in str(caught.value)
    assert "config.signals.purpose: was 'train-gen', now 'train-disc'" in str(caught.value)


def test_changed_source_is_another_build():
    with pytest.raises(PlanError, match="source: was"):
        require_same(plan(), plan(source_fingerprint="y"))


def test_workers_and_speed_may_change_between_runs():
    new = config(
        workers={"count": 4},
        fetch={"per_host": 9},
        registry={"pin": True},
        match={"matcher": "/elsewhere"},  # its fingerprint has to stay, and is part of the plan
    )
    require_same(plan(config=config()), plan(config=new))


def listed(**changes):
    one = {"name": "a", "location": "here", "key": "k", "subscribe": True}
    return config(registry={"lists": [one | changes]})


def test_where_a_list_lies_may_change_and_whose_it_is_may_not():
    old = plan(config=listed())
    require_same(old, plan(config=listed(location="there")))
    for other in (listed(key="l"), listed(subscribe=False, reason="r"), config()):
        with pytest.raises(PlanError, match=r"config\.registry\.lists"):
            require_same(old, plan(config=other))


def test_the_claims_that_a_plan_pins_are_no_part_of_which_build_it_is():
    pinned = plan(claims=Ref("snapshots/x.json", "0").as_json())
    require_same(plan(), pinned)
    assert pinned.identity_digest() == plan().identity_digest()


def test_what_lasts_of_a_config_is_a_config_and_says_nothing_of_this_machine():
    one = {"name": "a", "location": "/home/ada/list", "key": "k"}
    told = config(mode="opt_in", registry={"url": "/home/ada/r.db", "lists": [one]})
    kept = lasting(told)
    assert "/home/ada" not in str(kept)
    assert BuildConfig.model_validate(kept).registry.lists[0].key == "k"


def test_lasting_config_names_every_other_key():
    kept = dict(flat(lasting(config())))
    assert "fetch.max_bytes" in kept
    assert "fetch.per_host" not in kept
    assert not any(k.startswith("workers.") for k in kept)


def test_units_hold_all_rows():
    assert [units(n, 10) for n in (0, 1, 10, 11)] == [1, 1, 1, 2]
