"""Where the new tokens of a forward pass stand: in its single row, in the slots, and in parts that attend together.

In: sessions that hold a slot, and the new tokens of each. Out: what the cache and the attention of lib.policy.attention
need to know of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from lib.policy.attention import Bundle
from lib.policy.row_parts import Part, split_rows, work_of
from lib.policy.session_slots import Session, rows_of
from lib.policy.slot_cache import num_tiles


class PassLayout:
    """The new tokens, those of one session after those of another.

    Args:
        batch: sessions, in the order of their slots if ``in_place``.
        news: new tokens of each.
        in_place: attend to the slots where they lie; without, keys and values of the batch are copied, in order.
    """

    def __init__(
        self, batch: Sequence[Session], news: Sequence[Sequence[int]], *, in_place: bool, device: torch.device
    ):
        self._device = device
        self._copied = None if in_place else [session.slot for session in batch]
        self.starts = np.array([len(session.tokens) for session in batch])  # positions before each one's new tokens
        counts = np.array([len(new) for new in news])
        rows = np.array([session.slot for session in batch]) if in_place else np.arange(len(batch))
        self._rows = rows.repeat(counts)  # [tokens], in order
        self._columns = np.concatenate([np.arange(count) for count in counts])  # [tokens] place among its session's
        self.slots = self._tensor(np.array([session.slot for session in batch]).repeat(counts))  # [tokens]
        self.positions = self._tensor(self.starts.repeat(counts) + self._columns)  # [tokens] in the slots
        widths, lengths = rows_of(batch, rows, counts)
        self._parts = list(split_rows(widths, lengths))
        self._start_of_row = np.zeros(len(widths), dtype=np.int64)
        self._start_of_row[rows] = self.starts
        self.work = sum(part.work for part in self._parts)  # of attention
        self.needed = int(work_of(counts, self.starts + counts).sum())  # what of it is no padding

    def bundles(self) -> list[Bundle]:
        """In the order of the tokens."""
        return [self._bundle(part) for part in self._parts]

    def _bundle(self, part: Part) -> Bundle:
        first, last = np.searchsorted(self._rows, [part.start, part.stop])
        taken = slice(part.start, part.stop)
        ends = torch.from_numpy(self._start_of_row[taken])[:, None] + torch.arange(part.width)  # [rows, new]
        mask = torch.arange(part.length) <= ends[:, None, :, None]
        return Bundle(
            tokens=slice(int(first), int(last)),
            rows=self._tensor(self._rows[first:last] - part.start),
            columns=self._tensor(self._columns[first:last]),
            mask=mask.to(self._device),
            slots=taken if self._copied is None else torch.tensor(self._copied[taken], device=self._device),
            tiles=num_tiles(part.length),
        )

    def _tensor(self, numbers: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(numbers).to(self._device)
