"""Words of one length, of which those are found quickly that may be near another word.

In: the words once, then a word at a time. Out: a few of them, among which are all that are near. Distance itself is for
the caller to measure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_LARGE_BUCKET = 1_000
"""Words from which on it pays to look at their letters before their distance."""
_HALVES = tuple(
    (np.uint64(shift), np.uint64(mask))
    for shift, mask in (
        (1, 0x5555555555555555), (2, 0x3333333333333333), (4, 0x0F0F0F0F0F0F0F0F),
        (8, 0x00FF00FF00FF00FF), (16, 0x0000FFFF0000FFFF), (32, 0x00000000FFFFFFFF),
    )
)  # fmt: skip


class Bucket:
    """Stored words of one length; of many, those are found quickly that can be near another word at all.

    A bit says that a letter occurs, another that it occurs twice. One letter more or less changes one of these bits at
    most, one letter for another two, two letters swapped none: what differs in more is further away. So nothing that is
    near is missed, and what is left keeps its order.
    """

    def __init__(self, words: list[str]) -> None:
        """Take the words, at least one."""
        self._words = words
        self._size = len(words[0])
        self._signs = _sign_letters(words) if len(words) > _LARGE_BUCKET else None

    def near(self, word: str, limit: int) -> Sequence[str]:
        """List the words whose distance to `word` may be `limit` or less."""
        if self._signs is None:
            return self._words
        longer = abs(len(word) - self._size)
        differing = _count_bits(self._signs ^ _sign_letters([word])[0])
        return [self._words[place] for place in np.flatnonzero(differing <= longer + 2 * (limit - longer))]


def _sign_letters(words: Sequence[str]) -> NDArray[np.uint64]:
    """Give the bits of words of one length: see `Bucket`. Letters beyond a to z are all taken for one."""
    codes = np.array(words, dtype=f"U{len(words[0])}").view(np.uint32).reshape(len(words), -1)
    places = np.where((codes >= ord("a")) & (codes <= ord("z")), codes - ord("a"), 26)
    signs = np.zeros(len(words), dtype=np.uint64)
    for letter in range(27):
        counts = (places == letter).sum(axis=1)
        for times in (1, 2):
            signs |= (counts >= times).astype(np.uint64) << np.uint64(2 * letter + times - 1)
    return signs


def _count_bits(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Count the bits that are set, in halves, quarters and so on, as numpy before 2.0 has no call for it."""
    for shift, mask in _HALVES:
        numbers = (numbers & mask) + ((numbers >> shift) & mask)
    return numbers
