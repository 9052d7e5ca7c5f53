"""Keys and values of many sequences that grow at different speeds.

A fixed number of slots, with room that grows to that of the longest episode. A forward pass names the slots
that it reads and where each one's new tokens go; every layer writes there and gets back a view
(decoding over the first slots) or a gathered copy (extending some of them).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

# Positions by which the slots grow: growing copies them all, and empty ones are attended to for nothing.
GROWTH = 64


@dataclass(frozen=True)
class Region:
    """Where a forward pass reads and writes."""

    slots: torch.Tensor | int  # [rows] slot of each row; an int n stands for the first n slots
    rows: torch.Tensor  # [tokens] row of each new token
    positions: torch.Tensor  # [tokens] its position in the slot
    length: int  # positions visible to the pass; no more than were reserved


class SlotCache:
    """The cache object that transformers' layers call; memory ``[slots, key_heads, room, width]`` a layer."""

    is_compileable = False

    def __init__(self, *, num_slots: int, capacity: int):
        self.num_slots, self.capacity = num_slots, capacity
        self._room = 0  # positions of each slot so far
        self._keys: list[torch.Tensor] = []
        self._values: list[torch.Tensor] = []
        self._region: Region | None = None

    def reserve(self, length: int) -> int:
        """Make room for so many positions; returns how many there are now."""
        self._room = max(self._room, min(-(-length // GROWTH) * GROWTH, self.capacity))
        return self._room

    def clear(self) -> None:
        """Forget everything, the room too."""
        self._room, self._keys, self._values = 0, [], []

    def enter(self, region: Region) -> None:
        """Say where the next forward pass reads and writes."""
        self._region = region

    def update(
        self, key: torch.Tensor, value: torch.Tensor, layer_index: int, *_: object, **__: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store the new keys and values ``[1, key_heads, tokens, width]``; return all visible ones of each row."""
        region = self._region
        assert region is not None, "a forward pass over the cache starts with enter()"
        key = key.to(value.dtype)
        while len(self._keys) <= layer_index:
            none = value.new_zeros(self.num_slots, value.shape[1], 0, value.shape[3])
            self._keys.append(none)
            self._values.append(none)
        for held in (self._keys, self._values):
            if held[layer_index].shape[2] < self._room:
                held[layer_index] = self._grown(held[layer_index])
        keys, values = self._keys[layer_index], self._values[layer_index]
        if isinstance(region.slots, int):
            slot_of_token = region.rows
        else:
            slot_of_token = region.slots[region.rows]
        keys[slot_of_token, :, region.positions] = key[0].transpose(0, 1)
        values[slot_of_token, :, region.positions] = value[0].transpose(0, 1)
        if isinstance(region.slots, int):
            return keys[: region.slots, :, : region.length], values[: region.slots, :, : region.length]
        return keys[region.slots, :, : region.length], values[region.slots, :, : region.length]

    def _grown(self, held: torch.Tensor) -> torch.Tensor:
        """With the present room; zeros where nothing stands yet, since masked garbage could still be no number."""
        grown = held.new_empty(*held.shape[:2], self._room, held.shape[3])
        grown[:, :, : held.shape[2]] = held
        grown[:, :, held.shape[2] :] = 0
        return grown

    def copy(self, *, source: int, target: int, length: int) -> None:
        """Copy the first ``length`` positions of one slot to another."""
        for tensor in (*self._keys, *self._values):
            tensor[target, :, :length] = tensor[source, :, :length]

    def swap(self, first: int, second: int, length: int) -> None:
        """Exchange the first ``length`` positions of two slots."""
        for tensor in (*self._keys, *self._values):
            kept = tensor[first, :, :length].clone()
            tensor[first, :, :length] = tensor[second, :, :length]
            tensor[second, :, :length] = kept

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return 0
