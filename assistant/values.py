"""Value matching: which words of a question are values of text columns.

In: the distinct values of the text columns once, then the text of a question at a time. Out: MatchedValues, best first,
always the same for the same text. Never runs SQL itself and never invents a value: what it returns is stored like that.

Found: the value as written in any case, its plural or past tense, typos, words run together or apart, initials in
capitals (CEO), a distinctive part of a longer value, and everyday words for a value (UK, French, women).
Not found: numbers and dates, stop words, values of free text, mail addresses, telephone numbers, postal codes and keys.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA

from assistant.letters import Bucket
from assistant.types import DatabaseSchema, MatchedValue
from assistant.words import (
    COMMON_WORDS,
    EVERYDAY_NAMES,
    QUESTION_WORDS,
    STOP_WORDS,
    VAGUE_WORDS,
    Token,
    split_name,
    stem,
    tokenize,
    word_set,
)

MAX_MATCHES = 8
MAX_COLUMN_VALUES = 50_000
MAX_VALUE_CHARS = 80
MAX_VALUE_WORDS = 8
MAX_QUESTION_WORDS = 200
_MAX_PARTIAL_VALUES = 5_000

_SKIPPED_NAMES = word_set(
    """email mail phone telephone mobile fax postal postcode zip zipcode url uri link website password hash token uuid
    guid iban bic ip json xml html body"""
)
_HAS_SHORT_INITIALS = word_set("country nation state city region area department division")
_AFTER_A_NAME = word_set("number numbers address addresses name names date dates column")
_PLACES = frozenset(word for place in EVERYDAY_NAMES.values() for word in place.split())
_NUMBER = re.compile(r"\d+(?:st|nd|rd|th)?")
_PARTS = re.compile(r"\s*(?:&|/|,|\band\b)\s*")
_DIGIT = re.compile(r"\d")


class ValueSource(Protocol):
    """What the index needs of a database."""

    def distinct_values(self, table: str, column: str, /, *, limit: int) -> tuple[str, ...] | None:
        """List the distinct values of a column; None when there are more than `limit`, or they must not be shown."""
        ...


class _Entry(NamedTuple):
    table: str
    column: str
    value: str
    words: int


class _Hit(NamedTuple):
    start: int  # first word of the mention
    end: int  # one past its last word
    entry: int
    score: float
    is_weak: bool


class ValueIndex:
    """The values of a database, ready to be found in questions. Made by `build` or `from_values`; never changes."""

    def __init__(self, values: Mapping[tuple[str, str], Sequence[str]], names: frozenset[str]) -> None:
        self._entries: list[_Entry] = []
        self._by_text: dict[str, tuple[int, ...]] = {}
        self._by_stems: dict[str, tuple[int, ...]] = {}
        self._by_part: dict[str, tuple[int, ...]] = {}
        self._by_first: dict[str, tuple[int, ...]] = {}
        self._by_initials: dict[str, tuple[int, ...]] = {}
        self._stem_of: dict[str, str] = {}
        self._like: dict[str, tuple[tuple[str, int], ...]] = {}
        self._names = names
        self._name_words = frozenset(word for name in names for word in split_name(name))
        self._name_stems = frozenset(stem(word) for word in self._name_words)
        self._column_stems: dict[tuple[str, str], tuple[frozenset[str], frozenset[str]]] = {}
        self._longest = 1
        for (table, column), column_values in values.items():
            self._column_stems[table, column] = (_name_stems(column), _name_stems(table))
            self._add_column(table, column, column_values)
        self._stems = frozenset(self._stem_of.values())
        buckets: dict[tuple[str, int], list[str]] = defaultdict(list)
        for word in self._stem_of:
            if len(word) >= 4 and not _DIGIT.search(word):
                buckets[word[0], len(word)].append(word)
        self._buckets = {key: Bucket(words) for key, words in buckets.items()}

    @classmethod
    def build(cls, source: ValueSource, schema: DatabaseSchema) -> ValueIndex:
        """Read the values of every text column that is worth it.

        Args:
            source: The database, asked once for each text column.
            schema: Its tables and columns.

        Raises:
            DatabaseError: From `source`, when the database fails.
        """
        values: dict[tuple[str, str], Sequence[str]] = {}
        for table in schema.tables:
            for column in table.columns:
                if column.is_masked or column.kind != "text" or _SKIPPED_NAMES.intersection(split_name(column.name)):
                    continue
                found = source.distinct_values(table.name, column.name, limit=MAX_COLUMN_VALUES)
                if found:
                    values[table.name, column.name] = found
        return cls.from_values(values, schema=schema)

    @classmethod
    def from_values(
        cls, values: Mapping[tuple[str, str], Sequence[str]], *, schema: DatabaseSchema | None = None
    ) -> ValueIndex:
        """Index given values.

        Args:
            values: The distinct values of each (table, column).
            schema: Names the tables and columns, whose words are values only at second sight; else those of `values`.
        """
        if schema is None:
            names = frozenset(name for key in values for name in key)
        else:
            columns = (column.name for table in schema.tables for column in table.columns)
            names = frozenset((*(table.name for table in schema.tables), *columns))
        kept = {
            key: column_values for key, column_values in values.items() if _is_worth_indexing(key[1], column_values)
        }
        return cls(kept, names)

    def __len__(self) -> int:
        return len(self._entries)

    def match(self, text: str) -> tuple[MatchedValue, ...]:
        """Find the values that `text` names: at most `MAX_MATCHES`, best first.

        A value of several columns is returned once for each, the column first whose name or table the text speaks of.
        Whatever is also a name of the schema comes last.
        """
        tokens = tokenize(text)[:MAX_QUESTION_WORDS]
        hits = [*self._find_whole(tokens), *self._find_by_words(tokens), *self._find_everyday(text, tokens)]
        if not hits:
            return ()
        positions: dict[str, list[int]] = defaultdict(list)
        for position, token in enumerate(tokens):
            positions[stem(token.text)].append(position)
        ranked: list[tuple[tuple[bool, float, int, float, str, str, str], MatchedValue]] = []
        for hit in _without_overlaps(self._filter_unlikely(text, tokens, hits, positions)):
            entry = self._entries[hit.entry]
            start, end = tokens[hit.start].start, tokens[hit.end - 1].end
            nearness = sum(self._nearness(hit, positions))
            key = (hit.is_weak, -hit.score, start, -nearness, entry.table, entry.column, entry.value)
            found = MatchedValue(
                table=entry.table, column=entry.column, value=entry.value, mention=text[start:end], score=hit.score
            )
            ranked.append((key, found))
        ranked.sort(key=lambda pair: pair[0])
        return tuple(found for _, found in ranked[:MAX_MATCHES])

    def _add_column(self, table: str, column: str, values: Sequence[str]) -> None:
        split = [
            (value, [token.text for token in tokenize(value)]) for value in values if len(value) <= MAX_VALUE_CHARS
        ]
        split = [(value, words) for value, words in split if 0 < len(words) <= MAX_VALUE_WORDS]
        counts = Counter(word for _, words in split for word in set(words))
        has_parts = len(split) <= _MAX_PARTIAL_VALUES
        is_title_case = _is_title_case([value for value, _ in split])
        parts: dict[str, set[int]] = defaultdict(set)
        firsts: dict[str, set[int]] = defaultdict(set)
        initials: dict[str, set[int]] = defaultdict(set)
        for value, words in split:
            number = len(self._entries)
            self._entries.append(_Entry(table, column, value, len(words)))
            self._longest = max(self._longest, len(words))
            content = [word for word in words if word not in STOP_WORDS] or words
            stems = [stem(word) for word in content]
            self._stem_of.update(zip(content, stems, strict=True))
            _append(self._by_text, "".join(words), number)
            _append(self._by_stems, " ".join(stems), number)
            if not has_parts or len(words) == 1 or words[0].isdigit():
                continue
            for part in self._parts_of(value, content, counts, is_title_case):
                parts[part].add(number)
            if is_title_case:
                short = "".join(word[0] for word in content)
                if len(short) > 2 or _HAS_SHORT_INITIALS.intersection(split_name(column)):
                    initials[short].add(number)
                if len(content) == 2 and self._is_distinctive(content[0], counts):
                    firsts[content[0]].add(number)
        for target, found in ((self._by_part, parts), (self._by_first, firsts), (self._by_initials, initials)):
            for key, numbers in found.items():
                if len(numbers) == 1 and key not in self._by_stems:
                    _append(target, key, *numbers)

    def _parts_of(self, value: str, content: list[str], counts: Counter[str], is_title_case: bool) -> list[str]:
        """List the stems of those parts of a value that stand for the whole: `garden hose` for `Garden Hose 25m`."""
        stems = [stem(word) for word in content]
        found: list[str] = []
        if len(content) >= 3:
            size = -(-2 * len(content) // 3)  # at least two thirds of its words
            runs = [stems[:count] for count in range(size, len(content))]
            if is_title_case:
                runs += [stems[-count:] for count in range(size, len(content))]
            common = COMMON_WORDS | QUESTION_WORDS
            distinctive = {
                s for s, word in zip(stems, content, strict=True) if word not in common and s not in self._name_stems
            }
            found += [" ".join(run) for run in runs if distinctive.intersection(run)]
        if is_title_case:
            pieces = [piece.split() for piece in _PARTS.split(value.lower())]
            if len(pieces) > 1:
                found += [stem(piece[0]) for piece in pieces if len(piece) == 1 and counts[piece[0]] == 1]
            elif self._is_distinctive(content[-1], counts):
                found.append(stems[-1])
        return found

    def _is_distinctive(self, word: str, counts: Counter[str]) -> bool:
        if counts[word] != 1 or len(word) < 4 or _DIGIT.search(word) or word in COMMON_WORDS | QUESTION_WORDS | _PLACES:
            return False
        return stem(word) not in self._name_stems

    def _find_whole(self, tokens: list[Token]) -> list[_Hit]:
        """Find values written out, even with the blanks elsewhere (`new york`, `smart watch`, `tshirt`)."""
        hits = []
        for start in range(len(tokens)):
            key = ""
            for end in range(start + 1, min(len(tokens), start + self._longest + 1) + 1):
                key += tokens[end - 1].text
                numbers = self._by_text.get(key)
                if numbers is None:
                    continue
                window = tokens[start:end]
                has_stop_word = any(token.text in STOP_WORDS for token in window)
                for number in numbers:
                    words = self._entries[number].words
                    if words != len(window) and (len(key) < 5 or (has_stop_word and words == 1)):
                        continue
                    hits.append(_Hit(start, end, number, 100.0 if words == len(window) else 97.0, False))
        return hits

    def _find_by_words(self, tokens: list[Token]) -> list[_Hit]:
        """Find values whose words the question has in other forms, with typos, or in part."""
        content = [(place, token) for place, token in enumerate(tokens) if token.text not in STOP_WORDS]
        options = [self._readings(token.text) for _, token in content]
        hits: list[_Hit] = []
        for first in range(len(content)):
            keys = [("", 0, 0)]  # stems so far, typos in them, words taken as they are
            for last in range(first, min(len(content), first + self._longest)):
                if not options[last] or (last > first and content[last][0] - content[last - 1][0] > 3):
                    break
                keys = [
                    (f"{key} {option}" if key else option, typos + cost, known + (cost == 0))
                    for key, typos, known in keys
                    for option, cost in options[last]
                    if typos + cost <= 3
                ][:48]
                start, end = content[first][0], content[last][0] + 1
                mention = "".join(token.text for token in tokens[start:end])
                for key, typos, known in keys:
                    for number, score in self._score(mention, key, typos, known, words=last - first + 1):
                        hits.append(_Hit(start, end, number, score, False))
        return hits

    def _score(self, mention: str, key: str, typos: int, known: int, *, words: int) -> Iterator[tuple[int, float]]:
        """Say how well the values with these stems fit a mention of so many words, some known, some mistyped."""
        if typos and words == 1 and (mention in self._stem_of or stem(mention) in self._stems or len(mention) < 5):
            return
        for number in self._by_stems.get(key, ()):
            if not typos:
                yield number, 96.0
                continue
            value = "".join(token.text for token in tokenize(self._entries[number].value))
            score = round(min(94.0, fuzz.ratio(mention, value)), 1)
            if score >= (74 if known else 78):
                yield number, score
        if typos <= (words > 1):
            for number in self._by_part.get(key, ()):
                yield number, 80.0 if words > 1 else 72.0

    def _find_everyday(self, text: str, tokens: list[Token]) -> list[_Hit]:
        """Find initials in capitals, distinctive first words of names, and everyday words for a value."""
        hits = []
        is_shouted = text.isupper()
        for place, token in enumerate(tokens):
            written = text[token.start : token.end]
            if written.isupper() and not is_shouted and 2 <= len(written) <= 5 and written.isalpha():
                hits += [_Hit(place, place + 1, n, 76.0, False) for n in self._by_initials.get(token.text, ())]
            if place and written[0].isupper() and not is_shouted:
                hits += [_Hit(place, place + 1, n, 74.0, False) for n in self._by_first.get(token.text, ())]
            for size in (1, 2):
                words = [t.text for t in tokens[place : place + size]]
                meaning = EVERYDAY_NAMES.get(" ".join(words)) or EVERYDAY_NAMES.get(" ".join(words).removesuffix("s"))
                if meaning is not None and len(words) == size:
                    numbers = self._by_text.get(meaning.replace(" ", ""), ())
                    hits += [_Hit(place, place + size, n, 90.0, False) for n in numbers]
        return hits

    def _readings(self, word: str) -> tuple[tuple[str, int], ...]:
        """List the stems of stored words that a word may mean, each with its number of typos, best first."""
        known = self._like.get(word)
        if known is not None:
            return known
        readings: list[tuple[str, int]] = []
        own = self._stem_of.get(word)
        if own is None and not word.endswith(("ing", "ings")) and stem(word) in self._stems:
            own = stem(word)
        if own is not None:
            readings.append((own, 0))
        is_plain = word in COMMON_WORDS or word in QUESTION_WORDS or stem(word) in self._name_stems
        if len(word) >= 4 and not is_plain and not _DIGIT.search(word):
            limit = 2 if len(word) >= 8 else 1
            near: list[tuple[int, str]] = []
            for size in range(len(word) - limit, len(word) + limit + 1):
                bucket = self._buckets.get((word[0], size))
                if bucket is not None:
                    found = process.extract(
                        word, bucket.near(word, limit), scorer=OSA.distance, score_cutoff=limit, limit=4
                    )
                    near += [(int(distance), other) for other, distance, _ in found if distance]
            for distance, other in sorted(near)[:3]:
                if all(self._stem_of[other] != seen for seen, _ in readings):
                    readings.append((self._stem_of[other], distance))
        result = tuple(readings)
        if len(self._like) >= 100_000:
            self._like.clear()
        self._like[word] = result
        return result

    def _filter_unlikely(
        self, text: str, tokens: list[Token], hits: list[_Hit], positions: Mapping[str, list[int]]
    ) -> list[_Hit]:
        """Drop numbers, and single words that are more likely a stop word, a name or an everyday word than a value."""
        kept = []
        for hit in hits:
            word = tokens[hit.start].text
            if all(_NUMBER.fullmatch(token.text) for token in tokens[hit.start : hit.end]):
                continue
            if hit.end - hit.start > 1:
                kept.append(hit)
                continue
            written = text[tokens[hit.start].start : tokens[hit.start].end]
            if word in STOP_WORDS:
                is_code = (
                    len(word) > 1
                    and written.isupper()
                    and self._entries[hit.entry].value.isupper()
                    and not text.isupper()
                )
                if is_code or (hit.score == 76.0):
                    kept.append(hit)
                continue
            is_name = stem(word) in self._name_stems
            is_common = word in COMMON_WORDS
            if not is_name and not is_common:
                kept.append(hit)
                continue
            if hit.score < 97:
                continue
            by_column, by_table = self._nearness(hit, positions)
            following = tokens[hit.end].text if hit.end < len(tokens) else ""
            if following in _AFTER_A_NAME and is_name:
                continue
            if word in VAGUE_WORDS and not by_column:
                continue
            if (is_common or word in self._names) and not by_column and not by_table:
                continue
            kept.append(hit._replace(is_weak=True, score=90.0))
        return kept

    def _nearness(self, hit: _Hit, positions: Mapping[str, list[int]]) -> tuple[float, float]:
        """Say how near the question speaks of the column and of the table of a hit; 0 where it does not."""
        entry = self._entries[hit.entry]
        scores = []
        for weight, stems in zip((2.0, 1.0), self._column_stems[entry.table, entry.column], strict=True):
            places = [p for s in stems for p in positions.get(s, ()) if not hit.start <= p < hit.end]
            distance = min((max(hit.start - p, p - hit.end + 1) for p in places), default=None)
            scores.append(0.0 if distance is None else weight / (1 + distance / 4))
        return scores[0], scores[1]


def _append(index: dict[str, tuple[int, ...]], key: str, number: int) -> None:
    index[key] = (*index.get(key, ()), number)


def _name_stems(name: str) -> frozenset[str]:
    return frozenset(stem(word) for word in split_name(name)) - {"name", "key", "id", "code"}


def _is_title_case(values: Sequence[str]) -> bool:
    words = [word for value in values for word in value.split()[1:] if word.isalpha() and word not in STOP_WORDS]
    return bool(words) and sum(word[0].isupper() for word in words) >= 0.8 * len(words)


def _is_worth_indexing(column: str, values: Sequence[str]) -> bool:
    """Tell a column of names and labels from free text, addresses on the net, numbers and keys, by a sample of it."""
    if not values or len(values) > MAX_COLUMN_VALUES or _SKIPPED_NAMES.intersection(split_name(column)):
        return False
    sample = values[:: max(1, len(values) // 200)]
    too_long = sum(len(value) > MAX_VALUE_CHARS for value in sample)
    coded = sum(_is_code(value) for value in sample)
    return too_long <= 0.3 * len(sample) and coded <= 0.5 * len(sample)


def _is_code(value: str) -> bool:
    signs = [char for char in value if char.isalnum()]
    return "@" in value or "://" in value or 2 * sum(char.isdigit() for char in signs) >= len(signs)


def _without_overlaps(hits: Sequence[_Hit]) -> list[_Hit]:
    """Keep the best reading of each stretch of the question: long before short, sure before likely."""
    best: dict[int, _Hit] = {}
    for hit in hits:
        known = best.get(hit.entry)
        if known is None or (hit.score, hit.end - hit.start) > (known.score, known.end - known.start):
            best[hit.entry] = hit
    spans: dict[tuple[int, int], list[_Hit]] = defaultdict(list)
    for hit in best.values():
        spans[hit.start, hit.end].append(hit)
    top = {span: max(hit.score - 50 * hit.is_weak for hit in found) for span, found in spans.items()}
    taken: list[_Hit] = []
    covered: set[int] = set()
    for span in sorted(spans, key=lambda s: (-(s[1] - s[0]) * top[s], s)):
        places = set(range(*span))
        if covered & places:
            continue
        covered |= places
        limit = max(hit.score for hit in spans[span])
        taken += [hit for hit in spans[span] if hit.score >= limit - 4]
    return taken
