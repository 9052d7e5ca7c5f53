"""Episodes on databases share a pool of workers and nothing else: what breaks one leaves the others alone."""

from __future__ import annotations

import asyncio
import gc

import psutil
import pytest

from data_contracts.episodes import EPISODES
from lib.environments.environment import Question
from lib.learning.oracle import OracleEngine
from lib.learning.sql_script import SqlScript
from lib.policy.tool_calls import render_tool_call
from lib.rollout.episode import EpisodeStatus, episode_table
from lib.rollout.run_episode import EpisodeLimits, run_episode
from lib.rollout.sql_world import SqlWorld
from lib.settings.environment import EnvironmentSettings
from tests.small_databases import ENDLESS, MUSIC, collect, kill_busy_worker, write_sqlite
from tests.small_world import ScriptedEngine

OLD = "SELECT name FROM singer WHERE age > 28"
LIMITS = EpisodeLimits(
    max_tokens=4000,
    max_new_tokens=400,
    max_turns=6,
    max_tool_calls=5,
    max_malformed=1,
    seconds=60,
    temperature=1.0,
    top_p=1.0,
)


@pytest.fixture(scope="module")
def databases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("databases")
    music = write_sqlite(folder / "music.sqlite", MUSIC)
    return collect(folder / "out", source={"type": "files", "paths": [str(music)]})


def make_world(databases, seconds=5.0):
    sql = {"workers": 2, "query_seconds": seconds}
    return SqlWorld(databases, EnvironmentSettings.model_validate({"sql": sql}))


async def play(world, chat, script, *, gold=OLD, sample=0, database="music"):
    engine = ScriptedEngine(chat, script) if isinstance(script, list) else OracleEngine(script, chat)
    question = Question(id="q", domain="sql", prompt="Who is old?", answer=gold, database_id=database)
    return await run_episode(question, sample=sample, seed=1, engine=engine, chat=chat, world=world, limits=LIMITS)


def run_sql(query):
    return render_tool_call("run_sql", {"query": query})


def answer(query):
    return f"<answer>{query}</answer>"


def test_an_episode_that_looks_errs_mends_and_answers_is_right_and_well_formed(databases, chat):
    script = [
        render_tool_call("describe", {"table": "singer"}),
        run_sql("SELECT nam FROM singer"),
        run_sql(OLD),
        answer(OLD),
    ]
    episode = asyncio.run(play(make_world(databases), chat, script))
    assert (episode.status, episode.correct, episode.well_formed) == (EpisodeStatus.ANSWERED, True, True)
    shown = [turn.text for turn in episode.conversation.turns if turn.role == "tool"]
    assert shown == ["singer(id, name: 'Ann', age: 30)", "Error: no such column: nam", "name\nAnn\nCid"]
    EPISODES.check(episode_table([episode], policy="p", benchmark="b"))


def test_killing_the_worker_of_a_query_fails_its_episode_and_no_other(databases, chat):
    world = make_world(databases, seconds=120)

    async def play_both():
        lost = asyncio.create_task(play(world, chat, [run_sql(ENDLESS), answer(OLD)]))
        killed = asyncio.create_task(asyncio.to_thread(kill_busy_worker, world._pool))
        script = [run_sql("SELECT count(*) FROM song"), run_sql(OLD), answer(OLD)]
        others = [await play(world, chat, script, sample=1)]
        pid = await killed
        others.append(await play(world, chat, script, sample=2))
        return await lost, others, pid

    lost, others, pid = asyncio.run(play_both())
    assert (lost.status, lost.correct, lost.answer) == (EpisodeStatus.FAILED, False, None)
    assert "DatabaseLostError" in lost.error
    assert pid not in world._pool.pids
    assert [(other.status, other.correct) for other in others] == [(EpisodeStatus.ANSWERED, True)] * 2
    EPISODES.check(episode_table([lost, *others], policy="p", benchmark="b"))


def test_killing_the_worker_of_an_answer_fails_the_episode_rather_than_calling_it_wrong(databases, chat):
    world = make_world(databases, seconds=120)

    async def play_and_kill():
        killed = asyncio.create_task(asyncio.to_thread(kill_busy_worker, world._pool))
        episode = await play(world, chat, [answer(ENDLESS)])
        await killed
        return episode

    episode = asyncio.run(play_and_kill())
    assert episode.status is EpisodeStatus.FAILED and "The worker that ran the query died" in episode.error


def test_a_query_without_end_as_the_answer_is_wrong_after_its_time(databases, chat):
    episode = asyncio.run(play(make_world(databases, seconds=0.2), chat, [answer(ENDLESS)]))
    assert (episode.status, episode.correct, episode.answer_key) == (EpisodeStatus.ANSWERED, False, None)


def test_a_question_about_a_database_that_the_run_lacks_fails_with_the_reason(databases, chat):
    episode = asyncio.run(play(make_world(databases), chat, [answer(OLD)], database="opera"))
    assert episode.status is EpisodeStatus.FAILED and "'opera', which the run lacks" in episode.error


def test_a_demonstration_mends_either_mistake_and_is_right(databases, chat):
    world, gold = make_world(databases), "SELECT age FROM singer WHERE name = 'Ann'"
    seen = set()
    for seed in range(12):
        script = SqlScript(gold, mistake_share=1.0, max_calls=LIMITS.max_tool_calls, seed=seed)
        episode = asyncio.run(play(world, chat, script, gold=gold))
        assert (episode.status, episode.correct, episode.well_formed) == (EpisodeStatus.ANSWERED, True, True)
        seen.add(tuple(result.call.name for _, result in episode.calls))
    by_look, by_rows = ("run_sql", "describe", "run_sql"), ("describe", "run_sql", "sample", "run_sql")
    assert seen == {by_look, ("describe", *by_look), by_rows}


def test_the_workers_end_with_the_world(databases, chat):
    world = make_world(databases)
    assert asyncio.run(play(world, chat, [run_sql(OLD), answer(OLD)])).correct
    world._pool.wait_until_ready()
    pids = world._pool.pids
    assert pids and all(psutil.pid_exists(pid) for pid in pids)
    del world
    gc.collect()
    assert not any(psutil.pid_exists(pid) for pid in pids)
