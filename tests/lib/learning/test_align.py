"""Alignment as a real job: the encoder learns words for images it was not shown; the language model stays as it is."""

from __future__ import annotations

import contextlib
import json

import psutil
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from data_contracts.training import STEPS
from lib.environments.environment import ImageRef
from lib.errors import JobError
from lib.learning.word_targets import WordTargets
from lib.policy.image_features import image_features
from lib.policy.load import load_chat, load_model
from lib.progress import Silent
from lib.settings.settings import Settings
from lib.sources.images.image_set import ImageStore
from lib.workers.job import JobSpec
from lib.workers.supervise import run_job

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("training")]

ALIGN = {
    "vision": {"side": 32, "width": 64, "layers": 2},
    "word_steps": 120,
    "word_batch_size": 16,
    "caption_steps": 60,  # enough of them for a kill to find it at work
    "caption_learning_rate": 1e-6,
    "caption_batch_size": 4,
}
STEPS_IN_ALL = ALIGN["word_steps"] + ALIGN["caption_steps"]


@pytest.fixture(scope="module")
def run(tmp_path_factory, shapes, seeing_policy):
    def made(base, *, folder=None, progress=None, **section):
        folder = folder or tmp_path_factory.mktemp("align")
        for name in ("out", "scratch"):
            (folder / name).mkdir(exist_ok=True)
        settings = Settings.model_validate(
            {"align": ALIGN | section, "workers": {"precision": "float32", "threads": 1}, "policy": {"type": "nano"}}
        )
        inputs = {"base": base, "images": shapes}
        spec = JobSpec("lib.learning.align", "process", settings, inputs, folder / "out", folder / "scratch", seed=3)
        run_job(spec, workers=settings.workers, progress=progress or Silent())
        return folder / "out"

    return made


@pytest.fixture(scope="module")
def aligned(run, seeing_policy):
    return run(seeing_policy / "plain")


def test_the_language_model_is_as_it_was(aligned, seeing_policy):
    before = load_file(seeing_policy / "plain" / "checkpoint" / "model.safetensors")
    after = load_file(aligned / "checkpoint" / "model.safetensors")
    for name, tensor in before.items():
        found = after[name.replace("model.", "model.text_model.", 1)]
        assert torch.equal(found[: len(tensor)], tensor), name


def test_both_phases_are_logged_and_the_loss_of_the_first_falls(aligned):
    steps, _ = STEPS.check(pq.read_table(aligned / "steps.parquet"))
    losses = steps["loss"].to_pylist()
    assert len(losses) == STEPS_IN_ALL
    assert sum(losses[110:120]) < 0.7 * sum(losses[:10])


class Killer:
    """Kills the job with SIGKILL once it has reported enough steps."""

    def __init__(self, *, at):
        self._at, self.killed = at, False

    def update(self, done, total, note=""):
        for process in psutil.Process().children(recursive=True) if done >= self._at and not self.killed else []:
            with contextlib.suppress(psutil.NoSuchProcess):  # a child that ended while we looked
                if "lib.learning.align" in process.cmdline():
                    process.kill()
                    self.killed = True


@pytest.mark.parametrize("at", [60, 121])  # in either phase
def test_a_run_that_was_killed_goes_on_and_ends_with_the_same_weights(run, seeing_policy, aligned, tmp_path, at):
    killer = Killer(at=at)
    with pytest.raises(JobError, match="SIGKILL"):
        run(seeing_policy / "plain", folder=tmp_path, progress=killer)
    before = (tmp_path / "scratch" / "steps.jsonl").read_text().splitlines()
    out = run(seeing_policy / "plain", folder=tmp_path)
    found, wanted = (load_file(path / "checkpoint" / "model.safetensors") for path in (out, aligned))
    assert all(torch.allclose(found[name], tensor, atol=1e-6) for name, tensor in wanted.items())
    rows = pq.read_table(out / "steps.parquet").to_pylist()
    assert [row["step"] for row in rows] == list(range(1, STEPS_IN_ALL + 1))
    seconds = {row["step"]: row["seconds_train"] for row in map(json.loads, before)}
    kept = [row["step"] for row in rows if seconds.get(row["step"]) == row["seconds_train"]]
    assert kept == list(range(1, len(kept) + 1))
    # It is saved after every tenth, and the kill may come right before that.
    assert len(kept) in (len(before) // 10 * 10, (len(before) - 1) // 10 * 10)
    assert len(kept) >= at // 10 * 10


def test_images_that_were_held_out_lie_near_their_words(aligned, shapes):
    store = ImageStore(shapes)
    chat, model = load_chat(aligned / "checkpoint", store.open), load_model(aligned / "checkpoint")
    tokenizer = chat.encoder.tokenizer
    words = WordTargets(lambda text: tokenizer.encode(text, add_special_tokens=False), 1)
    colours = {name: tokenizer.encode(f" {name}", add_special_tokens=False) for name in ("red", "green", "blue")}
    vectors = torch.nn.functional.normalize(model.get_input_embeddings().weight.detach(), dim=-1)
    held_out = [picture for picture in store.pictures() if picture.split == "test"]
    right = 0
    for picture in held_out:
        assert words.of(picture)
        with torch.no_grad():
            seen = image_features(model, chat.encoder.tensors(ImageRef(picture.id))).mean(dim=0)
        nearest = max(colours, key=lambda name: float((vectors[colours[name]] @ seen).mean()))
        right += nearest in picture.texts("colour")
    assert right >= 0.8 * len(held_out) >= 8


def test_a_model_that_sees_already_is_taken_as_it_is(run, seeing_policy):
    out = run(seeing_policy)
    before, after = (load_file(path / "checkpoint" / "model.safetensors") for path in (seeing_policy, out))
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert pq.read_table(out / "steps.parquet").num_rows == 0
