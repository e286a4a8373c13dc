"""One conversation and nothing around it: what stands under an answer, with the real assistant behind it."""

from __future__ import annotations

import streamlit as st

from app.chat import Exchange, draw_exchange, draw_question, work
from assistant.agent import Assistant
from assistant.settings import Settings


@st.cache_resource
def open_assistant(settings_json: str, _settings: Settings) -> Assistant:
    """Open the one Assistant for these settings."""
    return Assistant(_settings)


def ask_typed() -> None:
    """Put what was typed at the end of the conversation."""
    exchanges = st.session_state["exchanges"]
    exchanges.append(Exchange(number=len(exchanges) + 1, text=st.session_state["typed"]))


settings = Settings.load()
assistant = open_assistant(settings.model_dump_json(), settings)
exchanges = st.session_state.setdefault("exchanges", [])
st.chat_input("Ask", key="typed", on_submit=ask_typed)
for exchange in exchanges:
    if exchange.is_pending:
        draw_question(exchange)
        work(assistant, exchange, exchanges[:-1])
        st.rerun()
    draw_exchange(exchange, lambda text: None, is_last=exchange is exchanges[-1], assistant=assistant)
