"""A team behind a vision endpoint: it words questions, or asks about what it sees, and tries to answer without seeing.

In: drafts with their pictures. Out: questions that the solver answers right with all pictures, and neither with all of
them hidden nor with any one of them missing. The roles are requests of their own; no solver is shown the answer.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from typing import Literal

from lib.chat_endpoint import ChatEndpoint, ChatMessage, Usage
from lib.errors import EndpointError, RequestRefusedError
from lib.reply_log import ReplyLog
from lib.seeds import derive_seed
from lib.settings.synthesis import OpenAIWriter
from lib.sources.images.decode import as_png
from lib.sources.images.image_set import ImageStore, Picture
from lib.synthesis.vision.team import Declined, Draft, Told, evidence_of, picture_step

WORD = """You word a question that somebody answers by looking at several pictures.
You get the pictures, a stiff sentence that asks the same, and the answer.
- Ask for exactly the same, in natural English and at most 40 words; call a picture by its number.
- Never give away the answer, nor what a single picture shows.
Reply with <question>the question</question> and nothing else."""
ASK = """You make one question that can only be answered by looking at all of the given pictures.
- Its kind: {kind}. {hint}
- It has one short answer: a number, a word or two, true or false, or the number of a picture.
- It says nothing of what the pictures show that would give the answer away.
Reply with a line <note>what matters</note> for each picture, in order, then <question>the question</question> and
<answer>the answer</answer>."""
SOLVE = """You answer a question about several pictures. {limits}
Reply with <answer>the answer</answer>: a number, a word or two, true or false, or the number of a picture. Reply
<answer>unknown</answer> where it cannot be known."""
HIDDEN = "None of the pictures can be shown."
MISSING = "Picture {place} cannot be shown. Answer only if the answer is the same whatever it shows."
HINTS = {
    "which": "Ask in which one of the pictures something can be seen.",
    "count": "Ask how many of the pictures show something, or how many things of a kind there are in all.",
    "compare": "Ask which picture has most of something, or how two compare.",
    "order": "Ask for the numbers of the pictures in the order of something that can be seen.",
    "odd one out": "Ask which picture differs from all others.",
    "statement": "Ask whether a sentence about the whole set is true or false.",
    "fact": "Ask for a picture by something that is known of what it shows, and not seen.",
    "spatial": "Ask in which picture one thing stands left of, right of, above or below another.",
    "detail": "Ask for a small detail of the one picture that shows something else.",
    "difference": "Ask what the last picture shows that the others do not.",
}
QUESTIONER, SOLVER, BLIND, PARTLY_BLIND = "questioner", "solver", "all pictures hidden", "one picture missing"
REFUSED = "the endpoint refused it"


class EndpointTeam:
    """See lib.synthesis.vision.team.Team; ``pause_s`` is the first pause between two attempts at a request.

    Args:
        attempts: of the solver at each question, and at each of its cut forms; a question stands where more than half
            are right with all pictures, and a cut form tells on it only where all are.
        log: replies that need not be paid for again.
    """

    name = "openai"
    roles = (QUESTIONER, SOLVER, BLIND, PARTLY_BLIND)

    def __init__(
        self,
        settings: OpenAIWriter,
        *,
        store: ImageStore,
        attempts: int,
        log: ReplyLog | None = None,
        pause_s: float = 1.0,
    ):
        self._settings, self._store, self._attempts = settings, store, attempts
        self._endpoint = ChatEndpoint(settings, log=log, pause_s=pause_s)

    @property
    def usage(self) -> Usage:
        return self._endpoint.usage

    def tell(self, drafts: Sequence[Draft]) -> list[Told | Declined]:
        """Raises EndpointError when a request fails for good."""
        try:
            return self._endpoint.work_through(self._tell, drafts)
        except EndpointError as error:
            raise EndpointError(
                f"No question about images can be made. {error.what}",
                where=error.where,
                kept="the images, and the replies so far, which the next run does not ask for again",
                next_step=f"{error.next_step} Or go by what is known of the images: "
                "`ropewalk run --set synthesis.writer.type=template`.",
            ) from error

    async def _tell(self, draft: Draft) -> Told | Declined:
        try:
            told = await (self._word(draft) if draft.ask else self._ask(draft))
            return told if isinstance(told, Declined) else await self._check(draft, told)
        except RequestRefusedError as error:
            return Declined(QUESTIONER, REFUSED, error.what)

    async def _word(self, draft: Draft) -> Told | Declined:
        said = f"Sentence: {draft.sentence}\nAnswer: {draft.answer}"
        reply = await self._complete(draft, WORD, said, range(len(draft.pictures)))
        question = _tagged("question", reply)
        return Told(question[0], draft.answer, evidence_of(draft)) if question else Declined(QUESTIONER, "no question")

    async def _ask(self, draft: Draft) -> Told | Declined:
        instructions = ASK.format(kind=draft.kind, hint=HINTS[draft.kind])
        reply = await self._complete(draft, instructions, "", range(len(draft.pictures)))
        notes, question, answer = (_tagged(name, reply) for name in ("note", "question", "answer"))
        if not (question and answer and len(notes) == len(draft.pictures)):
            return Declined(QUESTIONER, "no question, answer and note for each picture", reply[:200])
        steps = [picture_step(n, *pair) for n, pair in enumerate(zip(draft.pictures, notes, strict=True), start=1)]
        return Told(question[0], answer[0], tuple(steps))

    async def _check(self, draft: Draft, told: Told) -> Told | Declined:
        """The solver's attempts with all pictures, with none, and without each of them."""
        places = list(range(len(draft.pictures)))
        right = await self._count_right(draft, told, places, "")
        if 2 * right <= self._attempts:
            return Declined(SOLVER, f"right in {right} of {self._attempts} attempts", told.prompt)
        if await self._count_right(draft, told, [], HIDDEN) == self._attempts:
            return Declined(BLIND, "still right", told.prompt)
        for place in places:
            others = [other for other in places if other != place]
            limits = MISSING.format(place=place + 1)
            if await self._count_right(draft, told, others, limits) == self._attempts:
                return Declined(PARTLY_BLIND, "still right", told.prompt)
        return told

    async def _count_right(self, draft: Draft, told: Told, shown: Sequence[int], limits: str) -> int:
        right = 0
        for attempt in range(self._attempts):
            seed = derive_seed(draft.seed, "solver", limits, attempt)
            reply = await self._complete(draft, SOLVE.format(limits=limits), told.prompt, shown, seed=seed)
            answers = _tagged("answer", reply)
            right += bool(answers) and _plain(answers[-1]) == _plain(told.answer)
        return right

    async def _complete(
        self, draft: Draft, instructions: str, said: str, shown: Sequence[int], *, seed: int | None = None
    ) -> str:
        messages: list[ChatMessage] = [
            {"role": "system", "content": instructions},
            {"role": "user", "content": [*self._shown(draft.pictures, shown), {"type": "text", "text": said}]},
        ]
        seed = draft.seed if seed is None else seed
        return (await self._endpoint.complete(messages, temperature=self._settings.temperature, seed=seed)).text

    def _shown(self, pictures: Sequence[Picture], places: Sequence[int]) -> list[dict]:
        parts: list[dict] = []
        for place in places:
            data = base64.b64encode(as_png(self._store.open(pictures[place].id))).decode()
            parts.append({"type": "text", "text": f"Picture {place + 1}:"})
            parts.append({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}})
        return parts


def _tagged(name: Literal["question", "answer", "note"], reply: str) -> list[str]:
    """What stands inside the tag, each time, on one line; what is empty does not count."""
    found = re.findall(rf"<{name}>(.*?)</{name}>", reply, re.DOTALL)
    return [text for text in (" ".join(item.split()) for item in found) if text]


def _plain(answer: str) -> str:
    """As answers are compared: without case, outer marks and the word for a picture."""
    return re.sub(r"^picture\s+", "", " ".join(answer.casefold().split()).strip(" .,;:!?'\""))
