"""What a conversation hands to its next question: the earlier turns that were answered.

In: Answers, oldest first. Out: Turns. Memory is data that is passed in; nothing is kept here.
"""

from __future__ import annotations

from collections.abc import Iterable

from assistant.types import Answer, Turn


def turns_of(answers: Iterable[Answer]) -> tuple[Turn, ...]:
    """Return one turn for each answered question, with the SQL as the model wrote it.

    The draft is taken rather than the guarded query: a model goes on best from its own words, without the row limit
    that the guard adds.
    """
    turns = []
    for answer in answers:
        # An answer that came back from memory has its draft, and no query before it is run again.
        written = answer.drafts[-1].sql if answer.drafts else answer.query.sql if answer.query else ""
        if answer.status == "answered" and written:
            turns.append(Turn(question=answer.question.text, sql=written))
    return tuple(turns)
