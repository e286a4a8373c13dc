"""Up in the empty question box: the last question comes back to be edited, as in a shell.

In: the questions of a conversation. Out: a component without looks, whose script, `recall.js`, gets them as data. They
become the value of the box and nothing else: no markup is made of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

MOST = 50
"""Questions that can be brought back."""
_SCRIPT = Path(__file__).with_name("recall.js").read_text(encoding="utf-8")
_recall = st.components.v2.component("queryforge_recall", html='<p role="status"></p>', js=_SCRIPT)


def draw_recall(questions: Sequence[str]) -> None:
    """Let the keys Up and Down bring back these questions, the newest last."""
    with st.container(key="recall"):  # always there, so that what stands below it keeps its place
        if questions:
            _recall(key="recall-keys", data={"questions": list(questions[-MOST:])})
