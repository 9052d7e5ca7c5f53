"""A teacher behind a real HTTP server on this machine, and rejection sampling of its episodes."""

from __future__ import annotations

import json
import re
from collections import Counter

import pyarrow.parquet as pq
import pytest

from data_contracts.episodes import EPISODES
from lib.errors import EndpointError, GateError
from lib.learning.demonstrate import demonstrate
from lib.learning.trial import Trial, TrialLog
from lib.policy.tool_calls import render_tool_call
from lib.rollout.worlds import Sources
from lib.settings.settings import Settings
from tests.chat_server import completion, serve
from tests.small_world import region


class Notes:
    """Remembers what a stage says about its progress."""

    def __init__(self):
        self.notes: list[str] = []

    def update(self, done: int, total: int, note: str = "") -> None:
        self.notes.append(f"{done}/{total} {note}")


class ScriptedTeacher:
    """Searches, then answers; ``scripts`` gives the answering turns of a town's attempts, by default right ones."""

    def __init__(self, scripts: dict[int, list[str]] | None = None):
        self._scripts = scripts or {}
        self.attempts: Counter[int] = Counter()  # by town

    def __call__(self, number: int, body: dict) -> tuple[int, str]:
        town = int(re.search(r"Town (\d+)", body["messages"][1]["content"])[1])
        if len(body["messages"]) == 2:
            return 200, completion(render_tool_call("search", {"query": f"Town {town} region"}))
        script = self._scripts.get(town, [])
        self.attempts[town] += 1
        turn = script[self.attempts[town] - 1] if self.attempts[town] <= len(script) else right(town)
        return 200, completion(turn)


def right(town: int) -> str:
    return f"Town {town} lies in the region {region(town)}.\n<answer>{region(town)}</answer>"


WRONG = "<answer>nowhere</answer>"
MALFORMED = "I am not sure."


@pytest.fixture
def teach(tmp_path, world_graph, world_questions, world_policy):
    """(url, settings of the teacher) -> (rows of the demonstrations, progress notes)."""

    def run(url, *, num_episodes=6, scratch=None, seed=0, **teacher):
        teacher = {"type": "openai", "base_url": url, "model": "m", "max_retries": 1, **teacher}
        shown = {"teacher": teacher, "num_episodes": num_episodes}
        values = {
            "policy": {"type": "nano"},
            "demonstrate": shown,
            "engine": {"type": "transformers", "max_tokens": 2000, "max_new_tokens": 100},
        }
        notes = Notes()
        demonstrate(
            Settings.model_validate(values),
            sources=Sources(graph=world_graph),
            questions=world_questions,
            base=world_policy,
            out=tmp_path,
            seed=seed,
            progress=notes,
            scratch=scratch,
        )
        table, _ = EPISODES.check(pq.read_table(tmp_path / "episodes.parquet"))
        return table.to_pylist(), notes.notes

    return run


def test_right_episodes_become_demonstrations_of_what_the_teacher_wrote(teach, chat):
    with serve(ScriptedTeacher()) as server:
        rows, notes = teach(server.url)
    assert len(rows) == 6
    assert {(row["policy"], row["status"], row["correct"]) for row in rows} == {("teacher", "answered", True)}
    for row in rows:
        town = int(row["question_id"].split("-")[1])
        said = [turn for turn in row["turns"] if turn["role"] == "assistant"]
        assert [turn["text"] for turn in said][1] == right(town)
        assert all(row["tokens"][turn["end"] - 1] == chat.stop_token for turn in said)
    assert notes[-1] == "6/6 demonstrations, 12 requests, 120 + 36 tokens"


def test_the_teacher_sees_the_conversation_as_chat_messages(teach):
    with serve(ScriptedTeacher()) as server:
        teach(server.url, num_episodes=1, model="big", temperature=0.3, max_reply_tokens=50)
    first, second = server.requests
    assert [message["role"] for message in first["messages"]] == ["system", "user"]
    assert "Each of your turns is at most 50 words" in first["messages"][0]["content"]
    assert second["messages"][:2] == first["messages"]
    assert [message["role"] for message in second["messages"]] == ["system", "user", "assistant", "user"]
    observation = second["messages"][3]["content"]
    assert observation.startswith("<tool_response>\n[Town") and observation.endswith("\n</tool_response>")
    assert "<|" not in observation
    assert (second["model"], second["temperature"], second["max_tokens"]) == ("big", 0.3, 50)
    assert first["seed"] != second["seed"]


