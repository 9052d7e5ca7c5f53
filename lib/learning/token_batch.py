"""Episodes -> micro-batches of tokens in which a shared beginning is computed once.

Episodes of one group share their question, often whole turns, and all episodes share the system
prompt. Sequences are therefore laid out as a forest: sorted, so that equal beginnings are
neighbours, and every distinct prefix becomes one node that attends to its ancestors alone. The
log-probabilities and gradients are those of the sequences one by one, since a causal model's state
depends on nothing but the prefix; there is no padding, and no attention crosses between sequences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch

from lib.environments.environment import ImageRef
from lib.policy.attention import Forest
from lib.policy.engine import PlacedImage
from lib.policy.image_encoder import ImageEncoder
from lib.policy.image_features import join_tensors
from lib.policy.patch_ids import PatchIds
from lib.policy.rotary_positions import RotaryPositions

# Nodes that attend together: fewer pad less, more make better matrix products.
ATTENTION_BLOCK = 64


@dataclass(frozen=True)
class Sample:
    """One sequence to train on."""

    tokens: list[int]  # [num_tokens]
    trained: list[bool]  # [num_tokens]; the first token is never trained, nothing predicts it
    behaviour_logprobs: list[float]  # [num_tokens]
    advantage: float = 0.0
    images: tuple[PlacedImage, ...] = ()


@dataclass(frozen=True)
class BatchImages:
    """The images of a forest, each once, and the nodes that are their patches."""

    tensors: dict[str, torch.Tensor]  # what the vision encoder takes
    nodes: torch.Tensor  # [num_patches]
    rows: torch.Tensor  # [num_patches] which of the encoder's features, over all images, stands at the node

    def to(self, device: torch.device) -> BatchImages:
        tensors = {name: value.to(device) for name, value in self.tensors.items()}
        return BatchImages(tensors, self.nodes.to(device), self.rows.to(device))


@dataclass(frozen=True)
class MicroBatch:
    """A forest of prefixes and, for each trained token, the node that it is predicted from."""

    ids: torch.Tensor  # [num_nodes] token of each node; of a patch the placeholder
    positions: torch.Tensor  # [1 or 3, num_nodes] where it stands in its sequences, see rotary_positions
    forest: Forest | None  # who attends to whom; None is one sequence
    source: torch.Tensor  # [num_predicted] node whose state predicts
    target: torch.Tensor  # [num_predicted] token predicted there
    place: torch.Tensor  # [num_trained] which prediction a sequence's trained token is; shared ones come repeatedly
    behaviour_logprobs: torch.Tensor  # [num_trained]
    advantages: torch.Tensor  # [num_trained]
    num_tokens: int  # of all sequences, shared beginnings counted for each
    images: BatchImages | None = None
    proximal_logprobs: torch.Tensor | None = None  # [num_trained] the trainer's at the beginning of the step, if known

    def to(self, device: torch.device) -> MicroBatch:
        values = [getattr(self, field.name) for field in fields(self)]
        movable = torch.Tensor | Forest | BatchImages
        return MicroBatch(*(v.to(device) if isinstance(v, movable) else v for v in values))


def make_micro_batches(
    samples: Sequence[Sample], *, max_nodes: int, encoder: ImageEncoder | None = None
) -> list[MicroBatch]:
    """Blocks of at most ``max_nodes`` distinct prefixes each, or of a single sequence that is longer.

    Args:
        encoder: what the samples' images become.
    """
    patches = PatchIds(encoder.patch_token) if encoder else None
    if patches:
        samples = [replace(sample, tokens=patches.encode(sample.tokens, sample.images)) for sample in samples]
    blocks: list[list[Sample]] = []
    num_nodes = 0
    for sample in sorted(samples, key=lambda sample: sample.tokens):
        new = len(sample.tokens) - (num_shared(blocks[-1][-1].tokens, sample.tokens) if blocks else 0)
        if blocks and num_nodes + new <= max_nodes:
            blocks[-1].append(sample)
            num_nodes += new
        else:
            blocks.append([sample])
            num_nodes = len(sample.tokens)
    if not patches:
        return [_lay_out(block, _count_on) for block in blocks]
    places = RotaryPositions(encoder, patches).of if encoder.has_grids else _count_on
    return [_with_images(_lay_out(block, places), patches, encoder) for block in blocks]


def _count_on(tokens: Sequence[int]) -> np.ndarray:
    return np.arange(len(tokens))[None]


def _with_images(batch: MicroBatch, patches: PatchIds, encoder: ImageEncoder) -> MicroBatch:
    """Placeholders in place of the numbers of patches, and the tensors of their images."""
    nodes = torch.nonzero(batch.ids < 0)[:, 0]
    if not len(nodes):
        return batch
    found = [patches.decode(id) for id in batch.ids[nodes].tolist()]
    starts: dict[ImageRef, int] = {}
    num_rows = 0
    for image, _ in found:
        if image not in starts:
            starts[image] = num_rows
            num_rows += encoder.num_patches(image)
    images = BatchImages(
        join_tensors([encoder.tensors(image) for image in starts]),
        nodes,
        torch.tensor([starts[image] + offset for image, offset in found]),
    )
    return replace(batch, ids=batch.ids.clamp(min=0).index_fill(0, nodes, encoder.patch_token), images=images)


def _lay_out(block: list[Sample], places: Callable[[Sequence[int]], np.ndarray]) -> MicroBatch:
    paths = list(_paths(block))
    num_nodes = max(int(path[-1]) for path in paths) + 1
    positions = [places(sample.tokens) for sample in block]
    ids = np.zeros(num_nodes, dtype=np.int64)
    position = np.zeros((len(positions[0]), num_nodes), dtype=np.int64)
    sources, targets, behaviour, advantages = [], [], [], []
    for sample, path, own in zip(block, paths, positions, strict=True):
        ids[path] = sample.tokens
        position[:, path] = own
        trained = np.flatnonzero(sample.trained[1:]) + 1
        sources.append(path[trained - 1])
        targets.append(path[trained])
        behaviour.append(np.asarray(sample.behaviour_logprobs, dtype=np.float32)[trained])
        advantages.append(np.full(len(trained), sample.advantage, dtype=np.float32))
    # A node is predicted from its parent, so equal nodes stand for equal predictions.
    nodes, first, place = np.unique(np.concatenate(targets), return_index=True, return_inverse=True)
    return MicroBatch(
        ids=torch.from_numpy(ids),
        positions=torch.from_numpy(position),
        forest=None if max(map(len, paths)) == num_nodes else _grow_forest(paths),
        source=torch.from_numpy(np.concatenate(sources)[first]),
        target=torch.from_numpy(ids[nodes]),
        place=torch.from_numpy(place),
        behaviour_logprobs=torch.from_numpy(np.concatenate(behaviour)),
        advantages=torch.from_numpy(np.concatenate(advantages)),
        num_tokens=sum(len(sample.tokens) for sample in block),
    )


def _grow_forest(paths: list[np.ndarray]) -> Forest:
    """Blocks of at most ATTENTION_BLOCK nodes, each with the path that leads to its last node."""
    blocks: list[tuple[np.ndarray, np.ndarray]] = []  # nodes, path
    known = 0
    for path in paths:
        for start in range(int(np.searchsorted(path, known)), len(path), ATTENTION_BLOCK):
            end = min(start + ATTENTION_BLOCK, len(path))
            blocks.append((path[start:end], path[:end]))
        known = max(known, int(path[-1]) + 1)
    longest = max(len(path) for _, path in blocks)
    queries = np.zeros((len(blocks), ATTENTION_BLOCK), dtype=np.int64)
    keys = np.zeros((len(blocks), longest), dtype=np.int64)
    mask = np.zeros((len(blocks), 1, ATTENTION_BLOCK, longest), dtype=bool)
    mask[..., 0] = True  # padding attends to something, so that nothing is divided by zero
    rows = np.zeros(known, dtype=np.int64)
    for number, (nodes, path) in enumerate(blocks):
        queries[number, : len(nodes)], keys[number, : len(path)] = nodes, path
        mask[number, 0, : len(nodes), : len(path)] = np.tri(len(nodes), len(path), len(path) - len(nodes), dtype=bool)
        rows[nodes] = number * ATTENTION_BLOCK + np.arange(len(nodes))
    return Forest(*map(torch.from_numpy, (queries, keys, mask, rows)))


def _paths(block: list[Sample]) -> Iterator[np.ndarray]:
    """The nodes ``[num_tokens]`` of each sequence; what it shares with the one before has that one's nodes."""
    path, num_nodes, before = np.empty(0, dtype=np.int64), 0, []
    for sample in block:
        shared = num_shared(before, sample.tokens)
        new = len(sample.tokens) - shared
        path = np.concatenate([path[:shared], np.arange(num_nodes, num_nodes + new)])
        num_nodes += new
        before = sample.tokens
        yield path


def num_shared(first: list[int], second: list[int]) -> int:
    """Length of the common prefix."""
    for place, (a, b) in enumerate(zip(first, second, strict=False)):
        if a != b:
            return place
    return min(len(first), len(second))
