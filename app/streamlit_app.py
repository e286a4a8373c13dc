"""The page's frame: `queryforge chat` serves it; `streamlit run app/streamlit_app.py` does too.

In: which page a person chose. Out: that page, once they are logged in where that is set up. What is common to all pages
is drawn here; it runs from top to bottom at every press of a button.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app.literal import literal
from app.session import log_in, may, needs_login, user_id

HERE = Path(__file__).parent


def draw_frame() -> None:
    """Draw what all pages share, then the page."""
    st.set_page_config(page_title="QueryForge", page_icon=str(HERE / "icon.svg"), layout="centered")
    st.html(HERE / "page.css")
    st.logo(str(HERE / "logo.svg"), icon_image=str(HERE / "icon.svg"), size="large")
    page = st.navigation(
        [
            st.Page("pages/ask.py", title="Ask", icon=":material/chat:", default=True),
            st.Page("pages/saved.py", title="Saved", icon=":material/keep:"),
            st.Page("pages/databases.py", title="Databases", icon=":material/database:"),
            st.Page("pages/maintain.py", title="Maintain", icon=":material/build:"),
        ]
    )
    if needs_login():
        st.title("QueryForge", anchor=False)
        st.text("Log in to ask your database.")
        st.button("Log in", type="primary", icon=":material/login:", on_click=log_in)
        if fault := st.session_state.pop("login-fault", ""):
            st.error(literal(f"Nobody can log in: {fault}"), icon=":material/error:")
        return
    if not may(user_id(), "ask"):
        st.title("QueryForge", anchor=False)
        st.text(f"You are logged in as {user_id()}, who may not ask here. Whoever runs this page can allow it.")
        st.button("Log out", icon=":material/logout:", on_click=st.logout)
        return
    page.run()


draw_frame()
