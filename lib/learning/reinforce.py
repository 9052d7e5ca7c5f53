"""Multi-turn reinforcement learning: sample groups of episodes, compare within groups, step, repeat.

A DeepSpeed job. Every rank samples its own share of the questions and trains on a share of all samples; weights go
to the engine after every optimizer step. Writes ``checkpoint/``, ``trajectory/``, ``steps.parquet`` and
``episodes.parquet``. Everything drawn depends on the seed and the step, so that in the mode `sync` a resumed run goes
on as an uninterrupted one would; in the others it samples each group of the run once, under the weights of then.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from lib.environments.environment import Question
from lib.errors import GateError, SynthesisError
from lib.learning.action_logprobs import ActionLogProbs
from lib.learning.learner import Learner, make_probe
from lib.learning.reinforce_results import ReinforceResults
from lib.learning.schedule import constant_with_warmup
from lib.learning.step_measures import TokenMeasures, step_row
from lib.learning.trainer import Trainer
from lib.policy.device import own_device
from lib.policy.engines import Engines
from lib.policy.load import load_chat, load_model
from lib.policy.precision import dtype_of
from lib.rollout.attempt import read_questions
from lib.rollout.episode import Episode
from lib.rollout.stream import RolloutStream
from lib.rollout.worlds import Sources, Worlds
from lib.workers.rank import Job, run_rank

logger = logging.getLogger("ropewalk.reinforce")


def main(job: Job) -> None:
    with Engines(job.settings.engine, logs=job.scratch, rank=job.rank) as engines:
        reinforce(job, engines)


def reinforce(job: Job, engines: Engines) -> None:
    warmed_up = job.inputs["warm_up"] / "checkpoint"
    learner = load_learner(job, warmed_up, engines)
    trainer = learner.trainer
    _tell_precision(job)
    resumable = job.scratch / "checkpoints"
    first, steps = trainer.resume(resumable), job.settings.reinforce.steps
    results = ReinforceResults(job, trainer, resumed_step=first)
    with learner.open_stream(first=first, ledger=results.read_ledger(first)) as stream:
        learner.send_weights(stream, version=first)
        for step in range(first, steps):
            reinforce_step(learner, stream, step, results)
            job.progress.update(step + 1, steps, "steps")
            if step + 1 < steps and trainer.is_save_due(step=step + 1):
                results.keep_ledger(stream.ledger(step + 1), step=step + 1)
                trainer.save(resumable, step=step + 1)
    results.write(job.out, like=warmed_up)


def reinforce_step(learner: Learner, stream: RolloutStream, step: int, results: ReinforceResults) -> None:
    """Take episodes, compare, train, send the weights on. Raises GateError where training must not go on."""
    settings, trainer = learner.settings.reinforce, learner.trainer
    started = time.perf_counter()
    episodes = stream.take(step)
    taken = time.perf_counter()
    _check_episodes(episodes, trainer, step + 1)
    batch = learner.select(episodes, step)
    rate = constant_with_warmup(step, peak=settings.learning_rate, warmup_steps=settings.warmup_steps)
    loss, norm, measures = learner.train(batch, step, learning_rate=rate, between=stream.give_way)
    results.add_episodes(episodes, step=step + 1)
    row = step_row(episodes, batch, measures, step=step, total=trainer.sum_over_ranks, gather=trainer.gather_from_ranks)
    _check_mismatch(row["mismatch_mean"], settings.max_mismatch, measures, results, step + 1)
    trained = time.perf_counter()
    stream.settle()
    settled = time.perf_counter()
    gap = learner.send_weights(stream, version=step + 1)
    results.add_row(
        step + 1,
        loss=loss,
        learning_rate=rate,
        grad_norm=norm,
        probe_gap=gap,
        seconds_rollout=taken - started + settled - trained,
        seconds_train=trained - taken + time.perf_counter() - settled,
        **row,
    )
    results.add_weights(step=step + 1)


def load_learner(job: Job, warmed_up: Path, engines: Engines) -> Learner:
    """Trainer, engine and, for a KL term, the reference all start from the warmed-up policy."""
    settings = job.settings
    worlds = Worlds.load(settings, Sources.of(job.inputs), shaping=settings.reinforce)
    chat = load_chat(warmed_up, worlds.open_image)
    questions = _training_questions(job)
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
        engine=engines.of(warmed_up, chat.encoder),
        chat=chat,
        worlds=worlds,
        questions=questions,
        reference=_load_reference(job, warmed_up),
        probe=make_probe(chat, questions),
    )


def _tell_precision(job: Job) -> None:
    """What the names in the settings came to on this machine; a difference explains mismatch."""
    if job.rank == 0:
        sampled, trained = dtype_of(job.settings.engine.precision), dtype_of(job.settings.workers.precision)
        logger.info("samples in %s, trains in %s", sampled, trained)


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
    dtype = dtype_of(job.settings.workers.precision)
    return ActionLogProbs(model, dtype=dtype, temperature=job.settings.reinforce.temperature).to(own_device())


def _check_episodes(episodes: Sequence[Episode], trainer: Trainer, step: int) -> None:
    """A gate: where every episode broke, something else than the policy is at fault, and no step will learn."""
    whole = trainer.sum_over_ranks(sum(episode.status.counts_for_learning for episode in episodes))
    if whole:
        return
    errors = trainer.gather_from_ranks([episode.error or "" for episode in episodes])
    raise GateError(
        f"each of the {len(errors)} episodes of the step broke, first: {next(iter(errors), '')}",
        where=f"reinforce, step {step}",
        kept="the steps before, which the next run goes on from",
        next_step="mend the cause and run again",
    )


def _check_mismatch(
    mismatch: float, bound: float, measures: TokenMeasures, results: ReinforceResults, step: int
) -> None:
    """A gate: a trainer that differs from its sampler learns from another policy's episodes."""
    if mismatch <= bound:  # one that is not a number is beyond every bound
        return
    dump = results.dump(step, token=measures.tokens, sampler=measures.sampler, trainer=measures.trainer)
    raise GateError(
        f"trainer and sampler differ by {mismatch:.3f} nats a token on average, more than reinforce.max_mismatch = "
        f"{bound}",
        where=f"reinforce, step {step}",
        kept=f"the steps before; the log-probabilities of this one, token by token, in {dump}",
        next_step="use the same precision for engine and workers, lower reinforce.max_staleness or "
        "reinforce.learning_rate, or raise reinforce.max_mismatch",
    )


if __name__ == "__main__":
    run_rank(main)
