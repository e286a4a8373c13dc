"""What the words of FROM mean: tables, joins, aliases, and which columns they bring.

In: the word that `statement` has read. Out: the place behind it, or `Unfit`.
"""

from __future__ import annotations

from assistant.constraint.scope import Columns, Source, Unfit
from assistant.constraint.syntax import Syntax


class Sources(Syntax):
    """A place in a statement that can be moved forward by a word of FROM."""

    __slots__ = ()

    def _table_word(self, word: str, start: int) -> None:
        if word == "lateral" and self.expect == "table":
            self.go("lateral")
            return
        cte = next((found for found in reversed(self._ctes()) if found.alias == word), None)
        if cte is not None:
            self._add_source(cte)
        elif word in self.names.tables:
            self.has_table = True
            self._add_source(Source(word, self.names.tables[word]))
        elif word in self.names.schemas:
            self.name = ("", word, start, start)
            self.go("schema")
        else:
            self.name = ("", word, start, start)
            self.go("table_function")

    def _join_word(self, word: str) -> None:
        if word == "natural":
            self._merge(frozenset({"*"}))
        self.go("table" if word == "join" else f"join {word}")

    def _merge(self, columns: Columns) -> None:
        index = self._query_index()
        frame = self.frames[index].but(merged=self.frames[index].merged | columns)
        self.frames = (*self.frames[:index], frame, *self.frames[index + 1 :])

    def _add_source(self, source: Source) -> None:
        index = self._query_index()
        frame = self.frames[index]
        changed = frame.but(sources=(*frame.sources, source))
        if "*" in frame.merged:  # NATURAL JOIN
            shared = source.columns & frozenset().union(*(other.columns for other in frame.sources))
            changed = changed.but(merged=(frame.merged - {"*"}) | shared)
        self.frames = (*self.frames[:index], changed, *self.frames[index + 1 :])
        self.go("after_table")

    def _rename_source(self, alias: str, columns: Columns | None = None) -> None:
        index = self._query_index()
        frame = self.frames[index]
        if not frame.sources:
            raise Unfit
        last = frame.sources[-1]
        if columns is None and any(source.alias == alias for source in frame.sources[:-1]):
            raise Unfit
        kept = last.columns if columns is None else columns
        if columns is None and "" in kept:  # a function's one column is called like its alias
            kept = kept | {alias}
        changed = frame.but(sources=(*frame.sources[:-1], Source(alias, kept)))
        self.frames = (*self.frames[:index], changed, *self.frames[index + 1 :])

    def _alias(self, word: str) -> None:
        top = self.top
        if top.clause == "select" and top.kind == "query":
            self.change(outputs=top.outputs | {word}, aliases=top.aliases | {word}, item_start=-1)
            self.go("after_item")
        else:
            self._rename_source(word)
            self.go("after_alias")
