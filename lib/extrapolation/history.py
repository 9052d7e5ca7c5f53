"""The row of checkpoints that a training run left, as deltas to the checkpoint it started from.

In: the folders of the start, of each saved step and of the end. Out: windows of deltas, ``[T, n]``.
Whether a tensor takes part is decided here: everything in the state dict does, except
an output head that the configuration ties to the embedding.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import torch

from lib.errors import ArtifactError, SettingsError
from lib.extrapolation.stream import Checkpoint, TensorInfo

HEAD = "lm_head.weight"
EMBEDDING = re.compile(r"(^|\.)(embed_tokens|wte|word_embeddings)\.weight$")
STEP_FOLDER = re.compile(r"step_(\d+)$")


@dataclass(frozen=True)
class History:
    """θ_0, the saved θ_t in rising order of t, and the last checkpoint, which may be one of them."""

    base: Checkpoint
    saved: tuple[tuple[int, Checkpoint], ...]
    last: Checkpoint
    is_tied: bool

    @property
    def steps(self) -> tuple[int, ...]:
        return tuple(step for step, _ in self.saved)

    def moving_tensors(self) -> list[TensorInfo]:
        """Tensors with a delta: of floating point, in the base and in every saved checkpoint."""
        return [
            info
            for info in self.base.tensors.values()
            if info.is_float and not self._is_tied_head(info.name) and info.name in self.saved[0][1].tensors
        ]

    def origin_of(self, name: str) -> str:
        """The tensor whose values ``name`` takes: itself, or the embedding for a tied head."""
        if not self._is_tied_head(name):
            return name
        matches = [other for other in self.base.tensors if EMBEDDING.search(other)]
        if len(matches) != 1:
            raise ArtifactError(f"{name} is tied, but {len(matches)} tensors look like the embedding: {matches}")
        return matches[0]

    def window(self, info: TensorInfo, span: tuple[int, int]) -> torch.Tensor:
        """Deltas of some rows at every saved step, [T, n] in float32.

        The base is first rounded as the saved weights are: what rounding alone moves is in every row alike, larger
        than an update of a small learning rate, and would become the strongest direction.
        """
        base = self.base.read(info.name, span)
        rows = torch.empty(len(self.saved), base.numel())
        for row, (_, checkpoint) in zip(rows, self.saved, strict=True):
            saved = checkpoint.read(info.name, span)
            torch.sub(saved.float(), base.to(saved.dtype).float(), out=row)
        return rows

    def _is_tied_head(self, name: str) -> bool:
        return self.is_tied and name == HEAD


def open_history(*, base: Path, trajectory: Path, last: Path, last_step: int) -> History:
    """Open the checkpoints of a run.

    The last checkpoint joins the row where thinning left its step out of the trajectory.
    Raises SettingsError for fewer than two saved steps, ArtifactError for checkpoints that do not match.
    """
    folders = {int(match[1]): path for path in trajectory.iterdir() if (match := STEP_FOLDER.search(path.name))}
    folders.setdefault(last_step, last)
    if len(folders) < 2:
        raise SettingsError(
            f"Extrapolation needs at least two checkpoints along the training run; there is {len(folders)}.",
            where=str(trajectory),
            kept="the trained checkpoint",
            next_step="set reinforce.steps to 2 or more, or a smaller reinforce.trajectory_every",
        )
    opened = tuple((step, Checkpoint(folders[step])) for step in sorted(folders))
    history = History(Checkpoint(base), opened, Checkpoint(last), _ties_head(last))
    _check_match(history)
    return history


def _ties_head(folder: Path) -> bool:
    config = json.loads((folder / "config.json").read_text())
    return bool(config.get("tie_word_embeddings", config.get("text_config", {}).get("tie_word_embeddings", False)))


def _check_match(history: History) -> None:
    """All checkpoints hold the same tensors, in the shapes of the base; those that none holds stay as they were."""
    base = history.base.tensors
    expected = {name for _, checkpoint in history.saved for name in checkpoint.tensors}
    if HEAD in base and not history.is_tied and HEAD not in expected:
        raise ArtifactError(f"{HEAD} is not tied, and the trajectory does not hold it", where=str(history.base.folder))
    for checkpoint in (*(saved for _, saved in history.saved), history.last):
        where = str(checkpoint.folder)
        held = {name for name in checkpoint.tensors if not (history.is_tied and name == HEAD)}
        if missing := sorted((expected & set(base)) - held - {HEAD}):
            raise ArtifactError(f"A checkpoint lacks {len(missing)} tensors, first {missing[0]}", where=where)
        for name in sorted(held):
            if name not in base or base[name].shape != checkpoint.tensors[name].shape:
                known = base[name].shape if name in base else "absent"
                raise ArtifactError(
                    f"Tensor {name} is {checkpoint.tensors[name].shape} here and {known} at the start of training",
                    where=where,
                )
