"""Which token is wanted next: the likeliest, or one that is drawn.

In: the logits behind the last token. Out: a score for each token, the highest first wanted. To draw one token is to add
Gumbel noise to each and take the highest (Gumbel, 1954; Maddison et al., A* Sampling, NeurIPS 2014): the order of the
others is then that in which they would be drawn next, so a constraint that refuses the first can go on with the second.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from assistant.types import Sampling

_LAST = 1e6
"""Taken off the score of tokens that are too unlikely to be drawn: they stay in order, behind all others."""


class Drawing:
    """One reply's dice."""

    def __init__(self, sampling: Sampling) -> None:
        self._sampling = sampling
        self._random = np.random.default_rng(sampling.seed)

    def score(self, logits: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Score the tokens.

        Args:
            logits: One for each token of the vocabulary.
        """
        scores = logits.astype(np.float64) - _LAST  # (V,)
        least = logits.max() + np.log(max(self._sampling.min_p, 1e-12))
        drawn = np.flatnonzero(logits >= least)
        scores[drawn] = logits[drawn] / self._sampling.temperature + self._random.gumbel(size=len(drawn))
        return scores
