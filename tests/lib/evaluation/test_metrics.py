"""From episodes to numbers."""

import pytest

from lib.evaluation.metrics import greedy_values, sampled_values, samples_by_question


def test_metrics_computed_by_hand(question_table, episode, episode_table):
    episodes = episode_table(
        [
            episode("test-0", calls=2, answer="answer 0", correct=True),
            episode("test-1", calls=0, answer="answer seven", well_formed=False),
            episode("test-2", calls=4),
        ]
    )
    values = greedy_values(episodes, question_table(3))
    assert values["accuracy"] == {"test-0": 1.0, "test-1": 0.0, "test-2": 0.0}
    assert values["f1"] == {"test-0": 1.0, "test-1": pytest.approx(0.5), "test-2": 0.0}
    assert values["tool_calls"] == {"test-0": 2.0, "test-1": 0.0, "test-2": 4.0}
    assert values["turns"] == {"test-0": 1.0, "test-1": 1.0, "test-2": 1.0}
    assert values["format_error_rate"]["test-1"] == 1.0
    assert values["accuracy_hops_1"] == {"test-0": 1.0, "test-2": 0.0}
    assert values["accuracy_hops_2"] == {"test-1": 0.0}


def test_a_failed_attempt_is_counted_and_judged_by_nothing(question_table, episode, episode_table):
    episodes = episode_table(
        [
            episode("test-0", answer="answer 0", correct=True),
            episode("test-1", status="failed", error="the engine broke"),
        ]
    )
    values = greedy_values(episodes, question_table(2))
    assert values["accuracy"] == {"test-0": 1.0}
    assert values["failed_rate"] == {"test-0": 0.0, "test-1": 1.0}


def test_samples_are_ordered_and_failures_leave_fewer(episode, episode_table):
    rows = [episode("q", sample=i, answer=str(i), correct=i == 2) for i in (2, 0, 1)]
    rows.append(episode("q", sample=3, status="failed"))
    grouped = samples_by_question(episode_table(rows))
    assert [sample.answer_key for sample in grouped["q"]] == ["0", "1", "2"]
    values = sampled_values(grouped, samples=4)
    assert values["pass_at_k", 1] == pytest.approx([1 / 3])
    assert values["pass_at_k", 2] == pytest.approx([2 / 3])
    assert ("pass_at_k", 4) not in values
    assert values["pick_single", 1] == pytest.approx([1 / 3])
    assert values["pick_majority", 2] == [0.0]
