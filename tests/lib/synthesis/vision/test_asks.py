"""Every kind of question knows its only answer, and that there is none."""

from __future__ import annotations

from random import Random

import pytest

from lib.sources.images.image_set import Part, Picture
from lib.sources.images.raw import Attribute
from lib.synthesis.vision.asks import Claim, Compared, Extreme, HowMany, InOrder, OddOneOut, Which
from lib.synthesis.vision.captions import caption_of
from lib.synthesis.vision.features import KNOWN, features_of
from lib.synthesis.vision.scene_asks import Beside, Contains, Difference, EveryContains, PartOf, Thing, Total, stands
from lib.synthesis.vision.windows import window_of

DIGIT = KNOWN["digit"]


def picture(id, *, parts=(), label="", **attributes):
    given = tuple(item for name, value in attributes.items() for item in Attribute.of(name, value))
    return Picture(id, "x", (label or id,), given, tuple(parts), "train", id, 100, 100)


def digits(*values):
    return [picture(f"{place}-{value}", digit=str(value)) for place, value in enumerate(values)]


def part(label, colour, left, top, side=20):
    return Part(f"digits/{label}", label, colour, (left, top, left + side, top + side))


@pytest.mark.parametrize(
    ("ask", "values", "answer"),
    [
        (Which(DIGIT, "7"), (3, 7, 1), "2"),
        (Which(DIGIT, "7"), (7, 7, 1), None),
        (Which(DIGIT, "7"), (3, 2, 1), None),
        (HowMany(DIGIT, "7"), (7, 7, 1), "2"),
        (HowMany(DIGIT, "7"), (3, 2, 1), "0"),
        (OddOneOut(DIGIT), (4, 4, 9, 4), "3"),
        (OddOneOut(DIGIT), (4, 4, 9, 9), None),
        (OddOneOut(DIGIT), (4, 9), None),
        (OddOneOut(DIGIT), (4, 5, 6), None),
        (Extreme(DIGIT, "greatest"), (4, 9, 1), "2"),
        (Extreme(DIGIT, "least"), (4, 9, 1), "3"),
        (Extreme(DIGIT, "least"), (1, 9, 1), None),
        (Compared(DIGIT), (4, 9), "less"),
        (Compared(DIGIT), (9, 4), "greater"),
        (Compared(DIGIT), (4, 4), "equal"),
        (Compared(DIGIT), (4, 4, 4), None),
        (InOrder(DIGIT, "least"), (4, 9, 1), "3, 1, 2"),
        (InOrder(DIGIT, "greatest"), (4, 9, 1), "2, 1, 3"),
        (InOrder(DIGIT, "greatest"), (4, 4, 1), None),
        (Claim(DIGIT, "all", "4"), (4, 4), "true"),
        (Claim(DIGIT, "all", "4"), (4, 5), "false"),
        (Claim(DIGIT, "none", "4"), (3, 5), "true"),
        (Claim(DIGIT, "exactly", "4", 1), (4, 5), "true"),
        (Claim(DIGIT, "exactly", "4", 1), (4, 4), "false"),
        (Claim(DIGIT, "alike"), (4, 5, 4), "true"),
        (Claim(DIGIT, "alike"), (4, 5, 6), "false"),
    ],
)
def test_the_answer_follows_from_what_the_pictures_show(ask, values, answer):
    assert ask.answer(digits(*values)) == answer
    assert ask.tell(Random(0))


LEFT = picture("left", parts=[part("3", "red", 0, 0), part("7", "blue", 60, 60)])
RIGHT = picture("right", parts=[part("3", "blue", 60, 0), part("8", "red", 0, 60)])
CLOSE = picture("close", parts=[part("3", "red", 20, 0), part("7", "blue", 28, 60)])
TWIN = picture("twin", parts=[part("5", "red", 0, 0), part("7", "blue", 60, 60)])


