"""How alike two SQL texts are, as texts: exact match and token match.

In: gold SQL and predicted SQL. Out: yes or no, and a share. Runs nothing, knows no schema and no dialect, and never
raises, whatever the texts hold. Both figures are for comparison with other reports; what is right is decided by the
results (`evaluation.compare`), and right SQL often looks different.

Both read a text through sqlparse's lexer, without its grouping, which gives up on deep nesting: comments are left out,
white space only separates, semicolons at the end do not count. The lexer knows one SQL for all dialects: in a
string it takes a quote after a backslash for part of the string, as MySQL does.
"""

from __future__ import annotations

import re
from functools import lru_cache

from sqlparse import lexer
from sqlparse import tokens as kinds

_WORD = re.compile(r"\d+\.\d+|\w+")


def exact_match(gold_sql: str, predicted_sql: str) -> bool:
    """Tell whether two texts are the same token by token.

    Upper and lower case are the same but in string literals and quoted names. Nothing else is the same as anything:
    `<>` is not `!=`, `1.0` is not `1`, `a AS b` is not `a b`, and `"a"` is not `a`.
    """
    return _normalise(gold_sql) == _normalise(predicted_sql)


def token_match(gold_sql: str, predicted_sql: str) -> float:
    """Give the share, 0 to 1, of the gold text's set of words that is in the prediction's.

    A word is a run of letters, digits and underscores, or a number with a decimal point, in the text without comments
    and in lower case, string literals included: `o.Total >= 1.5` has the words o, total, 1.5. Signs are no words, how
    often or where a word stands does not count, and words that only the prediction has cost nothing: this is recall. A
    gold text without words gives 0.
    """
    gold = _words(gold_sql)
    return len(gold & _words(predicted_sql)) / len(gold) if gold else 0.0


def _normalise(sql: str) -> tuple[str, ...]:
    tokens = _read(sql)
    end = len(tokens)
    while end and tokens[end - 1] == ";":
        end -= 1
    return tokens[:end]


def _words(sql: str) -> frozenset[str]:
    return frozenset(word for token in _read(sql) for word in _WORD.findall(token.lower()))


@lru_cache(maxsize=256)
def _read(sql: str) -> tuple[str, ...]:
    """Split a text into tokens without comments; lower-case and fold those that are not quoted."""
    read: list[str] = []
    for kind, text in lexer.tokenize(sql):
        if kind in kinds.Comment or text.isspace():
            continue
        if _is_quoted(kind, text):
            read.append(text)
            continue
        # Whether a sign belongs to the number after it depends on white space: `a -1`, `a - 1`.
        if kind in kinds.Number and text.startswith("-"):
            read.append("-")
            text = text[1:]
        # The lexer takes some keywords together: `GROUP  BY`, `LEFT  OUTER JOIN`, `NOT NULL`.
        read += text.lower().split()
    return tuple(read)


def _is_quoted(kind: object, text: str) -> bool:
    # Literals that are no numbers are strings, 'a', "a" and $$a$$; `a` and [a] count as names.
    return (kind in kinds.Literal and kind not in kinds.Number) or (kind in kinds.Name and text[0] in "`[")
