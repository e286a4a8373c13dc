"""Similar questions with their SQL in the prompts of training, so that a model learns to adapt what it is shown.

In: the bank of pairs that will travel with the model, then an example at a time. Out: the example's messages with
similar pairs at the end of the system message, as `prompts.render_prompt` puts them there in use. Chooses no pairs for
the bank (`training.example_bank` does) and changes neither question nor reply.

In use a similar pair often has another statement than the one that is needed. So half of the examples get only pairs of
other shapes, and a few get none, as a question has that is like nothing in the bank.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from assistant.examples import ExampleIndex, make_key, mask_literals
from assistant.messages import make_message
from assistant.prompts import render_examples
from assistant.types import KnownPair, Message
from training.datagen.triples import Triple

BARE_SHARE = 0.15
"""Share of the examples without similar pairs."""
STRANGE_SHARE = 0.5
"""Share of the examples whose similar pairs are all of other shapes than the reply."""


class Neighbours:
    """Similar pairs for the examples of a training."""

    def __init__(self, bank: Sequence[KnownPair], count: int) -> None:
        """Take the pairs, and how many of them a prompt shows at most."""
        self._index = ExampleIndex(bank)
        self._count = count

    def show(self, triple: Triple) -> tuple[Message, ...]:
        """Give the messages of an example with similar pairs; as they are where it gets none.

        Questions that go on from others get none, in use neither, nor do repairs. The same example gets the same pairs.
        """
        if not self._count or triple.history or triple.kind == "repair":
            return triple.messages
        draw = int.from_bytes(hashlib.blake2b(triple.question.encode(), digest_size=4, person=b"near").digest()) / 2**32
        if draw < BARE_SHARE:
            return triple.messages
        pairs = self._find(triple, is_strange=draw < BARE_SHARE + STRANGE_SHARE)
        system, *others = triple.messages
        lines = render_examples(pairs)
        return (make_message("system", "\n".join([system.content, *lines])), *others)

    def _find(self, triple: Triple, *, is_strange: bool) -> list[KnownPair]:
        own, shape = make_key(triple.question), mask_literals(triple.sql)
        # Itself and its own shape may come before what is wanted.
        found = self._index.find_for(triple.question, triple.sql, limit=self._count + 2)
        chosen = [
            near.pair
            for near in found
            if make_key(near.pair.question) != own and not (is_strange and mask_literals(near.pair.sql) == shape)
        ]
        return chosen[: self._count]
