"""A conversation between the page and memory: what is kept of it, and how it comes back.

In: exchanges of the page, or turns of memory. Out: turns, or exchanges. Kept are the question, its SQL and how it
ended; no rows and no words made of rows (see `assistant.memory.kept`). An answer comes back by running its SQL again:
no model writes, the guard and the masks of today hold, and the figures are those of now. Draws nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.chat import Exchange
from app.conversation import turns_of
from assistant.errors import QueryForgeError, UsageError
from assistant.masking import without_quotes
from assistant.memory.kept import Conversation, KeptTurn, Outcome, Repair
from assistant.types import Answer, Completion, Question, Rejection, SqlDraft

if TYPE_CHECKING:
    from assistant.agent import Assistant
    from assistant.memory.store import Memory

RUN_AT_ONCE = 3
"""Last answers of a resumed conversation that are run again by themselves; the others when they are wanted."""


@dataclass
class Talk:
    """The conversation of one browser tab."""

    exchanges: list[Exchange] = field(default_factory=list)
    """What was asked, in order."""
    conversation: Conversation | None = None
    """What memory knows it as; None before the first question, or while nothing can be kept."""
    folded: set[int] = field(default_factory=set)
    """Numbers of the answers that came back from memory and were not run again yet."""
    faults: dict[int, QueryForgeError] = field(default_factory=dict)
    """Why answers could not be run again, by number."""
    kept: dict[int, object] = field(default_factory=dict)
    """The outcome that memory has, by number: an answer that was corrected meanwhile is another one."""
    places: dict[int, int] = field(default_factory=dict)
    """The number that memory gave, by number: another tab or server may go on with the same conversation."""
    given: dict[int, str] = field(default_factory=dict)
    """SQL that is known to answer a question, by number: of examples that were tried, and saved questions."""
    is_resumed: bool = False
    """Whether it came back from memory and its last answers are still to be run again."""

    @property
    def waiting(self) -> Exchange | None:
        """The question that still has to be worked on."""
        last = self.exchanges[-1] if self.exchanges else None
        return last if last is not None and last.is_pending else None

    def add(self, text: str, sql: str = "") -> None:
        """Put a question at the end, with SQL that is known to answer it, if there is some."""
        if text.strip():
            self.exchanges.append(Exchange(number=len(self.exchanges) + 1, text=text.strip()))
            if sql:
                self.given[len(self.exchanges)] = sql

    def clear(self) -> None:
        """Forget all questions."""
        for part in (self.exchanges, self.folded, self.faults, self.kept, self.places, self.given):
            part.clear()


def keep(talk: Talk, memory: Memory, *, db_id: str, source_id: str, author: str) -> None:
    """Keep what is new or has changed; begins the conversation with its first outcome.

    Raises:
        QueryForgeError: Memory failed; what could not be kept is tried again with the next call.
    """
    for exchange in talk.exchanges:
        outcome = _outcome_of(exchange)
        if exchange.is_pending or talk.kept.get(exchange.number) is outcome:
            continue
        if talk.conversation is None:
            talk.conversation = memory.conversations.begin(
                exchange.text, db_id=db_id, source_id=source_id, author=author
            )
        talk.places[exchange.number] = memory.conversations.keep_turn(
            talk.conversation.conversation_id,
            talk.places.get(exchange.number) or None,
            author=author,
            question=exchange.text,
            outcome=_name_outcome(exchange),
            sql=_sql_of(exchange.answer),
            text=_words_of(exchange),
            repairs=[_as_repair(rejection) for rejection in (exchange.answer.rejections if exchange.answer else ())],
            model=exchange.answer.drafts[-1].completion.model if exchange.answer and exchange.answer.drafts else "",
            elapsed_ms=sum(timing.elapsed_ms for timing in exchange.answer.timings) if exchange.answer else 0.0,
        )
        talk.kept[exchange.number] = outcome


def bring_back(conversation: Conversation, turns: tuple[KeptTurn, ...]) -> Talk:
    """Make the conversation of memory one of the page; its answers are still folded."""
    talk = Talk(conversation=conversation, is_resumed=True)
    for number, turn in enumerate(turns, start=1):
        exchange = Exchange(number=number, text=turn.question, is_started=True)
        if turn.outcome == "error":
            exchange.error = QueryForgeError(turn.text or "It did not work.")
        elif turn.outcome != "stopped":
            draft = SqlDraft(sql=turn.sql, attempt=1, completion=Completion(text=turn.sql, model=turn.model))
            exchange.answer = Answer(
                question=Question(text=turn.question),
                status=turn.outcome,
                text=turn.text,
                drafts=(draft,) if turn.sql else (),
            )
            if turn.outcome == "answered":
                talk.folded.add(number)
        talk.exchanges.append(exchange)
        talk.kept[number] = _outcome_of(exchange)
        talk.places[number] = turn.number
    return talk


def run_again(talk: Talk, number: int, assistant: Assistant) -> None:
    """Run the SQL of an answer that came back, and put the answer in its place; a failure is kept beside it."""
    exchange = talk.exchanges[number - 1]
    before = exchange.answer
    assert before is not None  # only answers are folded
    earlier = [done.answer for done in talk.exchanges[: number - 1] if done.answer is not None]
    question = Question(text=exchange.text, history=turns_of(earlier))
    try:
        found = assistant.run_sql(question, _sql_of(before))
        if isinstance(found, Rejection):
            raise UsageError(found.message, found.hint)
    except QueryForgeError as error:
        talk.faults[number] = error
        return
    # Its SQL was written then, by whoever wrote it.
    exchange.answer = talk.kept[number] = found.model_copy(update={"drafts": before.drafts})
    talk.folded.discard(number)
    talk.faults.pop(number, None)


def last_folded(talk: Talk) -> list[int]:
    """Give the numbers of the answers that are run again by themselves when a conversation is resumed."""
    return sorted(talk.folded)[-RUN_AT_ONCE:]


def sql_of(exchange: Exchange) -> str:
    """Give the SQL of an exchange as it was written; empty when there is none."""
    return _sql_of(exchange.answer)


def _outcome_of(exchange: Exchange) -> object:
    return exchange.answer or exchange.error or "stopped"


def _name_outcome(exchange: Exchange) -> Outcome:
    if exchange.answer is not None:
        return exchange.answer.status
    return "error" if exchange.error is not None else "stopped"


def _sql_of(answer: Answer | None) -> str:
    if answer is None:
        return ""
    if answer.drafts:
        return answer.drafts[-1].sql
    return answer.query.sql if answer.query is not None else ""


def _words_of(exchange: Exchange) -> str:
    if exchange.answer is not None:
        # The words of an answer hold values; they are made from its rows again.
        return "" if exchange.answer.status == "answered" else exchange.answer.text
    return f"{exchange.error.message} {exchange.error.hint}".strip() if exchange.error is not None else ""


def _as_repair(rejection: Rejection) -> Repair:
    told = without_quotes(rejection)
    return Repair(rule=rejection.rule, message=told.message if told is rejection else "")
