"""Questions -> demonstrations: episodes of the oracle that answer right, for the warm-up."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lib.environments.environment import Question
from lib.environments.page_index import PageIndex
from lib.environments.search import SearchEnvironment
from lib.errors import GateError
from lib.learning.mask_audit import audit_masks
from lib.learning.oracle import EvidenceStep, OracleEngine
from lib.policy.conversation import ChatFormat
from lib.policy.load import load_tokenizer
from lib.progress import Progress
from lib.rollout.attempt import QUESTION_COLUMNS, episode_limits
from lib.rollout.episode import Episode, episode_table
from lib.rollout.run_episode import EpisodeLimits, run_episode
from lib.seeds import derive_seed
from lib.settings.settings import Settings


def demonstrate(
    settings: Settings, *, graph: Path, questions: Path, base: Path, out: Path, seed: int, progress: Progress
) -> None:
    """Write ``episodes.parquet``: the demonstrations that end right, at most ``warm_up.num_demonstrations``."""
    chat = ChatFormat(load_tokenizer(base / "checkpoint"))
    index = PageIndex.load(graph)
    table = pq.read_table(questions / "questions.parquet")
    train = table.filter(pc.equal(table["split"], "train"))
    limits = episode_limits(settings, temperature=1.0)
    kept: list[Episode] = []
    wanted = settings.warm_up.num_demonstrations
    rejected: dict[str, int] = {}
    for row in _shuffled(train, seed):
        if len(kept) == wanted:
            break
        episode = _play(row, settings, index, chat, limits, seed)
        if episode.correct and episode.well_formed:
            kept.append(episode)
            progress.update(len(kept), wanted, "demonstrations")
        else:
            reason = str(episode.status) if not episode.answer else "wrong answer"
            rejected[reason] = rejected.get(reason, 0) + 1
    if not kept:
        raise GateError(
            f"none of {train.num_rows} training questions could be demonstrated: {rejected}",
            next_step="check that the pages state the facts, or raise environment.max_tool_calls and engine.max_tokens",
        )
    demonstrations = episode_table(kept, policy="oracle", benchmark="train")
    audit_masks(demonstrations, stop_tokens=chat.stop_tokens, limits=settings.warm_up)
    pq.write_table(demonstrations, out / "episodes.parquet")


def _shuffled(train: pa.Table, seed: int) -> list[dict]:
    rows = train.select([*QUESTION_COLUMNS, "evidence"]).to_pylist()
    return sorted(rows, key=lambda row: derive_seed(seed, "demonstration order", row["id"]))


def _play(
    row: dict, settings: Settings, index: PageIndex, chat: ChatFormat, limits: EpisodeLimits, seed: int
) -> Episode:
    question = Question(**{name: row[name] for name in QUESTION_COLUMNS})
    evidence = [EvidenceStep(e["title"], e["query"], e["fact"], e["value"]) for e in row["evidence"]]
    episode_seed = derive_seed(seed, "demonstration", question.id)
    oracle = OracleEngine(
        evidence,
        question.answer,
        chat=chat,
        detour_share=settings.warm_up.detour_share,
        random_seed=episode_seed,
    )
    return asyncio.run(
        run_episode(
            question,
            sample=0,
            seed=episode_seed,
            engine=oracle,
            chat=chat,
            make_environment=lambda: SearchEnvironment(index, settings.environment),
            limits=limits,
        )
    )
