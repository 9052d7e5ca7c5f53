"""Models of other kinds are computed as their own code computes them, or refused."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from lib.errors import PolicyError
from lib.learning.check_policy import check_texts
from lib.policy.load import load_model
from tests.small_engine import engine_over

SIZES = {
    "vocab_size": 320, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 96, "max_position_embeddings": 512, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
ALIKE = ("llama", "qwen2", "qwen3", "olmo2", "gpt_neox", "gpt2", "phi3", "mixtral")
# What is done to logits, so strongly that a model without it answers otherwise.
SCALED = {
    "granite": {"logits_scaling": 8.0},
    "cohere": {"logit_scale": 0.0625},
    "gemma2": {"head_dim": 16, "final_logit_softcapping": 0.5, "attn_logit_softcapping": None},
}
# Layers that keep to themselves who attends to whom, and models whose state is more than keys and values.
OTHERWISE = ("stablelm", "nemotron", "mamba", "bamba", "bloom")


@pytest.fixture
def load(tmp_path):
    def load(kind, **settings):
        torch.manual_seed(0)
        config = AutoConfig.for_model(kind, **SIZES | settings)
        AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
        return load_model(tmp_path)

    return load


@pytest.mark.parametrize("kind", ALIKE)
def test_a_model_of_many_kinds_is_sampled_and_trained(load, kind):
    model = load(kind)
    check_texts(model)
    engine_over(model)


@pytest.mark.parametrize("kind", OTHERWISE)
def test_a_model_that_would_be_computed_otherwise_is_refused_by_sampler_and_trainer(load, kind):
    model = load(kind)
    with pytest.raises(PolicyError, match=r"ForCausalLM cannot be trained: .* differ by"):
        check_texts(model)
    with pytest.raises(PolicyError, match=r"cannot be sampled with engine.type=transformers.*\n.*engine.type=vllm"):
        engine_over(model)


@pytest.mark.parametrize("kind", SCALED)
def test_a_model_that_scales_or_caps_its_logits_is_trained_on_those(load, kind):
    model = load(kind, **SCALED[kind])
    check_texts(model)


def test_a_model_that_means_something_else_by_the_same_setting_is_not_trained_without_it(load):
    model = load("hyperclovax", logits_scaling=8.0)  # multiplies where others divide
    engine_over(model)  # takes the model's own logits
    with pytest.raises(PolicyError, match="HyperCLOVAXForCausalLM cannot be trained"):
        check_texts(model)


def test_a_model_whose_attention_cannot_be_exchanged_is_refused_by_its_reason(load):
    with pytest.raises(PolicyError, match="its attention cannot be exchanged"):
        load("falcon")
