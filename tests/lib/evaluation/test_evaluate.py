"""The job, with a scripted policy in place of a model."""

from __future__ import annotations

import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_contracts.scores import SCORE_SET
from lib.errors import JobError, SynthesisError
from lib.evaluation.evaluate import evaluate
from lib.evaluation.parts import list_parts, list_rounds
from lib.evaluation.question_sets import QuestionSet
from lib.progress import Silent
from lib.rollout.choose_questions import choose_questions
from lib.settings.settings import Settings
from lib.workers.rank import Job

SETTINGS = {
    "evaluate": {
        "questions": 12, "samples": 3, "sampled_questions": 5, "budgets": [1, 2, 9], "bootstrap_resamples": 100,
    }
}  # fmt: skip
SKILL = {"base": 0, "warm_up": 4, "reinforce": 8, "extrapolate": 8}


class ScriptedPolicy:
    """Answers right on questions below its skill, after as many calls as their number modulo 4."""

    def __init__(self, episode, episode_table, *, fails: bool = False, stop_after: int | None = None):
        self.calls, self._fails, self._stop_after = [], fails, stop_after
        self._episode, self._table = episode, episode_table

    def __call__(self, questions, *, policy, benchmark, samples, max_tool_calls, progress, **options):
        if self._stop_after is not None and len(self.calls) >= self._stop_after:
            raise KeyboardInterrupt
        self.calls.append((policy, benchmark, samples, max_tool_calls, options["temperature"], options["seed"]))
        rows = [self._row(row, sample, policy, benchmark) for row in questions.to_pylist() for sample in range(samples)]
        progress.update(len(rows), len(rows))
        return self._table(rows)

    def _row(self, question, sample, policy, benchmark):
        number = int(question["id"].split("-")[1])
        fields = {"sample": sample, "policy": policy, "benchmark": benchmark}
        if self._fails:
            return self._episode(question["id"], status="failed", error="broken engine", **fields)
        right = number < SKILL[policy]
        answer = question["answer"] if right else "none of it"
        return self._episode(question["id"], calls=number % 4, answer=answer, correct=right, **fields)


@pytest.fixture
def job(tmp_path, question_table):
    (tmp_path / "synthesize").mkdir()
    pq.write_table(question_table(12), tmp_path / "synthesize" / "questions.parquet")
    (tmp_path / "out").mkdir()
    inputs = {name: tmp_path / name for name in ("source", "synthesize", *SKILL)}
    return Job(Settings(**SETTINGS), inputs, tmp_path / "out", tmp_path / "scratch", 0, 0, 1, Silent())


def scores_of(job) -> dict[tuple[str, str, int], dict]:
    rows = pq.read_table(job.out / "scores.parquet").to_pylist()
    return {(row["policy"], row["metric"], row["k"]): row for row in rows}


def test_every_policy_is_scored_on_the_same_questions_under_the_same_seeds(job, episode, episode_table):
    policy = ScriptedPolicy(episode, episode_table)
    evaluate(job, attempt=policy)
    scores = scores_of(job)
    assert [scores[name, "accuracy", 1]["value"] for name in SKILL] == pytest.approx([0, 4 / 12, 8 / 12, 8 / 12])
    gain = scores["reinforce", "accuracy_gain_over_warm_up", 1]
    assert gain["value"] == pytest.approx(4 / 12)
    assert scores["extrapolate", "accuracy_gain_over_reinforce", 1]["high"] == 0.0
    for played in ("greedy", "sampled"):
        assert len({call[-1] for call in policy.calls if call[1] == played}) == 1


def test_the_artifact_fits_its_contracts_and_episode_ids_are_unique(job, episode, episode_table):
    evaluate(job, attempt=ScriptedPolicy(episode, episode_table))
    for contract in SCORE_SET.tables:
        contract.check(pq.read_table(job.out / f"{contract.name}.parquet"))
    assert pq.read_metadata(job.out / "episodes.parquet").num_rows == 4 * (12 + 5 * 3 + 12)


