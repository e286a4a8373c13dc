"""The grammar in several languages: a share of its questions is asked in each of them.

In: the languages wanted, and the grammar, which draws the statements with questions in English. Out: Drafts. What a
statement asks is read from its SQL and said in another language; where that has no words for it, the question stays in
English, if English is wanted, or is left out. Half a sentence in another language is never made. With English alone the
grammar's drafts pass through unchanged.

Names of tables and columns, and values, stay as they are in the schema, its comments and the glossary.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

from assistant.errors import UsageError
from assistant.types import Turn
from training.datagen.drafts import BatchRequest, Draft
from training.datagen.grammar import DECLINED, Grammar
from training.datagen.languages.declined import say_declined
from training.datagen.languages.language import open_language
from training.datagen.languages.meaning import Meaning
from training.datagen.languages.names import Names
from training.datagen.languages.reading_sql import SqlReader
from training.datagen.languages.wording import Speaker
from training.datagen.styles import add_typos

ENGLISH = "en"
LANGUAGES: dict[str, tuple[str, ...]] = {
    ENGLISH: ("english",),
    "de": ("german", "deutsch"),
    "fr": ("french", "français", "francais"),
    "es": ("spanish", "español", "espanol"),
}
"""Codes of languages, with what else they are called."""
STYLES = {"plain": 60, "lower": 14, "polite": 14, "typo": 12}
"""How often each style is drawn."""
MAX_REMEMBERED = 5000
"""Statements of which the meaning is remembered: each is asked in several ways."""


def read_languages(text: str) -> tuple[str, ...]:
    """Read languages that stand in one text, "en,de" or "German and French", into codes in a fixed order.

    Raises:
        UsageError: One is unknown.
    """
    wanted = [name for name in text.casefold().replace(" and ", ",").replace(";", ",").split(",") if name.strip()]
    names = {name: code for code, others in LANGUAGES.items() for name in (code, *others)}
    found = []
    for name in (each.strip() for each in wanted):
        if name not in names:
            raise UsageError(
                f"The grammar writes no questions in '{name}'.",
                f"It knows {', '.join(f'{code} ({others[0].title()})' for code, others in LANGUAGES.items())}; another "
                "language needs a --teacher.",
            )
        found.append(names[name])
    return tuple(code for code in LANGUAGES if code in found)


def name_languages(languages: tuple[str, ...]) -> str:
    """Name languages in one text; empty for English alone."""
    return ",".join(languages) if set(languages) - {ENGLISH} else ""


def language_of(style: str) -> str:
    """Tell the language of a question by its style: "de plain" is German, "plain" English."""
    code = style.partition(" ")[0]
    return code if code in LANGUAGES else ENGLISH


class Multilingual:
    """A generator of drafts, see `drafts.Generator`; the same request gives the same drafts."""

    name = "grammar"

    def __init__(self, grammar: Grammar, languages: tuple[str, ...]) -> None:
        """Read the wordings of the languages.

        Raises:
            UsageError: A file of wordings is malformed.
        """
        self.kinds: Mapping[str, str] = grammar.kinds
        self._grammar = grammar
        self._languages = languages
        self._reader = SqlReader(grammar.world)
        names = Names(grammar.world)
        self._speakers = {
            code: Speaker(grammar.world, names, open_language(code)) for code in languages if code != ENGLISH
        }
        self._known: dict[str, Meaning | None] = {}

    def close(self) -> None:
        """Close the grammar; calling it twice is harmless."""
        self._grammar.close()

    def draw(self, request: BatchRequest) -> Iterator[Draft]:
        """Draw drafts, each in one of the languages."""
        rng = random.Random(f"{request.seed}:languages")
        for draft in self._grammar.draw(request):
            code = rng.choice(self._languages)
            # A state of its own for each draft: what one language cannot say must not change what comes after.
            own = random.Random(rng.getrandbits(64))
            said = self._in_language(draft, self._speakers[code], own) if code != ENGLISH else draft
            if said is not None:
                yield said
            elif ENGLISH in self._languages:
                yield draft

    def _in_language(self, draft: Draft, speaker: Speaker, rng: random.Random) -> Draft | None:
        """Ask for the same in another language; None where there are no words for it."""
        history: list[Turn] = []
        if draft.kind in DECLINED and not draft.history:
            declined = say_declined(draft.kind, self._grammar.world, speaker, rng)
            if declined is None:
                return None
            question, reply = declined
        else:
            if draft.history and draft.kind != "new_subject":
                return None  # what goes on from the question before it is said in English only
            for turn in draft.history:
                earlier = self._say(turn.sql, speaker, rng)
                if earlier is None:
                    return None
                history.append(Turn(question=earlier, sql=turn.sql))
            found, reply = self._say(draft.reply, speaker, rng), draft.reply
            if found is None:
                return None
            question = found
        question, style = restyle(rng, question, speaker)
        return draft.model_copy(
            update={
                "question": question,
                "reply": reply,
                "style": f"{speaker.language.code} {style}",
                "history": tuple(history),
            }
        )

    def _say(self, sql: str, speaker: Speaker, rng: random.Random) -> str | None:
        if sql not in self._known:
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            self._known[sql] = self._reader.read(sql)
        meaning = self._known[sql]
        return speaker.say(meaning, rng) if meaning is not None else None


def restyle(rng: random.Random, question: str, speaker: Speaker) -> tuple[str, str]:
    """Draw a style and write the question in it; returns the question and the style."""
    style = rng.choices(list(STYLES), list(STYLES.values()))[0]
    if style == "lower":
        return question.lower().rstrip("?. " if rng.random() < 0.5 else ""), style
    if style == "typo":
        text = add_typos(rng, question)
        return (text.lower() if rng.random() < 0.5 else text), style
    if style == "polite":
        if rng.random() < 0.5:
            body = question if question[:2].isupper() else question[:1].lower() + question[1:]
            return speaker.language.word(rng, "polite.before") + body, style
        ending = speaker.language.word(rng, "polite.after")
        if question[-1:] in "?.":
            # Behind a question mark only a sentence of its own may stand.
            return (question + ending[1:] if ending.startswith(".") else question), style
        return question + ending, style
    return question[:1].upper() + question[1:] if rng.random() < 0.75 else question, style
