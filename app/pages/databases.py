"""The page Databases: what is in the database, what can be asked of it, what its words mean, and others to ask.

In: the chosen database. Out: its description, and changes that a person makes to it.
"""

from __future__ import annotations

from app.database_page import draw_databases_page

draw_databases_page()
