"""A reply under construction that can only become a read over known names, or a reason for declining.

In: a SchemaContext, then the bytes of one token after the other. Out: for each, the longer draft, nothing if the token
cannot stand there, or the place to step back to if an earlier name turns out to have no meaning (a select list is
written before its FROM). Own code rather than a llama.cpp grammar: which columns may follow an alias depends on what
the alias stands for, which no context-free grammar says, and a token is tried in microseconds.

Covers: one SELECT (also WITH and set operations) that reads a table, or one declining comment; tables, columns, aliases
and functions that exist; texts and numbers are free. Does not cover: types, numbers of arguments, grouping. Refuses,
though SQLite would take it, a column in ON whose table is joined later. The guard judges every draft all the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from assistant.constraint import words as w
from assistant.constraint.scope import Columns, Contradiction, Names, Unfit
from assistant.constraint.signs import Signs
from assistant.types import SchemaContext

_DECLINED = re.compile(r"\s*(?:unanswerable|refused|clarify)\b", re.IGNORECASE)
_NUMBER = re.compile(r"0[xX][\da-fA-F]*|(?:\d+\.?\d*|\.\d*)(?:[eE]\d*)?")
_COMMENTS = ("--", "/*")
_OPENING_QUOTES = {
    "sqlite": {'"': '"', "`": "`", "[": "]"},
    "postgres": {'"': '"'},
    "mysql": {"`": "`"},
}
_FREE_MODES = frozenset({"string", "escape", "quoted", "word", "line", "block", "head", "declined"})
"""Where a character beyond ASCII may stand."""


@dataclass(frozen=True)
class StepBack:
    """A name earlier in the draft has to be another."""

    length: int
    """Bytes of the draft that may stay: up to where the name begins."""
    start: int
    """The same in characters."""
    allowed: Columns
    """What may stand there, in lower case."""


class SqlConstraint:
    """The rules for drafts over one linked schema."""

    def __init__(self, context: SchemaContext) -> None:
        self._names = Names(context)

    def start(self) -> Draft:
        """Begin a reply."""
        return Draft(Signs(self._names))


class Draft:
    """The beginning of a reply. Never changes: each token that fits makes a longer one."""

    __slots__ = ("_mode", "_quote", "_start", "_syntax", "_tail", "length", "text")

    def __init__(self, syntax: Signs) -> None:
        self._syntax = syntax
        self._mode = "between"
        self._start = 0  # of the lexeme that is being read
        self._quote = ""
        self._tail = b""  # bytes of a character that is not complete
        self.text = ""
        self.length = 0
        """Bytes so far."""

    def extended(self, piece: bytes) -> Self | StepBack | None:
        """Return the draft with one more token; None when it cannot stand there.

        Args:
            piece: The bytes of the token.
        """
        made = self._copy()
        try:
            made._read(piece)
        except Contradiction as contradiction:
            return self._step_back(made.text, contradiction)
        except Unfit:
            return None
        return made

    def ended(self) -> Self | StepBack | None:
        """Return the draft if the reply may end here; None when it may not."""
        made = self._copy()
        try:
            made._end()
        except Contradiction as contradiction:
            return self._step_back(made.text, contradiction)
        except Unfit:
            return None
        return self

    @property
    def name_start(self) -> int | None:
        """Bytes before the name or word that is being written; None between words."""
        return len(self.text[: self._start].encode()) if self._mode in ("word", "quoted") else None

    def limited(self, step: StepBack) -> Self:
        """Return the draft, holding the name at which it was stepped back to what it may be."""
        made = self._copy()
        made._syntax.limits = {**made._syntax.limits, step.start: step.allowed}
        return made

    def _copy(self) -> Self:
        made = object.__new__(type(self))
        for slot in Draft.__slots__:
            setattr(made, slot, getattr(self, slot))
        made._syntax = self._syntax.copy()
        return made

    def _step_back(self, text: str, contradiction: Contradiction) -> StepBack | None:
        start = contradiction.conflict.start
        if start >= len(self.text):
            return None  # in the very token that was tried: another token is all it takes
        if not contradiction.conflict.allowed or self._syntax.limits.get(start) == contradiction.conflict.allowed:
            return None
        return StepBack(len(text[:start].encode()), start, contradiction.conflict.allowed)

    # -- reading ---------------------------------------------------------------------------------------------------

    def _read(self, piece: bytes) -> None:
        self.length += len(piece)
        data = self._tail + piece
        try:
            text, self._tail = data.decode(), b""
        except UnicodeDecodeError as error:
            if error.reason != "unexpected end of data":
                raise Unfit from error
            text, self._tail = data[: error.start].decode(), data[error.start :]
        offset = len(self.text)
        self.text += text
        for position, character in enumerate(text, offset):
            while not self._take(character, position):
                pass
        if self._tail and self._mode not in _FREE_MODES:
            raise Unfit
        self._check_unfinished()

    def _take(self, character: str, position: int) -> bool:
        """Read a character; False if it ended a lexeme and has to be read again."""
        mode = self._mode
        if mode == "between":
            self._begin(character, position)
        elif mode == "word":
            if not (character.isalnum() or character in "_$"):
                self._finish_word(position)
                return False
        elif mode == "string":
            if character == self._quote:
                self._mode = "string end"
            elif character == "\\" and self._syntax.dialect == "mysql":
                self._mode = "escape"
        elif mode == "escape":
            self._mode = "string"
        elif mode == "string end":
            self._mode = "string" if character == self._quote else "between"
            return character == self._quote
        elif mode == "number":
            if not _NUMBER.fullmatch(self.text, self._start, position + 1):
                if character.isalpha() or character in "_.":
                    raise Unfit
                self._mode = "between"
                return False
        elif mode == "quoted":
            if character == self._quote:
                self._syntax.text = self.text[: self._start]
                self._syntax.word(self.text[self._start + 1 : position].lower(), self._start, is_quoted=True)
                self._mode = "between"
        elif mode == "symbol":
            return self._take_symbol(character, position)
        elif mode == "line":
            self._mode = "between" if character == "\n" else "line"
        elif mode == "block":
            self._mode = "between" if self.text[self._start + 2 : position + 1].endswith("*/") else "block"
        elif mode == "head":
            self._take_head(character, position)
        elif mode == "done" and character not in " \t\r\n;":
            raise Unfit
        return True

    def _begin(self, character: str, position: int) -> None:
        syntax = self._syntax
        syntax.text = self.text[:position]
        if character in " \t\r\n":
            if len(self.text[:position]) - len(self.text[:position].rstrip()) > MAX_SPACE:
                raise Unfit
            if syntax.expect == "name":
                self._check_name()
            return
        self._start = position
        if character.isalpha() or character == "_":
            self._mode = "word"
        elif character.isdecimal() or (character == "." and syntax.expect not in ("name", "schema")):
            syntax.number()
            self._mode = "number"
        elif character == "'" and syntax.expect == "alias":  # SQLite and MySQL: AS 'Name'
            self._mode, self._quote = "quoted", character
        elif character == "'" or (character == '"' and syntax.dialect == "mysql"):
            syntax.string()
            self._mode, self._quote = "string", character
        elif character in _OPENING_QUOTES[syntax.dialect]:
            self._mode, self._quote = "quoted", _OPENING_QUOTES[syntax.dialect][character]
        elif character == ";":
            syntax.end()
            self._mode = "done"
        elif character == "#" and syntax.dialect == "mysql":
            self._mode = "line"
        elif character in _SIGNS:
            _SIGNS[character](syntax)
        else:
            self._mode = "symbol"

    def _take_symbol(self, character: str, position: int) -> bool:
        so_far = self.text[self._start : position]
        longer = so_far + character
        syntax = self._syntax
        if so_far == "--" or longer == "--" and syntax.dialect != "mysql":
            if so_far == "--" and not character.isspace():  # MySQL: 5--1 is 5 - -1
                syntax.text = self.text[: self._start]
                syntax.symbol("-")
                syntax.symbol("-")
                self._mode = "between"
                return False
            self._mode = "head" if not self.text[: self._start].strip() else "line"
            self._start += 2
            return so_far != "--"
        if longer == "/*":
            self._mode = "block"
            return True
        if any(symbol.startswith(longer) for symbol in (*w.SYMBOLS[syntax.dialect], *_COMMENTS)):
            return True
        self._finish_symbol(position)
        return False

    def _take_head(self, character: str, position: int) -> None:
        """Read a comment before the statement: a reason for declining is a reply of its own."""
        if _DECLINED.match(self.text, self._start, position + 1) and not character.isalpha():
            self._mode = "declined"
        elif character == "\n":
            self._mode = "between"

    def _finish_word(self, position: int) -> None:
        self._syntax.text = self.text[: self._start]
        self._syntax.word(self.text[self._start : position].lower(), self._start)
        self._mode = "between"

    def _finish_symbol(self, position: int) -> None:
        symbol = self.text[self._start : position]
        if symbol not in w.SYMBOLS[self._syntax.dialect]:
            raise Unfit
        self._syntax.text = self.text[: self._start]
        self._syntax.symbol(symbol)
        self._mode = "between"

    def _end(self) -> None:
        position = len(self.text)
        if self._tail:
            raise Unfit
        if self._mode == "word":
            self._finish_word(position)
        if self._mode in ("declined", "done"):
            return
        if self._mode not in ("between", "number", "string end", "line"):
            raise Unfit
        self._syntax.text = self.text
        self._syntax.end()

    # -- what is not finished --------------------------------------------------------------------------------------

    def _check_unfinished(self) -> None:
        """Refuse the beginning of a word or symbol that none may have."""
        syntax = self._syntax
        if self._mode == "word":
            syntax.text = self.text[: self._start]
            word = self.text[self._start :].lower()
            is_free, groups = syntax.expected(self._start)
            if any(name.startswith(word) for group in groups for name in group):
                return
            # Where any name may stand, FROM is hardly the beginning of one, nor is ORDER of a table's alias.
            if not is_free or (syntax.expect in w.AFTER and len(word) >= MIN_RESERVED and word in w.RESERVED):
                raise Unfit
            if word in _NO_BEGINNING and not self._begins_column(word):
                raise Unfit
        elif self._mode == "quoted":
            syntax.text = self.text[: self._start]
            word = self.text[self._start + 1 :].lower()
            is_free, groups = syntax.expected(self._start)
            if not is_free and not any(name.startswith(word) for group in groups for name in group):
                raise Unfit
        elif self._mode == "symbol" and not syntax.fits_symbol(self.text[self._start :]):
            raise Unfit

    def _begins_column(self, word: str) -> bool:
        tables = self._syntax.names.tables.values()
        return any(column.startswith(word) for columns in tables for column in columns)

    def _check_name(self) -> None:
        """Refuse a space behind a name that only a dot could follow."""
        name = self._syntax.name[1]
        if (
            self._syntax.top.clause == "group"
            or name in self._syntax.names.functions
            or name in w.VALUES[self._syntax.dialect]
        ):
            return
        self._syntax.copy().leave_name()


MAX_SPACE = 40
"""Longest run of spaces and line ends; a model that is denied what it wants may write nothing else."""
MIN_RESERVED = 4
"""Shorter reserved words begin many names."""
_NO_BEGINNING = frozenset({"from", "where", "having"})
_SIGNS = {
    "(": Signs.open,
    ")": Signs.close,
    ",": Signs.comma,
    ".": Signs.dot,
    "[": Signs.open_bracket,
    "]": Signs.close_bracket,
}
