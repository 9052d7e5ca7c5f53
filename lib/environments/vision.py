"""The vision environment: look at a picture again, whole or in part, confirm a statement, answer in a tag.

IMAgent's two tools as we read them (arXiv 2512.08980 gives names and purpose): visual reflection and visual
confirmation both put real image tokens at the end of the conversation, so that attention can return to the pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pydantic import BaseModel, Field, field_validator

from lib.environments.answer_tag import last_answer
from lib.environments.environment import Content, ImageRef, Message, Question, Start, Step, ToolCall
from lib.environments.tool_desk import ToolDesk
from lib.environments.tools import Tool, ToolError
from lib.settings.environment import EnvironmentSettings

HUNDRED = 100  # a box is given in hundredths of the picture's sides
LEAST_SIDE = 4  # pixels of a part that is shown

# Short, since every episode of a small model pays for each of its tokens.
SYSTEM = """Answer about the pictures, using the tools look_again(image, box), confirm(image, statement).
Call: <tool_call>{"name": "look_again", "arguments": {"image": 1, "box": [0, 0, 50, 50]}}</tool_call>
End: <answer>...</answer>"""


class HasSize(Protocol):
    width: int
    height: int


class LookArguments(BaseModel):
    image: int = Field(ge=1)
    box: list[float] | None = Field(None, min_length=4, max_length=4)

    @field_validator("box")
    @classmethod
    def box_is_inside(cls, box: list[float] | None) -> list[float] | None:
        if box is None:
            return None
        left, top, right, bottom = box
        if not (0 <= left < right <= HUNDRED and 0 <= top < bottom <= HUNDRED):
            raise ValueError("left, top, right, bottom lie between 0 and 100, left before right, top before bottom")
        return box


class ConfirmArguments(BaseModel):
    image: int = Field(ge=1)
    statement: str = Field(min_length=1, max_length=400)


class VisionEnvironment:
    """One episode over the pictures of its question; see lib.environments.environment.Environment.

    Args:
        pictures: the question's, in order, with their sizes in pixels.
        shows_again: whether tools bring images; without, they answer in words, to measure what the images are worth.
    """

    def __init__(
        self,
        pictures: Sequence[tuple[str, HasSize]],
        settings: EnvironmentSettings,
        desk: ToolDesk | None = None,
        *,
        shows_again: bool = True,
    ):
        self._pictures, self._desk, self._shows_again = pictures, desk or ToolDesk(settings), shows_again
        tools = [
            Tool("look_again", "See a picture, or a part of it at full resolution.", LookArguments, self._look_again),
            Tool("confirm", "See a picture beside a statement to check.", ConfirmArguments, self._confirm),
        ]
        self._tools = {tool.name: tool for tool in tools}

    async def start(self, question: Question, seed: int) -> Start:
        shown: list[str | ImageRef] = []
        for number, (id, _) in enumerate(self._pictures, start=1):
            shown += [f"Picture {number}: ", ImageRef(id), "\n"]
        messages = [Message("system", SYSTEM), Message("user", (*shown, question.prompt))]
        return Start(messages, [tool.schema for tool in self._tools.values()])

    async def step(self, calls: list[ToolCall]) -> Step:
        return Step(await self._desk.call_all(self._tools, calls, scope=""))

    def parse_answer(self, text: str) -> str | None:
        answer = last_answer(text)
        return None if answer is None else answer.strip()

    async def _look_again(self, arguments: LookArguments) -> Content:
        id, size = self._find(arguments.image)
        box = None if arguments.box is None else in_pixels(arguments.box, size)
        return self._shown(arguments.image, ImageRef(id, box))

    async def _confirm(self, arguments: ConfirmArguments) -> Content:
        id, _ = self._find(arguments.image)
        return (*self._shown(arguments.image, ImageRef(id)), f"\nTrue or false? {arguments.statement}")

    def _shown(self, number: int, image: ImageRef) -> tuple[str | ImageRef, ...]:
        return (f"Picture {number}: ", image) if self._shows_again else (f"Picture {number} stands above.",)

    def _find(self, number: int) -> tuple[str, HasSize]:
        if number > len(self._pictures):
            raise ToolError(f"there is no picture {number}; there are {len(self._pictures)}")
        return self._pictures[number - 1]


def in_pixels(box: Sequence[float], size: HasSize) -> tuple[int, int, int, int]:
    """The pixels of a box in hundredths, no narrower than LEAST_SIDE where the picture is not."""
    left, right = _span(box[0], box[2], size.width)
    top, bottom = _span(box[1], box[3], size.height)
    return left, top, right, bottom


def _span(start: float, end: float, length: int) -> tuple[int, int]:
    first, last = round(start * length / HUNDRED), round(end * length / HUNDRED)
    least = min(LEAST_SIDE, length)
    if last - first < least:
        first = min(max(0, (first + last - least) // 2), length - least)
        last = first + least
    return first, last
