"""A policy that sees: what stands for an image, and log-probabilities that are the model's own."""

from __future__ import annotations

import asyncio

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.environments.environment import ImageRef, Message
from lib.errors import PolicyError
from lib.learning.action_logprobs import ActionLogProbs
from lib.learning.token_batch import Sample, make_micro_batches
from lib.policy.engine import PlacedImage, SampleRequest
from lib.policy.load import load_chat, load_model, load_processor
from lib.policy.patch_ids import PatchIds
from lib.policy.transformers_engine import TransformersEngine
from lib.sources.images.image_set import ImageStore

RED, BLUE = ImageRef("shapes/red-3-0"), ImageRef("shapes/blue-5-10")
PART = ImageRef("shapes/blue-5-10", (0, 0, 20, 20))
PATCHES = 4  # of the small policy


@pytest.fixture(scope="module")
def store(shapes):
    return ImageStore(shapes)


@pytest.fixture(scope="module")
def seeing(seeing_policy, store):
    return load_chat(seeing_policy / "checkpoint", store.open)


def model_of(seeing_policy):
    return load_model(seeing_policy / "checkpoint")


def asked(chat, *images, text="Which?"):
    shown = tuple(part for n, image in enumerate(images, 1) for part in (f"Picture {n}: ", image, "\n"))
    return chat.encode_prompt([Message("user", (*shown, text))])


def tensors_of(chat, said):
    """All images of a prompt as the model's own processor batches them: one row, several images."""
    each = [chat.encoder.tensors(ImageRef(image.id, image.box)) for image in said.images]
    return {name: torch.cat([one[name] for one in each], dim=1) for name in each[0]}


def own_logprobs(model, chat, said, reply):
    """Of a reply, by the model's own forward pass with its own way of merging images."""
    model.set_attn_implementation({"text_config": "eager", "vision_config": "sdpa"})
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([said.tokens + reply]), **tensors_of(chat, said)).logits[0]
    rows = logits[len(said.tokens) - 1 : -1].log_softmax(-1)
    return rows.gather(1, torch.tensor(reply)[:, None])[:, 0]


def test_an_image_is_as_many_placeholders_as_the_encoder_has_patches(seeing):
    said = asked(seeing, RED, PART)
    assert [(image.id, image.box, image.num_patches) for image in said.images] == [
        (RED.id, None, PATCHES),
        (PART.id, PART.box, PATCHES),
    ]
    for image in said.images:
        assert said.tokens[image.start : image.end].count(image.patch_token) == PATCHES
    assert said.tokens.count(seeing.encoder.patch_token) == 2 * PATCHES


def test_text_that_looks_like_a_placeholder_stays_text(seeing):
    placeholder = seeing.decode([seeing.encoder.patch_token])
    said = asked(seeing, RED, text=f"What is {placeholder}?")
    assert said.tokens.count(seeing.encoder.patch_token) == PATCHES
    assert seeing.encoder.patch_token not in seeing.encode_result(placeholder).tokens


def test_trained_log_probabilities_are_the_model_s_own(seeing, seeing_policy):
    model = model_of(seeing_policy)
    reply = seeing.encode_reply("Picture 1: red")
    prompts = [asked(seeing, RED, BLUE), asked(seeing, RED, PART), asked(seeing, BLUE), asked(seeing)]
    samples = [
        Sample(
            said.tokens + reply,
            [False] * len(said.tokens) + [True] * len(reply),
            [0.0] * (len(said.tokens) + len(reply)),
            images=tuple(said.images),
        )
        for said in prompts
    ]
    (batch,) = make_micro_batches(samples, max_nodes=10_000, encoder=seeing.encoder)
    assert len(batch.ids) < sum(len(sample.tokens) for sample in samples)  # what is shared is computed once
    found = ActionLogProbs(model, dtype=torch.float32)(batch).detach()
    plain = [said for said in prompts if said.images]
    wanted = torch.cat([own_logprobs(model, seeing, said, reply) for said in plain])
    with torch.no_grad():
        tokens = torch.tensor([prompts[-1].tokens + reply])
        rows = model(input_ids=tokens).logits[0, len(prompts[-1].tokens) - 1 : -1].log_softmax(-1)
    wanted = torch.cat([wanted, rows.gather(1, torch.tensor(reply)[:, None])[:, 0]])
    torch.testing.assert_close(found.sort().values, wanted.sort().values, atol=2e-5, rtol=0)


