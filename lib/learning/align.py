"""Alignment: a vision encoder from scratch learns to say what it sees in the words of a language model.

A job of one process. First every token of an image is drawn towards the vectors of the words for what its cell shows,
without the language model, so that a step is cheap; then the language model, which stays as it is, writes captions, and
only the encoder learns from them. A model that sees already is copied as it is. The recipe is ours: LLaVA's alignment
(arXiv 2304.08485) takes captions alone, and an encoder that has seen 400 million pictures.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import torch
from torch.nn import functional

from data_contracts.training import CHECKPOINT
from lib.environments.environment import ImageRef, Message
from lib.environments.vision import in_pixels
from lib.errors import SynthesisError
from lib.learning.action_logprobs import ActionLogProbs
from lib.learning.check_images import check_images
from lib.learning.schedule import cosine_with_warmup
from lib.learning.step_log import StepLog
from lib.learning.token_batch import Sample, make_micro_batches
from lib.learning.word_targets import WordTargets
from lib.policy.attach_vision import attach_vision, write_vision_checkpoint
from lib.policy.conversation import ChatFormat
from lib.policy.device import own_device
from lib.policy.image_encoder import ImageEncoder
from lib.policy.image_features import image_features, join_tensors
from lib.policy.load import has_vision, load_chat, load_model, load_tokenizer
from lib.policy.precision import DTYPES
from lib.seeds import derive_seed
from lib.settings.align import AlignSettings
from lib.sources.images.image_set import ImageStore, Picture
from lib.synthesis.vision.captions import caption_of
from lib.synthesis.vision.windows import window_of
from lib.workers.rank import Job, run_rank

SHARPNESS = 20.0  # of the cosines between a token of an image and the vectors of words
NORM_WEIGHT = 0.1  # of the loss that keeps tokens of images as long as vectors of words
MAX_GRAD_NORM = 1.0
WHOLE_SHARE = 0.3  # of the showings of a scene that takes a closer look, and is shown as a whole instead
SCENE_SHARE = 0.75  # of the pictures that are shown, where there are scenes and others
WARMUP_STEPS = 10
ASKED = "What does the picture show?"

Shown = tuple[Picture, ImageRef]


def main(job: Job) -> None:
    base = job.inputs["base"] / CHECKPOINT
    log = StepLog(job.scratch / "steps.jsonl", resumed_step=0)
    if has_vision(base):
        _check_own(base, ImageStore(job.inputs["images"]))
        shutil.copytree(base, job.out / CHECKPOINT)
        log.write(job.out / "steps.parquet")
        job.progress.update(1, 1, "the model sees already")
        return
    settings, store = job.settings.align, ImageStore(job.inputs["images"])
    model, processor = attach_vision(
        load_model(base), load_tokenizer(base), settings.vision, seed=derive_seed(job.seed, "vision encoder")
    )
    Alignment(model.to(own_device()), ImageEncoder(processor, store.open), store, job, log).run(settings)
    write_vision_checkpoint(model, processor, job.out / CHECKPOINT)
    log.write(job.out / "steps.parquet")


def _check_own(checkpoint: Path, store: ImageStore) -> None:
    """Raises PolicyError for a model whose way with images is another than that of sampler and trainer."""
    shown = [ImageRef(picture.id) for picture in store.pictures()[:2]]
    model = load_model(checkpoint).to(own_device())
    check_images(model, load_chat(checkpoint, store.open), shown, where=checkpoint)


class Alignment:
    """One model that learns to see."""

    def __init__(self, model: torch.nn.Module, encoder: ImageEncoder, store: ImageStore, job: Job, log: StepLog):
        self._model, self._encoder, self._job, self._log = model, encoder, job, log
        self._chat = ChatFormat(encoder.tokenizer, encoder)
        train = [picture for picture in store.pictures() if picture.split == "train"]
        if not train:
            raise SynthesisError("There is no image to learn from in the training split.", next_step="give more images")
        self._scenes = [picture for picture in train if picture.parts]
        self._others = [picture for picture in train if not picture.parts]
        self._device = own_device()
        self._dtype = DTYPES[job.settings.workers.precision]
        self._step = 0

    def run(self, settings: AlignSettings) -> None:
        """Both phases; the language model's own weights are the same afterwards."""
        model = self._model
        trained = [*model.model.vision_model.parameters(), *model.model.connector.parameters()]
        model.requires_grad_(False)
        for parameter in trained:
            parameter.requires_grad_(True)
        model.train()
        total = settings.word_steps + settings.caption_steps
        words = _Words(self._model, self._encoder, settings)
        self._phase(
            trained,
            settings.word_steps,
            settings.word_learning_rate,
            settings.word_batch_size,
            words.loss,
            total,
            "words",
        )
        captions = ActionLogProbs(model, dtype=self._dtype)
        self._phase(
            trained,
            settings.caption_steps,
            settings.caption_learning_rate,
            settings.caption_batch_size,
            lambda shown: self._caption_loss(captions, shown),
            total,
            "captions",
        )
        model.requires_grad_(True).eval()

    def _phase(
        self,
        parameters: Sequence[torch.nn.Parameter],
        steps: int,
        peak: float,
        batch_size: int,
        loss_of: Callable[[Sequence[Shown]], torch.Tensor],
        total: int,
        what: str,
    ) -> None:
        optimizer = torch.optim.AdamW(parameters, lr=peak, betas=(0.9, 0.98), weight_decay=0.01)
        random = Random(derive_seed(self._job.seed, "align", what))
        for step in range(steps):
            started = time.perf_counter()
            rate = cosine_with_warmup(step, peak=peak, warmup_steps=WARMUP_STEPS, steps=steps)
            for group in optimizer.param_groups:
                group["lr"] = rate
            with torch.autocast(self._device.type, dtype=self._dtype, enabled=self._dtype != torch.float32):
                loss = loss_of([self._draw(random) for _ in range(batch_size)])
            optimizer.zero_grad()
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(parameters, MAX_GRAD_NORM)
            optimizer.step()
            self._step += 1
            self._log.append(
                step=self._step,
                loss=loss.item(),
                learning_rate=rate,
                grad_norm=norm.item(),
                num_episodes=batch_size,
                num_tokens=0,
                num_action_tokens=0,
                seconds_train=time.perf_counter() - started,
            )
            self._job.progress.update(self._step, total, f"{what}, loss {loss.item():.3f}")

    def _draw(self, random: Random) -> Shown:
        """A picture, or the window of a scene in which one has to look closer."""
        takes_scene = self._scenes and (not self._others or random.random() < SCENE_SHARE)
        picture = random.choice(self._scenes if takes_scene else self._others)
        window = window_of(picture)
        if window is None or random.random() < WHOLE_SHARE:
            return picture, ImageRef(picture.id)
        return picture, ImageRef(picture.id, in_pixels(window, picture))

    def _caption_loss(self, captions: ActionLogProbs, shown: Sequence[Shown]) -> torch.Tensor:
        samples = [self._captioned(*one) for one in shown]
        max_nodes = self._job.settings.workers.micro_batch_tokens
        batches = make_micro_batches(samples, max_nodes=max_nodes, encoder=self._encoder)
        logprobs = torch.cat([captions(batch.to(self._device)) for batch in batches])
        return -logprobs.mean()

    def _captioned(self, picture: Picture, image: ImageRef) -> Sample:
        said = self._chat.encode_prompt([Message("user", (image, f"\n{ASKED}"))])
        caption = self._chat.encode_reply(caption_of(picture, image.box))
        tokens = said.tokens + caption
        trained = [False] * len(said.tokens) + [True] * len(caption)
        return Sample(tokens, trained, [0.0] * len(tokens), images=tuple(said.images))


