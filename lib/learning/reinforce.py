"""Multi-turn reinforcement learning: sample groups of episodes, compare within groups, step, repeat.

A DeepSpeed job. Every rank samples and trains on its own share of the questions; weights go to
the engine after every optimizer step. Writes ``checkpoint/``, ``trajectory/``, ``steps.parquet``
and ``episodes.parquet``. Everything drawn depends on the seed and the step, so a resumed run goes
on as an uninterrupted one would.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from lib.environments.environment import Question
from lib.errors import GateError, SynthesisError
from lib.learning.action_logprobs import ActionLogProbs
from lib.learning.learner import Learner
from lib.learning.reinforce_results import ReinforceResults
from lib.learning.schedule import constant_with_warmup
from lib.learning.step_measures import step_row
from lib.learning.trainer import Trainer
from lib.policy.device import own_device
from lib.policy.load import load_chat, load_model
from lib.policy.precision import DTYPES
from lib.rollout.attempt import make_engine, read_questions
from lib.rollout.worlds import Sources, Worlds
from lib.workers.rank import Job, run_rank

logger = logging.getLogger("ropewalk.reinforce")


def main(job: Job) -> None:
    warmed_up = job.inputs["warm_up"] / "checkpoint"
    learner = load_learner(job, warmed_up)
    trainer = learner.trainer
    resumable = job.scratch / "checkpoints"
    first, steps = trainer.resume(resumable), job.settings.reinforce.steps
    results = ReinforceResults(job, trainer, resumed_step=first)
    learner.send_weights(version=first)
    for step in range(first, steps):
        mismatch = reinforce_step(learner, step, results)
        _check_mismatch(mismatch, job, step)
        job.progress.update(step + 1, steps, "steps")
        if step + 1 < steps and trainer.is_save_due(step=step + 1):
            trainer.save(resumable, step=step + 1)
    results.write(job.out, like=warmed_up)


def reinforce_step(learner: Learner, step: int, results: ReinforceResults) -> float:
    """Roll out, compare, train, send the weights on; returns the mean mismatch of trainer and sampler."""
    settings, trainer = learner.settings.reinforce, learner.trainer
    started = time.perf_counter()
    episodes = learner.roll_out(step)
    rolled_out = time.perf_counter()
    batch = learner.select(episodes)
    rate = constant_with_warmup(step, peak=settings.learning_rate, warmup_steps=settings.warmup_steps)
    loss, norm, measures = learner.train(batch, step, learning_rate=rate)
    learner.send_weights(version=step + 1)
    results.add_episodes(episodes, step=step + 1)
    row = step_row(episodes, batch, measures, total=trainer.sum_over_ranks, maximum=trainer.max_over_ranks)
    results.add_row(
        step + 1,
        loss=loss,
        learning_rate=rate,
        grad_norm=norm,
        seconds_rollout=rolled_out - started,
        seconds_train=time.perf_counter() - rolled_out,
        **row,
    )
    results.add_weights(step=step + 1)
    return row["mismatch_mean"]


def load_learner(job: Job, warmed_up: Path) -> Learner:
    """Trainer, engine and, for a KL term, the reference all start from the warmed-up policy."""
    settings = job.settings
    worlds = Worlds.load(settings, Sources.of(job.inputs), shaping=settings.reinforce)
    chat = load_chat(warmed_up, worlds.open_image)
    return Learner(
        settings=settings,
        seed=job.seed,
        trainer=Trainer(
            load_model(warmed_up),
            weight_decay=settings.reinforce.weight_decay,
            max_grad_norm=settings.reinforce.max_grad_norm,
            workers=settings.workers,
            temperature=settings.reinforce.temperature,
        ),
        engine=make_engine(load_model(warmed_up), settings.engine, chat.encoder),
        chat=chat,
        worlds=worlds,
        questions=_training_questions(job),
        reference=_load_reference(job, warmed_up),
    )


def _training_questions(job: Job) -> dict[str, list[Question]]:
    """By domain, in the order of their names."""
    table = pq.read_table(job.inputs["synthesize"] / "questions.parquet")
    train = table.filter(pc.equal(table["split"], "train"))
    if train.num_rows == 0:
        raise SynthesisError("there is no training question to reinforce on", next_step="raise synthesis.num_questions")
    if train.num_rows < (groups := job.settings.reinforce.groups):
        logger.warning(
            "reinforce.groups is %d, and there are %d training questions; a step takes each once",
            groups,
            train.num_rows,
        )
    questions: dict[str, list[Question]] = {}
    for question in sorted(read_questions(train), key=lambda question: question.domain):
        questions.setdefault(question.domain, []).append(question)
    return questions


def _load_reference(job: Job, warmed_up: Path) -> ActionLogProbs | None:
    if job.settings.reinforce.kl_weight == 0:
        return None
    model = load_model(warmed_up).eval().requires_grad_(False)
    dtype = DTYPES[job.settings.workers.precision]
    return ActionLogProbs(model, dtype=dtype, temperature=job.settings.reinforce.temperature).to(own_device())


def _check_mismatch(mismatch: float, job: Job, step: int) -> None:
    """A gate: a trainer that differs from its sampler learns from another policy's episodes."""
    bound = job.settings.reinforce.max_mismatch
    if not mismatch <= bound:  # one that is not a number is beyond every bound
        raise GateError(
            f"trainer and sampler differ by {mismatch:.3f} nats a token on average, "
            f"more than reinforce.max_mismatch = {bound}",
            where=f"reinforce, step {step + 1}",
            kept=f"the steps so far, in {job.scratch}",
            next_step="use the same precision for engine and workers, or raise reinforce.max_mismatch",
        )


if __name__ == "__main__":
    run_rank(main)
