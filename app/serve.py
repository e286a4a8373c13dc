"""The process that `queryforge chat` starts: load what a first visit needs, then let Streamlit serve the page.

In: Streamlit's own options. Out: a server that runs until it is ended. What is loaded here would else be loaded while
the first visitor looks at an empty page; a database that cannot be opened in time is left to the page, which says so.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

PAGE = Path(__file__).with_name("streamlit_app.py")
LATER = ("app.ask_page", "app.board", "app.database_page", "app.maintenance", "assistant.graph", "altair", "pyarrow")
"""Modules behind the pages, and those that the first answer would wait for."""
PATIENCE_S = 30.0
"""How long the server waits for what is opened; a database that does not answer must not keep the page away."""


def main(options: Sequence[str]) -> None:
    """Load, then serve until the process ends."""
    loading = threading.Thread(target=warm, name="warm", daemon=True)
    loading.start()
    loading.join(PATIENCE_S)
    from streamlit.web.cli import main as streamlit

    streamlit(["run", str(PAGE), *options], prog_name="streamlit")


def warm() -> None:
    """Import what the pages need and open the database and memory of the settings, as a visit would."""
    # Streamlit warns of every part of it that is used without a visitor.
    logging.disable(logging.WARNING)
    try:
        for name in LATER:
            import_module(name)
        from app.session import open_early
        from assistant.errors import QueryForgeError

        try:
            open_early()
        except QueryForgeError:
            return  # the page tells it, with what to do, and tries again
    finally:
        logging.disable(logging.NOTSET)


if __name__ == "__main__":
    main(sys.argv[1:])
