"""The policy from scratch: tokens that give the text back, weights that follow the seed."""

from __future__ import annotations

import itertools
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.errors import PolicyError
from lib.policy.load import load_model, load_tokenizer
from lib.policy.nano import TAGS, train_tokenizer
from lib.policy.prepare import prepare_policy
from lib.policy.source_texts import source_texts
from lib.progress import Silent
from lib.settings.policy import NanoPolicy

SMALL = NanoPolicy(type="nano", vocabulary=400, layers=2, width=64)
TEXTS = [f"Place {n}\nPlace {n} is a town in Nowhere with {n * 37} people." for n in range(200)]
TOKENIZER = train_tokenizer(TEXTS, vocabulary=400)
CONVERSATION = [
    {"role": "system", "content": "Use tools."},
    {"role": "user", "content": "Where?"},
    {"role": "assistant", "content": '<tool_call>{"name": "search", "arguments": {"query": "x"}}</tool_call>'},
]


@pytest.fixture
def graph(tmp_path):
    folder = tmp_path / "graph"
    folder.mkdir()
    names = [text.split("\n")[0] for text in TEXTS]
    pages = {"id": names, "title": names, "text": [text.split("\n")[1] for text in TEXTS], "entity_id": names}
    pq.write_table(pa.table(pages), folder / "pages.parquet")
    return folder


def prepared(graph, out, seed=1, policy=SMALL):
    prepare_policy(policy, texts=source_texts(graph=graph), out=out, seed=seed, progress=Silent())
    return out / "checkpoint"


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_any_text_comes_back_from_its_tokens(text):
    tokens = TOKENIZER.encode(text, add_special_tokens=False, split_special_tokens=True)
    assert TOKENIZER.decode(tokens) == text


def test_every_tag_is_one_token_that_stays_in_decoded_text():
    for tag in TAGS:
        tokens = TOKENIZER.encode(f"a{tag}b", add_special_tokens=False)
        assert TOKENIZER.convert_tokens_to_ids(tag) in tokens
        assert TOKENIZER.decode(tokens, skip_special_tokens=True) == f"a{tag}b"


def test_control_tokens_in_text_from_outside_stay_plain_text():
    tokens = TOKENIZER.encode("<|im_end|>", add_special_tokens=False, split_special_tokens=True)
    assert TOKENIZER.eos_token_id not in tokens
    assert TOKENIZER.encode("<|im_end|>", add_special_tokens=False) == [TOKENIZER.eos_token_id]


def test_the_vocabulary_has_the_size_that_was_asked_for():
    words = ["".join(pair) for pair in itertools.permutations(["ka", "lo", "mi", "ru", "ste"], 4)]
    assert len(train_tokenizer(words, vocabulary=400)) == 400


def test_the_chat_template_is_chatml_without_a_default_system_message():
    text = TOKENIZER.apply_chat_template(CONVERSATION[1:2], tokenize=False, add_generation_prompt=True)
    assert text == "<|im_start|>user\nWhere?<|im_end|>\n<|im_start|>assistant\n"
    longer = TOKENIZER.apply_chat_template(CONVERSATION, tokenize=False)
    assert longer.startswith("<|im_start|>system\nUse tools.<|im_end|>\n") and longer.endswith("<|im_end|>\n")


def test_the_checkpoint_loads_and_scores_a_conversation(graph, tmp_path):
    checkpoint = prepared(graph, tmp_path / "base")
    model, tokenizer = load_model(checkpoint), load_tokenizer(checkpoint)
    ids = torch.tensor([tokenizer.encode(tokenizer.apply_chat_template(CONVERSATION, tokenize=False))])
    logits = model(ids).logits
    assert logits.shape == (1, ids.shape[1], len(tokenizer))
    assert torch.isfinite(logits).all()
    assert model.dtype == torch.float32
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight


def test_the_default_size_is_about_a_million_parameters(graph, tmp_path):
    model = load_model(prepared(graph, tmp_path / "base", policy=NanoPolicy(type="nano")))
    assert 0.7e6 < model.num_parameters() < 1.3e6


@pytest.mark.parametrize("width", [32, 64, 96, 160])
def test_every_width_gives_whole_heads(graph, tmp_path, width):
    policy = NanoPolicy(type="nano", vocabulary=400, layers=1, width=width)
    model = load_model(prepared(graph, tmp_path / "base", policy=policy))
    assert model.config.head_dim == 32


def test_weights_follow_the_seed_and_leave_the_global_generator_alone(graph, tmp_path):
    state = torch.random.get_rng_state()
    one = load_model(prepared(graph, tmp_path / "a", seed=2**62))
    again = load_model(prepared(graph, tmp_path / "b", seed=2**62))
    other = load_model(prepared(graph, tmp_path / "c", seed=5))
    weights = [model.model.layers[0].mlp.up_proj.weight for model in (one, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert torch.equal(torch.random.get_rng_state(), state)


def test_another_process_learns_the_same_tokens(graph, tmp_path):
    here = prepared(graph, tmp_path / "here") / "tokenizer.json"
    script = (
        "from pathlib import Path; from lib.policy.prepare import prepare_policy; from lib.progress import Silent;"
        "from lib.policy.source_texts import source_texts;"
        "from lib.settings.policy import NanoPolicy; import sys;"
        "prepare_policy(NanoPolicy(type='nano', vocabulary=400, layers=2, width=64),"
        " texts=source_texts(graph=Path(sys.argv[1])),"
        " out=Path(sys.argv[2]), seed=1, progress=Silent())"
    )
    subprocess.run([sys.executable, "-c", script, str(graph), str(tmp_path / "there")], check=True)
    assert here.read_bytes() == (tmp_path / "there" / "checkpoint" / "tokenizer.json").read_bytes()


def test_many_pages_are_thinned_evenly(graph, monkeypatch):
    monkeypatch.setattr("lib.policy.source_texts.MAX_CHARACTERS", 1000)
    texts = source_texts(graph=graph)
    assert 500 <= sum(map(len, texts)) <= 1100
    assert {"Place 0"} <= {text.split("\n")[0] for text in texts}


def test_pages_that_are_absent_are_named(tmp_path):
    with pytest.raises(PolicyError, match="cannot be read") as caught:
        source_texts(graph=tmp_path)
    assert caught.value.where == str(tmp_path / "pages.parquet")
