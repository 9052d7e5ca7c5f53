import shutil

import pytest

from flows.plan import Action, known_inputs, make_plan
from lib.errors import ArtifactError
from lib.settings.load import load_settings
from tasks.run import Run
from tasks.stage import run_stage
from tests.small_chain import COUNT, DOUBLE, STAGES, TOTAL


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store"


def open_run(root, *overrides, seed=0, recompute=()) -> Run:
    return Run(load_settings("laptop", ["reinforce.steps=3", *overrides], seed), root, recompute)


def run_chain(root, *overrides):
    run = open_run(root, *overrides)
    counted, _ = run_stage(COUNT, run, {})
    doubled, _ = run_stage(DOUBLE, run, {"count": counted})
    run_stage(TOTAL, run, {"count": counted, "double": doubled})


def explain(run):
    return {step.stage: (step.action, step.reasons) for step in make_plan(run, STAGES)}


def test_in_an_empty_store_everything_will_run(root):
    plan = explain(open_run(root))
    assert plan["count"] == (Action.RUN, ("has never run",))
    assert plan["double"] == (Action.RUN, ("input count will run", "has never run"))
    assert not root.exists() or not list(root.rglob("*.json"))


def test_after_a_run_everything_is_cached_and_named(root):
    run_chain(root)
    steps = make_plan(open_run(root), STAGES)
    assert [step.action for step in steps] == [Action.CACHED] * 3
    assert all(step.reference is not None for step in steps)


def test_a_changed_setting_is_named_with_both_values_and_later_stages_follow(root):
    run_chain(root)
    plan = explain(open_run(root, "reinforce.steps=4"))
    assert plan["count"] == (Action.RUN, ("settings reinforce.steps: 3 -> 4",))
    assert plan["double"] == (Action.DEPENDS, ("input count will run",))
    assert plan["total"] == (Action.DEPENDS, ("input count will run", "input double will run"))


def test_a_changed_seed_is_named(root):
    run_chain(root)
    assert explain(open_run(root, seed=3))["count"][1] == ("seed: 0 -> 3",)


def test_a_setting_of_the_last_stage_leaves_the_others_cached(root):
    run_chain(root)
    plan = explain(open_run(root, "evaluate.questions=5"))
    assert [plan[name][0] for name in ("count", "double", "total")] == [Action.CACHED, Action.CACHED, Action.RUN]


def test_the_plan_agrees_with_what_then_runs(root):
    run_chain(root)
    run = open_run(root, "evaluate.questions=5")
    planned = {step.stage for step in make_plan(run, STAGES) if step.action.may_run}
    run_chain(root, "evaluate.questions=5")
    assert planned == {"total"}
    assert all(step.action is Action.CACHED for step in make_plan(run, STAGES))


def test_a_damaged_artifact_is_the_reason_and_stays_in_place(root):
    run_chain(root)
    step = make_plan(open_run(root), STAGES)[1]
    path = Run(load_settings("laptop"), root).store.path(step.reference) / "numbers.parquet"
    path.write_bytes(b"")
    action, reasons = explain(open_run(root))["double"]
    assert action is Action.RUN
    assert "numbers.parquet has 0 bytes" in reasons[0]
    assert path.exists()


def test_a_removed_artifact_is_the_reason(root):
    run_chain(root)
    step = make_plan(open_run(root), STAGES)[1]
    shutil.rmtree(open_run(root).store.path(step.reference))
    action, reasons = explain(open_run(root))["double"]
    assert (action, reasons) == (Action.RUN, (f"{step.reference} was removed from the store",))


def test_a_forced_stage_runs_because_it_was_asked_for(root):
    run_chain(root)
    plan = explain(open_run(root, recompute=["double"]))
    assert plan["double"] == (Action.RUN, ("asked for",))
    assert plan["total"][0] is Action.DEPENDS


def test_many_changes_are_counted_rather_than_listed(root):
    run_chain(root)
    overrides = [f"reinforce.{name}=7" for name in ("steps", "groups", "group_size", "mini_batches", "warmup_steps")]
    overrides += ["reinforce.learning_rate=1", "reinforce.clip_high=1", "reinforce.temperature=2"]
    reasons = explain(open_run(root, *overrides))["count"][1]
    assert len(reasons) == 7
    assert reasons[-1] == "and 2 more changes"


def test_inputs_of_a_single_stage_come_from_the_store_or_are_named_as_missing(root):
    with pytest.raises(ArtifactError, match="total needs count, double"):
        known_inputs(TOTAL, open_run(root), STAGES)
    run_chain(root)
    assert set(known_inputs(TOTAL, open_run(root, recompute=["count"]), STAGES)) == {"count", "double"}