def test_other_images_give_other_log_probabilities(seeing, seeing_policy):
    model, reply = model_of(seeing_policy), seeing.encode_reply("red")
    first, second = (own_logprobs(model, seeing, asked(seeing, image), reply) for image in (RED, BLUE))
    assert (first - second).abs().max() > 1e-4


def test_the_vision_encoder_learns_from_what_follows_its_images(seeing, seeing_policy):
    model = model_of(seeing_policy)
    said, reply = asked(seeing, RED), seeing.encode_reply("red")
    sample = Sample(
        said.tokens + reply,
        [False] * len(said.tokens) + [True] * len(reply),
        [0.0] * (len(said.tokens) + len(reply)),
        images=tuple(said.images),
    )
    (batch,) = make_micro_batches([sample], max_nodes=10_000, encoder=seeing.encoder)
    ActionLogProbs(model, dtype=torch.float32)(batch).sum().backward()
    assert model.model.connector.modality_projection.proj.weight.grad.abs().max() > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_sampled_log_probabilities_are_the_model_s_own_over_turns(seeing, seeing_policy, dtype):
    engine = TransformersEngine(
        model_of(seeing_policy), max_concurrent=4, max_tokens=512, dtype=dtype, encoder=seeing.encoder
    )

    async def play(number, images):
        said = asked(seeing, *images)
        tokens, placed, taken = list(said.tokens), list(said.images), []
        for turn in range(2):
            request = SampleRequest(
                f"s{number}", list(tokens), 8, 1.0, 1.0, frozenset(), seed=10 * number + turn, images=tuple(placed)
            )
            completion = await engine.sample(request)
            taken.append((list(tokens), list(placed), completion))
            tokens += completion.tokens
            shown = seeing.encode_result(("Picture 1: ", PART))
            placed += [image.moved(len(tokens)) for image in shown.images]
            tokens += shown.tokens
        engine.release(f"s{number}")
        return taken

    async def run():
        groups = [(RED, BLUE), (RED, BLUE), (RED, PART), (BLUE,), (RED,), (BLUE, RED)]
        return await asyncio.gather(*(play(number, images) for number, images in enumerate(groups)))

    played = asyncio.run(run())
    model = model_of(seeing_policy)
    differences = []
    for turns in played:
        for tokens, placed, completion in turns:
            said = type(asked(seeing, RED))(tokens, "", placed)
            wanted = own_logprobs(model, seeing, said, completion.tokens)
            differences.append((wanted - torch.tensor(completion.logprobs)).abs().max().item())
    assert max(differences) < (2e-5 if dtype == torch.float32 else 0.1)
    first, twin, other = (turns[0][2].tokens for turns in played[:3])
    assert len(first) == len(twin) == len(other) == 8


def test_a_policy_that_sees_reads_texts_in_a_run_without_images(seeing, seeing_policy):
    chat = load_chat(seeing_policy / "checkpoint")
    said = chat.encode_prompt([Message("user", "Which?")])
    engine = TransformersEngine(model_of(seeing_policy), max_concurrent=2, max_tokens=512, dtype=torch.float32)
    completion = asyncio.run(engine.sample(SampleRequest("a", said.tokens, 8, 1.0, 1.0, frozenset(), seed=1)))
    model = model_of(seeing_policy)
    model.set_attn_implementation({"text_config": "eager", "vision_config": "sdpa"})
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([said.tokens + completion.tokens])).logits[0]
    rows = logits[len(said.tokens) - 1 : -1].log_softmax(-1)
    wanted = rows.gather(1, torch.tensor(completion.tokens)[:, None])[:, 0]
    torch.testing.assert_close(torch.tensor(completion.logprobs), wanted, atol=2e-5, rtol=0)


