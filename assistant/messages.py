"""Texts of the database and of people made into messages that cannot be mistaken for a turn of the conversation.

In: any text. Out: a Message without what looks like a marker of a chat format, of this one or another; or one line of
bounded length. Writes no words of its own: those are in `prompts`.
"""

from __future__ import annotations

import re
from typing import Literal

from assistant.types import Message

MAX_VALUE_CHARS = 200
"""Longest value, name or sample; the index of values holds none of more than 80."""

_MARKER = re.compile(
    r"<[|｜][^|｜<>\s]{1,40}[|｜]>|</?s>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<(?:bos|eos|pad|unk)>",
    re.IGNORECASE,
)
"""Tokens that open or end a turn for the models that may serve: ChatML, Llama, Mistral, Gemma, DeepSeek."""
# Half characters fall away when a text is encoded, and so could join the halves of a marker; the others are invisible.
_UNSEEN = re.compile(
    "[\\x00-\\x08\\x0e-\\x1b\\x7f\\ud800-\\udfff\\u202a-\\u202e\\u2066-\\u2069\\U000e0000-\\U000e007f]"
)
_LINE_BREAKS = re.compile("[\\t\\n\\v\\f\\r\\x1c-\\x1f\\x85\\u2028\\u2029]+")


def make_message(role: Literal["system", "user", "assistant"], content: str) -> Message:
    """Make a message whose text opens and ends no turn."""
    content = _UNSEEN.sub("", content)
    while _MARKER.search(content):  # removing one marker may form another
        content = _MARKER.sub("", content)
    return Message(role=role, content=content)


def one_line(text: str, max_chars: int = MAX_VALUE_CHARS) -> str:
    """Put what the database holds on one line of bounded length."""
    line = _LINE_BREAKS.sub(" ", text)
    return line if len(line) <= max_chars else f"{line[: max_chars - 1]}…"
