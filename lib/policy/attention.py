"""Attention over a key/value cache without repeating grouped heads, and over a forest of prefixes.

Registered with transformers under the name ``ropewalk``. Cases: no mask (one sequence, plain causal
attention), a mask, many sequences that lie one after the other in a single row (decoding and extending against a
cache), and a forest; where these lie is an argument of the model. Knows nothing of episodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from transformers import AttentionInterface

from lib.errors import PolicyError
from lib.policy.slot_cache import SlotCache

NAME = "ropewalk"
attend = torch.nn.functional.scaled_dot_product_attention


@dataclass(frozen=True)
class Forest:
    """Which nodes attend to which, block by block: the nodes of a block lie one below the other on one path.

    A node attends to its ancestors and itself, a small part of all nodes; a mask over all pairs would have
    most of the products computed for nothing. Shorter blocks and paths are padded with node 0.
    """

    queries: torch.Tensor  # [blocks, block] nodes
    keys: torch.Tensor  # [blocks, longest] nodes from the root down to the block's last
    mask: torch.Tensor  # bool [blocks, 1, block, longest], true where attended
    rows: torch.Tensor  # [nodes] where each node stands among the queries, counted through

    def to(self, device: torch.device) -> Forest:
        return Forest(*(getattr(self, field.name).to(device) for field in fields(self)))


@dataclass(frozen=True)
class Bundle:
    """Sequences that attend together, as if all were as long as the longest and had as many new tokens as any."""

    tokens: slice  # of all new tokens, those of these sequences
    rows: torch.Tensor  # [tokens] sequence of each of them
    columns: torch.Tensor  # [tokens] which of its sequence's new tokens it is
    mask: torch.Tensor  # bool [rows, 1, new, tiles x TILE], true where attended
    slots: slice | torch.Tensor  # of the cache that the sequences have
    tiles: int  # that are read

    @property
    def is_dense(self) -> bool:
        """Whether every sequence has one new token."""
        return self.mask.shape[2] == 1 and len(self.rows) == len(self.mask)


@dataclass(frozen=True)
class Ragged:
    """New tokens of many sequences that come as a single row, those of one after those of another."""

    cache: SlotCache  # that holds their keys and values, and those before them
    bundles: Sequence[Bundle]  # in the order of the tokens


def grouped_attention(
    module: torch.nn.Module,
    query: torch.Tensor,  # [rows, heads, new, width]; of a ragged or a forest's row [1, heads, tokens, width]
    key: torch.Tensor,  # [rows, key_heads, length, width]
    value: torch.Tensor,  # [rows, key_heads, length, width]
    attention_mask: torch.Tensor | None,  # bool [rows, 1, new, length], true where attended; None is causal
    scaling: float | None = None,
    dropout: float = 0.0,
    forest: Forest | None = None,
    ragged: Ragged | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: torch.Tensor | None = None,
    **_: object,
) -> tuple[torch.Tensor, None]:
    """Return the attended values ``[rows, new, heads, width]``, in the value's precision.

    Raises PolicyError for a model that attends in another way: one whose scores are capped or have sinks, or whose
    window is shorter than what it reads.
    """
    if softcap is not None or s_aux is not None:
        raise _refusal("caps its attention's scores" if s_aux is None else "has sinks in its attention")
    if sliding_window is not None and (longest := _longest(key, ragged, forest)) > sliding_window:
        raise _refusal(f"attends to the last {sliding_window} tokens, fewer than the {longest} that it has to read")
    query, key = query.to(value.dtype), key.to(value.dtype)
    if forest is not None:
        return _over_forest(query, key, value, forest, scaling, dropout)[None], None
    if ragged is not None:
        return _over_ragged(query, module.layer_idx, ragged, scaling, dropout)[None], None
    if attention_mask is not None:
        output = _attend_masked(query, [key], [value], attention_mask, scaling, dropout)
    else:
        groups = query.shape[1] // key.shape[1]
        if groups > 1:
            key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
        output = attend(query, key, value, dropout_p=dropout, is_causal=query.shape[2] > 1, scale=scaling)
    return output.transpose(1, 2).contiguous(), None


def _longest(key: torch.Tensor, ragged: Ragged | None, forest: Forest | None) -> int:
    """Positions that a token attends to, if none is hidden from it."""
    if ragged is not None:
        return ragged.cache.longest
    return key.shape[2] if forest is None else forest.keys.shape[1]


def _refusal(reason: str) -> PolicyError:
    return PolicyError(f"The model {reason}, which is not computed here.", next_step="choose another model")


def _attend_masked(
    query: torch.Tensor,  # [rows, heads, new, width]
    keys: Sequence[torch.Tensor],  # each [rows, key_heads, part of the length, width]
    values: Sequence[torch.Tensor],  # as the keys
    mask: torch.Tensor,  # bool [rows, 1, new, length]
    scaling: float | None,
    dropout: float,
) -> torch.Tensor:
    """Attended values ``[rows, heads, new, width]``.

    The queries of the heads that share a key head become further rows of one product, so that the keys are read once
    and not repeated. On a CPU two products over all rows take half the time of torch's kernel, which takes each head
    of each row by itself. There keys that come in several parts are multiplied part by part. Values are put together
    first: sums of products in bfloat16 would be rounded once for each part, and not as those of a trainer.
    """
    rows, heads, new, width = query.shape
    key_heads, length = keys[0].shape[1], mask.shape[-1]
    groups = heads // key_heads
    value = _joined(values, dim=2)
    if query.device.type != "cpu":
        key = _joined(keys, dim=2)
        packed = query.reshape(rows, key_heads, groups * new, width)
        wide = mask if groups == 1 or new == 1 else mask.repeat(1, 1, groups, 1)
        return attend(packed, key, value, attn_mask=wide, dropout_p=dropout, scale=scaling).view(query.shape)
    query = query * (width**-0.5 if scaling is None else scaling)
    packed = query.reshape(rows * key_heads, groups * new, width)
    products = [torch.bmm(packed, key.flatten(0, 1).transpose(1, 2)) for key in keys]
    scores = _joined(products, dim=-1).view(rows, heads, new, length)
    bias = torch.zeros_like(mask, dtype=scores.dtype).masked_fill_(~mask, float("-inf"))
    weights = torch.nn.functional.dropout(torch.softmax(scores + bias, dim=-1), dropout)
    return torch.bmm(weights.view(*packed.shape[:2], length), value.flatten(0, 1)).view(query.shape)


def _joined(parts: Sequence[torch.Tensor], *, dim: int) -> torch.Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), dim=dim)


def _over_ragged(
    query: torch.Tensor, layer: int, ragged: Ragged, scaling: float | None, dropout: float
) -> torch.Tensor:
    """Attended values ``[tokens, heads, width]``; only here are short sequences padded, as reading keys costs most."""
    heads, _, width = query.shape[1:]
    outputs = []
    for bundle in ragged.bundles:
        keys, values = ragged.cache.read(layer, bundle.slots, bundle.tiles)
        queries = query[0, :, bundle.tokens].transpose(0, 1)  # [tokens, heads, width]
        if bundle.is_dense:
            outputs.append(_attend_masked(queries[:, :, None], keys, values, bundle.mask, scaling, dropout)[:, :, 0])
            continue
        padded = query.new_zeros(len(bundle.mask), bundle.mask.shape[2], heads, width)
        padded[bundle.rows, bundle.columns] = queries
        output = _attend_masked(padded.transpose(1, 2), keys, values, bundle.mask, scaling, dropout)
        outputs.append(output.transpose(1, 2)[bundle.rows, bundle.columns])
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs)


def _over_forest(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, forest: Forest, scaling: float | None, dropout: float
) -> torch.Tensor:
    """Attended values ``[nodes, heads, width]`` of one row of nodes."""
    queries = _gather(query, forest.queries)
    # A node is a key of many blocks: its gradient is summed in float32.
    keys, values = (_gather(tensor.float(), forest.keys).to(value.dtype) for tensor in (key, value))
    output = _attend_masked(queries, [keys], [values], forest.mask, scaling, dropout)
    return output.transpose(1, 2).flatten(0, 1).index_select(0, forest.rows)


def _gather(tensor: torch.Tensor, nodes: torch.Tensor) -> torch.Tensor:
    """``[1, heads, nodes, width]`` -> ``[blocks, heads, chosen, width]``."""
    chosen = tensor[0].transpose(0, 1).flatten(1).index_select(0, nodes.flatten())
    return chosen.view(*nodes.shape, tensor.shape[1], tensor.shape[3]).transpose(1, 2)


AttentionInterface.register(NAME, grouped_attention)
