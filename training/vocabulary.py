"""Read `tokenizer.json`: how a model splits text, in llama.cpp's terms. No torch needed.

In: a folder with `tokenizer.json` and `tokenizer_config.json`. Out: a Vocabulary for the converter. Two families are
known: byte-level BPE that splits text as Qwen2 or Llama 3 do, and SentencePiece's BPE over characters with single bytes
for the rest, as Mistral and Llama 2 have it. Anything else is refused: llama.cpp would load it and split text in
another way, and the model would answer wrongly without any error.

Not repeated by llama.cpp: Unicode normalisation (Qwen2's NFC). Text that is not NFC, such as an e with a combining
accent, gives other tokens there.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from assistant.errors import TrainingError
from assistant.prompts import PAD, TURN_END, TURN_START
from assistant.types import Record
from training.model_folder import ModelFacts, read_json
from training.tokenizer import QWEN2_SPLIT

TokenKind = Literal["normal", "unknown", "control", "user_defined", "unused", "byte"]

LLAMA3_SPLIT = QWEN2_SPLIT.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
"""The split of Llama 3's `tokenizer.json`: up to three digits go together."""

_SPACE = "▁"
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_KNOWN = (
    "Known are byte-level BPE with the split of Qwen2 or Llama 3, and SentencePiece BPE with bytes for unknown "
    "characters; train your own with training.base."
)


class Vocabulary(Record):
    """What tokenizer.json says, in llama.cpp's terms."""

    model: Literal["gpt2", "llama"]
    """llama.cpp's name of the family: byte-level BPE, or SentencePiece."""
    pre: Literal["qwen2", "llama-bpe", "default"]
    """llama.cpp's name of the way text is split first; SentencePiece does not split and has `default`."""
    tokens: tuple[str, ...]
    """Token text by id, padded to the rows of the embedding."""
    kinds: tuple[TokenKind, ...]
    """What each token is, by id."""
    merges: tuple[str, ...]
    """Merges, best first, the two parts parted by a space; empty for SentencePiece."""
    scores: tuple[float, ...]
    """How early a token is put together, by id: higher is earlier. SentencePiece only."""
    bos_id: int
    """Token that begins a text."""
    eos_id: int
    """Token that ends a turn."""
    pad_id: int
    """Token that fills."""
    unknown_id: int | None
    """Token for what cannot be spelled; None for byte-level BPE, which spells everything."""
    adds_bos: bool
    """Whether a text starts with the beginning token."""
    adds_space: bool
    """Whether a space is put before a text."""


def read_vocabulary(folder: Path, facts: ModelFacts) -> Vocabulary:
    """Read tokenizer.json.

    Args:
        folder: Folder of the tokenizer.
        facts: Of the model: rows of the embedding (missing tokens are filled up as unused) and special tokens.

    Raises:
        TrainingError: It is missing or splits text in a way that llama.cpp would not repeat exactly.
    """
    path = folder / "tokenizer.json"
    data = read_json(path)
    model, added = data.get("model") or {}, data.get("added_tokens") or []
    if model.get("type") != "BPE" or "merges" not in model:
        raise TrainingError(f"'{path}' is a {model.get('type')} tokenizer.", _KNOWN)
    for key in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(key):
            raise TrainingError(f"'{path}' uses the BPE option '{key}'.", _KNOWN)
    for entry in added:
        for key in ("lstrip", "rstrip", "single_word"):
            if entry.get(key):
                raise TrainingError(f"'{path}' has the token {entry['content']!r} with the option '{key}'.", _KNOWN)
    is_sentencepiece = bool(model.get("byte_fallback"))
    tokens, kinds = _list_tokens(path, model, added, facts.vocab_size, is_sentencepiece)
    merges = [tuple(merge.split(" ", 1) if isinstance(merge, str) else merge) for merge in model["merges"]]
    numbers = {entry["content"]: int(entry["id"]) for entry in added}
    bos_id, eos_id, pad_id, unknown_id = _choose_specials(folder, numbers, facts, model.get("unk_token"))
    return Vocabulary(
        model="llama" if is_sentencepiece else "gpt2",
        pre="default" if is_sentencepiece else _name_split(path, data),
        tokens=tuple(tokens),
        kinds=tuple(kinds),
        merges=() if is_sentencepiece else tuple(" ".join(merge) for merge in merges),
        scores=_score(path, tokens, kinds, merges) if is_sentencepiece else (),
        bos_id=bos_id,
        eos_id=eos_id,
        pad_id=pad_id,
        unknown_id=unknown_id if is_sentencepiece else None,
        adds_bos=_first_token(path) == bos_id,
        adds_space=is_sentencepiece and _adds_space(path, data, added),
    )


