"""Attention on images is that of the model's own weights, and the model is as it was afterwards."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from lib.environments.environment import ImageRef, Message
from lib.evaluation.image_attention import FIFTHS, ImageAttention, watched_questions
from lib.policy.load import load_chat, load_model
from lib.sources.images.image_set import ImageStore

IMAGE = ImageRef("shapes/red-3-0")


@pytest.fixture(scope="module")
def chat(seeing_policy, shapes):
    return load_chat(seeing_policy / "checkpoint", ImageStore(shapes).open)


def episode(chat, *, later):
    """A prompt with one image, a turn, and what a tool shows, with an image or without, before another turn."""
    said = chat.encode_prompt([Message("user", ("Picture 1: ", IMAGE, "Which?"))])
    turn = chat.encode_reply("red blue green red blue")
    shown = chat.encode_result(("Picture 1: ", IMAGE) if later else "Picture 1 stands above.")
    tokens = [*said.tokens, *turn, *shown.tokens, *turn]
    images = [*said.images, *(image.moved(len(said.tokens) + len(turn)) for image in shown.images)]
    mask = [False] * len(said.tokens) + [True] * len(turn) + [False] * len(shown.tokens) + [True] * len(turn)
    rows = [vars(image) | {"image_id": image.id, "box": image.box} for image in images]
    return {
        "tokens": tokens,
        "action_mask": mask,
        "images": [{k: v for k, v in row.items() if k != "id"} for row in rows],
    }


def test_shares_are_those_of_the_model_s_own_attention_weights(chat, seeing_policy):
    row = episode(chat, later=True)
    model = load_model(seeing_policy / "checkpoint")
    attended, seen = ImageAttention(model, chat.encoder).by_fifth(row)
    model.set_attn_implementation({"text_config": "eager", "vision_config": "sdpa"})
    each = chat.encoder.tensors(IMAGE)
    tensors = {name: torch.cat([value, value], dim=1) for name, value in each.items()}
    with torch.no_grad():
        weights = model(input_ids=torch.tensor([row["tokens"]]), **tensors, output_attentions=True).attentions
    patches = torch.tensor(row["tokens"]) == chat.encoder.patch_token
    wanted = torch.stack(weights)[:, 0, :, :, patches].sum(-1).mean(dim=(0, 1))[torch.tensor(row["action_mask"])]
    np.testing.assert_allclose(attended, [part.mean() for part in wanted.tensor_split(FIFTHS)], atol=1e-5)
    assert (0 < seen).all() and (seen < 1).all() and (0 < attended).all()


def test_an_image_that_a_tool_brings_raises_the_share(chat, seeing_policy):
    measure = ImageAttention(load_model(seeing_policy / "checkpoint"), chat.encoder)
    with_image, without = (measure.by_fifth(episode(chat, later=later)) for later in (True, False))
    assert with_image[0, 0] == pytest.approx(without[0, 0], abs=1e-5)
    assert with_image[0, -1] > without[0, -1] and with_image[1, -1] > without[1, -1]


def test_the_model_computes_as_before_afterwards(chat, seeing_policy):
    model = load_model(seeing_policy / "checkpoint")
    ImageAttention(model, chat.encoder).by_fifth(episode(chat, later=True))
    assert json.dumps(model.config.text_config._attn_implementation) == '"ropewalk"'


def test_questions_are_watched_at_which_a_tool_is_called(episode, episode_table):
    calling = episode_table([episode(f"q-{number}", calls=number % 2) for number in range(8)])
    assert watched_questions(calling, 3).to_pylist() == ["q-1", "q-3", "q-5"]
    silent = episode_table([episode(f"q-{number}", calls=0) for number in range(4)])
    assert watched_questions(silent, 3).to_pylist() == ["q-0", "q-1", "q-2"]
