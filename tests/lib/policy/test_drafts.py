"""Guesses come from what has followed a pair of tokens again and again."""

from __future__ import annotations

from lib.policy.drafts import LONGEST, Drafts

CALL = [11, 12, 13, 14, 15, 16]


def drafts_of(*conversations):
    drafts = Drafts()
    for tokens in conversations:
        drafts.learn(tokens, start=0)
    return drafts


def test_what_was_written_twice_is_guessed_the_third_time():
    assert drafts_of(CALL).guess(11, 12, limit=9, stop=()) == []
    assert drafts_of(CALL, CALL).guess(11, 12, limit=9, stop=()) == [13, 14, 15, 16][:LONGEST]


def test_a_pair_that_has_been_followed_by_something_else_is_no_longer_trusted():
    drafts = drafts_of(CALL, CALL, [12, 13, 99])
    assert drafts.guess(11, 12, limit=9, stop=()) == [13]


def test_guesses_end_at_the_limit_and_before_a_stop_token():
    drafts = drafts_of(CALL, CALL)
    assert drafts.guess(11, 12, limit=2, stop=()) == [13, 14]
    assert drafts.guess(11, 12, limit=0, stop=()) == []
    assert drafts.guess(11, 12, limit=9, stop={15}) == [13, 14]


def test_learning_goes_on_where_it_stopped():
    whole, parts = drafts_of(CALL, CALL), drafts_of(CALL)
    parts.learn(CALL[:4], start=0)
    parts.learn(CALL, start=4)
    for pair in zip(CALL, CALL[1:], strict=False):
        assert parts.guess(*pair, limit=9, stop=()) == whole.guess(*pair, limit=9, stop=())


def test_nothing_is_left_after_clearing():
    drafts = drafts_of(CALL, CALL)
    drafts.clear()
    assert drafts.guess(11, 12, limit=9, stop=()) == []