def test_budgets_below_the_own_one_are_read_off_and_those_above_are_run(job, episode, episode_table):
    policy = ScriptedPolicy(episode, episode_table)
    evaluate(job, attempt=policy)
    assert {call[3] for call in policy.calls} == {job.settings.environment.max_tool_calls, 9}
    scores = scores_of(job)
    # of the questions 0..7, those with at most 1 call are 0, 1, 4, 5; at most 2 calls: 2 and 6 too
    assert scores["reinforce", "accuracy_budget_1", 1]["value"] == pytest.approx(4 / 12)
    assert scores["reinforce", "accuracy_budget_2", 1]["value"] == pytest.approx(6 / 12)
    assert scores["reinforce", "accuracy_budget_9", 1]["value"] == pytest.approx(8 / 12)
    assert json.loads(scores["reinforce", "accuracy_budget_2", 1]["decoding"])["max_tool_calls"] == 2


def test_episodes_without_a_call_are_taken_over_where_tools_bring_no_image(job, question_table, episode, episode_table):
    table = question_table(12)
    columns = {"domain": pa.array(["vision"] * 12), "images": pa.array([["a", "b"]] * 12, pa.list_(pa.string()))}
    for name, column in columns.items():
        table = table.set_column(table.schema.get_field_index(name), name, column)
    pq.write_table(table, job.inputs["synthesize"] / "questions.parquet")
    policy = ScriptedPolicy(episode, episode_table)
    asked: dict[str, list[str]] = {}

    def attempt(questions, *, benchmark, **options):
        asked.setdefault(benchmark, questions["id"].to_pylist())
        table = policy(questions, benchmark=benchmark, **options)
        if benchmark == "greedy":
            return table
        wrong = pa.array([False] * table.num_rows)  # nothing but images answers what takes a look
        return table.set_column(table.schema.get_field_index("correct"), table.schema.field("correct"), wrong)

    settings = Settings(evaluate=SETTINGS["evaluate"] | {"attention_episodes": 0})  # there is no model to look into
    evaluate(replace(job, settings=settings), attempt=attempt)
    with_calls = {f"test-{number}" for number in range(12) if number % 4}
    assert set(asked["greedy"]) == set(asked["none"]) > with_calls
    assert set(asked["once"]) == with_calls
    rows = pq.read_table(job.out / "episodes.parquet").to_pylist()
    assert len({row["id"] for row in rows}) == len(rows)
    once = [row for row in rows if row["benchmark"] == "held_out_vision_once" and row["policy"] == "warm_up"]
    assert {row["question_id"] for row in once} == set(asked["greedy"])
    assert all(row["id"].startswith("warm_up/held_out_vision_once/") for row in once)
    scores = scores_of(job)
    assert scores["warm_up", "accuracy", 1]["value"] == 4 / 12
    assert scores["warm_up", "accuracy_once", 1]["value"] == 1 / 12  # the one right episode that called no tool
    assert scores["warm_up", "accuracy_gain_of_tools", 1]["value"] == pytest.approx(3 / 12)
    assert scores["warm_up", "accuracy_gain_of_images", 1]["value"] == pytest.approx(4 / 12)
    assert scores["warm_up", "accuracy_gain_of_tools", 1]["benchmark"] == "held_out_vision"


def test_sampling_gives_pass_at_k_and_picks(job, episode, episode_table):
    evaluate(job, attempt=ScriptedPolicy(episode, episode_table))
    scores = scores_of(job)
    assert {k for name, metric, k in scores if (name, metric) == ("base", "pass_at_k")} == {1, 2, 3}
    assert scores["base", "pass_at_k", 3]["n"] == 5
    assert ("warm_up", "pick_fewest_calls", 3) in scores
    assert json.loads(scores["base", "pass_at_k", 3]["decoding"])["temperature"] == 1.0


def test_an_interrupted_evaluation_goes_on_where_it_stopped(job, episode, episode_table):
    with pytest.raises(KeyboardInterrupt):
        evaluate(job, attempt=ScriptedPolicy(episode, episode_table, stop_after=5))
    rest = ScriptedPolicy(episode, episode_table)
    evaluate(job, attempt=rest)
    assert len(rest.calls) == 12 - 5
    scores, whole = scores_of(job), job.scratch / "other"
    evaluate(Job(**{**vars(job), "scratch": whole}), attempt=ScriptedPolicy(episode, episode_table))
    assert scores_of(job) == scores


