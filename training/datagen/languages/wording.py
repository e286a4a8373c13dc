"""Put a Meaning into words of a language.

In: a Meaning, a Language and a source of chance. Out: a question. It says all that the Meaning holds, and nothing is
said for which there is no name: then there is no question. Writes no SQL.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from training.datagen.languages.language import CLAUSE_END, Language
from training.datagen.languages.meaning import Condition, Figure, Meaning, Rows, Term
from training.datagen.languages.names import Names
from training.datagen.languages.reading_joins import Unread
from training.datagen.world import World

LOWERED = 0.15
"""How often a value is written in lower case."""
_CLAUSE_OPENERS = (", ", "dont ", "qui ", "donde ", "que ")


class Speaker:
    """Says things about one database in one language."""

    def __init__(self, world: World, names: Names, language: Language) -> None:
        self._world = world
        self._names = names
        self.language = language
        self._rng = random.Random(0)

    def say(self, meaning: Meaning, rng: random.Random) -> str | None:
        """Say what is asked; None where the language has no words for it."""
        self._rng = rng
        self._names.start()
        try:
            return self.language.finish(self._say(meaning))
        except Unread:
            return None

    def say_rows(self, table: str, rng: random.Random) -> str:
        """Name the rows of a table."""
        return self._names.rows(rng, table)

    def say_named(self, table: str, value: str, rng: random.Random) -> str:
        """Name one row by its name."""
        return f"{self._names.row(rng, table)} {value}"

    def say_column(self, table: str, column: str, rng: random.Random) -> str:
        """Name a column."""
        return self._names.column(rng, table, column)

    def _word(self, name: str, **slots: str | int) -> str:
        return self.language.word(self._rng, name, **slots)

    def _say(self, meaning: Meaning) -> str:
        match meaning.form:
            case "count":
                return self._word("ask.count", rows=self._rows(meaning.rows))
            case "list":
                return self._list(meaning)
            case "distinct":
                return self._distinct(meaning)
            case "figures":
                return self._figures(meaning)
            case "group":
                return self._group(meaning)
            case "top":
                return self._top(meaning)
            case "extreme":
                return self._extreme(meaning)
            case "having":
                return self._having(meaning)
            case "share":
                return self._share(meaning)

    # ---- the forms

    def _list(self, meaning: Meaning) -> str:
        rows = self._rows(meaning.rows)
        if meaning.order is not None:
            assert isinstance(meaning.order, Term)
            direction = self._word("piece.descending" if meaning.is_falling else "piece.ascending")
            column, shown = self._term(meaning.order), self._shown(meaning)
            return self._word("ask.sorted", rows=rows, column=column, direction=direction, shown=shown)
        if self._is_label(meaning) and self._rng.random() < 0.7:
            return self._word("ask.list", rows=rows)
        columns = self._join(self._shown_term(term) for term in meaning.shown)
        return self._word("ask.list_columns", rows=rows, columns=columns)

    def _distinct(self, meaning: Meaning) -> str:
        (term,) = meaning.shown
        rows = self._rows(meaning.rows)
        if self._is_owner_label(term):
            return self._word("ask.distinct_owners", rows=rows, owners=self._owners(term))
        return self._word("ask.distinct", rows=rows, column=self._term(term))

    def _figures(self, meaning: Meaning) -> str:
        if any(figure.function == "MEASURE" for figure in meaning.figures):
            if len(meaning.figures) > 1:
                raise Unread
            tail = self._tail(meaning)
            return self._word("ask.measure", figure=self._figure(meaning.figures[0]), tail=tail)
        rows = self._rows(meaning.rows)
        if len(meaning.figures) == 2:
            first, second = (self._figure(figure) for figure in meaning.figures)
            return self._word("ask.two_figures", rows=rows, first=first, second=second)
        if len(meaning.figures) > 2:
            raise Unread
        (figure,) = meaning.figures
        said, the = self._figure(figure), self._figure(figure, has_article=True)
        return self._word("ask.figures", rows=rows, figure=said, the_figure=the)

    def _group(self, meaning: Meaning) -> str:
        groups = self._join(self._group_term(term, meaning) for term in meaning.groups)
        order = ""
        if meaning.order is not None:
            order = self._word("piece.falling" if meaning.is_falling else "piece.rising")
        if meaning.figures == (Figure("COUNT"),):
            return self._word("ask.group_count", rows=self._rows(meaning.rows), groups=groups, order=order)
        figure, the = self._ranked(meaning)
        return self._word("ask.group", figure=figure, the_figure=the, groups=groups, order=order)

    def _ranked(self, meaning: Meaning) -> tuple[str, str]:
        """Say the figures of groups with the rows they are reckoned over, without and with an article."""
        if any(figure.function == "MEASURE" for figure in meaning.figures):
            if len(meaning.figures) > 1:
                raise Unread
            said = self._figure(meaning.figures[0]) + self._tail(meaning, is_alone=False)
            return said, said
        rows = self._rows(meaning.rows)
        state = self._rng.getstate()
        found = []
        for has_article in (False, True):
            self._rng.setstate(state)
            figures = self._join(self._figure(figure, has_article=has_article) for figure in meaning.figures)
            found.append(self._word("piece.of", column=figures, owner=rows))
        return found[0], found[1]

    def _top(self, meaning: Meaning) -> str:
        if len(meaning.groups) != 1 or not isinstance(meaning.order, Figure):
            raise Unread
        figure, limit = meaning.order, meaning.limit or 1
        group = self._group_term(meaning.groups[0], meaning)
        is_one, name = limit == 1, "top_one" if limit == 1 else "top"
        groups = group if is_one else self._group_terms(meaning.groups[0], meaning)
        bare = self._word("piece.with_figure") if meaning.figures else self._word("piece.bare", groups=groups)
        slots = {"group": group} if is_one else {"groups": groups, "number": self._count(limit)}
        if figure.function == "COUNT":
            most = self._word("piece.most" if meaning.is_falling else "piece.fewest")
            return self._word(f"ask.{name}_count", most=most, rows=self._rows(meaning.rows), bare=bare, **slots)
        if figure.function == "MEASURE":
            said = self._figure(figure) + self._tail(meaning, is_alone=False)
        else:
            said = self._word("piece.of", column=self._figure(figure), owner=self._rows(meaning.rows))
        highest = self._highest(is_date=False, is_falling=meaning.is_falling, is_one=is_one)
        return self._word(f"ask.{name}_figure", highest=highest, figure=said, bare=bare, **slots)

    def _extreme(self, meaning: Meaning) -> str:
        assert isinstance(meaning.order, Term)
        limit, is_one = meaning.limit or 1, meaning.limit == 1
        highest = self._highest(is_date=meaning.order.is_date, is_falling=meaning.is_falling, is_one=is_one)
        slots = {
            "rows": self._rows(meaning.rows), "highest": highest, "column": self._term(meaning.order),
            "shown": self._shown(meaning),
        }  # fmt: skip
        if is_one:
            return self._word("ask.extreme_one", **slots)
        return self._word("ask.extreme", number=self._count(limit), **slots)

    def _having(self, meaning: Meaning) -> str:
        assert meaning.having is not None
        assert isinstance(meaning.order, Figure)
        groups = self._group_terms(meaning.groups[0], meaning)
        shown = self._word("piece.with_figure") if meaning.figures else self._word("piece.bare", groups=groups)
        values = [self.language.number(self._rng, value) for value in meaning.having.values]
        kind = meaning.having.kind
        slots = {"low": values[0], "high": values[1]} if kind == "between" else {"number": values[0]}
        words = self._word(f"having.{kind}", **slots)
        figure = meaning.order
        if figure.function == "COUNT":
            return self._word(
                "ask.having_count", groups=groups, words=words, rows=self._rows(meaning.rows), shown=shown
            )
        if figure.function != "MEASURE":
            raise Unread
        said = self._figure(figure) + self._tail(meaning, is_alone=False)
        return self._word("ask.having_figure", groups=groups, figure=said, words=words, shown=shown)

    def _share(self, meaning: Meaning) -> str:
        assert meaning.part is not None
        rows = self._rows(meaning.rows)
        part = self._rows(Rows(meaning.rows.table, (meaning.part,)))
        groups = ""
        if meaning.groups:
            groups = self._word("piece.by", groups=self._group_term(meaning.groups[0], meaning))
        if meaning.is_fraction:
            return self._word("ask.fraction", rows=rows, part=part, groups=groups)
        names = {None: "", 0: "piece.digits_none", 1: "piece.digits_one"}
        name = names.get(meaning.digits, "piece.digits")
        digits = self._word(name, **({"number": meaning.digits or 0} if name == "piece.digits" else {})) if name else ""
        return self._word("ask.share", rows=rows, part=part, groups=groups, digits=digits)

    # ---- rows and what restricts them

    def _rows(self, rows: Rows) -> str:
        phrases = [self._condition(condition, rows.table) for condition in rows.conditions]
        return self._restricted(self._names.rows(self._rng, rows.table), phrases)

    def _tail(self, meaning: Meaning, *, is_alone: bool = True) -> str:
        """Say the restrictions of a measure, which stand behind its name."""
        conditions = meaning.rows.conditions
        if any(condition.kind in ("with", "without") for condition in conditions):
            raise Unread
        if not conditions:
            return self._word("piece.total") if is_alone else ""
        return self._restricted("", [self._condition(c, meaning.rows.table) for c in conditions])

    def _restricted(self, noun: str, phrases: list[str]) -> str:
        """Put restrictions behind a noun: plain ones first, then clauses."""
        clauses = [phrase for phrase in phrases if phrase.startswith(_CLAUSE_OPENERS) or CLAUSE_END in phrase]
        plain = [phrase for phrase in phrases if phrase not in clauses]
        clauses = [clause.replace(CLAUSE_END, "") for clause in clauses]
        text = noun
        for number, phrase in enumerate(plain):
            is_time = not phrase.startswith(("mit", "ohne", "avec", "sans", "con", "sin"))
            text += f" {phrase}" if number == 0 or is_time else self._word("piece.and_clause", clause=phrase)
        for number, clause in enumerate(clauses):
            if number:
                text += self._word("piece.and_clause", clause=clause.removeprefix(", "))
            else:
                text += clause if clause.startswith(",") else f" {clause}"
        return text + CLAUSE_END if clauses else text

    def _condition(self, condition: Condition, table: str) -> str:
        kind, term = condition.kind, condition.term
        if condition.rows is not None:
            children = self._rows(condition.rows)
            is_long = bool(condition.rows.conditions)
            return self._word(f"condition.{kind}_long" if is_long else f"condition.{kind}", children=children)
        assert term is not None
        if condition.span is not None:
            span = self.language.span(self._rng, condition.span)
            if self._is_main_date(term, table) and table not in self._world.lexicon.labels:
                return self._word("condition.span", span=span)
            return self._word("condition.span_of", column=self._term(term), span=span)
        values = condition.values
        if kind == "is" and self._is_owner_label(term):
            return self._word("condition.named", owner=self._owner(term), value=self._value(values[0]))
        column = self._term(term)
        if kind in ("is", "is_not"):
            name = f"{kind}_of" if term.use.speaker else kind
            return self._word(f"condition.{name}", column=column, value=self._value(values[0]))
        if kind == "either":
            return self._word("condition.either", column=column, value=values[0], other=values[1])
        if kind in ("starts", "ends", "contains"):
            return self._word(f"condition.{kind}", column=column, part=values[0])
        numbers = [self.language.number(self._rng, value) for value in values]
        if kind == "between":
            return self._word("condition.between", column=column, low=numbers[0], high=numbers[1])
        if numbers:
            return self._word(f"condition.{kind}", column=column, number=numbers[0])
        return self._word(f"condition.{kind}", column=column)

    def _is_main_date(self, term: Term, table: str) -> bool:
        """Tell whether "in 2025" means this date."""
        event = self._world.event_date(table)
        if event is None or term.words or term.period:
            return False
        path, column = event
        return (path[-1].target if path else table, column) == (term.use.table, term.column) and (
            bool(path) or not term.use.speaker
        )

    def _value(self, value: str) -> str:
        return value.lower() if self._rng.random() < LOWERED else value

    # ---- columns, groups, figures

    def _term(self, term: Term) -> str:
        if term.words:
            word = self._names.expression(self._rng, term.words)
        else:
            word = self._names.column(self._rng, term.use.table, term.column)
        if term.period:
            word = self._word("piece.in_period", period=self._word(f"period.{term.period}"), date=word)
        if term.use.speaker:
            return self._word("piece.of", column=word, owner=self._owner(term))
        return word

    def _owner(self, term: Term) -> str:
        use = term.use
        return use.speaker if use.is_role else self._names.row(self._rng, use.speaker)

    def _owners(self, term: Term) -> str:
        use = term.use
        return self._names.many(use.speaker) if use.is_role else self._names.rows(self._rng, use.speaker)

    def _is_owner_label(self, term: Term) -> bool:
        """Tell whether a column names the rows of another table, which then stand for it."""
        is_label = term.column == self._world.lexicon.labels.get(term.use.table) and not term.words
        return is_label and bool(term.use.speaker) and (term.use.is_role or term.use.speaker == term.use.table)

    def _group_term(self, term: Term, meaning: Meaning) -> str:
        if self._is_owner_label(term):
            return self._owner(term)
        is_thing = meaning.rows.table in self._world.lexicon.labels  # it has many dates, and happens at none
        if term.period and not is_thing and self._is_main_date(Term(term.use, term.column), meaning.rows.table):
            return self._word(f"period.{term.period}")
        return self._term(term)

    def _group_terms(self, term: Term, meaning: Meaning) -> str:
        """Say a group in the plural."""
        if self._is_owner_label(term):
            return self._owners(term)
        if term.period or term.use.speaker or term.words:
            raise Unread
        return self._names.many(self._names.column(self._rng, term.use.table, term.column))

    def _shown_term(self, term: Term) -> str:
        return self._owner(term) if self._is_owner_label(term) else self._term(term)

    def _shown(self, meaning: Meaning) -> str:
        """Say which columns an ordered list shows."""
        if self._is_label(meaning):
            return ""
        label = self._world.label(meaning.rows.table)
        others = [term for term in meaning.shown if term.use.speaker or term.words or term.column != label]
        if others == [meaning.order]:
            return self._word("piece.with_column", column=self._term(others[0]))
        return self._word("piece.with_columns", columns=self._join(self._shown_term(term) for term in meaning.shown))

    def _is_label(self, meaning: Meaning) -> bool:
        """Tell whether only the names of the rows are shown."""
        label = self._world.lexicon.labels.get(meaning.rows.table)
        return [(t.use.speaker, t.column) for t in meaning.shown] == [("", label)]

    def _figure(self, figure: Figure, *, has_article: bool = False) -> str:
        if figure.function == "MEASURE":
            return self._names.expression(self._rng, figure.words)
        table = "figure_the" if has_article else "figure"
        if figure.function == "COUNT":
            return self._word(f"{table}.COUNT")
        assert figure.term is not None
        name = figure.function
        if figure.term.is_date:
            if name in ("AVG", "SUM"):
                raise Unread
            name = {"MAX": "LAST", "MIN": "FIRST"}.get(name, name)
        return self._word(f"{table}.{name}", column=self._term(figure.term))

    def _highest(self, *, is_date: bool, is_falling: bool, is_one: bool) -> str:
        name = ("latest" if is_falling else "earliest") if is_date else ("highest" if is_falling else "lowest")
        return self._word(f"piece.{name}{'' if is_one else '_many'}")

    def _count(self, number: int) -> str:
        return self.language.number(self._rng, str(number))

    def _join(self, words: Iterable[str]) -> str:
        return self.language.join(self._rng, list(words))
