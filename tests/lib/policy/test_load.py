"""Checkpoints that do not load say which file is at fault."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from lib.errors import PolicyError
from lib.policy.load import check_weights, load_model, load_tokenizer
from lib.policy.nano import draw_model, train_tokenizer
from lib.policy.prepare import prepare_policy
from lib.progress import Silent
from lib.settings.policy import NanoPolicy, PretrainedPolicy


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    tokenizer = train_tokenizer(["a page of text"] * 9, vocabulary=320)
    draw_model(NanoPolicy(type="nano", vocabulary=320, layers=1, width=32), tokenizer, seed=0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def checkpoint(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "model")


def prepare(model, out, **changes):
    policy = PretrainedPolicy(type="pretrained", model=str(model), **changes)
    prepare_policy(policy, texts=(), out=out, seed=0, progress=Silent())
    return out / "checkpoint"


def test_a_directory_is_copied_whole_and_loads(checkpoint, tmp_path):
    (checkpoint / "notes.md").write_text("not ours")
    copied = prepare(checkpoint, tmp_path / "out")
    model, original = load_model(copied), load_model(checkpoint)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), original.parameters(), strict=True))
    assert load_tokenizer(copied).chat_template == load_tokenizer(checkpoint).chat_template
    assert not (copied / "notes.md").exists()


def test_the_copy_does_not_change_with_the_original(checkpoint, tmp_path):
    copied = prepare(checkpoint, tmp_path / "out")
    before = (copied / "config.json").read_bytes()
    (checkpoint / "config.json").write_text("{}")
    assert (copied / "config.json").read_bytes() == before


def test_a_model_in_several_files_is_copied_with_its_index(checkpoint, tmp_path):
    weights = load_file(checkpoint / "model.safetensors")
    names = sorted(weights)
    (checkpoint / "model.safetensors").unlink()
    parts = {"model-1.safetensors": names[:3], "model-2.safetensors": names[3:]}
    for file, part in parts.items():
        save_file({name: weights[name] for name in part}, checkpoint / file, metadata={"format": "pt"})
    index = {"metadata": {}, "weight_map": {name: file for file, part in parts.items() for name in part}}
    (checkpoint / "model.safetensors.index.json").write_text(json.dumps(index))
    load_model(prepare(checkpoint, tmp_path / "out"))
    (checkpoint / "model-2.safetensors").unlink()
    with pytest.raises(PolicyError, match=r"model-2\.safetensors is missing"):
        check_weights(checkpoint)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(checkpoint, name):
    (checkpoint / name).unlink()
    with pytest.raises(PolicyError, match=f"{name} is missing") as caught:
        load_model(checkpoint)
    assert caught.value.where == str(checkpoint / name)
    assert caught.value.next_step


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
def test_cut_weights_are_named_before_anything_is_copied(checkpoint, tmp_path, share):
    file = checkpoint / "model.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(PolicyError, match="weights cannot be read") as caught:
        prepare(checkpoint, tmp_path / "out")
    assert str(file) in caught.value.where
    assert list((tmp_path / "out" / "checkpoint").iterdir()) == []


def test_a_config_that_no_model_knows_is_refused(checkpoint):
    (checkpoint / "config.json").write_text('{"model_type": "no_such_model"}')
    with pytest.raises(PolicyError, match="config does not load") as caught:
        load_model(checkpoint)
    assert caught.value.where.endswith("config.json")


def test_a_config_that_is_not_json_is_refused(checkpoint):
    (checkpoint / "config.json").write_text("{")
    with pytest.raises(PolicyError, match="config does not load"):
        load_model(checkpoint)


def test_weights_of_another_shape_are_refused(checkpoint):
    config = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps(config | {"intermediate_size": 128}))
    with pytest.raises(PolicyError):
        load_model(checkpoint)


def test_a_missing_tensor_is_named(checkpoint):
    weights = load_file(checkpoint / "model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, checkpoint / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(PolicyError, match=r"model\.norm\.weight"):
        load_model(checkpoint)


def test_a_broken_tokenizer_is_refused(checkpoint):
    (checkpoint / "tokenizer.json").write_text("{}")
    with pytest.raises(PolicyError, match="tokenizer"):
        load_tokenizer(checkpoint)


def test_a_tokenizer_without_files_is_refused(checkpoint):
    (checkpoint / "tokenizer.json").unlink()
    with pytest.raises(PolicyError, match=r"tokenizer\.json is missing"):
        load_tokenizer(checkpoint)


@pytest.mark.parametrize("model", ["/no/such/directory", "./models/mine", "a/b/c"])
def test_a_path_that_does_not_exist_is_not_taken_for_a_hub_id(tmp_path, model):
    with pytest.raises(PolicyError, match="model directory does not exist") as caught:
        prepare(model, tmp_path / "out")
    assert caught.value.where == model


def test_a_hub_that_cannot_be_reached_is_explained(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(PolicyError, match="cannot be fetched from the Hub") as caught:
        prepare("nobody/no-such-model", tmp_path / "out", revision="main")
    assert caught.value.where == "policy.model = nobody/no-such-model"


def test_weights_load_in_float32_whatever_they_are_stored_in(checkpoint):
    weights = load_file(checkpoint / "model.safetensors")
    half = {name: tensor.to(torch.bfloat16) for name, tensor in weights.items()}
    save_file(half, checkpoint / "model.safetensors", metadata={"format": "pt"})
    assert {tensor.dtype for tensor in load_model(checkpoint).parameters()} == {torch.float32}
