"""Statements that people wrote become questions that nobody trains on."""

from __future__ import annotations

import json

import pyarrow as pa

from data_contracts.questions import QUESTIONS
from lib.evaluation.parts import Kind, list_parts
from lib.evaluation.question_sets import QuestionSet
from lib.settings.settings import Settings
from lib.synthesis.vision.written import read_statements
from tests.small_images import collect, write_folder


def test_a_statement_is_a_question_with_true_or_false_for_an_answer(tmp_path):
    folder = write_folder(tmp_path / "shapes")
    lines = [
        {"id": "1", "image": "red-3-0.png", "sentence": "There is a red shape", "label": True},
        {"id": "2", "image": "blue-3-0.png", "sentence": "There is a red shape", "label": False},
    ]
    (folder / "statements.jsonl").write_text("\n".join(map(json.dumps, lines)))
    source = {"type": "folder", "folder": folder}
    benchmarks = [{"folder": folder, "name": "said"}]
    found = read_statements(collect(tmp_path / "out", source=source, benchmarks=benchmarks, scenes={"number": 0}))
    assert [(row["prompt"], row["answer"], row["images"]) for row in found["said"]] == [
        ("True or false? There is a red shape", "true", ["said/red-3-0.png"]),
        ("True or false? There is a red shape", "false", ["said/blue-3-0.png"]),
    ]
    table, _ = QUESTIONS.check(pa.Table.from_pylist(found["said"], schema=QUESTIONS.schema))
    assert set(table["split"].to_pylist()) == {"test"}


def test_held_out_questions_about_images_are_asked_with_fewer_images_too_and_others_are_not():
    def sights(name, domain):
        questions = pa.Table.from_pylist([], schema=QUESTIONS.schema)
        parts = list_parts(Settings(), QuestionSet(name, domain, questions))
        return {part.benchmark: part.decoding.sight for part in parts if part.kind is Kind.SIGHT}

    assert sights("held_out_vision", "vision") == {"held_out_vision_once": "once", "held_out_vision_blind": "none"}
    assert sights("nlvr", "vision") == sights("held_out_sql", "sql") == {}
