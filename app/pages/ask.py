"""The page Ask: one conversation, and the list of all.

In: questions of a person. Out: the conversation as it stands.
"""

from __future__ import annotations

from app.ask_page import draw_ask_page

draw_ask_page()
