"""The page Maintain: the model that serves, what it lacks, what people corrected, and how to make a better one.

In: memory, the served models, and the schema. Out: their state, reviews, and a retraining.
"""

from __future__ import annotations

from app.maintenance import draw_maintain_page

draw_maintain_page()