def test_a_policy_whose_attempts_all_fail_ends_in_one_readable_error(job, episode, episode_table):
    with pytest.raises(JobError, match="broken engine"):
        evaluate(job, attempt=ScriptedPolicy(episode, episode_table, fails=True))


def test_sets_of_questions_share_a_round_where_they_are_decoded_alike_and_differ(question_table):
    settings = Settings(evaluate={"sampled_questions": 3, "budgets": [1]})
    sets = [
        QuestionSet("held_out_knowledge", "knowledge", question_table(10)),
        QuestionSet("held_out_sql", "sql", question_table(7, split="train")),  # other ids
        QuestionSet("people_asked", "sql", question_table(4)),  # ids of the first
    ]
    parts = [part for chosen in sets for part in list_parts(settings, chosen)]
    rounds = list_rounds(parts)
    assert [(one.name, [part.benchmark for part in one.parts]) for one in rounds] == [
        ("greedy", ["held_out_knowledge", "held_out_sql"]),
        ("sampled", ["held_out_knowledge_sampled", "held_out_sql_sampled"]),
        ("greedy_again_1", ["people_asked"]),
        ("sampled_again_1", ["people_asked_sampled"]),
    ]
    assert sum(one.num_episodes for one in rounds) == sum(part.num_episodes for part in parts)
    left = rounds[0].questions_without({"held_out_knowledge": {"test-0", "train-1"}})["id"].to_pylist()
    assert "test-0" not in left and "train-1" in left and len(left) == 16


def test_each_episode_bears_the_name_of_its_own_set(job, question_table, episode, episode_table):
    mixed = pa.concat_tables([question_table(6), _of_sql(question_table(6, split="train"))])
    where = mixed.schema.get_field_index("split")
    mixed = mixed.set_column(where, mixed.schema.field(where), pa.array(["test"] * 12))
    pq.write_table(mixed, job.inputs["synthesize"] / "questions.parquet")
    policy = ScriptedPolicy(episode, episode_table)
    evaluate(job, attempt=policy)
    rows = pq.read_table(job.out / "episodes.parquet").to_pylist()
    for row in rows:
        domain = "sql" if row["question_id"].startswith("train-") else "knowledge"
        assert row["benchmark"].startswith(f"held_out_{domain}")
        assert row["id"].startswith(f"{row['policy']}/{row['benchmark']}/")
    assert len({row["id"] for row in rows}) == len(rows)
    assert [call[1] for call in policy.calls if call[0] == "base"] == ["greedy", "sampled", "budget_9"]


def _of_sql(table):
    where = table.schema.get_field_index("domain")
    return table.set_column(where, table.schema.field(where), pa.array(["sql"] * table.num_rows))


def test_no_samples_leaves_test_time_scaling_out(question_table):
    settings = Settings(evaluate={"sampled_questions": 0, "budgets": [50]})
    held_out = QuestionSet("held_out_knowledge", "knowledge", question_table(10))
    assert [part.benchmark for part in list_parts(settings, held_out)] == ["held_out_knowledge"]


def test_questions_are_chosen_by_the_seed_alone_and_a_smaller_choice_is_the_start_of_a_larger(tmp_path, question_table):
    table = question_table(40)
    pq.write_table(table, tmp_path / "q.parquet")
    pq.write_table(table.take(list(reversed(range(40)))), tmp_path / "reversed.parquet")

    def ids(name, count, seed=1):
        return choose_questions(tmp_path / name, split="test", count=count, seed=seed)["id"].to_pylist()

    assert ids("q.parquet", 20) == ids("reversed.parquet", 20)
    assert ids("q.parquet", 8) == ids("q.parquet", 20)[:8]
    assert ids("q.parquet", 20) != ids("q.parquet", 20, seed=2)
    with pytest.raises(SynthesisError, match="validation split"):
        choose_questions(tmp_path / "q.parquet", split="validation", count=5, seed=0)
