"""Keys and values of many sequences that grow at different speeds.

A fixed number of slots, each cut into tiles of so many positions; a tile's keys of neighbouring slots lie side by side
in memory, so that a CPU multiplies keys without copying them. A forward pass says where its new tokens go, and reads
the tiles of the slots that attend together. On a CPU the room of all slots is there from the start and takes memory
only where something has been written; on a GPU it grows to that of the longest episode.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Sequence

import torch

from lib.errors import PolicyError

# Positions of a tile: a slot's last one is padding in part, and each is a product of its own.
TILE = 128


def num_tiles(length: int) -> int:
    """That hold so many positions."""
    return -(-length // TILE)


def room_for(length: int) -> int:
    """Positions of the tiles that hold so many."""
    return TILE * num_tiles(length)


class SlotCache:
    """The cache object that transformers' layers call; memory ``[tiles, slots, key_heads, TILE, width]`` a layer."""

    is_compileable = False

    def __init__(self, *, num_slots: int, capacity: int):
        self.num_slots, self.capacity = num_slots, capacity
        self._keys: list[torch.Tensor] = []
        self._values: list[torch.Tensor] = []
        self._places: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None = None
        self.longest = 0  # positions of the longest sequence in the pass

    def clear(self) -> None:
        """Forget everything, and give the memory back."""
        self._keys, self._values = [], []

    def enter(self, slots: torch.Tensor, positions: torch.Tensor) -> None:
        """Say where each of the next forward pass's new tokens is written; both ``[tokens]``."""
        tiles = positions // TILE
        self._places = (tiles, slots, positions - tiles * TILE)
        self.longest = int(positions.max()) + 1

    def update(
        self, key: torch.Tensor, value: torch.Tensor, layer_index: int, *_: object, **__: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store the new keys and values ``[1, key_heads, tokens, width]``, and return them."""
        assert self._places is not None, "a forward pass over the cache starts with enter()"
        tile, slot, position = self._places
        for held, new in ((self._keys, key), (self._values, value)):
            if len(held) <= layer_index:
                held.append(self._room(value, 0))
            if len(held[layer_index]) < num_tiles(self.longest):
                grown = self._room(value, num_tiles(self.longest))
                grown[: len(held[layer_index])] = held[layer_index]
                held[layer_index] = grown
            held[layer_index][tile, slot, :, position] = new[0].transpose(0, 1).to(value.dtype)
        return key, value

    def read(
        self, layer_index: int, slots: slice | torch.Tensor, tiles: int
    ) -> tuple[Sequence[torch.Tensor], Sequence[torch.Tensor]]:
        """Keys and values of the first tiles, each ``[slots, key_heads, TILE, width]``; copies unless of neighbours."""
        keys, values = self._keys[layer_index][:tiles], self._values[layer_index][:tiles]
        if isinstance(slots, slice):
            return keys[:, slots].unbind(), values[:, slots].unbind()
        return keys.index_select(1, slots).unbind(), values.index_select(1, slots).unbind()

    def copy(self, *, source: int, target: int, length: int) -> None:
        """Copy the first ``length`` positions of one slot to another."""
        tiles = num_tiles(length)
        for tensor in (*self._keys, *self._values):
            tensor[:tiles, target] = tensor[:tiles, source]

    def swap(self, first: int, second: int, length: int) -> None:
        """Exchange the first ``length`` positions of two slots."""
        tiles = num_tiles(length)
        for tensor in (*self._keys, *self._values):
            kept = tensor[:tiles, first].clone()
            tensor[:tiles, first] = tensor[:tiles, second]
            tensor[:tiles, second] = kept

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return 0

    def _room(self, like: torch.Tensor, tiles: int) -> torch.Tensor:
        """Zeros, since masked garbage could still be no number."""
        shape = (self.num_slots, like.shape[1], TILE, like.shape[3])
        if like.device.type != "cpu":
            return like.new_zeros(tiles, *shape)
        shape = (num_tiles(self.capacity), *shape)
        size = math.prod(shape) * like.element_size()
        try:
            # Pages that nobody has written to are zeros and take no memory.
            pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        except OSError as error:
            raise PolicyError(
                f"there is no address space for {size / 2**30:.1f} GiB, the keys or values of one layer: {error}",
                next_step="lower engine.max_concurrent or engine.max_tokens",
            ) from error
        return torch.frombuffer(pages, dtype=like.dtype).view(shape)
