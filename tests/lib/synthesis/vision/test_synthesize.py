"""Questions over images have one answer, need every picture, and keep their splits apart."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from typing import get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from data_contracts.questions import QUESTIONS
from lib.chat_endpoint import Usage
from lib.errors import SynthesisError
from lib.progress import Silent
from lib.settings.synthesis import SynthesisSettings
from lib.settings.vision_synthesis import Kind
from lib.sources.images.image_set import ImageStore
from lib.synthesis.vision.asks import Claim, HowMany, OddOneOut, Which
from lib.synthesis.vision.checks import Checker
from lib.synthesis.vision.features import features_of
from lib.synthesis.vision.synthesize import synthesize
from tests.small_images import collect, draw_shape, write_folder

KINDS = get_args(Kind)


def make(images, *, seed=3, judge=None, scratch=Path("unused"), **settings):
    chosen = SynthesisSettings.model_validate({"domains": ("vision",), "num_questions": 200, **settings})
    return synthesize(chosen, images=images, seed=seed, progress=Silent(), judge=judge, scratch=scratch)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    source = {"type": "folder", "folder": write_folder(folder / "shapes")}
    return collect(folder / "images", source=source, scenes={"number": 300, "collections": ["shapes"]})


@pytest.fixture(scope="module")
def made(scenes):
    return make(scenes)


@pytest.fixture
def corners(shapes):
    pictures = ImageStore(shapes).pictures()
    return pictures, {feature.name: feature for feature in features_of(pictures)}["corners"]


def test_questions_fit_their_contract_and_are_as_many_as_wanted(made):
    table, _ = QUESTIONS.check(pa.Table.from_pylist(made.rows, schema=QUESTIONS.schema))
    assert table.num_rows == 200
    assert Counter(table["split"].to_pylist()) == {"train": 120, "validation": 30, "test": 50}
    assert len({*table["level"].to_pylist()}) >= 6


def test_a_question_s_pictures_are_of_its_split(made, scenes):
    store = ImageStore(scenes)
    for row in made.rows:
        assert {store.picture(id).split for id in row["images"]} == {row["split"]}
        assert 2 <= len(row["images"]) == len(set(row["images"])) <= 8


def test_evidence_says_where_to_look_closer_only_for_what_is_small(made, scenes):
    store = ImageStore(scenes)
    steps = [(store.picture(step["page_id"]), step) for row in made.rows for step in row["evidence"] if step["page_id"]]
    assert any(step["query"] for _, step in steps)
    assert all(bool(step["query"]) == ("small" in picture.texts("size")) for picture, step in steps)


def test_no_answer_can_be_guessed_by_always_giving_the_same(scenes):
    answers = {}
    for row in make(scenes, num_questions=1500).rows:
        answers.setdefault((row["level"], len(row["images"])), Counter())[row["answer"]] += 1
    shares = [counts.most_common(1)[0][1] / counts.total() for counts in answers.values() if counts.total() >= 30]
    assert shares and max(shares) < 0.8


def test_the_same_seed_gives_the_same_questions(scenes):
    assert make(scenes, num_questions=40).rows == make(scenes, num_questions=40).rows
    assert make(scenes, num_questions=40).rows != make(scenes, num_questions=40, seed=4).rows


def test_the_funnel_says_how_many_passed_each_check_and_why_the_others_did_not(made):
    passed = {row["filter"]: row["count"] for row in made.funnel.rows() if not row["reason"]}
    order = ["drawn", "one answer", "every picture matters", "no guessing", "duplicates"]
    assert [passed[name] for name in order] == sorted((passed[name] for name in order), reverse=True)
    assert passed["duplicates"] == 200 and passed["drawn"] > 200


def test_a_picture_that_could_not_change_the_answer_is_found(corners):
    pictures, feature = corners
    checker = Checker(pictures, Random(0))
    three, four = (next(item for item in pictures if item.texts("corners") == (text,)) for text in "34")
    assert checker.needs_every_picture(HowMany(feature, "3"), [three, four])
    assert checker.needs_every_picture(Which(feature, "3"), [three, four])
    no_other = Checker([three], Random(0))
    assert not no_other.needs_every_picture(HowMany(feature, "3"), [three, three])


def test_an_answer_given_too_often_is_found(corners):
    _, feature = corners
    checker, claim = Checker([], Random(0)), Claim(feature, "alike")
    for _ in range(5):
        assert not checker.is_guessable(claim.kind, 3, "true") or checker.count(claim.kind, 3, "false") is None
        checker.count(claim.kind, 3, "true")
    for _ in range(30):
        checker.count(claim.kind, 3, "true")
    assert checker.is_guessable(claim.kind, 3, "true") and not checker.is_guessable(claim.kind, 3, "false")


@pytest.mark.parametrize("kind", ["which", "count", "order", "odd one out", "statement"])
def test_a_kind_alone_can_be_asked_for(shapes, kind):
    rows = make(shapes, num_questions=20, vision={"kinds": {name: float(name == kind) for name in KINDS}}).rows
    assert {row["level"] for row in rows} == {kind}


@pytest.mark.parametrize("size", [48, 160])
def test_scenes_with_room_for_a_single_part_are_asked_about_too(tmp_path, size):
    source = {"type": "folder", "folder": write_folder(tmp_path / "shapes")}
    scenes = {"number": 200, "side": size, "most_parts": 12, "small_share": 1.0, "collections": ["shapes"]}
    assert make(collect(tmp_path / "images", source=source, scenes=scenes), num_questions=100).rows


def test_a_judge_s_attempts_decide_what_is_kept(shapes):
    class Sometimes:
        usage = Usage(requests=1, prompt_tokens=7)

        def count_successes(self, exercises):
            assert all(len(exercise.images) >= 2 and exercise.domain == "vision" for exercise in exercises)
            return [place % 2 for place, _ in enumerate(exercises)]

    made = make(shapes, num_questions=40, judge=Sometimes(), difficulty_min_successes=1, difficulty_max_successes=1)
    assert len(made.rows) == 20 and made.tokens == 7
    assert {row["difficulty"] for row in made.rows} == {0.75}


def test_images_of_which_nothing_is_known_say_what_is_missing(tmp_path):
    for corners in range(3, 9):
        draw_shape("red", corners).save(tmp_path / f"{corners}.png")
    out = collect(tmp_path / "out", source={"type": "folder", "folder": tmp_path}, scenes={"number": 0})
    with pytest.raises(SynthesisError, match="nothing can be asked about its .* images"):
        make(out)


def test_a_question_takes_at_least_three_pictures_to_have_an_odd_one_out(corners):
    pictures, feature = corners
    assert OddOneOut(feature).answer(pictures[:2]) is None


def test_settings_that_leave_nothing_to_ask_are_refused():
    with pytest.raises(ValidationError, match="kinds must leave at least one kind"):
        make(
            None,
            vision={"kinds": dict.fromkeys(KINDS, 0)},
        )
    with pytest.raises(ValidationError, match="min_pictures must not exceed max_pictures"):
        make(None, vision={"min_pictures": 5, "max_pictures": 3})


def test_rows_of_questions_come_back_from_their_file(made, tmp_path):
    pq.write_table(pa.Table.from_pylist(made.rows, schema=QUESTIONS.schema), tmp_path / "questions.parquet")
    assert pq.read_table(tmp_path / "questions.parquet")["images"].to_pylist() == [row["images"] for row in made.rows]