def test_thoughts_in_a_reply_are_no_part_of_the_turn(teach):
    thinking = {town: [f"<think>It is North, or <answer>South</answer>?</think>\n{right(town)}"] for town in range(30)}
    with serve(ScriptedTeacher(thinking)) as server:
        rows, _ = teach(server.url)
    assert not any("think" in turn["text"] for row in rows for turn in row["turns"] if turn["role"] == "assistant")


def test_rejected_attempts_are_repeated_up_to_the_limit_and_counted_by_reason(teach):
    scripts = {0: [WRONG], 1: [MALFORMED, WRONG], 2: [WRONG] * 9, 3: [MALFORMED] * 9}
    teacher = ScriptedTeacher(scripts)
    with serve(teacher) as server:
        rows, notes = teach(server.url, num_episodes=1000, samples=3)
    kept = {int(row["question_id"].split("-")[1]): row["sample"] for row in rows}
    assert kept == {0: 1, 1: 2, **dict.fromkeys(range(4, 30), 0)}
    assert teacher.attempts[2] == teacher.attempts[3] == 3
    assert "rejected: 5 wrong answer, 4 malformed, " in notes[-1]


def test_nothing_is_asked_beyond_the_demonstrations_that_are_wanted(teach):
    teacher = ScriptedTeacher()
    with serve(teacher) as server:
        teach(server.url, num_episodes=5, concurrency=16)
    assert teacher.attempts.total() == 5


def test_episodes_run_side_by_side_up_to_the_limit(teach):
    with serve(ScriptedTeacher()) as server:
        server.delay_s = 0.03
        teach(server.url, num_episodes=12, concurrency=4)
    assert 2 <= server.most_open <= 4


def test_a_passing_failure_is_not_noticed(teach):
    teacher = ScriptedTeacher()
    with serve(lambda number, body: (500, "busy") if number == 3 else teacher(number, body)) as server:
        rows, _ = teach(server.url)
    assert len(rows) == 6 and len(server.requests) == 13


def test_an_endpoint_that_dies_stops_the_stage_and_finished_trials_are_not_played_again(teach, tmp_path):
    teacher = ScriptedTeacher({town: [WRONG] for town in range(0, 30, 2)})
    with serve(lambda number, body: teacher(number, body) if number <= 20 else (503, "down")) as server:
        with pytest.raises(EndpointError) as raised:
            teach(server.url, num_episodes=20, scratch=tmp_path, concurrency=2)
    message = str(raised.value)
    finished = [json.loads(line) for line in (tmp_path / "trials.jsonl").read_text().splitlines()]
    assert finished
    assert "The teacher cannot demonstrate. The endpoint fails after 2 attempts: HTTP 503: down" in message
    assert f"the trials of {len(finished)} questions" in message
    assert "demonstrate.teacher.type=oracle" in message
    again = ScriptedTeacher()
    with serve(again) as server:
        rows, _ = teach(server.url, num_episodes=20, scratch=tmp_path)
    assert len(rows) == 20
    assert not {trial["question_id"] for trial in finished} & {f"question-{town}" for town in again.attempts}


def test_an_endpoint_that_is_down_from_the_start_leaves_no_episode(teach, tmp_path):
    with pytest.raises(EndpointError, match="fails after 1 attempt: ConnectError"):
        teach("http://127.0.0.1:9/v1", max_retries=0)
    assert not list(tmp_path.glob("*.parquet"))


def test_a_refused_conversation_fails_alone(teach):
    teacher = ScriptedTeacher()
    with serve(lambda number, body: (400, "content rules") if number == 1 else teacher(number, body)) as server:
        rows, notes = teach(server.url, num_episodes=30, samples=1)
    assert len(rows) == 29
    assert "1 failed: RequestRefusedError: The endpoint fails after 1 attempt: HTTP 400: content rules" in notes[-1]


def test_an_endpoint_that_refuses_everything_is_asked_for_one_round_only(teach):
    with serve(lambda number, body: (400, "unknown parameter")) as server:
        with pytest.raises(GateError, match="none of 4 training questions.*unknown parameter"):
            teach(server.url, num_episodes=4, samples=2)
    assert len(server.requests) == 8


def test_a_log_survives_an_interrupted_write(tmp_path):
    path = tmp_path / "trials.jsonl"
    log = TrialLog(path)
    log.record(Trial("a", kept={"id": "أرض\u2028"}, rejected=["wrong answer"]))
    with path.open("a") as file:
        file.write('{"question_id": "b", "ke')
    again = TrialLog(path)
    again.record(Trial("c"))
    assert TrialLog(path).find("a") == Trial("a", {"id": "أرض\u2028"}, ["wrong answer"])
    assert [TrialLog(path).find(name) is None for name in "abc"] == [False, True, False]
