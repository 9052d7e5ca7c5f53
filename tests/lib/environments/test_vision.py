"""Both tools put image tokens at the end of the conversation; what does not fit is refused in words."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.environments.environment import CallStatus, ImageRef, Question, ToolCall, join_lines, parts_of, text_of
from lib.environments.vision import LEAST_SIDE, VisionEnvironment
from lib.settings.environment import TOOLS, EnvironmentSettings


@dataclass
class Size:
    width: int
    height: int


QUESTION = Question(id="q", domain="vision", prompt="Which?", answer="1", images=["a", "b"])


@pytest.fixture
def environment():
    return VisionEnvironment([("a", Size(200, 100)), ("b", Size(64, 64))], EnvironmentSettings())


def call(environment, name, **arguments):
    (result,) = asyncio.run(environment.step([ToolCall(name, arguments)])).results
    return result


def test_an_episode_opens_with_the_pictures_in_order(environment):
    opening = asyncio.run(environment.start(QUESTION, 0))
    user = opening.messages[-1].content
    assert user == ("Picture 1: ", ImageRef("a"), "\n", "Picture 2: ", ImageRef("b"), "\n", "Which?")
    assert [tool["function"]["name"] for tool in opening.tools] == [*TOOLS["vision"]]


def test_a_picture_is_seen_again_whole_or_in_part(environment):
    assert ImageRef("b") in parts_of(call(environment, "look_again", image=2).content)
    result = call(environment, "look_again", image=1, box=[50, 0, 100, 50])
    assert result.status is CallStatus.OK and ImageRef("a", (100, 0, 200, 50)) in parts_of(result.content)


def test_a_statement_comes_back_with_the_picture(environment):
    content = call(environment, "confirm", image=1, statement="It is red.").content
    assert ImageRef("a") in parts_of(content) and "It is red." in text_of(content)


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("look_again", {"image": 3}, "there is no picture 3; there are 2"),
        ("look_again", {"image": 0}, "image"),
        ("look_again", {"image": 1, "box": [0, 0, 101, 50]}, "between 0 and 100"),
        ("look_again", {"image": 1, "box": [50, 0, 50, 50]}, "left before right"),
        ("look_again", {"image": 1, "box": [-1, 0, 50, 50]}, "between 0 and 100"),
        ("look_again", {"image": 1, "box": [0, 0, 50]}, "box"),
        ("look_again", {"image": 1, "box": [0, 0, float("nan"), 50]}, "box"),
        ("confirm", {"image": 1}, "statement"),
        ("zoom", {"image": 1}, "there is no tool 'zoom'"),
    ],
)
def test_calls_that_do_not_fit_are_refused_in_words(environment, name, arguments, said):
    result = call(environment, name, **arguments)
    assert result.status is CallStatus.REFUSED and said in text_of(result.content)


@given(st.tuples(*[st.floats(0, 100)] * 4), st.integers(1, 500), st.integers(1, 500))
def test_every_box_that_is_taken_has_pixels_inside_the_picture(box, width, height):
    left, top, right, bottom = box
    environment = VisionEnvironment([("a", Size(width, height))], EnvironmentSettings())
    result = call(environment, "look_again", image=1, box=[left, top, right, bottom])
    if not (left < right and top < bottom):
        assert result.status is CallStatus.REFUSED
        return
    (image,) = (part for part in parts_of(result.content) if isinstance(part, ImageRef))
    assert 0 <= image.box[0] < image.box[2] <= width and 0 <= image.box[1] < image.box[3] <= height
    assert image.box[2] - image.box[0] >= min(LEAST_SIDE, width)


def test_tools_that_bring_no_image_answer_in_words():
    environment = VisionEnvironment([("a", Size(200, 100))], EnvironmentSettings(), shows_again=False)
    for name, arguments in (("look_again", {"image": 1}), ("confirm", {"image": 1, "statement": "It is red."})):
        result = call(environment, name, **arguments)
        assert result.status is CallStatus.OK and text_of(result.content).startswith("Picture 1 stands above.")
        assert not any(isinstance(part, ImageRef) for part in parts_of(result.content))


def test_the_last_answer_in_its_tag_counts(environment):
    assert environment.parse_answer("<answer>1</answer> no <answer> 2 </answer>") == "2"
    assert environment.parse_answer("2") is None


def test_contents_join_on_lines_of_their_own():
    assert join_lines(["a", "b"]) == "a\nb"
    assert join_lines([("a", ImageRef("x")), "b"]) == ("a", ImageRef("x"), "\n", "b")
    assert text_of(("a ", ImageRef("x", (0, 0, 5, 5)))) == "a [x 0,0,5,5]"
