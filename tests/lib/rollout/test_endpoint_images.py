"""A vision model behind an endpoint gets the pictures themselves, those of the question and those that tools bring."""

from __future__ import annotations

import base64
import io

import pytest
from PIL import Image

from lib.chat_endpoint import ChatEndpoint
from lib.environments.environment import Question
from lib.policy.plain_text import PlainText
from lib.rollout.endpoint_episode import run_endpoint_episode
from lib.rollout.run_episode import EpisodeLimits
from lib.rollout.vision_world import VisionWorld
from lib.settings.environment import EnvironmentSettings
from lib.settings.teacher import OpenAITeacher
from tests.chat_server import completion, serve

LOOK = '<tool_call>{"name": "look_again", "arguments": {"image": 2, "box": [0, 0, 50, 50]}}</tool_call>'
QUESTION = Question(
    id="q", domain="vision", prompt="Which has red in it?", answer="2", images=["shapes/blue-5-10", "shapes/red-3-0"]
)
LIMITS = EpisodeLimits(
    max_tokens=10_000,
    max_new_tokens=500,
    max_turns=4,
    max_tool_calls=3,
    max_malformed=1,
    seconds=60,
    temperature=1.0,
    top_p=1.0,
)


def images_of(message) -> list[Image.Image]:
    parts = message["content"] if isinstance(message["content"], list) else []
    addresses = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    return [Image.open(io.BytesIO(base64.b64decode(address.split(",", 1)[1]))) for address in addresses]


@pytest.mark.parametrize("chat", ["plain", "tokens"])
def test_pictures_are_sent_in_their_places(shapes, seeing_policy, chat):
    from lib.policy.load import load_chat

    world = VisionWorld(shapes, EnvironmentSettings())
    form = PlainText() if chat == "plain" else load_chat(seeing_policy / "checkpoint", world.store.open)
    replies = [LOOK, "<answer>2</answer>"]
    with serve(lambda number, body: (200, completion(replies[len(body["messages"]) // 2 - 1]))) as server:
        settings = OpenAITeacher(type="openai", base_url=server.url, model="m")
        endpoint = ChatEndpoint(settings, pause_s=0.01)

        async def play(question):
            return await run_endpoint_episode(
                question,
                sample=0,
                seed=1,
                endpoint=endpoint,
                settings=settings,
                chat=form,
                world=world,
                limits=LIMITS,
                open_image=world.store.open,
                advice="Be brief.",
            )

        (episode,) = endpoint.work_through(play, [QUESTION])
    assert (episode.error, episode.correct) == (None, True)
    first, second = server.requests
    assert [image.size for image in images_of(first["messages"][1])] == [(40, 40), (40, 40)]
    assert images_of(first["messages"][1])[0].convert("RGB").tobytes() == world.store.open("shapes/blue-5-10").tobytes()
    shown = second["messages"][-1]
    assert [image.size for image in images_of(shown)] == [(20, 20)]
    assert "Picture 2: " in shown["content"][1]["text"] or "Picture 2: " in shown["content"][0]["text"]
    assert "Be brief." in first["messages"][0]["content"]
