"""What a stage's artifact says at a glance, on the made-up run."""

from __future__ import annotations

from lib.report.stage_summary import draw_curves, gates_of, read_dropped, read_samples, read_sortable
from lib.settings.settings import Settings


def test_reasons_of_dropped_rows_come_with_their_counts_in_the_order_of_the_filters(run):
    reasons = [(row["reason"], row["count"]) for row in read_dropped(run.inputs["synthesize"])]
    assert reasons == [
        ("knowledge, one_hop: the start's own facts give the answer", 292),
        ("knowledge, leak: the prompt names the answer", 359),
        ("sql, runs: no rows", 870),
    ]


def test_each_stage_has_the_table_that_is_worth_sorting(run):
    found = {stage: read_sortable(folder) for stage, folder in run.inputs.items()}
    names = {stage: rows.name for stage, rows in found.items() if rows is not None}
    assert names == {
        "synthesize": "funnel",
        "warm_up": "steps",
        "reinforce": "steps",
        "extrapolate": "sweep",
        "evaluate": "scores",
    }
    assert found["warm_up"].total == 24 == len(found["warm_up"].rows)
    assert found["warm_up"].rows[0]["step"] == 1


def test_no_more_sample_rows_than_asked_for_are_read_and_none_of_an_unknown_table(run):
    rows = read_samples(run.inputs["synthesize"], "questions", 3)
    assert len(rows) == 3 and list(rows[0]) == ["domain", "prompt", "answer", "split"]
    assert read_samples(run.inputs["base"], "", 3) == []


def test_a_stage_has_the_gates_that_its_own_tables_decide(run):
    def names(stage):
        return [gate.gate for gate in gates_of(stage, Settings(), run.inputs)]

    assert names("synthesize") == ["contamination"]
    assert names("demonstrate") == ["trained share", "turn ends", "action mask", "token drift"]
    assert names("reinforce") == ["action mask", "token drift", "mismatch"]
    assert names("extrapolate") == ["extrapolation"]
    assert names("evaluate") == ["action mask", "token drift"]
    assert names("base") == []


def test_training_and_scores_have_curves_and_other_stages_none(run):
    titles = {stage: [title for title, _ in draw_curves(stage, folder)] for stage, folder in run.inputs.items()}
    assert titles["warm_up"] == ["Loss of the warm-up, nats a token"]
    assert {"Right answers in training", "Reward in training", "Loss of reinforcement"} <= set(titles["reinforce"])
    assert titles["extrapolate"] == ["Validation accuracy ahead of training"]
    assert titles["evaluate"] == ["Held-out questions about the knowledge graph", "Held-out questions about databases"]
    assert titles["source"] == titles["synthesize"] == []
    assert all(svg.startswith("<svg") for _, svg in draw_curves("reinforce", run.inputs["reinforce"]))
