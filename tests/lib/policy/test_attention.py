"""A model that attends in a way that is not computed here is refused before it computes anything else."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM, Gemma2Config, MistralConfig

from lib.errors import PolicyError
from lib.policy.load import load_model
from lib.policy.transformers_engine import TransformersEngine

SIZE = {
    "vocab_size": 50,
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
WINDOW = 8


def saved(config, folder):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    model.save_pretrained(folder)
    return model


def test_what_fits_the_window_is_computed_and_what_does_not_is_refused(tmp_path):
    own = saved(MistralConfig(**SIZE, sliding_window=WINDOW), tmp_path)
    model = load_model(tmp_path)
    tokens = torch.arange(2, 2 + WINDOW)[None]
    with torch.no_grad():
        assert torch.allclose(model(tokens).logits, own(tokens).logits, atol=1e-5)
        with pytest.raises(PolicyError, match=f"the last {WINDOW} tokens, fewer than the {WINDOW + 1}"):
            model(torch.arange(2, 3 + WINDOW)[None])


def test_an_engine_whose_conversations_outgrow_the_window_is_refused_at_once(tmp_path):
    saved(MistralConfig(**SIZE, sliding_window=WINDOW), tmp_path)
    TransformersEngine(load_model(tmp_path), max_concurrent=2, max_tokens=WINDOW)
    with pytest.raises(PolicyError, match="set engine.max_tokens=8"):
        TransformersEngine(load_model(tmp_path), max_concurrent=2, max_tokens=WINDOW + 1)


def test_capped_scores_are_refused(tmp_path):
    saved(Gemma2Config(**SIZE, head_dim=8, sliding_window=64, attn_logit_softcapping=1.0), tmp_path)
    with pytest.raises(PolicyError, match="caps its attention's scores"):
        load_model(tmp_path)(torch.arange(2, 6)[None])
