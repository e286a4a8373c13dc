"""The pages that `app.streamlit_app` leads to; each is run from top to bottom whenever something is pressed on it."""
