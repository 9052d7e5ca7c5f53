"""What stands for a conversation's text comes back as it was."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lib.environments.environment import Message
from lib.policy.plain_text import PlainText

TEXT = st.text(max_size=40)


@given(TEXT)
def test_plain_text_comes_back_without_loss(content):
    plain = PlainText()
    reply = plain.encode_reply(content)
    assert reply[-1] == plain.stop_token and plain.decode(reply) == content
    assert plain.read_result(plain.encode_result(content).tokens) == content
    assert plain.decode(plain.encode_prompt([Message("user", content)]).tokens) == content


@given(TEXT)
def test_a_chat_template_s_result_comes_back_without_its_markup(chat, content):
    assert chat.read_result(chat.encode_result(content).tokens) == content