def _list_tokens(
    path: Path, model: dict[str, Any], added: Iterable[dict[str, Any]], rows: int, is_sentencepiece: bool
) -> tuple[list[str], list[TokenKind]]:
    tokens = [f"[PAD{number}]" for number in range(rows)]
    kinds: list[TokenKind] = ["unused"] * rows
    known: list[tuple[str, int, TokenKind]] = [
        (text, number, "byte" if is_sentencepiece and _BYTE.fullmatch(text) else "normal")
        for text, number in model["vocab"].items()
    ]
    for entry in added:
        is_unknown = is_sentencepiece and entry["content"] == model.get("unk_token")
        special: TokenKind = "unknown" if is_unknown else "control"
        known.append((entry["content"], entry["id"], special if entry["special"] else "user_defined"))
    for text, number, kind in known:
        if number >= rows:
            raise TrainingError(
                f"'{path}' has the token {text!r} with id {number}, but the embedding has {rows} rows.",
                "Tokenizer and weights belong to different models.",
            )
        tokens[number], kinds[number] = text, kind
    text, count = Counter(tokens).most_common(1)[0]
    if count > 1:
        raise TrainingError(
            f"'{path}' has the token {text!r} twice.", "llama.cpp cannot load that; rename one of them."
        )
    if is_sentencepiece and kinds.count("byte") != 256:
        raise TrainingError(f"'{path}' has {kinds.count('byte')} of the 256 byte tokens.", _KNOWN)
    return tokens, kinds


def _choose_specials(
    folder: Path, numbers: dict[str, int], facts: ModelFacts, unknown: str | None
) -> tuple[int, int, int, int | None]:
    """Choose the tokens that begin, end, fill and stand for the unknown, in this order.

    A turn ends with ChatML's end where that is a token; other models spell it, and end with their own.
    """
    path = folder / "tokenizer_config.json"
    config = read_json(path) if path.exists() else {}

    def named(key: str) -> int | None:
        entry = config.get(key)
        text = entry.get("content") if isinstance(entry, dict) else entry
        if text and text not in numbers:
            raise TrainingError(
                f"'{path}' names {text!r} as '{key}', and the tokenizer has no such token.",
                "Tokenizer and configuration belong to different models.",
            )
        return numbers[text] if text else None

    own_end = named("eos_token")
    ends = [numbers.get(TURN_END), own_end, *facts.eos_ids]
    eos = next((end for end in ends if end is not None), None)
    if eos is None:
        raise TrainingError(
            f"'{folder}' names no token that ends a text.", f"Add {TURN_END!r} as 'eos_token' to '{path.name}'."
        )
    pad = next((number for number in (named("pad_token"), numbers.get(PAD)) if number is not None), eos)
    bos = next((number for number in (named("bos_token"), facts.bos_id) if number is not None), pad)
    return bos, eos, pad, numbers.get(unknown) if unknown else named("unk_token")


def _name_split(path: Path, data: dict[str, Any]) -> Literal["qwen2", "llama-bpe"]:
    """Tell which of llama.cpp's ways to split text is this one."""
    normalizer = _read_normalizer(data)
    if normalizer.get("type", "NFC") != "NFC":
        raise TrainingError(f"'{path}' normalises text with {normalizer['type']}.", _KNOWN)
    pre_tokenizer = data.get("pre_tokenizer") or {}
    parts = pre_tokenizer.get("pretokenizers") or []
    if pre_tokenizer.get("type") == "Sequence" and [part.get("type") for part in parts] == ["Split", "ByteLevel"]:
        split, bytes_ = parts
        is_plain = (
            split.get("behavior") == "Isolated"
            and not split.get("invert")
            and not bytes_.get("use_regex", True)
            and not bytes_.get("add_prefix_space", True)
        )
        pattern = split.get("pattern")
        names: dict[str, Literal["qwen2", "llama-bpe"]] = {QWEN2_SPLIT: "qwen2", LLAMA3_SPLIT: "llama-bpe"}
        name = names.get(str((pattern or {}).get("Regex"))) if is_plain else None
        if name:
            # llama.cpp takes a word that is a token as it is with `llama-bpe`, and merges it with `qwen2`.
            if bool(data["model"].get("ignore_merges")) != (name == "llama-bpe"):
                _refuse_unreachable(path, data["model"], data.get("added_tokens") or [])
            return name
    raise TrainingError(f"'{path}' splits text in a way that is not known here.", _KNOWN)


