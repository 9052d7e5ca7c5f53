"""Each cell of an image is drawn to the words for what stands there."""

from __future__ import annotations

from lib.learning.word_targets import NOTHING, WordTargets
from lib.sources.images.image_set import Part, Picture
from lib.sources.images.raw import Attribute

SEVEN = Part("digits/1", "7", "red", (50, 0, 100, 50))
SCENE = Picture("s", "scenes", ("1 part",), (), (SEVEN,), "train", "s", 100, 100)
FLAG = Picture(
    "f", "flags", ("Peru",), (Attribute("colour", "red"), Attribute("area", "5", 5.0)), (), "train", "f", 9, 9
)


def words_by_cell(*shown):
    """The words of each cell, in the vocabulary's own words."""
    spoken = {}

    def encode(text):
        return [spoken.setdefault(word, len(spoken)) for word in text.split()]

    made = WordTargets(encode, 2)
    cells = made.of(*shown)
    names = {place: word for place, id in enumerate(made.vocabulary) for word, known in spoken.items() if known == id}
    return [[names[place] for place in cell] for cell in cells]


def test_a_part_is_said_where_it_stands_and_nothing_elsewhere():
    assert words_by_cell(SCENE) == [[NOTHING], ["red", "7"], [NOTHING], [NOTHING]]


def test_in_a_box_the_cells_are_those_of_the_box():
    assert words_by_cell(SCENE, (50, 0, 100, 50)) == [["red", "7"]] * 4
    assert words_by_cell(SCENE, (0, 50, 50, 100)) == [[NOTHING]] * 4


def test_any_other_picture_says_in_every_cell_what_can_be_seen_of_it():
    assert words_by_cell(FLAG) == [["red"]] * 4


def test_a_picture_of_which_nothing_is_known_shows_nothing():
    assert words_by_cell(Picture("t", "table", ("",), (), (), "train", "t", 9, 9)) == [[NOTHING]] * 4


def test_a_word_of_several_tokens_counts_with_all_of_them():
    made = WordTargets(lambda text: [ord(letter) for letter in text.strip()], 1)
    assert made.of(FLAG) == [[0, 1, 2]]
    assert made.vocabulary == [ord(letter) for letter in "red"]