class _Words:
    """The loss of the first phase."""

    def __init__(self, model: torch.nn.Module, encoder: ImageEncoder, settings: AlignSettings):
        self._model, self._encoder = model, encoder
        side = round(settings.vision.tokens**0.5)
        self._targets = WordTargets(lambda text: encoder.tokenizer.encode(text, add_special_tokens=False), side)
        vectors = model.get_input_embeddings().weight
        self._length = vectors.norm(dim=-1).mean()

    def loss(self, shown: Sequence[Shown]) -> torch.Tensor:
        """Cross entropy between each cell's words and its token's cosines with all words met so far."""
        tensors = join_tensors([self._encoder.tensors(image) for _, image in shown])
        device = self._length.device
        features = image_features(self._model, {name: value.to(device) for name, value in tensors.items()}).float()
        cells = [words for picture, image in shown for words in self._targets.of(picture, image.box)]
        vectors = self._model.get_input_embeddings().weight[self._targets.vocabulary].float()
        logits = SHARPNESS * functional.normalize(features, dim=-1) @ functional.normalize(vectors, dim=-1).T
        wanted = torch.zeros_like(logits)
        for row, words in enumerate(cells):
            wanted[row, words] = 1 / len(words)
        length = (features.norm(dim=-1) / self._length - 1).square().mean()
        return functional.cross_entropy(logits, wanted) + NORM_WEIGHT * length


if __name__ == "__main__":
    run_rank(main)