def test_equal_prompts_with_other_images_share_no_cache(seeing, seeing_policy):
    engine = TransformersEngine(
        model_of(seeing_policy), max_concurrent=4, max_tokens=512, dtype=torch.float32, encoder=seeing.encoder
    )

    def request(name, image):
        said = asked(seeing, image)
        return SampleRequest(name, said.tokens, 4, 0.0, 1.0, frozenset(), seed=1, images=tuple(said.images))

    async def run(*requests):
        return [await engine.sample(one) for one in requests]

    red, blue = request("a", RED), request("b", BLUE)
    assert red.prompt == blue.prompt
    first, second = asyncio.run(run(red, blue))
    assert first.logprobs != second.logprobs


def test_features_are_computed_anew_after_a_change_of_weights(seeing, seeing_policy):
    model, changed = model_of(seeing_policy), model_of(seeing_policy)
    with torch.no_grad():
        changed.model.connector.modality_projection.proj.weight.mul_(-3)
    engine = TransformersEngine(model, max_concurrent=2, max_tokens=512, dtype=torch.float32, encoder=seeing.encoder)
    said = asked(seeing, RED)

    def sample(name):
        request = SampleRequest(name, said.tokens, 4, 0.0, 1.0, frozenset(), seed=1, images=tuple(said.images))
        completion = asyncio.run(engine.sample(request))
        engine.release(name)
        return completion

    before = sample("a")
    asyncio.run(engine.update_weights(changed.named_parameters(remove_duplicate=False), version=1))
    after = sample("b")
    wanted = own_logprobs(changed, seeing, said, after.tokens)
    assert after.logprobs != before.logprobs
    torch.testing.assert_close(torch.tensor(after.logprobs), wanted, atol=2e-5, rtol=0)


def test_a_hidden_image_is_grey_and_keeps_its_tokens(seeing_policy, store, seeing):
    blind = load_chat(seeing_policy / "checkpoint", store.open, hidden=True)
    assert asked(blind, RED).tokens == asked(seeing, RED).tokens
    first, second = (blind.encoder.tensors(image)["pixel_values"] for image in (RED, BLUE))
    assert torch.equal(first, second) and not torch.equal(first, seeing.encoder.tensors(RED)["pixel_values"])


def test_a_policy_that_takes_no_images_says_so(chat, world_policy, store):
    with pytest.raises(PolicyError, match="the policy takes none"):
        asked(chat, RED)
    assert load_chat(world_policy / "checkpoint", store.open).encoder is None


def test_a_model_without_a_processor_says_what_is_missing(seeing_policy, tmp_path, store):
    for path in (seeing_policy / "checkpoint").iterdir():
        if "processor" not in path.name:
            (tmp_path / path.name).symlink_to(path)
    with pytest.raises(PolicyError, match="processor"):
        load_chat(tmp_path, store.open)
    with pytest.raises(PolicyError, match="processor"):
        load_processor(tmp_path)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 5)), max_size=6))
def test_patches_have_numbers_of_their_own_that_lead_back(images):
    tokens, placed = [], []
    for name, size in images:
        tokens.append(3)
        placed.append(PlacedImage(name, None, len(tokens), len(tokens) + size + 1))
        tokens += [7] * size + [9]
    patches = PatchIds(7)
    encoded = patches.encode(tokens, placed)
    assert [token for token in encoded if token >= 0] == [token for token in tokens if token != 7]
    found = [patches.decode(token) for token in encoded if token < 0]
    assert found == [(ImageRef(name), offset) for name, size in images for offset in range(size)]
    assert len({token for token in encoded if token < 0}) == len(set(found))
    assert patches.encode(tokens, placed) == encoded
