"""Prove, before a GGUF is handed over, that llama.cpp splits prompts as the model's own tokenizer does.

In: the GGUF and the `tokenizer.json` it came from. Out: nothing, or a TrainingError with the text that differs. Covers
whole prompts as they are rendered in use, with hard text and with many of the vocabulary's own tokens in them. Does not
cover the weights, which are not loaded.
"""

from __future__ import annotations

import contextlib
import random
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Tokenizer

from assistant.errors import TrainingError
from assistant.prompts import render_text
from assistant.types import Message
from training.gguf_quantise import LOG_ERROR, import_llama_cpp, listening

HARD_TEXTS = (
    "How many orders last month?",
    "CREATE TABLE orders (\n  id INTEGER,\n  customer_id INTEGER, -- such as 1, 22, 333, 4444\n  PRIMARY KEY (id)\n);",
    "SELECT a.b, COUNT(*) FROM \"T\" WHERE x >= 10.5 AND y <> 'O''Brien' -- 100%",
    "1 12 123 1234 12345 1234567890 3.14159 2024-02-29 1e-9 0x1F 1,000,000",
    "  two   three    four\t tab\t\ttabs \n\n\n lines\r\n\r\n end  ",
    "don't WE'LL she'd I'm 'tis it's y'all's 's 'S",
    "Zürich, naïve, Straße, ÅNGSTRÖM, œuvre, İstanbul, Ελλάδα, Привет",
    "東京 データ 한국어 ไทย हिन्दी العربية עברית ½ ² Ⅷ ①",
    "🙂 👩\u200d👩\u200d👧 🇨🇭 \u00a0nbsp\u2003em\u200bzero \ufeffbom",
    "__init__ camelCase snake_case x1y2 C++ #tag @user a@b.ch http://a.b/c?d=e&f=%20 \\n {}[]()<>|~`^$€",
)
"""Text that tokenizers are known to disagree about."""

SAMPLED_TOKENS = 3000
"""Tokens of the vocabulary that are tried, spread evenly."""
_TOKENS_IN_A_TEXT = 8


def check_tokens(gguf_path: Path, tokenizer_path: Path) -> None:
    """Compare tokens, id by id.

    Raises:
        TrainingError: A prompt gives other tokens, or llama.cpp cannot load the vocabulary.
    """
    tokenizer = Tokenizer.from_file(str(tokenizer_path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    texts = list(_render(tokenizer))
    expected = tokenizer.encode_batch(texts, add_special_tokens=False)
    llama_cpp = import_llama_cpp()
    complaints: list[str] = []

    def hear(level: int, text: str) -> None:
        if level == LOG_ERROR:
            complaints.append(text.strip())

    with contextlib.ExitStack() as stack:
        stack.enter_context(listening(llama_cpp, hear))
        try:
            llama = stack.enter_context(
                contextlib.closing(llama_cpp.Llama(str(gguf_path), vocab_only=True, verbose=False))
            )
        except ValueError as error:
            raise TrainingError(
                f"llama.cpp cannot load what was exported: {' '.join(complaints) or error}.",
                "Its version may be too old: update llama-cpp-python.",
            ) from error
        for text, encoding in zip(texts, expected, strict=True):
            found = llama.tokenize(text.encode(), add_bos=False, special=True)
            if found != encoding.ids:
                raise TrainingError(
                    f"llama.cpp would split {_show(text, found, encoding.ids, tokenizer)} in another way than "
                    f"'{tokenizer_path}'.",
                    "The model would answer wrongly; a tokenizer of this kind cannot be exported.",
                )


def _render(tokenizer: Tokenizer) -> Iterator[str]:
    # The only normaliser that is known and not repeated by llama.cpp; the others are harmless here.
    is_nfc = tokenizer.normalizer is not None
    for hard in HARD_TEXTS:
        yield _prompt(hard)
    count = tokenizer.get_vocab_size(with_added_tokens=False)
    # Not special tokens, which nobody types, nor half characters.
    added = tokenizer.get_added_tokens_decoder()
    numbers = [number for number in range(0, count, max(1, count // SAMPLED_TOKENS)) if number not in added]
    texts = [tokenizer.decode([number], skip_special_tokens=False) for number in numbers]
    usable = [text for text in texts if text and "\ufffd" not in text]
    random.Random(1).shuffle(usable)
    for start in range(0, len(usable), _TOKENS_IN_A_TEXT):
        text = "".join(usable[start : start + _TOKENS_IN_A_TEXT])
        if not is_nfc or unicodedata.is_normalized("NFC", text):
            yield _prompt(text)


def _prompt(text: str) -> str:
    return render_text([Message(role="system", content="sqlite shop"), Message(role="user", content=text)])


def _show(text: str, found: list[int], expected: list[int], tokenizer: Tokenizer) -> str:
    """Quote the text around the first token that differs."""
    same = next(
        (at for at, (ours, theirs) in enumerate(zip(found, expected, strict=False)) if ours != theirs),
        min(len(found), len(expected)),
    )
    around = tokenizer.decode(expected[max(0, same - 2) : same + 4], skip_special_tokens=False)
    return repr(around or text)
