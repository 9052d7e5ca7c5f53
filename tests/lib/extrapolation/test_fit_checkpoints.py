"""RELEX over folders of safetensors."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, Qwen3Config, Qwen3ForCausalLM

from lib.errors import ArtifactError, SettingsError
from lib.extrapolation import fit_checkpoints as module
from lib.extrapolation.fit_checkpoints import fit_checkpoints, write_extrapolated, write_scaled
from lib.extrapolation.history import open_history
from lib.extrapolation.relex import Mode
from lib.progress import Silent


def predict(tmp_path, run, *, last_step, step, name="out", rank=1, **options):
    history = open_history(**run, last_step=last_step)
    fits = fit_checkpoints(history, rank=rank, folder=tmp_path / f"fits_{rank}", progress=Silent())
    write_extrapolated(history, fits, folder=tmp_path / f"fits_{rank}", step=step, out=tmp_path / name, **options)
    return load_file(tmp_path / name / "model.safetensors"), fits


def assert_equal_tensors(found, expected, tolerance=1e-4):
    assert set(found) == set(expected)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("steps", [[1, 2, 3, 4, 5], [2, 4, 6], [1, 4, 5, 9]])
def test_every_tensor_of_a_straight_run_is_continued_exactly(tmp_path, line, steps, save_run):
    run = save_run(tmp_path, line, steps)
    found, fits = predict(tmp_path, run, last_step=steps[-1], step=31)
    assert_equal_tensors(found, line(31), 1e-3)
    assert {fit.tensor for fit in fits} == set(line(0))


def test_parts_of_a_tensor_give_what_the_whole_gives(tmp_path, line, monkeypatch, save_run):
    run = save_run(tmp_path, line, [1, 2, 3])
    whole, _ = predict(tmp_path, run, last_step=3, step=8)
    monkeypatch.setattr(module, "WINDOW_ELEMENTS", 24)  # two rows of the embedding at a time
    monkeypatch.setattr(module, "WRITE_ELEMENTS", 8)
    history = open_history(**run, last_step=3)
    fits = fit_checkpoints(history, rank=1, folder=tmp_path / "parts", progress=Silent())
    write_extrapolated(history, fits, folder=tmp_path / "parts", step=8, out=tmp_path / "by_parts")
    assert_equal_tensors(load_file(tmp_path / "by_parts" / "model.safetensors"), whole, 1e-5)


def test_a_tensor_that_did_not_move_keeps_its_very_bits(tmp_path, line, save_run):
    found, fits = predict(tmp_path, save_run(tmp_path, line, [1, 2, 3]), last_step=3, step=9)
    assert torch.equal(found["still"], line(0)["still"])
    assert next(fit for fit in fits if fit.tensor == "still").explained_variance == 0.0


def test_the_last_checkpoint_joins_where_thinning_left_it_out(tmp_path, line, save_run, save_checkpoint):
    run = save_run(tmp_path, line, [2, 4])
    run["last"] = save_checkpoint(tmp_path / "later", line(5))
    assert open_history(**run, last_step=5).steps == (2, 4, 5)
    found, _ = predict(tmp_path, run, last_step=5, step=10)
    assert_equal_tensors(found, line(10), 1e-3)


def test_a_finished_fit_is_read_back_without_the_history(tmp_path, line, save_run):
    run = save_run(tmp_path, line, [1, 2, 3])
    history = open_history(**run, last_step=3)
    first = fit_checkpoints(history, rank=2, folder=tmp_path / "fits", progress=Silent())
    again = fit_checkpoints(None, rank=2, folder=tmp_path / "fits", progress=Silent())
    assert [fit.coefficients.tolist() for fit in again] == [fit.coefficients.tolist() for fit in first]
    assert [fit.steps for fit in again] == [(1, 2, 3)] * len(first)


def test_reconstruction_of_a_saved_step_and_scaled_delta_agree_on_a_straight_run(tmp_path, line, save_run):
    run = save_run(tmp_path, line, [1, 2, 3])
    reconstructed, _ = predict(tmp_path, run, last_step=3, step=3, mode=Mode.RECONSTRUCT)
    write_scaled(open_history(**run, last_step=3), scale=1.0, out=tmp_path / "scaled")
    scaled = load_file(tmp_path / "scaled" / "model.safetensors")
    assert_equal_tensors(reconstructed, line(3))
    assert_equal_tensors(scaled, line(3))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_rounding_a_trajectory_to_16_bits_moves_nothing(tmp_path, line, dtype, save_run, save_checkpoint):
    """Updates of 1e-8 are lost in 16 bits; what is left of them must be nothing, and not the rounding of the base."""

    def path(step):
        near = {name: start + 1e-8 * step for name, start in line(0).items()}
        return {name: tensor.to(dtype) for name, tensor in near.items()} if step else near

    run = save_run(tmp_path, path, [1, 2, 3])
    run["last"] = save_checkpoint(tmp_path / "last", line(0))
    found, fits = predict(tmp_path, run, last_step=3, step=6)
    assert all(torch.equal(found[name], start) for name, start in line(0).items())
    assert {fit.explained_variance for fit in fits} == {0.0}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_result_has_the_type_of_the_last_checkpoint(tmp_path, line, dtype, save_run):
    def at(step):
        return {name: tensor.to(dtype) for name, tensor in line(step).items()}

    found, _ = predict(tmp_path, save_run(tmp_path, at, [1, 2, 3]), last_step=3, step=6)
    assert {tensor.dtype for tensor in found.values()} == {dtype}
    assert_equal_tensors({n: t.float() for n, t in found.items()}, line(6), 0.08)


@pytest.mark.parametrize("is_tied", [True, False])
@pytest.mark.parametrize("stores_head", [True, False])
def test_a_tied_head_follows_the_embedding_and_an_untied_one_goes_its_own_way(
    tmp_path, is_tied, stores_head, line_of, save_run
):
    body, head = line_of(0), line_of(7)

    def at(step):
        tensors = dict(body(step))
        if stores_head:
            tensors["lm_head.weight"] = (body if is_tied else head)(step)["model.embed_tokens.weight"].clone()
        return tensors

    found, fits = predict(tmp_path, save_run(tmp_path, at, [1, 2, 3], is_tied=is_tied), last_step=3, step=7)
    assert ("lm_head.weight" in found) == stores_head
    if stores_head:
        assert ("lm_head.weight" in {fit.tensor for fit in fits}) == (not is_tied)
        same = torch.equal(found["lm_head.weight"], found["model.embed_tokens.weight"])
        assert same == is_tied
        torch.testing.assert_close(found["lm_head.weight"], at(7)["lm_head.weight"], rtol=1e-3, atol=1e-3)


def test_tensors_that_are_not_numbers_on_a_path_keep_the_base(tmp_path, line, save_run):
    def at(step):
        return {**line(step), "counter": torch.tensor([step, 5])}

    found, fits = predict(tmp_path, save_run(tmp_path, at, [1, 2]), last_step=2, step=4)
    assert found["counter"].tolist() == [0, 5]
    assert "counter" not in {fit.tensor for fit in fits}


def test_shards_are_read_and_written_as_they_lie(tmp_path, line, save_run):
    run = save_run(tmp_path, line, [1, 2, 3])
    tensors = dict(line(3))
    for path in run["last"].glob("*.safetensors"):
        path.unlink()
    weight_map = {name: f"model-0000{1 + (i % 2)}-of-00002.safetensors" for i, name in enumerate(sorted(tensors))}
    for shard in set(weight_map.values()):
        save_file({n: tensors[n] for n in weight_map if weight_map[n] == shard}, run["last"] / shard)
    (run["last"] / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    history = open_history(**run, last_step=3)
    fits = fit_checkpoints(history, rank=1, folder=tmp_path / "fits", progress=Silent())
    write_extrapolated(history, fits, folder=tmp_path / "fits", step=12, out=tmp_path / "out")
    found = {}
    for shard in sorted(set(weight_map.values())):
        found |= load_file(tmp_path / "out" / shard)
    assert_equal_tensors(found, line(12), 1e-3)
    assert (tmp_path / "out" / "model.safetensors.index.json").exists()


def test_transformers_loads_the_result(tmp_path):
    config = Qwen3Config(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, tie_word_embeddings=True,
    )  # fmt: skip
    torch.manual_seed(0)
    model = Qwen3ForCausalLM(config)
    way = {name: 0.01 * torch.randn_like(value) for name, value in model.named_parameters()}
    folders = [tmp_path / "base", *(tmp_path / "trajectory" / f"step_{step:05d}" for step in (1, 2, 3))]
    for folder in folders:
        model.save_pretrained(folder)
        with torch.no_grad():
            for name, value in model.named_parameters():
                value += way[name]
    history = open_history(base=folders[0], trajectory=tmp_path / "trajectory", last=folders[-1], last_step=3)
    fits = fit_checkpoints(history, rank=1, folder=tmp_path / "fits", progress=Silent())
    write_extrapolated(history, fits, folder=tmp_path / "fits", step=4, out=tmp_path / "out")
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    ids = torch.arange(10)[None]
    with torch.no_grad():  # the model stands one update behind its last addition: at step 4
        torch.testing.assert_close(loaded(ids).logits, model(ids).logits, rtol=1e-3, atol=1e-3)


def test_one_checkpoint_is_refused_with_what_to_change(tmp_path, line, save_run):
    run = save_run(tmp_path, line, [4])
    with pytest.raises(SettingsError, match="trajectory_every"):
        open_history(**run, last_step=4)


def test_a_cut_file_and_a_foreign_tensor_are_named(tmp_path, line, save_run):
    run = save_run(tmp_path, line, [1, 2])
    weights = run["trajectory"] / "step_00001" / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[: len(content) // 2])
    with pytest.raises(ArtifactError, match="step_00001/model.safetensors"):
        open_history(**run, last_step=2)
    save_file({**line(1), "scale": torch.zeros(2)}, weights)
    with pytest.raises(ArtifactError, match="Tensor scale is"):
        open_history(**run, last_step=2)
    save_file({name: tensor for name, tensor in line(1).items() if name != "scale"}, weights)
    with pytest.raises(ArtifactError, match="scale"):
        open_history(**run, last_step=2)
