"""An oracle that answers by following a question's evidence with real tool calls.

It speaks through the engine protocol, so its episodes run through the same loop, the same
environment and the same judging as a policy's. It quotes a fact only once the environment has
shown it, and looks further (reads the page) where a search did not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lib.policy.conversation import ChatFormat
from lib.policy.engine import Completion, Finish, SampleRequest
from lib.policy.tool_calls import render_tool_call


@dataclass(frozen=True)
class EvidenceStep:
    """One fact on the way to the answer, and a search that finds its page."""

    title: str
    query: str
    fact: str
    value: str


@dataclass
class _Script:
    """How far one episode is."""

    step: int = 0
    seen: int = 0  # tokens of the conversation that have been read
    opened: bool = False  # the page of the present step has been read
    detour: bool = False  # the next search is vague on purpose


class OracleEngine:
    """Plays one question; see lib.policy.engine.Engine."""

    policy_version = -1

    def __init__(
        self, evidence: list[EvidenceStep], answer: str, *, chat: ChatFormat, detour_share: float, random_seed: int
    ):
        self._evidence, self._answer, self._chat = evidence, answer, chat
        random = np.random.default_rng(random_seed)
        self._detours = random.random(len(evidence)) < detour_share
        self._vague = random.random(len(evidence)) < 0.5
        self._script = _Script(detour=bool(self._detours[0]) if evidence else False)

    async def sample(self, request: SampleRequest) -> Completion:
        shown = self._chat.decode(request.prompt[self._script.seen :])
        text = self._next_turn(shown)
        tokens = self._chat.encode_reply(text)[: request.max_new_tokens]
        self._script.seen = len(request.prompt) + len(tokens)
        finish = Finish.STOP if tokens[-1] == self._chat.stop_token else Finish.LENGTH
        return Completion(tokens, [0.0] * len(tokens), finish, self.policy_version)

    def release(self, session: str) -> None:
        return None

    def _next_turn(self, shown: str) -> str:
        script = self._script
        if script.seen == 0:
            return self._search()
        step = self._evidence[script.step]
        if not script.detour and step.fact in shown:
            script.step += 1
            script.opened = False
            if script.step == len(self._evidence):
                return f"{step.fact}\n<answer>{self._answer}</answer>"
            script.detour = bool(self._detours[script.step])
            return f"{step.fact}\n{self._search()}"
        if script.detour:
            script.detour = False
            return self._search()
        if script.opened:
            # The page does not show the fact either, so there is nothing that a demonstration could teach.
            return "<answer></answer>"
        script.opened = True
        return render_tool_call("open", {"page": step.title})

    def _search(self) -> str:
        step = self._evidence[self._script.step]
        if not self._script.detour:
            return render_tool_call("search", {"query": step.query})
        words = step.query.split()
        query = step.title if self._vague[self._script.step] else words[-1]
        return render_tool_call("search", {"query": query})
