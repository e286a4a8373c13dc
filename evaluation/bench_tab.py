"""A browser tab without a browser: it speaks the page's own protocol over a websocket, as Chromium does.

In: the address of a page that is served, and who is there. Out: what the server sends for a visit, a question or a
pressed button, with times. Everything that arrives is searched for words that this tab must never see. Draws nothing:
what a browser takes to paint is not in these times.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from itsdangerous import URLSafeTimedSerializer
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Block_pb2 import Block
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from assistant.errors import BackendError, DataError

XSRF_COOKIE, USER_COOKIE = "_streamlit_xsrf", "_streamlit_user"
"""Names that Streamlit's server gives them."""
TIMEOUT_S = 600.0
"""Longest wait for the next sign of the server."""
REMEDY = "Look at what the server said, or run 'queryforge doctor'."
Place = tuple[int, ...]


@dataclass(frozen=True)
class Reply:
    """What came of a question."""

    elapsed_ms: float
    """Until the page was still again."""
    first_sign_ms: float
    """Until the first step was sent."""
    words: str
    """All texts of the answer."""


@dataclass
class Tab:
    """One browser tab; use it in a `with` block."""

    url: str
    """Address of the page, such as `http://127.0.0.1:8501`."""
    user: str = ""
    """E-mail address of who is logged in; empty where nobody has to be."""
    secret: str = ""
    """What the server signs its cookies with."""
    forbidden: tuple[bytes, ...] = ()
    """Words of others that must not arrive here."""
    leaks: list[bytes] = field(default_factory=list)
    """Those that did."""
    drawn: dict[Place, Element | Block] = field(default_factory=dict)
    """What stands on the page, by its place."""
    chosen: dict[str, str] = field(default_factory=dict)
    """What is chosen in groups of buttons; sent with everything, for what is not sent is forgotten."""

    def __enter__(self) -> Tab:
        self._open, self._session_id = ExitStack(), ""
        self._socket = self._open.enter_context(self._connect())
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def visit(self) -> float:
        """Open the page and wait until it is still; return the milliseconds."""
        return self._run(ClientState())

    def ask(self, question: str) -> Reply:
        """Type a question, press Enter and wait for what comes of it."""
        (box,) = (found for found in self._elements() if found.WhichOneof("type") == "chat_input")
        state = ClientState()
        widget = state.widget_states.widgets.add(id=box.chat_input.id)
        widget.chat_input_value.data = question
        talks = self._count_answers()
        first_sign_ms = 0.0
        started = time.perf_counter()
        self._send(state)
        for _ in self._until_still():
            if not first_sign_ms and self._count_answers() > talks:
                first_sign_ms = (time.perf_counter() - started) * 1000
        return Reply((time.perf_counter() - started) * 1000, first_sign_ms, self.last_answer())

    def press(self, label: str) -> float:
        """Press a button; return the milliseconds until the page is still."""
        state = ClientState()
        state.widget_states.widgets.add(id=self._find("button", label).button.id, trigger_value=True)
        return self._run(state)

    def choose(self, label: str, choice: str) -> float:
        """Choose one of a group of buttons by its text; return the milliseconds until the page is still."""
        self.chosen[self._find("button_group", label).button_group.id] = choice
        return self._run(ClientState())

    def download(self, label: str) -> int:
        """Save the file of a download button; return its bytes."""
        button = self._find("download_button", label).download_button
        message = BackMsg()
        message.backend_operation_request.request_id = "1"
        message.backend_operation_request.session_id = self._session_id
        message.backend_operation_request.deferred_file.file_id = button.deferred_file_id
        self._socket.send(message.SerializeToString())
        for sent in self._messages():
            if sent.WhichOneof("type") != "backend_operation_response":
                continue
            answer = sent.backend_operation_response
            if answer.error_msg:
                raise BackendError(f"The file was not handed over: {answer.error_msg}", REMEDY)
            with urllib.request.urlopen(f"{self.url}{answer.deferred_file.url}", timeout=TIMEOUT_S) as file:
                return sum(len(part) for part in iter(lambda: file.read(1 << 20), b""))
        raise AssertionError  # the messages end with an error only

    def last_answer(self) -> str:
        """Return all texts of the last answer on the page."""
        places = [place for place, found in self.drawn.items() if _is_answer(found)]
        last = max(places, default=())
        found = [part for place, part in sorted(self.drawn.items()) if last and place[: len(last)] == last]
        return "\n".join(_text_of(part) for part in found if isinstance(part, Element) and _text_of(part))

    def _connect(self) -> ClientConnection:
        with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=TIMEOUT_S) as response:
            cookies = response.headers.get_all("Set-Cookie") or []
        token = next((part.partition("=")[2].partition(";")[0] for part in cookies if part.startswith(XSRF_COOKIE)), "")
        cookie = f"{XSRF_COOKIE}={token}"
        if self.user:
            person = json.dumps({"is_logged_in": True, "origin": self.url, "email": self.user})
            signed = URLSafeTimedSerializer(self.secret, salt=USER_COOKIE).dumps(person)
            cookie += f"; {USER_COOKIE}={signed}"
        return connect(
            f"{self.url.replace('http', 'ws', 1)}/_stcore/stream",
            origin=Origin(self.url),
            # The second is no protocol: browsers can say nothing else in a handshake, so Streamlit takes it there.
            subprotocols=[Subprotocol("streamlit"), Subprotocol(token)],
            additional_headers={"Cookie": cookie},
            max_size=None,
            open_timeout=TIMEOUT_S,
            ping_timeout=None,
        )

    def _run(self, state: ClientState) -> float:
        started = time.perf_counter()
        self._send(state)
        for _ in self._until_still():
            pass
        return (time.perf_counter() - started) * 1000

    def _send(self, state: ClientState) -> None:
        for widget_id, choice in self.chosen.items():
            state.widget_states.widgets.add(id=widget_id).string_array_value.data.append(choice)
        message = BackMsg()
        message.rerun_script.CopyFrom(state)
        self._socket.send(message.SerializeToString())

    def _messages(self) -> Iterator[ForwardMsg]:
        while True:
            try:
                sent = self._socket.recv(timeout=TIMEOUT_S)
            except TimeoutError as error:
                raise BackendError(f"The page said nothing for {TIMEOUT_S:.0f} seconds.", REMEDY) from error
            except ConnectionClosed as error:
                raise BackendError(f"The page has gone: {error}.", REMEDY) from error
            assert isinstance(sent, bytes)  # the protocol knows no text
            self.leaks += [word for word in self.forbidden if word in sent]
            yield ForwardMsg.FromString(sent)

    def _until_still(self) -> Iterator[ForwardMsg]:
        """Take what is sent until a run has ended that no other follows."""
        for sent in self._messages():
            kind = sent.WhichOneof("type")
            if kind == "new_session":
                self._session_id = sent.new_session.initialize.session_id
                stale = set(self.drawn)
            elif kind == "delta":
                place = tuple(sent.metadata.delta_path)
                stale.discard(place)
                part = sent.delta.WhichOneof("type")
                if part == "new_element":
                    self.drawn[place] = sent.delta.new_element
                elif part == "add_block":
                    self.drawn[place] = sent.delta.add_block
            elif kind == "script_finished":
                if sent.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                    for place in stale:
                        del self.drawn[place]
                    return
                if sent.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
                    raise DataError("The page has a fault.", REMEDY)
            yield sent

    def _elements(self) -> Iterator[Element]:
        return (found for found in self.drawn.values() if isinstance(found, Element))

    def _find(self, kind: str, label: str) -> Element:
        for found in self._elements():
            if found.WhichOneof("type") == kind and getattr(found, kind).label == label:
                return found
        raise DataError(f"The page has no {kind.replace('_', ' ')} '{label}'.", REMEDY)

    def _count_answers(self) -> int:
        return sum(map(_is_answer, self.drawn.values()))


def _is_answer(part: Element | Block) -> bool:
    return isinstance(part, Block) and part.WhichOneof("type") == "chat_message" and part.chat_message.name != "user"


def _text_of(element: Element) -> str:
    match element.WhichOneof("type"):
        case "text" | "markdown" | "alert" as kind:
            return str(getattr(element, kind).body)
        case "code":
            return element.code.code_text
        case _:
            return ""
