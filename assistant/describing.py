"""A result in words: what came out of a query.

In: a question, its GuardedQuery and the QueryResult. Out: sentences by the shape of the result (one number, one row, a
list, a ranking, a series, a table, nothing), and headings for columns without a name. Grounded by construction: a
sentence takes every number from the cells or counts the rows, and `is_grounded` can prove it. Asks no model, and names
no unit that the data does not name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlglot import exp

from assistant.explain import find_phrases, parse_query
from assistant.phrasing import Phrases
from assistant.roles import find_roles, is_in_order
from assistant.types import Cell, GuardedQuery, QueryResult, Question
from assistant.words import split_name
from assistant.writing import counted, format_cell, format_number, humanise, join_words, plural

MAX_NAMED_ROWS = 5

_NUMBER = re.compile(r"(?<![\w.,])-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![\w%]|[.,]\d)")
_PLAIN_NAME = re.compile(r"[^\W\d]\w*")
_SUPERLATIVE = {exp.Max: "highest", exp.Min: "lowest"}


def numbers_in(text: str) -> list[float]:
    """Find the numbers written in a text, in order; digits within a word (`25m`) are no number."""
    # The parts of a date are read one by one, in text and cell alike; a hyphen after a digit is no minus.
    apart = re.sub(r"(?<=\d)[-:T](?=\d)", " ", text)
    return [float(found.replace(",", "")) for found in _NUMBER.findall(apart)]


def is_grounded(text: str, result: QueryResult) -> bool:
    """Check that every number in a text is in the result, rounded as `format_number` does, or counts its rows."""
    known = {float(len(result.rows))}
    for column in result.columns:
        known.update(numbers_in(column.name))
        known.update(numbers_in(humanise(column.name)))
    for row in result.rows:
        for cell in row:
            if isinstance(cell, str):
                known.update(numbers_in(cell))
            elif cell is not None and not isinstance(cell, bool):
                known.update(numbers_in(format_number(cell)))
                known.add(float(cell))
    return all(number in known for number in numbers_in(text))


def label_columns(query: GuardedQuery, result: QueryResult) -> QueryResult:
    """Give columns that are headed by an expression, such as `SUM(a * b)`, a heading in words; others keep theirs."""
    labels = _labels(query, parse_query(query), result)
    taken = {column.name for column in result.columns}
    columns = []
    for column, label in zip(result.columns, labels, strict=True):
        if not _PLAIN_NAME.fullmatch(column.name) and label and label not in taken:
            taken.add(label)
            column = column.model_copy(update={"name": label})
        columns.append(column)
    return result.model_copy(update={"columns": tuple(columns)})


def describe_result(question: Question, query: GuardedQuery, result: QueryResult) -> str:
    """Say in a sentence or two what a query found.

    Args:
        question: What was asked; decides only how a count is put.
        query: The query that ran; names the figures that have no name of their own.
        result: Its rows.
    """
    tree = parse_query(query)
    labels = _labels(query, tree, result)
    rows = len(result.rows)
    if rows == 0 or not result.columns:
        return "Nothing in the data matches the question."
    if rows == 1 and not result.is_truncated:
        if len(result.columns) == 1:
            return _describe_cell(question, tree, labels[0], result)
        return _describe_row(labels, result)
    if len(result.columns) == 1:
        return _describe_list(labels[0], result, 0)
    roles = find_roles(result)
    figures = [place for place, role in enumerate(roles) if role == "figure"]
    names = [place for place, role in enumerate(roles) if role in ("label", "period")]
    keys = [place for place, role in enumerate(roles) if role == "key"]
    if len(names) == 1 and len(keys) == len(roles) - 1:
        return _describe_list(labels[names[0]], result, names[0])
    if len(figures) == 1 and len(names) + len(keys) == len(roles) - 1 and names:
        if len(names) == 1 and roles[names[0]] == "period" and is_in_order(result, names[0]):
            return _describe_series(labels, result, names[0], figures[0])
        return _describe_ranking(labels, result, names, figures[0], is_ordered=query.is_ordered)
    return _describe_table(labels, result)


def _labels(query: GuardedQuery, tree: exp.Query | None, result: QueryResult) -> list[str]:
    """Name each column in words: by its own name, or by the expression where it has none."""
    shown = tree.selects if tree is not None else []
    phrases = find_phrases(tree, None) if tree is not None else None
    labels = []
    for place, column in enumerate(result.columns):
        expression = shown[place] if len(shown) == len(result.columns) else None
        if _PLAIN_NAME.fullmatch(column.name) or expression is None or phrases is None:
            labels.append(_figure_label(humanise(column.name), result, place))
        else:
            labels.append(_short_label(expression, phrases))
    return labels


def _figure_label(label: str, result: QueryResult, place: int) -> str:
    """Make a count of things a number: `orders` becomes `number of orders`."""
    cells = [row[place] for row in result.rows]
    is_count = _is_plural(label) and all(isinstance(cell, int) and not isinstance(cell, bool) for cell in cells)
    return f"number of {label}" if cells and is_count and not label.startswith("number") else label


def _short_label(expression: exp.Expr, phrases: Phrases) -> str:
    words = phrases.of(expression)
    # A number of the query is none of the result.
    if len(words) <= 70 and not set("×÷−+()'") & set(words) and not numbers_in(words):
        return words
    # A long computation would drown the sentence; the explanation spells it out.
    inner = expression.unalias()
    for kind, word in ((exp.Sum, "total"), (exp.Avg, "average"), (exp.Count, "count")):
        if isinstance(inner, kind) or (isinstance(inner, exp.Round) and isinstance(inner.this, kind)):
            return word
    for extreme, word in _SUPERLATIVE.items():
        if isinstance(inner, extreme):
            return f"{word} value"
    return "result"


def _describe_cell(question: Question, tree: exp.Query | None, label: str, result: QueryResult) -> str:
    cell = result.rows[0][0]
    name = result.columns[0].name
    if cell is None:
        return f"The data gives no {label}: nothing matches, or the value is missing."
    shown = tree.selects[0].unalias() if tree is not None and len(tree.selects) == 1 else None
    asks_how_many = re.search(r"\bhow many\b|\bnumber of\b|\bcount\b", question.text, re.IGNORECASE) is not None
    if isinstance(shown, exp.Count) and isinstance(cell, int):
        noun = _counted_noun(shown, tree)
        verb = "is" if cell == 1 else "are"
        if noun:
            is_filtered = tree is not None and tree.find(exp.Where, exp.Join, exp.Having) is not None
            matching = "matching " if is_filtered else ""
            return f"There {verb} {counted(cell, matching + noun) if cell else f'no {matching}{plural(noun)}'}."
        if asks_how_many:
            return f"There {verb} {format_cell(cell, '')}."
    if isinstance(cell, bool):
        return f"The answer is {format_cell(cell, name)}."
    if isinstance(cell, str):
        return f"The {label} is {format_cell(cell, name)}."
    if (
        asks_how_many
        and isinstance(cell, int)
        and not isinstance(cell, bool)
        and label.split()[0] in ("number", "count")
    ):
        return f"There {'is' if cell == 1 else 'are'} {format_cell(cell, '')}."
    return f"The {label} {'are' if _is_plural(label) else 'is'} {format_cell(cell, name)}."


def _counted_noun(count: exp.Count, tree: exp.Query | None) -> str:
    """Name what a count counts, where the query leaves no doubt; empty otherwise."""
    inner = count.this
    if isinstance(inner, exp.Distinct) and len(inner.expressions) == 1 and isinstance(inner.expressions[0], exp.Column):
        words = split_name(inner.expressions[0].name)
        if len(words) > 1 and words[-1] in ("key", "id"):
            return " ".join(words[:-1])
        return f"different {humanise(inner.expressions[0].name)}"
    if not isinstance(tree, exp.Select) or tree.args.get("joins") or not isinstance(inner, exp.Star):
        return ""
    source = tree.args.get("from_")
    inner_names = {part.alias.lower() for part in tree.find_all(exp.CTE)}
    if source is None or not isinstance(source.this, exp.Table) or source.this.name.lower() in inner_names:
        return ""
    return humanise(source.this.name)


def _is_plural(label: str) -> bool:
    words = label.partition(" of ")[0].split()
    # Of `units sold` it is the units that count.
    last = words[-2] if len(words) > 1 and (words[-1].endswith("ed") or words[-1] == "sold") else words[-1]
    return last.endswith("s") and not last.endswith(("ss", "us", "is")) and last not in ("sales", "days")


def _describe_row(labels: Sequence[str], result: QueryResult) -> str:
    cells = result.rows[0]
    roles = find_roles(result)
    texts = [format_cell(cell, column.name) for cell, column in zip(cells, result.columns, strict=True)]
    named = next((place for place, role in enumerate(roles) if role in ("label", "period")), None)
    if named is None or cells[named] is None:
        pairs = [f"the {label} is {text}" for label, text in zip(labels, texts, strict=True)]
        sentence = join_words(pairs)
        return f"{sentence[0].upper()}{sentence[1:]}."
    rest = [
        f"{_article(label)} of {texts[place]}" if roles[place] == "figure" else f"{label} {texts[place]}"
        for place, label in enumerate(labels)
        if place != named
    ]
    return f"The answer is {texts[named]}, with {join_words(rest)}."


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeio' else 'a'} {noun}"


def _describe_list(label: str, result: QueryResult, place: int) -> str:
    name = result.columns[place].name
    texts = [format_cell(row[place], name) for row in result.rows if row[place] is not None]
    rows = len(result.rows)
    noun = _row_noun(label)
    if not texts:
        return f"There are {counted(rows, 'row')}, all without {label}."
    if result.is_truncated:
        return f"These are the first {counted(rows, noun)}; there are more. The list begins with {texts[0]}."
    if len(texts) < rows:
        return f"There are {counted(rows, 'row')}, some without {label}. The list begins with {texts[0]}."
    if rows <= MAX_NAMED_ROWS:
        return f"There are {counted(rows, noun)}: {join_words(texts)}."
    return f"There are {counted(rows, noun)}, among them {join_words(texts[:3])}."


def _describe_ranking(
    labels: Sequence[str], result: QueryResult, names: Sequence[int], figure: int, *, is_ordered: bool
) -> str:
    column = result.columns[figure].name
    entries = [
        (", ".join(format_cell(row[place], result.columns[place].name) for place in names), row[figure])
        for row in result.rows
    ]
    noun = _row_noun(labels[names[0]]) if len(names) == 1 else "row"
    intro = f"These are the first {counted(len(entries), noun)}; there are more." if result.is_truncated else ""
    known = [(name, float(cell)) for name, cell in entries if isinstance(cell, int | float)]
    if not known:
        return f"{intro or f'There are {counted(len(entries), noun)}.'} None has {_article(labels[figure])}."
    falls = all(first[1] >= second[1] for first, second in zip(known, known[1:], strict=False))
    rises = all(first[1] <= second[1] for first, second in zip(known, known[1:], strict=False))
    texts = [(name, format_cell(cell, column)) for name, cell in entries]
    if is_ordered and (falls or rises) and len(known) == len(entries):
        if known[0][1] == known[-1][1]:
            return f"{intro} All {counted(len(entries), noun)} have the same {labels[figure]}: {texts[0][1]}.".strip()
        extreme = "highest" if falls else "lowest"
        return f"{intro} {_first_places(texts, labels[figure], extreme, noun, bool(intro))}".strip()
    by_figure = sorted(range(len(entries)), key=lambda place: _figure(entries[place][1]))
    measured = [place for place in by_figure if isinstance(entries[place][1], int | float)]
    low, high = texts[measured[0]], texts[measured[-1]]
    start = intro or f"There are {counted(len(entries), noun)}."
    if low[1] == high[1] and len(measured) == len(entries):
        return f"{start} The {labels[figure]} is {low[1]} for each of them."
    if len(entries) <= MAX_NAMED_ROWS and not intro:
        return f"By {labels[names[0]]}, the {labels[figure]} is {join_words([f'{t} for {n}' for n, t in texts])}."
    return f"{start} The {labels[figure]} is highest for {high[0]} ({high[1]}) and lowest for {low[0]} ({low[1]})."


def _first_places(texts: Sequence[tuple[str, str]], label: str, extreme: str, noun: str, is_cut: bool) -> str:
    """Tell the first places of a ranking, those that share the first one together."""
    tied = sum(text == texts[0][1] for _, text in texts)
    winners = [name for name, _ in texts[:tied]] if tied <= 3 else [texts[0][0], texts[1][0], "others"]
    subject = join_words(winners)
    comma = "," if ", " in subject and tied == 1 else ""
    sentence = f"{subject}{comma} {'has' if tied == 1 else 'share'} the {extreme} {label}: {texts[0][1]}."
    following = [f"{name} ({text})" for name, text in texts[tied : tied + 2]]
    if following:
        sentence += f" Next {'come' if len(following) > 1 else 'comes'} {join_words(following)}."
    if len(texts) > tied + 2 and not is_cut:
        sentence += f" The list has {counted(len(texts), noun)} and ends with {texts[-1][0]} ({texts[-1][1]})."
    return sentence


def _describe_series(labels: Sequence[str], result: QueryResult, period: int, figure: int) -> str:
    rows = sorted((row for row in result.rows if row[period] is not None), key=lambda row: str(row[period]))
    measured = [row for row in rows if isinstance(row[figure], int | float)]
    if not measured:
        return _describe_table(labels, result)
    column, moment = result.columns[figure].name, result.columns[period].name

    def at(row: Sequence[Cell]) -> str:
        return f"{format_cell(row[period], moment)} ({format_cell(row[figure], column)})"

    low = min(measured, key=lambda row: _figure(row[figure]))
    high = max(measured, key=lambda row: _figure(row[figure]))
    # "month of order date" is counted as months.
    noun = _row_noun(labels[period].partition(" of ")[0])
    start = f"The figures run over {counted(len(result.rows), noun)}, from {at(rows[0])} to {at(rows[-1])}."
    if result.is_truncated:
        start = f"These are the first {counted(len(result.rows), noun)}; there are more."
    if _figure(low[figure]) == _figure(high[figure]):
        return f"{start} The {labels[figure]} stays at {format_cell(low[figure], column)}."
    return f"{start} The {labels[figure]} is highest in {at(high)} and lowest in {at(low)}."


def _describe_table(labels: Sequence[str], result: QueryResult) -> str:
    rows = len(result.rows)
    start = f"These are the first {counted(rows, 'row')}; there are more." if result.is_truncated else ""
    start = start or f"There are {counted(rows, 'row')}."
    first = [
        f"{label} {format_cell(cell, column.name)}"
        for label, cell, column in zip(labels, result.rows[0], result.columns, strict=True)
    ]
    return f"{start} The first has {join_words(first[:MAX_NAMED_ROWS])}."


def _row_noun(label: str) -> str:
    """Name the rows of a list by its label: `category name` lists categories, `full name` lists names."""
    words = label.split()
    if words[-1] == "name" and len(words) > 1:
        return "name" if words[0] in ("full", "first", "last", "family", "given") else " ".join(words[:-1])
    return label


def _figure(cell: Cell) -> float:
    return float(cell) if isinstance(cell, int | float) else float("-inf")
