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
    new = config(workers={"count": 4}, fetch={"per_host": 9}, registry={"pin": True})
    require_same(plan(config=config()), plan(config=new))


def test_lasting_config_names_every_other_key():
    kept = dict(flat(lasting(config())))
    assert "fetch.max_bytes" in kept
    assert "fetch.per_host" not in kept
    assert not any(k.startswith("workers.") for k in kept)


def test_units_hold_all_rows():
    assert [units(n, 10) for n in (0, 1, 10, 11)] == [1, 1, 1, 2]
