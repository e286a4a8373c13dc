"""All databases of a person: switch, add, test, remove; and files that become one.

In: the session. Out: what is drawn, and the change. A password that is typed goes to `app.sources`, which keeps it out
of every file.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from app.chat import draw_error
from app.literal import literal
from app.passwords import has_keyring
from app.session import may_maintain
from app.sidebar import DIALECT_NAMES, switch_database
from app.sources import SCHEMES, add_source, data_folder, make_url, remove_source, try_source
from app.uploading import ENDINGS, MAX_BYTES, clean_name, load_files
from assistant.errors import QueryForgeError, UsageError, mask_secrets

if TYPE_CHECKING:
    from app.session import Session
    from assistant.memory.kept import Source

ADDED = "database-added"
"""What was said when a database was added; shown once."""


def draw_choice(session: Session) -> None:
    """Draw the list of databases and the ways to add one."""
    if said := st.session_state.pop(ADDED, ""):
        st.success(literal(said), icon=":material/check_circle:")
    _draw_row(session, None)
    for source in session.sources:
        _draw_row(session, source)
    if session.memory is None:
        st.text(f"None can be added while memory cannot be opened. {session.fault}")
        return
    st.subheader("Ask a file", anchor=False)
    _draw_drop(session)
    if not may_maintain(session.user):
        st.caption("Databases on servers are added by whoever runs QueryForge.")
        return
    st.subheader("Add a database", anchor=False)
    way = st.segmented_control(
        "How", ("Address", "Form"), default="Address", required=True, key="add-way", label_visibility="collapsed"
    )
    if way == "Form":
        _draw_form(session)
    else:
        _draw_address(session)


def _draw_row(session: Session, source: Source | None) -> None:
    identifier = source.source_id if source else ""
    is_chosen = session.source_id == identifier
    name = source.name if source else "As configured"
    address = source.address if source else session.configured.database_url
    with st.container(border=True, key=f"database-{identifier or 'configured'}"):
        st.markdown(f"{':material/check_circle:' if is_chosen else ':material/database:'} **{literal(name)}**")
        st.caption(literal(_describe(address, source)))
        with st.container(horizontal=True):
            st.button(
                "Asked now" if is_chosen else "Ask this one",
                key=f"switch-{identifier}",
                disabled=is_chosen,
                on_click=switch_database,
                args=(identifier,),
            )
            if source is not None:
                st.button(
                    "Remove",
                    key=f"remove-{identifier}",
                    icon=":material/delete:",
                    type="tertiary",
                    help="Deletes what was made of the file"
                    if source.kind == "upload"
                    else "The database stays as it is",
                    on_click=_remove,
                    args=(session, source),
                )


def _describe(address: str, source: Source | None) -> str:
    if source is not None and source.kind == "upload":
        return f"A file you dropped, {source.created_at:%Y-%m-%d}"
    places = {"environment": "password from the environment", "keyring": "password in the system's keyring"}
    place = places.get(source.password_in, "") if source else ""
    shown = mask_secrets(address.partition("?")[0]).removeprefix("sqlite:///")
    return " · ".join(filter(None, [shown, place]))


def _draw_drop(session: Session) -> None:
    files = st.file_uploader(
        f"CSV, Excel or Parquet, up to {MAX_BYTES / 1e6:.0f} MB each; several files become one database",
        type=list(ENDINGS),
        accept_multiple_files=True,
        max_upload_size=MAX_BYTES // 1_000_000,
        key="dropped",
    )
    if not files:
        return
    name = st.text_input("Name of the new database", value=Path(files[0].name).stem[:60], key="dropped-name")
    if not st.button("Load and ask it", type="primary", key="load-files"):
        return
    try:
        with st.spinner("Loading"):
            source, said = _load(session, name or "file", [(file.name, file.getvalue()) for file in files])
    except QueryForgeError as error:
        draw_error(error)
        return
    _go_to(source, said)


def _load(session: Session, name: str, files: list[tuple[str, bytes]]) -> tuple[Source, str]:
    assert session.memory is not None
    folder = data_folder(session.configured) / "uploads"
    taken = [path.stem for path in folder.glob("*.sqlite")] + [Path(session.configured.database_url).stem]
    target = folder / f"{clean_name(name, taken, fallback='file')}.sqlite"
    loaded = load_files(files, target)
    try:
        source = session.memory.setup.add_source(name, str(target), kind="upload", author=session.user)
    except QueryForgeError:
        target.unlink(missing_ok=True)
        raise
    tables = ", ".join(f"{table.name} ({table.rows:,} rows, {table.columns} columns)" for table in loaded)
    return source, f"Loaded: {tables}."


def _draw_address(session: Session) -> None:
    with st.form("add-by-address", border=False):
        name = st.text_input("Name", key="add-name")
        address = st.text_input(
            "Address",
            key="add-address",
            placeholder="postgresql://reader:${SALES_PASSWORD}@db.example/sales",
            help="A SQLAlchemy URL, or the path of a SQLite file",
        )
        st.caption(_password_note())
        with st.container(horizontal=True):
            is_adding = st.form_submit_button("Test and add", type="primary")
            is_testing = st.form_submit_button("Test only")
    if is_adding or is_testing:
        _try_and_add(session, name, address, is_adding=is_adding)


def _draw_form(session: Session) -> None:
    with st.form("add-by-form", border=False):
        name = st.text_input("Name", key="form-name")
        kind = st.selectbox("Kind", list(SCHEMES), key="form-kind")
        host = st.text_input("Host", key="form-host")
        port = st.number_input("Port (0 for the usual one)", 0, 65535, 0, key="form-port")
        database = st.text_input("Database", key="form-database")
        user = st.text_input("User", key="form-user", help="One that may only read")
        password = st.text_input("Password", type="password", key="form-password")
        st.caption(_password_note())
        with st.container(horizontal=True):
            is_adding = st.form_submit_button("Test and add", type="primary")
            is_testing = st.form_submit_button("Test only")
    if is_adding or is_testing:
        fields = {"host": host or "", "database": database or "", "user": user or "", "password": password or ""}
        url = make_url(kind, port=int(port) or SCHEMES[kind][1], **fields)
        _try_and_add(session, name or database, url, is_adding=is_adding)


def _password_note() -> str:
    if has_keyring():
        return "A password goes to the system's keyring. Or name a variable of the environment in its place: ${NAME}"
    return "Passwords are not written to files: name a variable of the environment in its place, ${NAME}"


def _try_and_add(session: Session, name: str | None, address: str | None, *, is_adding: bool) -> None:
    assert session.memory is not None
    try:
        if not (address or "").strip():
            raise UsageError("There is no address.", "Type a URL, or the path of a SQLite file.")
        with st.spinner("Connecting"):
            found = try_source(session.configured, str(address))
        tables = f"{found.tables} table{'' if found.tables == 1 else 's'}"
        said = f"'{found.db_id}' answers: {DIALECT_NAMES[found.dialect]}, {tables}."
        if not is_adding:
            st.success(literal(said), icon=":material/check_circle:")
            return
        named = (name or "").strip() or found.db_id
        source = add_source(session.memory.setup, named, str(address), author=session.user)
    except QueryForgeError as error:
        draw_error(error)
        return
    _go_to(source, said)


def _go_to(source: Source, said: str) -> None:
    st.session_state[ADDED] = said
    switch_database(source.source_id)
    st.rerun()


def _remove(session: Session, source: Source) -> None:
    if session.memory is None:
        return
    try:
        remove_source(session.memory.setup, source, author=session.user)
    except QueryForgeError as error:
        st.toast(literal(error.message), icon=":material/warning:")
        return
    if session.source_id == source.source_id:
        switch_database("")
