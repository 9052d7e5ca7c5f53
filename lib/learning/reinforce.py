"""Multi-turn reinforcement learning: sample groups of episodes, compare within groups, step, repeat.

A DeepSpeed job. Every rank samples and trains on its own share of the questions; weights go to
the engine after every optimizer step. Writes ``checkpoint/``, ``trajectory/``, ``steps.parquet``
and ``episodes.parquet``. Everything drawn depends on the seed and the step, so a resumed run goes
on as an uninterrupted one would.
"""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from data_contracts.episodes import EPISODES
from lib.environments.environment import Question
from lib.environments.page_index import PageIndex
from lib.environments.search import SearchEnvironment
from lib.errors import GateError, SynthesisError
from lib.learning.action_logprobs import ActionLogProbs
from lib.learning.item_order import items_of_step
from lib.learning.policy_loss import policy_loss
from lib.learning.rollout_batch import RolloutBatch, select_samples
from lib.learning.schedule import constant_with_warmup
from lib.learning.step_log import StepLog
from lib.learning.step_measures import TokenMeasures, step_row
from lib.learning.token_batch import MicroBatch, Sample, make_micro_batches
from lib.learning.trainer import Trainer
from lib.learning.trajectory import is_kept, save_step
from lib.policy.conversation import ChatFormat
from lib.policy.load import load_model, load_tokenizer
from lib.policy.precision import DTYPES
from lib.policy.save import save_checkpoint
from lib.policy.transformers_engine import TransformersEngine
from lib.rollout.attempt import episode_limits, make_engine, read_questions
from lib.rollout.collect import collect_episodes
from lib.rollout.episode import Episode, episode_table
from lib.seeds import derive_seed
from lib.workers.rank import Job, run_rank

# Distinct prefixes of one forward and backward pass; bounds the memory of activations.
MICRO_BATCH_NODES = 768


@dataclass(frozen=True)
class Learner:
    """What stays the same from step to step."""

    job: Job
    trainer: Trainer
    engine: TransformersEngine
    chat: ChatFormat
    index: PageIndex
    questions: list[Question]
    reference: ActionLogProbs | None  # the warmed-up policy, only where a KL term needs it


def main(job: Job) -> None:
    settings = job.settings
    start = job.inputs["warm_up"] / "checkpoint"
    learner = Learner(
        job=job,
        trainer=Trainer(
            load_model(start),
            weight_decay=settings.reinforce.weight_decay,
            max_grad_norm=settings.reinforce.max_grad_norm,
            workers=settings.workers,
            temperature=settings.reinforce.temperature,
        ),
        engine=make_engine(load_model(start), settings.engine),
        chat=ChatFormat(load_tokenizer(start)),
        index=PageIndex.load(job.inputs["source"]),
        questions=_training_questions(job),
        reference=_load_reference(job, start),
    )
    resumable = job.scratch / "checkpoints"
    first = learner.trainer.resume(resumable)
    log = StepLog(job.scratch / f"steps-{job.rank}.jsonl", resumed_step=first)
    steps = settings.reinforce.steps
    _send_weights(learner, version=first)
    for step in range(first, steps):
        reinforce_step(learner, step, log)
        job.progress.update(step + 1, steps, "steps")
        if (step + 1) % settings.workers.checkpoint_every == 0 and step + 1 < steps:
            learner.trainer.save(resumable, step=step + 1)
    _write(learner, log)


def reinforce_step(learner: Learner, step: int, log: StepLog) -> None:
    """Roll out, compare, train, send the weights on."""
    settings = learner.job.settings.reinforce
    started = time.perf_counter()
    episodes = _roll_out(learner, step)
    rolled_out = time.perf_counter()
    batch = select_samples(episodes, divide_by_std=settings.divide_by_std)
    rate = constant_with_warmup(step, peak=settings.learning_rate, warmup_steps=settings.warmup_steps)
    loss, norm, measures = _train(learner, batch, step, rate)
    _send_weights(learner, version=step + 1)
    table = episode_table(episodes, policy="reinforce", benchmark="train", step=step + 1)
    pq.write_table(table, _episodes_file(learner.job, step + 1, learner.trainer.rank))
    trainer = learner.trainer
    row = step_row(episodes, batch, measures, total=trainer.sum_over_ranks, maximum=trainer.max_over_ranks)
    log.append(
        step=step + 1,
        loss=loss,
        learning_rate=rate,
        grad_norm=norm,
        seconds_rollout=rolled_out - started,
        seconds_train=time.perf_counter() - rolled_out,
        **row,
    )
    if is_kept(step + 1, every=settings.trajectory_every, steps=settings.steps):
        with learner.trainer.weights() as weights:
            if learner.trainer.rank == 0:
                root = learner.job.scratch / "trajectory"
                save_step(weights, root, step=step + 1, precision=settings.trajectory_precision)
    if row["mismatch_mean"] > settings.max_mismatch:
        raise GateError(
            f"trainer and sampler differ by {row['mismatch_mean']:.3f} nats a token on average, "
            f"more than reinforce.max_mismatch = {settings.max_mismatch}",
            where=f"reinforce, step {step + 1}",
            kept=f"the steps so far, in {learner.job.scratch}",
            next_step="use the same precision for engine and workers, or raise reinforce.max_mismatch",
        )


