"""What sessions hold follows them from slot to slot, and room that nobody has written to takes no memory."""

from __future__ import annotations

import psutil
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib.policy.engine import SampleRequest
from lib.policy.row_parts import split_rows, work_of
from lib.policy.session_slots import SessionSlots, rows_of
from lib.policy.slot_cache import SlotCache, room_for

LAYERS = 2


def write(cache, session, number):
    """As a pass does that computes the session's tokens: every key and value is the session's number."""
    length = len(session.tokens)
    cache.enter(torch.full((length,), session.slot), torch.arange(length))
    for layer in range(LAYERS):
        new = torch.full((1, 1, length, 4), float(number))
        cache.update(new, -new, layer)


def holds(cache, session):
    length, tiles = len(session.tokens), room_for(len(session.tokens)) // room_for(1)
    found = set()
    for layer in range(LAYERS):
        keys, values = cache.read(layer, slice(session.slot, session.slot + 1), tiles)
        found |= set(torch.cat(keys, dim=2)[:, :, :length].unique().tolist())
        found |= {-value for value in torch.cat(values, dim=2)[:, :, :length].unique().tolist()}
    return found


def admit(cache, lengths, decoding):
    slots = SessionSlots(cache)
    sessions = {}
    for number, (length, decodes) in enumerate(zip(lengths, decoding, strict=True), start=1):
        session = sessions[number] = slots.find_or_admit(str(number))
        session.start_turn(SampleRequest(str(number), [0], 1, 1.0, 1.0, frozenset(), 0))
        session.tokens = [0] * length
        write(cache, session, number)
        if decodes:
            slots.join_decoding(session)
    return slots, sessions


@given(st.lists(st.tuples(st.integers(1, 2000), st.booleans()), min_size=1, max_size=40), st.sampled_from([0, 5]))
def test_tidying_bounds_padding_and_loses_nothing(drawn, free):
    cache = SlotCache(num_slots=len(drawn) + free, capacity=2048)
    slots, sessions = admit(cache, *zip(*drawn, strict=True))
    decoding = set(slots.decoding)
    before = [session.slot for session in slots.decoding]
    was_untidy = slots._is_untidy()
    slots.tidy()
    assert set(slots.decoding) == decoding and not slots._is_untidy()
    assert was_untidy or [session.slot for session in slots.decoding] == before, "who is not in the way stays"
    assert [session.slot for session in slots.decoding] == sorted(session.slot for session in decoding)
    assert len({session.slot for session in sessions.values()}) == len(sessions)
    for number, session in sessions.items():
        assert holds(cache, session) == {number}
    # What nobody holds is given to new sessions, and nothing else is.
    taken = {session.slot for session in sessions.values()}
    new = [slots.find_or_admit(f"new {i}").slot for i in range(free)]
    assert not taken & set(new) and len(set(new)) == free


def test_a_pass_over_sessions_of_which_most_wait_for_tools_reads_only_those_that_decode():
    cache = SlotCache(num_slots=256, capacity=2048)
    slots, _ = admit(cache, [1024] * 256, [number % 16 == 0 for number in range(256)])
    slots.tidy()
    widths, lengths = rows_of(slots.decoding, [session.slot for session in slots.decoding])
    work = sum(part.work for part in split_rows(widths, lengths))
    assert work == work_of(widths, lengths).sum() == 16 * work_of(1, room_for(1025))


@pytest.mark.skipif(not psutil.LINUX, reason="pages are counted as Linux does")
def test_memory_is_taken_by_what_is_written_and_given_back():
    cache, process = SlotCache(num_slots=512, capacity=8192), psutil.Process()
    before = process.memory_info().rss
    for slot in range(512):
        cache.enter(torch.full((16,), slot), torch.arange(16))
        cache.update(torch.ones(1, 4, 16, 64), torch.ones(1, 4, 16, 64), 0)
    written = 2 * 512 * 4 * 16 * 64 * 4
    assert process.memory_info().rss - before < 2 * written + 2**25  # all room would be 8 GiB
    for tile in cache.read(0, slice(0, 512), 2)[0]:
        assert tile.shape == (512, 4, room_for(1), 64)
    cache.clear()
    assert process.memory_info().rss - before < 2**25
