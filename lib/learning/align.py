"""Alignment: a vision encoder from scratch learns to say what it sees in the words of a language model.

A job of one process. First every token of an image is drawn towards the vectors of the words for what its cell shows,
without the language model, so that a step is cheap; then, where settings ask for it, the language model, which stays as
it is, writes captions, and only the encoder learns from them. A model that sees already is copied as it is. The recipe
is ours: LLaVA's alignment (arXiv 2304.08485) takes captions alone, and an encoder that has seen 400 million pictures.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
from torch.nn import functional

from data_contracts.training import CHECKPOINT
from lib.environments.environment import ImageRef, Message
from lib.environments.vision import in_pixels
from lib.errors import SynthesisError
from lib.learning.action_logprobs import ActionLogProbs
from lib.learning.check_policy import check_images
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
from lib.policy.precision import dtype_of
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

SAVED, SAVE_EVERY = "alignment.pt", 10  # steps; what is saved takes a few megabytes

Shown = tuple[Picture, ImageRef]


def main(job: Job) -> None:
    base = job.inputs["base"] / CHECKPOINT
    if has_vision(base):
        _check_own(base, ImageStore(job.inputs["images"]))
        shutil.copytree(base, job.out / CHECKPOINT)
        StepLog(job.scratch / "steps.jsonl", resumed_step=0).write(job.out / "steps.parquet")
        job.progress.update(1, 1, "the model sees already")
        return
    settings, store = job.settings.align, ImageStore(job.inputs["images"])
    model, processor = attach_vision(
        load_model(base), load_tokenizer(base), settings.vision, seed=derive_seed(job.seed, "vision encoder")
    )
    alignment = Alignment(model.to(own_device()), ImageEncoder(processor, store.open), store, job)
    alignment.run(settings)
    write_vision_checkpoint(model, processor, job.out / CHECKPOINT)
    alignment.write_steps(job.out / "steps.parquet")


def _check_own(checkpoint: Path, store: ImageStore) -> None:
    """Raises PolicyError for a model whose way with images is another than that of sampler and trainer."""
    shown = [ImageRef(picture.id) for picture in store.pictures()[:2]]
    model = load_model(checkpoint).to(own_device())
    check_images(model, load_chat(checkpoint, store.open), shown, where=checkpoint)


@dataclass(frozen=True)
class _Phase:
    name: str
    steps: int
    batch_size: int
    peak: float  # learning rate
    loss: Callable[[Sequence[Shown]], torch.Tensor]


class Alignment:
    """One model that learns to see."""

    def __init__(self, model: torch.nn.Module, encoder: ImageEncoder, store: ImageStore, job: Job):
        self._model, self._encoder, self._job = model, encoder, job
        self._chat = ChatFormat(encoder.tokenizer, encoder)
        train = [picture for picture in store.pictures() if picture.split == "train"]
        if not train:
            raise SynthesisError("There is no image to learn from in the training split.", next_step="give more images")
        self._scenes = [picture for picture in train if picture.parts]
        self._others = [picture for picture in train if not picture.parts]
        self._device = own_device()
        self._dtype = dtype_of(job.settings.workers.precision)
        self._eyes = {"encoder": model.model.vision_model, "connector": model.model.connector}
        self._saved = job.scratch / SAVED
        self._resumed_step = self._resume()
        self._log = StepLog(job.scratch / "steps.jsonl", resumed_step=self._resumed_step)

    def run(self, settings: AlignSettings) -> None:
        """Both phases, from where an earlier run was cut; the language model's own weights stay as they are."""
        model = self._model
        model.requires_grad_(False)
        for module in self._eyes.values():
            module.requires_grad_(True)
        model.train()
        words = _Words(model, self._encoder, settings, map(_shown, [*self._scenes, *self._others]))
        captions = ActionLogProbs(model, dtype=self._dtype)
        phases = (
            _Phase("words", settings.word_steps, settings.word_batch_size, settings.word_learning_rate, words.loss),
            _Phase(
                "captions",
                settings.caption_steps,
                settings.caption_batch_size,
                settings.caption_learning_rate,
                lambda shown: self._caption_loss(captions, shown),
            ),
        )
        self._total = sum(phase.steps for phase in phases)
        first = 0  # of a phase, counted over all of them
        for phase in phases:
            if first + phase.steps > self._resumed_step:
                self._train(phase, first)
            first += phase.steps
        model.requires_grad_(True).eval()

    def write_steps(self, path: Path) -> None:
        """The table of data_contracts.training.STEPS."""
        self._log.write(path)

    def _train(self, phase: _Phase, first: int) -> None:
        parameters = [parameter for module in self._eyes.values() for parameter in module.parameters()]
        optimizer = torch.optim.AdamW(parameters, lr=phase.peak, betas=(0.9, 0.98), weight_decay=0.01)
        begin = max(0, self._resumed_step - first)
        if begin:
            optimizer.load_state_dict(self._state["optimizer"])
        for step in range(begin, phase.steps):
            started = time.perf_counter()
            # The pictures of a step depend on nothing but its number, so that a resumed run sees the same.
            random = Random(derive_seed(self._job.seed, "align", phase.name, step))
            rate = cosine_with_warmup(step, peak=phase.peak, warmup_steps=WARMUP_STEPS, steps=phase.steps)
            for group in optimizer.param_groups:
                group["lr"] = rate
            with torch.autocast(self._device.type, dtype=self._dtype, enabled=self._dtype != torch.float32):
                loss = phase.loss([self._draw(random) for _ in range(phase.batch_size)])
            optimizer.zero_grad()
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(parameters, MAX_GRAD_NORM)
            optimizer.step()
            done = first + step + 1
            self._log.append(
                step=done,
                loss=loss.item(),
                learning_rate=rate,
                grad_norm=norm.item(),
                num_episodes=phase.batch_size,
                num_tokens=0,
                num_action_tokens=0,
                seconds_train=time.perf_counter() - started,
            )
            if done % SAVE_EVERY == 0:
                self._save(done, optimizer)
            self._job.progress.update(done, self._total, f"{phase.name}, loss {loss.item():.3f}")

    def _save(self, step: int, optimizer: torch.optim.Optimizer) -> None:
        weights = {name: module.state_dict() for name, module in self._eyes.items()}
        unfinished = self._saved.with_suffix(".new")
        torch.save({"step": step, "optimizer": optimizer.state_dict(), **weights}, unfinished)
        unfinished.replace(self._saved)

    def _resume(self) -> int:
        """Load what an earlier run has saved, and return its step."""
        if not self._saved.is_file():
            return 0
        self._state = torch.load(self._saved, map_location=self._device, weights_only=True)
        for name, module in self._eyes.items():
            module.load_state_dict(self._state[name])
        return self._state["step"]

    def _draw(self, random: Random) -> Shown:
        """A picture, or the window of a scene in which one has to look closer."""
        takes_scene = self._scenes and (not self._others or random.random() < SCENE_SHARE)
        picture = random.choice(self._scenes if takes_scene else self._others)
        return (picture, ImageRef(picture.id)) if random.random() < WHOLE_SHARE else _shown(picture)

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


def _shown(picture: Picture) -> Shown:
    """As a whole, or the window in which one has to look closer."""
    window = window_of(picture)
    return picture, ImageRef(picture.id, None if window is None else in_pixels(window, picture))


class _Words:
    """The loss of the first phase.

    Args:
        met: everything that is to be told apart; its words are there from the first step on.
    """

    def __init__(self, model: torch.nn.Module, encoder: ImageEncoder, settings: AlignSettings, met: Iterable[Shown]):
        self._model, self._encoder = model, encoder
        side = round(settings.vision.tokens**0.5)
        self._targets = WordTargets(lambda text: encoder.tokenizer.encode(text, add_special_tokens=False), side)
        for picture, image in met:
            for box in dict.fromkeys((None, image.box)):
                self._targets.of(picture, box)
        vectors = model.get_input_embeddings().weight
        self._length = vectors.norm(dim=-1).mean()

    def loss(self, shown: Sequence[Shown]) -> torch.Tensor:
        """Cross entropy between each cell's words and its token's cosines with all words."""
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
