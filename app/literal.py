"""Text from data or a model as Markdown that shows exactly itself.

In: any text. Out: Markdown for a label, caption or button of the page. Needed only where the page offers nothing but
Markdown; everywhere else data goes through `st.text`, `st.code` and `st.dataframe`, which take it literally.

Covers: emphasis, links, HTML, formulas, and what the page replaces after the Markdown was read, which a backslash does
not stop: icons and emoji (`:material/x:`, `:+1:`), arrows (`->`), addresses that become links of themselves.
Does not cover: text that imitates another alphabet.
"""

from __future__ import annotations

import re

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_BREAK = "\u2060"
"""Word joiner: has no width, allows no line break, and keeps the page from recognising a shortcode or an address."""


def literal(text: str) -> str:
    """Escape text for a place that reads Markdown; line breaks become spaces."""
    return _PUNCTUATION.sub(rf"\\\1{_BREAK}", " ".join(text.split()))