def _roll_out(learner: Learner, step: int) -> list[Episode]:
    settings = learner.job.settings
    wanted = settings.reinforce
    chosen = items_of_step(len(learner.questions), step=step, per_step=wanted.groups, seed=learner.job.seed)
    mine = chosen[learner.trainer.rank :: learner.trainer.num_ranks]
    return collect_episodes(
        [learner.questions[place] for place in mine],
        samples=wanted.group_size,
        seed=derive_seed(learner.job.seed, "reinforce", step),
        engine=learner.engine,
        chat=learner.chat,
        make_environment=lambda: SearchEnvironment(learner.index, settings.environment),
        limits=episode_limits(
            settings,
            temperature=wanted.temperature,
            redundancy_weight=wanted.redundancy_weight,
        ),
    )


def _train(learner: Learner, rolled_out: RolloutBatch, step: int, rate: float) -> tuple[float, float, TokenMeasures]:
    """Optimizer steps over the batch; none when no rank has a group with a signal."""
    settings = learner.job.settings.reinforce
    trainer = learner.trainer
    measures = TokenMeasures()
    if trainer.sum_over_ranks(len(rolled_out.samples)) == 0:
        return 0.0, 0.0, measures

    def loss(logprobs: torch.Tensor, batch: MicroBatch) -> torch.Tensor:
        value = policy_loss(
            logprobs,
            behaviour_logprobs=batch.behaviour_logprobs,
            advantages=batch.advantages,
            clip_low=settings.clip_low,
            clip_high=settings.clip_high,
            kl_weight=settings.kl_weight,
            reference_logprobs=_reference_logprobs(learner.reference, batch),
        )
        measures.add(logprobs.detach(), batch, value)
        return value.loss

    total, norm = 0.0, 0.0
    num_tokens = None
    if settings.full_normalizer:
        num_tokens = trainer.sum_over_ranks(rolled_out.num_action_tokens) / settings.mini_batches
    seed = derive_seed(learner.job.seed, "mini-batches", step)
    for part in _mini_batches(rolled_out.samples, settings.mini_batches, seed):
        batches = make_micro_batches(part or [_nothing()], max_nodes=MICRO_BATCH_NODES)
        total, norm = trainer.step(batches, loss=loss, learning_rate=rate, num_tokens=num_tokens)
    return total, norm, measures


@torch.no_grad()
def _reference_logprobs(reference: ActionLogProbs | None, batch: MicroBatch) -> torch.Tensor | None:
    return None if reference is None else reference(batch)


def _mini_batches(samples: list[Sample], parts: int, seed: int) -> list[list[Sample]]:
    if parts == 1:
        return [samples]
    order = np.random.default_rng(seed).permutation(len(samples))
    return [[samples[i] for i in order[part::parts]] for part in range(parts)]


def _nothing() -> Sample:
    """Stands in on a rank whose groups were all dropped, so that it takes part in the others' step."""
    return Sample([0, 0], [False, False], [0.0, 0.0])


def _send_weights(learner: Learner, *, version: int) -> None:
    with learner.trainer.weights() as weights:
        learner.engine.update_weights(weights, version=version)


def _load_reference(job: Job, start: Path) -> ActionLogProbs | None:
    if job.settings.reinforce.kl_weight == 0:
        return None
    model = load_model(start).eval().requires_grad_(False)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = DTYPES[job.settings.workers.precision]
    return ActionLogProbs(model, dtype=dtype, temperature=job.settings.reinforce.temperature).to(device)


def _training_questions(job: Job) -> list[Question]:
    table = pq.read_table(job.inputs["synthesize"] / "questions.parquet")
    train = table.filter(pc.equal(table["split"], "train"))
    if train.num_rows == 0:
        raise SynthesisError("there is no training question to reinforce on", next_step="raise synthesis.num_questions")
    return read_questions(train)


def _episodes_file(job: Job, step: int, rank: int) -> Path:
    folder = job.scratch / "episodes"
    folder.mkdir(exist_ok=True)
    return folder / f"step_{step:05d}_rank_{rank}.parquet"


def _write(learner: Learner, log: StepLog) -> None:
    job = learner.job
    with learner.trainer.weights() as weights:
        if job.rank != 0:
            return
        save_checkpoint(weights, like=job.inputs["warm_up"] / "checkpoint", out=job.out / "checkpoint")
    steps = job.settings.reinforce.steps
    files = [
        _episodes_file(job, step, rank) for step in range(1, steps + 1) for rank in range(learner.trainer.num_ranks)
    ]
    tables = [pq.read_table(file, schema=EPISODES.schema) for file in files]
    pq.write_table(pa.concat_tables(tables), job.out / "episodes.parquet")
    log.write(job.out / "steps.parquet")
    # Linked, not moved: a crash before the artifact is published must find the trajectory again.
    shutil.copytree(job.scratch / "trajectory", job.out / "trajectory", copy_function=os.link)


if __name__ == "__main__":
    run_rank(main)
