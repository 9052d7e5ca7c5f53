"""The job that judges every policy on the held-out questions.

In: checkpoints, the sources and the questions. Out: scores with intervals, the episodes behind them, and the
predictions on benchmarks in their official formats. Each (policy, round) is a file in ``job.scratch`` once it is done,
so an interrupted evaluation goes on where it stopped. Questions, seeds and bootstrap draws are the same for every
policy, so that policies differ in their weights alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data_contracts.episodes import EPISODES
from data_contracts.scores import PREDICTIONS, SCORES
from data_contracts.training import CHECKPOINT
from lib.errors import JobError
from lib.evaluation.image_attention import ImageAttention, watched_questions
from lib.evaluation.metrics import judged
from lib.evaluation.parts import Part, Round, list_parts, list_rounds
from lib.evaluation.predictions import write_predictions
from lib.evaluation.question_sets import QuestionSet, list_question_sets
from lib.evaluation.score import Episodes, attention_rows, score
from lib.policy.device import own_device
from lib.policy.engines import Engines
from lib.policy.load import load_chat, load_model
from lib.policy.start import start_of
from lib.rollout.attempt import attempt
from lib.rollout.kept_table import kept_table
from lib.rollout.part_progress import PartProgress
from lib.rollout.worlds import Sources
from lib.seeds import derive_seed
from lib.sources.images.image_set import open_images
from lib.synthesis.sql.written import read_positions
from lib.workers.rank import Job, run_rank

Attempt = Callable[..., pa.Table]


def main(job: Job) -> None:
    if job.rank == 0:
        with Engines(job.settings.engine, logs=job.scratch) as engines:
            evaluate(job, attempt=partial(attempt, engines=engines))


def evaluate(job: Job, *, attempt: Attempt) -> None:
    """Run the whole stage; ``attempt`` is lib.rollout.attempt's, or a function that behaves like it."""
    sets = list_question_sets(job.inputs, job.settings.evaluate, seed=job.seed)
    policies = [policy for policy in job.settings.evaluate.policies if policy in job.inputs]
    parts = [part for chosen in sets for part in list_parts(job.settings, chosen)]
    rounds = list_rounds(parts)
    total = len(policies) * sum(one.num_episodes for one in rounds)
    episodes: Episodes = {}
    done = 0
    for policy in policies:
        for one in rounds:
            progress = PartProgress(job.progress, done, total, f"{policy}, {one.name}")
            path = job.scratch / "rounds" / f"{policy}-{one.name}.parquet"
            table = kept_table(path, partial(_play, job, policy, one, attempt, progress, episodes))
            for part in one.parts:
                episodes[policy, part.benchmark] = table.filter(pc.equal(table["benchmark"], part.benchmark))
            done += one.num_episodes
    pq.write_table(pa.concat_tables(episodes.values()), job.out / "episodes.parquet")
    rows = [*score(episodes, parts=parts, settings=job.settings, seed=job.seed)]
    rows += _attention(job, policies[-1], parts, episodes)
    pq.write_table(pa.Table.from_pylist(rows, schema=SCORES.schema), job.out / "scores.parquet")
    _export(job, sets, policies, episodes)
    job.progress.update(total, total)


def _export(job: Job, sets: Sequence[QuestionSet], policies: Sequence[str], episodes: Episodes) -> None:
    """The answers to benchmarks, for their official evaluators."""
    folder = job.out / PREDICTIONS
    folder.mkdir(exist_ok=True)
    for chosen in sets:
        if not chosen.is_held_out and chosen.domain == "sql":
            greedy = {policy: episodes[policy, chosen.name] for policy in policies}
            positions = read_positions(job.inputs["databases"], chosen.name)
            write_predictions(folder / chosen.name, chosen.questions, greedy, positions)


