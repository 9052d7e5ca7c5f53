"""A model that gives patches a row and a column: its positions and log-probabilities are its own."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest
import torch

from lib.environments.environment import ImageRef, Message
from lib.errors import PolicyError
from lib.learning import token_batch
from lib.learning.action_logprobs import ActionLogProbs
from lib.learning.check_policy import check_images, check_texts
from lib.learning.token_batch import Sample, make_micro_batches
from lib.policy.engine import SampleRequest
from lib.policy.load import load_chat, load_model
from lib.policy.patch_ids import PatchIds
from lib.policy.rotary_positions import RotaryPositions
from lib.policy.transformers_engine import TransformersEngine
from lib.sources.images.image_set import ImageStore
from tests.small_images import write_grid_policy

WHOLE, PART = ImageRef("shapes/red-3-0"), ImageRef("shapes/blue-5-10", (0, 0, 40, 20))


@pytest.fixture(scope="module", params=["Qwen2.5-VL", "Qwen3-VL"])
def checkpoint(request, tmp_path_factory, seeing_policy):
    plain = seeing_policy / "plain" / "checkpoint"
    return write_grid_policy(tmp_path_factory.mktemp("grids"), plain, deep=request.param == "Qwen3-VL")


@pytest.fixture(scope="module")
def chat(checkpoint, shapes):
    return load_chat(checkpoint, ImageStore(shapes).open)


def asked(chat, *images):
    shown = tuple(part for number, image in enumerate(images, 1) for part in (f"Picture {number}: ", image, "\n"))
    return chat.encode_prompt([Message("user", (*shown, "Which?"))])


@pytest.mark.parametrize("images", [(), (WHOLE,), (WHOLE, PART), (PART, PART, WHOLE)])
def test_positions_are_those_that_the_model_gives_itself(checkpoint, chat, images):
    said = asked(chat, *images)
    patches = PatchIds(chat.encoder.patch_token)
    found = RotaryPositions(chat.encoder, patches).of(patches.encode(said.tokens, said.images))
    ids = torch.tensor([said.tokens])
    grids = [chat.encoder.tensors(image)["image_grid_thw"] for image in images]
    wanted, _ = load_model(checkpoint).model.get_rope_index(
        ids,
        mm_token_type_ids=(ids == chat.encoder.patch_token).int(),
        image_grid_thw=torch.cat(grids) if grids else None,
    )
    assert np.array_equal(found, wanted[:, 0].numpy())
    assert not images or len({tuple(axis) for axis in found}) > 1


def test_an_image_takes_as_many_placeholders_as_its_sides_ask_for(chat):
    said = asked(chat, WHOLE, PART)
    sizes = [image.num_patches for image in said.images]
    assert sizes == [np.prod(chat.encoder.grid(image)) for image in (WHOLE, PART)]
    assert said.tokens.count(chat.encoder.patch_token) == sum(sizes)


def test_trained_log_probabilities_are_the_model_s_own(checkpoint, chat):
    check_images(load_model(checkpoint), chat, (WHOLE, PART), where=checkpoint)
    check_texts(load_model(checkpoint))


def test_a_model_that_is_computed_otherwise_is_refused(checkpoint, chat, monkeypatch):
    class Counted(RotaryPositions):
        def of(self, ids):
            return np.tile(np.arange(len(ids)), (3, 1))

    monkeypatch.setattr(token_batch, "RotaryPositions", Counted)
    with pytest.raises(PolicyError, match="gives other probabilities after an image"):
        check_images(load_model(checkpoint), chat, (WHOLE, PART), where=checkpoint)


def test_sampled_log_probabilities_are_the_trainer_s_over_turns(checkpoint, chat):
    engine = TransformersEngine(
        load_model(checkpoint), max_concurrent=3, max_tokens=512, dtype=torch.float32, encoder=chat.encoder
    )

    async def play(number, images):
        said = asked(chat, *images)
        sample = Sample(
            list(said.tokens), [False] * len(said.tokens), [0.0] * len(said.tokens), images=tuple(said.images)
        )
        for turn in range(2):
            request = SampleRequest(
                f"s{number}", list(sample.tokens), 8, 1.0, 1.0, frozenset(), seed=turn, images=sample.images
            )
            done = await engine.sample(request)
            shown = chat.encode_result(("Picture 1: ", PART))
            placed = [image.moved(len(sample.tokens) + len(done.tokens)) for image in shown.images]
            sample = replace(
                sample,
                tokens=sample.tokens + done.tokens + shown.tokens,
                trained=sample.trained + [True] * len(done.tokens) + [False] * len(shown.tokens),
                behaviour_logprobs=sample.behaviour_logprobs + done.logprobs + [0.0] * len(shown.tokens),
                images=(*sample.images, *placed),
            )
        engine.release(f"s{number}")
        return sample

    async def run():
        groups = [(WHOLE, PART), (WHOLE, PART), (PART,), (WHOLE,)]
        return await asyncio.gather(*(play(number, images) for number, images in enumerate(groups)))

    samples = asyncio.run(run())
    (batch,) = make_micro_batches(samples, max_nodes=10_000, encoder=chat.encoder)
    found = ActionLogProbs(load_model(checkpoint), dtype=torch.float32)(batch).detach()
    torch.testing.assert_close(found, batch.behaviour_logprobs, atol=2e-5, rtol=0)
