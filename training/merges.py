"""Learn the merges of byte-level BPE so that a word is cut the same way whatever stands before it.

In: texts and the number of tokens that merges may make. Out: merges, best first. Qwen2's split leaves the character
before a word with the word (` full`, `.full`, `_name`); plain BPE then learns other pieces for each of these, and a
model that shall copy a name has to learn every change of pieces by heart. Here merges are learned inside words and
inside runs of other characters alone. Only after all of these come merges of a character before a word with the first
piece of the word, so that the pieces of ` w`, `.w`, `_w` and `(w` are those of `w`, the first of them at most with the
character before it. Such a merge is taken where the piece is a whole word more often than not.

Does not reach what the split itself does: `'smith'` begins with the piece `'s`, as in `Ada's`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator

from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

Merge = tuple[str, str]

PREFIXES = " _.('"
"""Characters that may be merged with the word behind them; the apostrophe for `'s` and the like."""

_PRINTABLE = frozenset((*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)))

_BYTE_LEVEL = [
    chr(byte if byte in _PRINTABLE else 0x100 + sum(other not in _PRINTABLE for other in range(byte)))
    for byte in range(256)
]
"""The character that byte-level BPE writes for each byte (as GPT-2 chose them)."""

_BYTES = {character: byte for byte, character in enumerate(_BYTE_LEVEL)}

ALPHABET = tuple(sorted(_BYTE_LEVEL))
"""What byte-level BPE writes for the 256 bytes, in the order of their tokens."""

_SHARES = tuple(step / 20 for step in range(13))
"""Shares of the tokens that are tried for words with the character before them."""


def learn_merges(texts: Iterable[str], split: str, room: int) -> list[Merge]:
    """Learn merges from texts.

    Args:
        texts: Read once.
        split: Pattern that cuts a text into pieces, which no merge goes beyond.
        room: Most tokens that merges make. How many of them are words with the character before is decided by the
            number of tokens of the texts, which becomes as small as it can.
    """
    pieces: Counter[str] = Counter()
    inner = _learn_inside(_count(texts, split, pieces), split, room)
    words, prefixed = _divide(pieces)
    plans = []
    for inner_room in sorted({min(len(inner), room - int(room * share)) for share in _SHARES}):
        found = inner[:inner_room]
        cut = _cut(words, found)
        joined = _join(prefixed, cut, room - inner_room)
        cost = sum(count * len(cut[word]) for word, count in words.items()) - sum(joined.values())
        plans.append((cost, -inner_room, [*found, *joined]))
    return min(plans)[2]


def token_bytes(token: str) -> bytes:
    """Give the bytes that a token of byte-level BPE stands for."""
    return bytes(_BYTES[character] for character in token)


def list_tokens(merges: Iterable[Merge]) -> list[str]:
    """Give the bytes and what the merges make, every token once."""
    return list(dict.fromkeys((*ALPHABET, *("".join(merge) for merge in merges))))


def _count(texts: Iterable[str], split: str, pieces: Counter[str]) -> Iterator[str]:
    """Hand the texts on and count their pieces."""
    splitter = pre_tokenizers.Split(Regex(split), behavior="isolated")
    for text in texts:
        pieces.update(piece for piece, _ in splitter.pre_tokenize_str(text))
        yield text


def _learn_inside(texts: Iterable[str], split: str, room: int) -> list[Merge]:
    """Learn merges inside words and inside runs of other characters, at most `room` of them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(split), behavior="isolated"),
            pre_tokenizers.Split(Regex(r"\p{L}+"), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False),
        ]
    )
    # More than needed, since some are left out.
    size = len(ALPHABET) + room + room // 8
    tokenizer.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=size, show_progress=False, initial_alphabet=list(ALPHABET))
    )
    kept: list[Merge] = []
    known = set(ALPHABET)
    for left, right in _merges_of(tokenizer):
        if left in known and right in known and _has_whole_characters(left + right):
            if len(known) == len(ALPHABET) + room:
                break
            known.add(left + right)
            kept.append((left, right))
    return kept


def _merges_of(tokenizer: Tokenizer) -> list[Merge]:
    return [(left, right) for left, right in json.loads(tokenizer.to_str())["model"]["merges"]]


def _has_whole_characters(token: str) -> bool:
    """Tell whether a token is whole characters or lies within one; others would tie a character to what precedes it."""
    data = token_bytes(token)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return all(byte & 0xC0 == 0x80 for byte in data[1:])
    return True


def _divide(pieces: Counter[str]) -> tuple[Counter[str], dict[Merge, int]]:
    """Part pieces into what is cut alone, and the words behind each character of `PREFIXES`; all with their counts."""
    words: Counter[str] = Counter()
    prefixed: Counter[Merge] = Counter()
    for piece, count in pieces.items():
        is_word_behind = not piece[0].isalpha() and piece[1:].isalpha()
        words[piece[1:] if is_word_behind else piece] += count
        if is_word_behind and piece[0] in PREFIXES:
            prefixed[piece[0], piece[1:]] += count
    return words, prefixed


def _cut(words: Iterable[str], merges: list[Merge]) -> dict[str, list[str]]:
    """Cut each word by the merges."""
    known = list(words)
    vocab = {token: number for number, token in enumerate(list_tokens(merges))}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return {word: found.tokens for word, found in zip(known, tokenizer.encode_batch(known), strict=True)}


def _join(prefixed: dict[Merge, int], cut: dict[str, list[str]], room: int) -> dict[Merge, int]:
    """Choose merges of a character and the first piece of the word behind it; give the tokens that each saves."""
    whole: Counter[Merge] = Counter()
    saved: Counter[Merge] = Counter()
    for (prefix, word), count in prefixed.items():
        merge = _BYTE_LEVEL[ord(prefix)], cut[word][0]
        saved[merge] += count
        if len(cut[word]) == 1:
            whole[merge] += count
    suited = sorted((merge for merge in saved if 2 * whole[merge] > saved[merge]), key=lambda m: (-saved[m], m))
    return {merge: saved[merge] for merge in suited[:room]}