def _attention(job: Job, policy: str, parts: Sequence[Part], episodes: Episodes) -> list[dict[str, object]]:
    """How much one policy attends to images while its episodes go on, with tools that bring images and without.

    On questions at which it calls a tool, if there are any: on others both are the same episode.
    """
    number = job.settings.evaluate.attention_episodes
    watched = [part for part in parts if part.domain == "vision" and part.shows_images_to_the_end]
    if not (number and watched):
        return []
    checkpoint = _checkpoint(job, policy)
    chat = load_chat(checkpoint, open_images(job.inputs["images"]))
    if chat.encoder is None:
        return []
    measure = ImageAttention(load_model(checkpoint).to(own_device()), chat.encoder)
    questions = watched_questions(judged(episodes[policy, watched[0].benchmark]), number)
    rows = []
    for part in watched:
        played = judged(episodes[policy, part.benchmark])
        chosen = played.filter(pc.is_in(played["question_id"], questions)).to_pylist()
        progress = PartProgress(job.progress, 0, len(chosen), f"attention of {policy} on {part.benchmark}")
        values = []
        for row in chosen:
            values.append(measure.by_fifth(row))
            progress.update(len(values), len(chosen))
        rows += attention_rows(np.array(values), part=part, policy=policy, settings=job.settings, seed=job.seed)
    return rows


def _checkpoint(job: Job, policy: str) -> Path:
    return (start_of(job.inputs) if policy == "base" else job.inputs[policy]) / CHECKPOINT


def _play(job: Job, policy: str, one: Round, attempt: Attempt, progress: PartProgress, episodes: Episodes) -> pa.Table:
    """The episodes of one policy and one round; what would be no other is taken over from ``episodes``."""
    known = {
        part.benchmark: _without_calls(episodes[policy, part.same_without_calls], part.benchmark)
        for part in one.parts
        if part.same_without_calls
    }
    tables = list(known.values())
    before = sum(table.num_rows for table in tables)
    questions = one.questions_without({name: set(table["question_id"].to_pylist()) for name, table in known.items()})
    progress.update(before, one.num_episodes)
    if questions.num_rows:
        played = attempt(
            questions,
            sources=Sources.of(job.inputs),
            checkpoint=_checkpoint(job, policy),
            policy=policy,
            benchmark=one.name,
            settings=job.settings,
            samples=one.decoding.samples,
            temperature=one.decoding.temperature,
            top_p=one.decoding.top_p,
            max_tool_calls=one.decoding.max_tool_calls,
            sight=one.decoding.sight,
            seed=derive_seed(job.seed, "evaluate", one.name),
            progress=replace(progress, before=progress.before + before),
        )
        tables.append(_name_rows(played, policy, one.benchmarks))
    table = pa.concat_tables(tables)
    for part in one.parts:
        own = table.filter(pc.equal(table["benchmark"], part.benchmark))
        if judged(own).num_rows == 0:
            raise JobError(
                f"Every attempt of {policy} on {part.benchmark} failed, first: {own['error'][0].as_py()}",
                kept="the rounds that were judged before",
                next_step="mend the cause and run again",
            )
    return table


def _without_calls(greedy: pa.Table, benchmark: str) -> pa.Table:
    """The episodes that called no tool, under another part's name."""
    chosen = judged(greedy)
    chosen = chosen.filter(pc.equal(pc.list_value_length(chosen["tool_calls"]), 0))
    rows = [
        row | {"id": row["id"].replace(f"/{row['benchmark']}/", f"/{benchmark}/", 1), "benchmark": benchmark}
        for row in chosen.to_pylist()
    ]
    return pa.Table.from_pylist(rows, schema=EPISODES.schema)


def _name_rows(episodes: pa.Table, policy: str, benchmarks: Mapping[str, str]) -> pa.Table:
    """Under the names of their parts; policies make their attempts under equal seeds, so that ids are unique only with
    the policy's."""
    names = [benchmarks[question] for question in episodes["question_id"].to_pylist()]
    ids = [f"{policy}/{name}/{id}" for name, id in zip(names, episodes["id"].to_pylist(), strict=True)]
    table = episodes.cast(EPISODES.schema)
    for column, values in (("id", ids), ("benchmark", names)):
        place = table.schema.get_field_index(column)
        table = table.set_column(place, table.schema.field(place), pa.array(values, pa.string()))
    return table


if __name__ == "__main__":
    run_rank(main)