def _refuse_unreachable(path: Path, model: dict[str, Any], added: Iterable[dict[str, Any]]) -> None:
    """Refuse a model with a token that merges do not lead to: only without any is taking whole words no difference."""
    from tokenizers import Tokenizer

    bare = Tokenizer.from_str(json.dumps({"version": "1.0", "model": model | {"ignore_merges": False}})).model
    for text in model["vocab"].keys() - {entry["content"] for entry in added}:
        if len(bare.tokenize(text)) != 1:
            raise TrainingError(f"'{path}' has the token {text!r}, which its merges do not lead to.", _KNOWN)


def _read_normalizer(data: dict[str, Any]) -> dict[str, Any]:
    normalizer: dict[str, Any] = data.get("normalizer") or {}
    return {} if normalizer == {"type": "Sequence", "normalizers": []} else normalizer


def _adds_space(path: Path, data: dict[str, Any], added: Iterable[dict[str, Any]]) -> bool:
    """Tell whether llama.cpp has to put a space before a text, and before what follows a special token."""
    normalizer, pre_tokenizer = _read_normalizer(data), data.get("pre_tokenizer") or {}
    to_mark = {"type": "Replace", "pattern": {"String": " "}, "content": _SPACE}
    if normalizer and not pre_tokenizer:
        steps = normalizer.get("normalizers") if normalizer.get("type") == "Sequence" else [normalizer]
        if any(entry.get("normalized") for entry in added):
            raise TrainingError(f"'{path}' looks for its own tokens in normalised text.", _KNOWN)
        if steps == [{"type": "Prepend", "prepend": _SPACE}, to_mark]:
            return True
        if steps == [to_mark]:
            return False
    scheme = pre_tokenizer.get("prepend_scheme")
    is_whole = pre_tokenizer.get("split") is False and pre_tokenizer.get("replacement") == _SPACE
    if not normalizer and pre_tokenizer.get("type") == "Metaspace" and is_whole:
        if scheme != "first":
            return bool(scheme == "always")
        # At the very start alone. llama.cpp cannot do that after special tokens; with ChatML's marker as a token every
        # prompt starts with one and never needs the space, without it there is nothing but the start.
        return not any(entry["content"] == TURN_START for entry in added)
    raise TrainingError(f"'{path}' splits text in a way that is not known here.", _KNOWN)


def _score(path: Path, tokens: list[str], kinds: list[TokenKind], merges: list[tuple[str, ...]]) -> tuple[float, ...]:
    """Turn merges into SentencePiece's scores.

    SentencePiece joins any two neighbours whose union is a token, the best-scored union first. That equals a list of
    merges only if the list has every such pair, and all pairs with one union stand together; and if every character
    of a token is a token, since tokenizers would spell the others with bytes and join nothing.
    """
    ranks: dict[str, int] = {}
    before = ""
    for merge in merges:
        union = "".join(merge)
        if union != before and union in ranks:
            raise TrainingError(f"'{path}' has the merges that give {union!r} in several places.", _KNOWN)
        ranks.setdefault(union, len(ranks))
        before = union
    listed = set(merges)
    plain = {text for text, kind in zip(tokens, kinds, strict=True) if kind == "normal"}
    for text in plain:
        if strange := set(text) - plain:
            raise TrainingError(f"'{path}' has the token {text!r} and none for {min(strange)!r}.", _KNOWN)
        for cut in range(1, len(text)):
            pair = (text[:cut], text[cut:])
            if pair not in listed and pair[0] in plain and pair[1] in plain:
                raise TrainingError(f"'{path}' lacks the merge of {pair[0]!r} and {pair[1]!r}.", _KNOWN)
    # Those that no merge gives (characters, bytes, special tokens) are never asked for their score.
    return tuple(-float(ranks[text]) if text in ranks else 0.0 for text in tokens)


def _first_token(path: Path) -> int | None:
    """Give the token that the tokenizer puts before every text."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_str(path.read_text(encoding="utf-8"))
        tokenizer.no_padding()
        first = tokenizer.encode("").ids[:1]
    except Exception as error:  # tokenizers raises bare Exception for a malformed file
        raise TrainingError(f"Cannot read the tokenizer '{path}': {error}.", _KNOWN) from error
    return int(first[0]) if first else None
