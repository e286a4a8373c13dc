"""The page Saved: questions that are asked again, the pinned ones as a board.

In: saved questions of memory. Out: their newest rows. The SQL of each is guarded and run; no model takes part.
"""

from __future__ import annotations

from app.board import draw_saved_page

draw_saved_page()
