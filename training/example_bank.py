"""Choose the verified pairs that travel with a model, to be found again as examples for new questions.

In: Triples that the model learned from, as they come; never those it is judged by. Out: a few thousand pairs that are
as different as possible, beside the GGUF. Judges nothing: each of them ran through the guard and the database before.

Of each shape of SQL the plainest wordings are kept, and of each kind of question as many shapes as of any other, as
long as there are some. The same triples give the same bank in whatever order they come.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from itertools import zip_longest
from pathlib import Path

from assistant.bank import BankHead, bank_path, write_bank
from assistant.types import KnownPair
from training.datagen.triples import Triple

BANK_PAIRS = 3000
PER_SHAPE = 2
"""Wordings of one shape."""
MAX_QUESTION_CHARS, MAX_SQL_CHARS = 200, 400
"""Longer ones take more of a prompt than they teach."""


def choose_bank(triples: Iterable[Triple], *, size: int = BANK_PAIRS) -> tuple[KnownPair, ...]:
    """Choose at most `size` pairs; questions of a conversation, declined ones and repairs are no examples."""
    kept: defaultdict[str, dict[str, list[tuple[tuple[bool, bool, str], Triple]]]] = defaultdict(dict)
    for triple in triples:
        if not _is_example(triple):
            continue
        # The digest makes the choice among equals the same, whatever the order.
        digest = hashlib.blake2b(triple.question.encode(), digest_size=8).hexdigest()
        rank = (bool(triple.flaw), triple.style != "plain", digest)
        best = kept[triple.kind].setdefault(triple.shape, [])
        if all(known.question != triple.question for _, known in best):
            best.append((rank, triple))
            best.sort(key=lambda found: found[0])
            del best[PER_SHAPE:]
    chosen: list[KnownPair] = []
    for place in range(PER_SHAPE):
        by_kind = []
        for kind in sorted(kept):
            shapes = kept[kind]
            by_kind.append([shapes[shape][place][1] for shape in sorted(shapes) if len(shapes[shape]) > place])
        for round_ in zip_longest(*by_kind):
            chosen += [KnownPair(question=t.question, sql=t.sql, source="generated") for t in round_ if t is not None]
    return tuple(chosen[:size])


def write_examples(gguf: Path, triples: Iterable[Triple], head: BankHead) -> int:
    """Write the bank of a model beside its file; return how many pairs it has.

    Raises:
        TrainingError: It cannot be written.
    """
    pairs = choose_bank(triples)
    write_bank(bank_path(gguf), head, pairs)
    return len(pairs)


def _is_example(triple: Triple) -> bool:
    return (
        bool(triple.sql)
        and not triple.history
        and triple.kind != "repair"
        and len(triple.question) <= MAX_QUESTION_CHARS
        and len(triple.sql) <= MAX_SQL_CHARS
    )
