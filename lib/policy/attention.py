"""Attention that reads a key/value cache in place, without repeating grouped heads.

Registered with transformers under the name ``ropewalk``. Two cases: no mask (training on
right-padded sequences, plain causal attention) and an explicit boolean mask (decoding and
extending against a cache). Knows nothing of episodes.
"""

from __future__ import annotations

import torch
from transformers import AttentionInterface

NAME = "ropewalk"


def grouped_attention(
    module: torch.nn.Module,
    query: torch.Tensor,  # [rows, heads, new, width]
    key: torch.Tensor,  # [rows, key_heads, length, width]
    value: torch.Tensor,  # [rows, key_heads, length, width]
    attention_mask: torch.Tensor | None,  # bool [rows, 1, new, length], true where attended; None is causal
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: object,
) -> tuple[torch.Tensor, None]:
    """Return the attended values ``[rows, new, heads, width]``, in the value's precision."""
    rows, heads, new, width = query.shape
    key_heads = key.shape[1]
    groups = heads // key_heads
    query, key = query.to(value.dtype), key.to(value.dtype)
    attend = torch.nn.functional.scaled_dot_product_attention
    if attention_mask is None:
        if groups > 1:
            key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
        output = attend(query, key, value, dropout_p=dropout, is_causal=new > 1, scale=scaling)
        return output.transpose(1, 2).contiguous(), None
    # The queries of the heads that share a key head become further rows of one product, so that
    # the cache is read once and never copied.
    packed = query.reshape(rows, key_heads, groups * new, width)
    mask = attention_mask if groups == 1 or new == 1 else attention_mask.repeat(1, 1, groups, 1)
    output = attend(packed, key, value, attn_mask=mask, dropout_p=dropout, scale=scaling)
    return output.reshape(rows, heads, new, width).transpose(1, 2).contiguous(), None


AttentionInterface.register(NAME, grouped_attention)
