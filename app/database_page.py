"""The parts of the page Databases.

In: the session and the schema. Out: what is drawn; what is changed is changed by `app.sources`, `app.uploading` and
`app.glossary_file`. Names, comments and values come from the database and are shown literally. Masked columns show that
they are masked and nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from app.chat import draw_broken, draw_error
from app.database_choice import draw_choice
from app.diagram import describe_keys, draw_keys
from app.glossary_file import GlossaryFile, make_terms, read_glossary_file, write_glossary_file
from app.literal import literal
from app.remembered import Talk
from app.session import forget_widgets, may_maintain, open_session, reopen
from app.sidebar import DIALECT_NAMES, draw_sidebar
from app.sources import glossary_path_of
from app.start import cached_suggestions
from app.suggestions import MOST
from assistant.errors import QueryForgeError
from assistant.types import Column, DatabaseSchema, Table

if TYPE_CHECKING:
    from app.session import Session
    from assistant.agent import Assistant

SECTIONS = ("Tables", "Picture", "What can I ask?", "Terms", "All databases")
FIRST_SHOWN = 25
"""Tables in the list before the others are wanted."""
EASY_PICTURE = 30
"""Tables up to which the picture begins with all of them."""
TERM_COLUMNS = ("term", "synonyms", "meaning", "sql")


def draw_databases_page() -> None:
    """Draw the page; with a database that cannot be opened, the others can still be chosen."""
    with st.container(key="wide"):
        st.title("Databases", anchor=False)
    session = assistant = None
    try:
        session = open_session()
        assistant = session.assistant()
        schema = assistant.schema()
    except QueryForgeError as error:
        draw_broken(error)
        if session is not None:
            draw_choice(session)
            draw_sidebar(session, None)
        return
    masked = sum(column.is_masked for table in schema.tables for column in table.columns)
    parts = [
        DIALECT_NAMES[schema.dialect],
        f"{len(schema.tables)} tables",
        f"{masked} masked columns" if masked else "",
    ]
    st.markdown(f"**{literal(schema.db_id)}** :gray[{', '.join(filter(None, parts))}]")
    section = st.segmented_control(
        "Part of the page", SECTIONS, default=SECTIONS[0], required=True, key="section", label_visibility="collapsed"
    )
    try:
        _draw_section(str(section), session, assistant, schema)
    except QueryForgeError as error:
        draw_error(error)
    draw_sidebar(session, assistant)


def _draw_section(section: str, session: Session, assistant: Assistant, schema: DatabaseSchema) -> None:
    if section == "Picture":
        _draw_picture(schema)
    elif section == "What can I ask?":
        _draw_suggestions(assistant, schema)
    elif section == "Terms":
        _draw_terms(session, schema)
    elif section == "All databases":
        draw_choice(session)
    else:
        _draw_tables(schema)


def _draw_tables(schema: DatabaseSchema) -> None:
    wanted = st.text_input(
        "Find a table or column", placeholder="Find a table or column", icon=":material/search:",
        label_visibility="collapsed", key="find-table",
    )  # fmt: skip
    found = [table for table in schema.tables if _matches(table, (wanted or "").strip().lower())]
    if not found:
        st.text("No table or column has these letters in its name or comment.")
    shown = found if st.session_state.get("all-tables") else found[:FIRST_SHOWN]
    with st.container(gap="xsmall", key="tables"):
        for table in shown:
            rows = f" · about {table.row_estimate:,} rows" if table.row_estimate is not None else ""
            label = f"**{literal(table.name)}** :gray[:small[{len(table.columns)} columns{rows}]]"
            with st.expander(label, expanded=len(found) == 1):
                _draw_table(table)
    if len(shown) < len(found):
        st.button(f"Show all {len(found)} tables", key="all-tables-do", on_click=_show_all)


def _matches(table: Table, wanted: str) -> bool:
    texts = [table.name, table.comment, *(text for part in table.columns for text in (part.name, part.comment))]
    return any(wanted in text.lower() for text in texts)


def _show_all() -> None:
    st.session_state["all-tables"] = True


def _draw_table(table: Table) -> None:
    if table.comment:
        st.text(table.comment)
    refers = {
        column: f"{key.ref_table}.{ref}"
        for key in table.foreign_keys
        for column, ref in zip(key.columns, key.ref_columns, strict=True)
    }
    frame = pd.DataFrame(
        {
            "column": [column.name for column in table.columns],
            "type": [column.sql_type.lower() for column in table.columns],
            "key": [_describe_key(column, table, refers) for column in table.columns],
            "meaning": [column.comment for column in table.columns],
            "values": ["masked" if column.is_masked else ", ".join(column.samples[:5]) for column in table.columns],
        }
    )
    st.dataframe(frame, hide_index=True, width="stretch", height="content", key=f"columns-{table.name}")


def _describe_key(column: Column, table: Table, refers: dict[str, str]) -> str:
    parts = ["key"] if column.name in table.primary_key else []
    return ", ".join([*parts, *([f"→ {refers[column.name]}"] if column.name in refers else [])])


def _draw_picture(schema: DatabaseSchema) -> None:
    degree = {table.name: len(table.foreign_keys) for table in schema.tables}
    for table in schema.tables:
        for key in table.foreign_keys:
            degree[key.ref_table] = degree.get(key.ref_table, 0) + 1
    names = ["", *sorted(table.name for table in schema.tables)]
    busiest = max(degree, key=lambda name: degree[name])
    around = st.selectbox(
        "Tables around",
        names,
        index=0 if len(schema.tables) <= EASY_PICTURE else names.index(busiest),
        format_func=lambda name: name or "All tables that are joined",
        key="picture-around",
    )
    dark = st.context.theme.type == "dark"
    picture = draw_keys(schema.tables, around=around or "", is_dark=dark)
    with st.container(key="picture"):
        st.graphviz_chart(picture, width="content", alt=describe_keys(schema.tables))
    alone = [table.name for table in schema.tables if not degree[table.name]]
    if alone and not around:
        st.caption(literal(f"Joined with no other: {', '.join(alone)}."))


def _draw_suggestions(assistant: Assistant, schema: DatabaseSchema) -> None:
    st.text("Made from the tables, and tried: each of these returns rows. Yours may be freer.")
    found = cached_suggestions(assistant, schema.fingerprint, MOST)
    if not found:
        st.text("No question could be made that returns rows; the tables may be empty.")
    for position, suggestion in enumerate(found):
        if st.button(literal(suggestion.question), key=f"suggestion-{position}", icon=":material/arrow_outward:"):
            forget_widgets()
            talk = st.session_state["talk"] = Talk()
            talk.add(suggestion.question, suggestion.sql)
            st.switch_page("pages/ask.py", query_params={})


def _draw_terms(session: Session, schema: DatabaseSchema) -> None:
    path = glossary_path_of(session.configured, session.source)
    content = read_glossary_file(path)
    may_edit = may_maintain(session.user) or session.source is not None
    st.text("Words of your business, so that a question may use them. Models and training read them.")
    rows = [
        {"term": term.term, "synonyms": ", ".join(term.synonyms), "meaning": term.meaning, "sql": term.sql}
        for term in content.terms
    ]
    edited = st.data_editor(
        pd.DataFrame(rows, columns=list(TERM_COLUMNS), dtype="object"),
        num_rows="dynamic" if may_edit else "fixed",
        disabled=not may_edit,
        hide_index=True,
        width="stretch",
        key="terms",
        column_config={
            "term": st.column_config.TextColumn("Term", required=True),
            "synonyms": st.column_config.TextColumn("Other words", help="Separated by commas"),
            "meaning": st.column_config.TextColumn("Meaning", width="large"),
            "sql": st.column_config.TextColumn("SQL", help="An expression or condition, where one can be given"),
        },
    )
    if st.button("Save terms", type="primary", disabled=not may_edit, key="save-terms"):
        terms = make_terms([{str(name): cell for name, cell in row.items()} for row in edited.to_dict("records")])
        _write(path, content.model_copy(update={"terms": terms}), "terms")
    st.subheader("Descriptions", anchor=False)
    name = st.selectbox("Table", [table.name for table in schema.tables], key="described-table")
    table = next(table for table in schema.tables if table.name == name)
    _draw_descriptions(table, path, content, may_edit=may_edit)
    st.caption(literal(f"Kept in {path.name}, beside the database where that is a file."))


def _draw_descriptions(table: Table, path: Path, content: GlossaryFile, *, may_edit: bool) -> None:
    places = ["", *(column.name for column in table.columns)]
    known = {column.name: "" if column.is_masked else column.comment for column in table.columns} | {"": table.comment}
    written = {place: content.descriptions.get((table.name.lower(), place.lower()), "") for place in places}
    frame = pd.DataFrame(
        {
            "column": [place or "(the table)" for place in places],
            "description": [written[place] or known[place] for place in places],
        },
        dtype="object",
    )
    edited = st.data_editor(
        frame,
        disabled=True if not may_edit else ["column"],
        hide_index=True,
        width="stretch",
        key=f"descriptions-{table.name}",
        column_config={
            "column": st.column_config.TextColumn("Column"),
            "description": st.column_config.TextColumn("Description", width="large"),
        },
    )
    if st.button("Save descriptions", disabled=not may_edit, key="save-descriptions"):
        texts = dict(content.descriptions)
        for place, text in zip(places, edited["description"], strict=True):
            said = text.strip() if isinstance(text, str) else ""
            if said != (written[place] or known[place]):
                texts[table.name.lower(), place.lower()] = said
        kept = {key: text for key, text in texts.items() if text}
        _write(path, content.model_copy(update={"descriptions": kept}), "descriptions")


def _write(path: Path, content: GlossaryFile, what: str) -> None:
    write_glossary_file(path, content)
    reopen()
    st.toast(f"The {what} are saved; the next question knows them.", icon=":material/check:")
