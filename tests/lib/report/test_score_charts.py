"""Charts of scores that a made-up run does not have."""

from __future__ import annotations

from data_contracts.scores import HELD_OUT, IMAGE_ATTENTION, IMAGE_TOKENS, SIGHTS
from lib.report.score_charts import draw_attention, draw_by_kind

NAME = f"{HELD_OUT}vision"


def rows(benchmark, metric, values):
    return [
        {"benchmark": benchmark, "metric": f"{metric}{fifth}", "value": value, "low": value / 2, "high": value * 1.5}
        for fifth, value in enumerate(values, start=1)
    ]


def test_attention_is_drawn_with_and_without_what_tools_bring():
    scores = [
        *rows(NAME, IMAGE_ATTENTION, [0.2, 0.18, 0.2, 0.15, 0.1]),
        *rows(NAME, IMAGE_TOKENS, [0.3, 0.28, 0.3, 0.27, 0.25]),
        *rows(NAME + SIGHTS["once"], IMAGE_ATTENTION, [0.2, 0.15, 0.1, 0.08, 0.05]),
        {"benchmark": NAME, "metric": "accuracy", "value": 0.5, "low": 0.4, "high": 0.6},
    ]
    svg = draw_attention(scores, "images")
    assert ">tools bring images</text>" in svg and ">tools bring none</text>" in svg
    assert svg.count("images' share of the tokens") == 1


def test_kinds_of_questions_are_drawn_with_how_many_there_are():
    scores = [
        {"metric": f"accuracy_level_{kind}", "policy": policy, "value": 0.5, "low": 0.4, "high": 0.6, "n": number}
        for kind, number in (("odd one out", 3), ("which", 17))
        for policy in ("base", "warm_up")
    ]
    svg = draw_by_kind(scores, ["base", "warm_up"], "images")
    for text in ("odd one out (3)", "which (17)", "warmed up", "base"):
        assert f">{text}</text>" in svg
    assert draw_by_kind([], ["base"], "images") == ""


def test_a_run_without_images_has_no_such_chart():
    assert draw_attention([{"benchmark": NAME, "metric": "accuracy", "value": 0.5}], "images") == ""