@pytest.mark.parametrize(
    ("ask", "pictures", "answer"),
    [
        (Contains(Thing("3", "blue"), "digit"), (LEFT, RIGHT), "2"),
        (Contains(Thing("3"), "digit"), (LEFT, RIGHT), None),
        (Total(Thing(colour="red"), "digit"), (LEFT, RIGHT), "2"),
        (Total(Thing("9"), "digit"), (LEFT, RIGHT), "0"),
        (Beside(Thing("3"), "left of", Thing(colour="blue"), "digit"), (LEFT, RIGHT), "1"),
        (Beside(Thing("3"), "right of", Thing("8"), "digit"), (LEFT, RIGHT), "2"),
        (Beside(Thing("3"), "below", Thing("7"), "digit"), (LEFT, RIGHT), None),
        (Beside(Thing("3"), "left of", Thing("7"), "digit"), (LEFT, CLOSE), None),
        (PartOf(Thing("7"), "red", "digit"), (LEFT, RIGHT), "3"),
        (PartOf(Thing("3"), "red", "digit"), (LEFT, RIGHT), None),
        (PartOf(Thing("7"), "green", "digit"), (LEFT, RIGHT), None),
        (Difference("digit"), (LEFT, TWIN), "5"),
        (Difference("digit"), (TWIN, LEFT), "3"),
        (Difference("digit"), (LEFT, RIGHT), None),
        (EveryContains(Thing("3"), "digit"), (LEFT, RIGHT), "true"),
        (EveryContains(Thing("7"), "digit"), (LEFT, RIGHT), "false"),
    ],
)
def test_the_answer_follows_from_what_stands_where(ask, pictures, answer):
    assert ask.answer(pictures) == answer
    assert ask.tell(Random(0)) and ask.sees(pictures[0])


def test_beside_means_clearly_on_that_side():
    first, second = part("1", "", 0, 0), part("2", "", 11, 0)
    assert stands(first, "left of", second) and not stands(second, "left of", first)
    assert stands(second, "right of", first)
    assert not stands(first, "left of", part("2", "", 9, 0))
    assert stands(part("1", "", 0, 0), "above", part("2", "", 0, 40))


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (Which(DIGIT, "8"), "an 8"),
        (Which(KNOWN["colour"], "red"), "red in it"),
        (HowMany(KNOWN["kind"], "insect"), "show an insect"),
        (Which(KNOWN["continent"], "Asia"), "flag of a country in Asia"),
        (Extreme(KNOWN["area"], "greatest"), "the country"),
        (Total(Thing("7", "red"), "digit"), "red 7s"),
        (Total(Thing(colour="red"), "digit"), "red digits"),
        (Claim(DIGIT, "exactly", "4", 1), "Exactly 1 of the pictures shows a 4."),
        (Claim(DIGIT, "none", "4"), "None of the pictures show a 4."),
    ],
)
def test_questions_say_what_they_ask(ask, said):
    assert said in ask.tell(Random(1))


def test_what_is_known_and_not_seen_makes_a_join_with_facts():
    assert Extreme(KNOWN["area"], "least").kind == Which(KNOWN["continent"], "Asia").kind == "fact"
    assert Extreme(DIGIT, "least").kind == "compare"


def test_a_user_s_attributes_are_asked_about_by_their_own_names():
    pictures = [picture(str(n), wing_span=n, maker="ab"[n % 2], serial=f"s{n}", same="x") for n in range(6)]
    features = {feature.name: feature for feature in features_of(pictures)}
    assert set(features) == {"wing_span", "maker"}  # nothing is shared of one, and all share the other
    assert features["wing_span"].is_number and features["maker"].say("a") == "has the maker a"


def test_without_attributes_labels_are_asked_about():
    pictures = [picture(str(n), label="dog" if n < 3 else "cat") for n in range(6)]
    (feature,) = features_of(pictures)
    assert HowMany(feature, "dog").answer(pictures) == "3"
    assert "shows a dog" in Which(feature, "dog").tell(Random(0))


def test_a_window_holds_all_parts_of_a_scene():
    assert window_of(picture("a", parts=[part("1", "", 52, 5, 8), part("2", "", 65, 15, 8)])) == (50, 0, 100, 50)
    assert window_of(LEFT) is None and window_of(picture("none")) is None


def test_a_caption_says_what_stands_in_a_box_and_never_what_cannot_be_seen():
    assert caption_of(LEFT) == "red 3, blue 7"
    assert caption_of(LEFT, (50, 50, 100, 100)) == "blue 7"
    assert caption_of(LEFT, (50, 0, 100, 50)) == "nothing"
    assert caption_of(picture("f", label="Peru", area=5, colour=["red", "white"])) == "Peru, red, white"
