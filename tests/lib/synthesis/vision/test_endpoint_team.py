"""A team behind a real HTTP server that looks at the pixels it is sent."""

from __future__ import annotations

import base64
import io
import re

import pytest
from PIL import Image
from pydantic import ValidationError

from lib.errors import EndpointError
from lib.progress import Silent
from lib.settings.synthesis import SynthesisSettings
from lib.synthesis.vision.endpoint_team import BLIND, PARTLY_BLIND, QUESTIONER, SOLVER
from lib.synthesis.vision.synthesize import synthesize
from tests.chat_server import completion, serve
from tests.small_images import COLOURS

ASKED = "Which picture shows most red?"


def redness(part):
    data = part["image_url"]["url"].removeprefix("data:image/png;base64,")
    image = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")
    return dict(map(reversed, image.getcolors(maxcolors=image.width * image.height))).get(COLOURS["red"], 0)


def shown_in(body):
    """Number and redness of each picture of a request."""
    content = body["messages"][1]["content"]
    pairs = zip(content, content[1:], strict=False)
    return {int(a["text"].split()[1][:-1]): redness(b) for a, b in pairs if b["type"] == "image_url"}


def is_question(body):
    return "question" in body["messages"][0]["content"].split("Reply with")[1]


def by_sight(body):
    """The picture with most red, if all are shown and one has more than every other."""
    shown = shown_in(body)
    best = sorted(shown.values())[-2:]
    is_whole = "cannot be shown" not in body["messages"][0]["content"]
    if not is_whole or len(best) < 2 or best[0] == best[1]:
        return "unknown"
    return f"Picture {max(shown, key=shown.get)}."


def seen_question(body):
    notes = "".join(f"<note>{count} red</note>" for count in shown_in(body).values())
    return f"{notes}<question>{ASKED}</question><answer>{by_sight(body).strip('.')}</answer>"


def play(write=seen_question, solve=by_sight):
    def reply(number, body):
        text = write(body) if is_question(body) else f"<answer>{solve(body)}</answer>"
        return 200, completion(text)

    return reply


@pytest.fixture
def make(shapes, tmp_path):
    def made(url, **vision):
        writer = {"type": "openai", "base_url": url, "model": "m", "timeout_s": 10.0, "max_retries": 1}
        settings = SynthesisSettings.model_validate(
            {
                "domains": ["vision"],
                "num_questions": 12,
                "writer": writer,
                "vision": {"questions": "seen", "max_pictures": 3, **vision},
            }
        )
        return synthesize(settings, images=shapes, seed=1, progress=Silent(), scratch=tmp_path)

    return made


def dropped(made):
    return {(row["filter"], row["reason"]): row["count"] for row in made.funnel.rows() if row["reason"]}


def test_a_team_asks_about_what_it_sees_and_keeps_what_its_solver_confirms(make):
    with serve(play()) as server:
        made = make(server.url)
    assert made.rows and {row["prompt"] for row in made.rows} == {ASKED}
    assert {row["writer"] for row in made.rows} == {"openai"}
    for row in made.rows:
        reds = [int(step["fact"].split()[2]) for step in row["evidence"]]
        assert int(row["answer"].split()[1]) == 1 + reds.index(max(reds))
        assert row["filters_passed"][:5] == ["drawn", QUESTIONER, SOLVER, BLIND, PARTLY_BLIND]
    assert made.tokens == 13 * len(server.requests)
    # No attempt is shown the gold answer.
    solving = [body for body in server.requests if not is_question(body)]
    assert solving and all(body["messages"][1]["content"][-1]["text"] == ASKED for body in solving)


@pytest.mark.parametrize(
    ("write", "solve", "role"),
    [
        (lambda body: "no tags", by_sight, QUESTIONER),
        (lambda body: seen_question(body).replace("<note>", "<n>"), by_sight, QUESTIONER),
        (seen_question, lambda body: "7", SOLVER),
        (lambda body: re.sub("<answer>.*", "<answer>2</answer>", seen_question(body)), lambda body: "2", BLIND),
        (
            lambda body: re.sub("<answer>.*", "<answer>2</answer>", seen_question(body)),
            lambda body: "2" if shown_in(body) else "unknown",
            PARTLY_BLIND,
        ),
    ],
)
def test_a_question_that_does_not_hold_is_dropped_by_the_role_that_finds_it_out(make, write, solve, role):
    with serve(play(write, solve)) as server, pytest.raises(Exception, match=f"{role} dropped"):
        make(server.url)


def test_what_is_known_is_worded_and_tried_alike(make):
    def word(body):
        assert "Answer:" in body["messages"][1]["content"][-1]["text"]
        return "<question>Put otherwise?</question>"

    answers = {}

    def reply(number, body):
        said = body["messages"][1]["content"]
        key = str([part for part in said if part["type"] == "image_url"])
        if is_question(body):
            answers[key] = re.search("Answer: (.*)", said[-1]["text"]).group(1)
            return 200, completion(word(body))
        return 200, completion(f"<answer>{answers.get(key, 'unknown')}</answer>")

    with serve(reply) as server:
        made = make(server.url, questions="known", solver_attempts=1)
    assert made.rows and {row["prompt"] for row in made.rows} == {"Put otherwise?"}
    assert all(row["evidence"] and row["level"] for row in made.rows)


def test_a_failure_keeps_what_was_answered_and_a_rerun_asks_for_the_rest_only(make):
    with serve(lambda number, body: (401, "no") if number > 30 else play()(number, body)) as server:
        with pytest.raises(EndpointError, match="No question about images can be made") as caught:
            make(server.url)
        assert "does not ask for again" in caught.value.kept
        first = len(server.requests)
        server.reply = play()
        made = make(server.url)
        second = len(server.requests) - first
    kept = made.tokens // 13 - second
    assert made.rows and 20 <= kept <= 30  # of those in flight when the failure came some were not waited for


def test_nobody_but_an_endpoint_asks_about_what_is_seen():
    with pytest.raises(ValidationError, match="needs writer.type=openai"):
        SynthesisSettings.model_validate({"vision": {"questions": "seen"}})
