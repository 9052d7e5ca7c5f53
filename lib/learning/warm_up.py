"""Warm-up: supervised training on demonstrations, with the loss on what the policy would write.

A DeepSpeed job. Reads the demonstrations and the base policy, writes ``checkpoint/`` and
``steps.parquet``. Which episodes a step takes depends on the seed and the step alone, so a
resumed run goes on as an uninterrupted one would.
"""

from __future__ import annotations

import time

import pyarrow.parquet as pq
import torch

from data_contracts.training import CHECKPOINT
from lib.learning.item_order import items_of_step
from lib.learning.schedule import cosine_with_warmup
from lib.learning.step_log import StepLog
from lib.learning.token_batch import MicroBatch, Sample, make_micro_batches
from lib.learning.trainer import Trainer
from lib.policy.image_encoder import ImageEncoder
from lib.policy.load import load_chat, load_model
from lib.policy.save import save_checkpoint
from lib.policy.start import start_of
from lib.rollout.episode import read_image
from lib.settings.learning import WarmUpSettings
from lib.sources.images.image_set import open_images
from lib.workers.rank import Job, run_rank


def main(job: Job) -> None:
    settings = job.settings.warm_up
    base = start_of(job.inputs) / CHECKPOINT
    episodes = pq.read_table(
        job.inputs["demonstrate"] / "episodes.parquet", columns=["tokens", "action_mask", "images"]
    )
    rows = episodes.to_pylist()
    encoder = load_chat(base, open_images(job.inputs.get("images"))).encoder
    trainer = Trainer(
        load_model(base),
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        workers=job.settings.workers,
    )
    resumable = job.scratch / "checkpoints"
    first = trainer.resume(resumable)
    log = StepLog(job.scratch / f"steps-{job.rank}.jsonl", resumed_step=first)
    for step in range(first, settings.steps):
        _train_step(step, rows, trainer, encoder, settings, job.seed, log)
        job.progress.update(step + 1, settings.steps, "steps")
        if step + 1 < settings.steps and trainer.is_save_due(step=step + 1):
            trainer.save(resumable, step=step + 1)
    with trainer.weights() as weights:
        if job.rank == 0:
            save_checkpoint(weights, like=base, out=job.out / "checkpoint")
            log.write(job.out / "steps.parquet")


def _train_step(
    step: int,
    rows: list[dict],
    trainer: Trainer,
    encoder: ImageEncoder | None,
    settings: WarmUpSettings,
    seed: int,
    log: StepLog,
) -> None:
    started = time.perf_counter()
    chosen = items_of_step(len(rows), step=step, per_step=settings.batch_size, seed=seed)
    mine = chosen[trainer.rank :: trainer.num_ranks]
    all_tokens = step < settings.full_loss_share * settings.steps
    samples = [_sample(rows[i], all_tokens) for i in mine]
    batches = make_micro_batches(samples, max_nodes=trainer.micro_batch_tokens, encoder=encoder)
    rate = cosine_with_warmup(
        step, peak=settings.learning_rate, warmup_steps=settings.warmup_steps, steps=settings.steps
    )
    loss, norm = trainer.step(batches, loss=_negative_sum, learning_rate=rate)
    log.append(
        step=step + 1,
        loss=loss,
        learning_rate=rate,
        grad_norm=norm,
        num_episodes=len(chosen),
        num_tokens=int(trainer.sum_over_ranks(sum(batch.num_tokens for batch in batches))),
        num_action_tokens=int(trainer.sum_over_ranks(sum(len(batch.place) for batch in batches))),
        seconds_train=time.perf_counter() - started,
    )


def _sample(row: dict, all_tokens: bool) -> Sample:
    """Placeholders of images are read and never predicted."""
    images = tuple(map(read_image, row["images"] or ()))
    mask = row["action_mask"]
    if all_tokens:
        given = {place for image in images for place in range(image.start, image.end)}
        mask = [place not in given for place in range(len(mask))]
    return Sample(row["tokens"], mask, [0.0] * len(mask), images=images)


def _negative_sum(logprobs: torch.Tensor, _: MicroBatch) -> torch.Tensor:
    return -logprobs.sum()


if __name__ == "__main__":
    run_rank(main)
