"""The models before the one that serves in Ollama: kept under tags of their own, oldest last, to go back to.

In: a connection and the tag that answers, `queryforge:latest`. Out: what it stood for before under
`queryforge:previous-1`, `-2` and `-3`. Each move is a copy made before anything is overwritten, so the tag always
stands for a whole model. Two of these tags stand for one model only while something is being moved, and that is how a
call finds out that the one before it was killed. Makes no model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from assistant.errors import UsageError
from training.ollama_tags import OllamaTags

KEPT = 3


def keep_previous(tags: OllamaTags, tag: str, *, new: str) -> None:
    """Move what the tag stands for to `previous-1`, and those before one place on, to make room for the digest `new`.

    After this, and after `close_up`, no two of these tags stand for one model.
    """
    digests = tags.digests()
    if digests.get(tag) in (None, new):
        return
    kept = _first_tags(digests, (tag, *_previous(tag)), without=new)
    # From the last on: what is overwritten has moved before.
    for (digest, source), target in reversed(list(zip(kept.items(), _previous(tag), strict=False))):
        if digests.get(target) != digest:
            tags.copy(source, target)
    _delete(tags, _previous(tag)[len(kept) :], digests)


def close_up(tags: OllamaTags, tag: str) -> tuple[str, ...]:
    """Move the previous models up to where none is missing and none is the one that serves; give their tags."""
    digests = tags.digests()
    kept = _first_tags(digests, _previous(tag), without=digests.get(tag, ""))
    for (digest, source), target in zip(kept.items(), _previous(tag), strict=False):
        if digests.get(target) != digest:
            tags.copy(source, target)
    _delete(tags, _previous(tag)[len(kept) :], digests)
    return _previous(tag)[: len(kept)]


def step_back(tags: OllamaTags, tag: str) -> bool:
    """Let the tag stand for the model before; the one it stood for is kept as `...:withdrawn`. Then `close_up`.

    Returns:
        Whether that was done by this call; False when an earlier one was killed and only `close_up` is left to do.

    Raises:
        UsageError: There is no model before.
    """
    digests = tags.digests()
    before = [name for name in _previous(tag) if name in digests]
    held = [digests[name] for name in (tag, *before) if name in digests]
    is_finishing = len(set(held)) < len(held)
    if not before:
        raise UsageError(
            f"Ollama has no model to go back to from '{tag}'.", "One is kept when a second model is registered."
        )
    if not is_finishing:
        if tag in digests:
            tags.copy(tag, beside(tag, "withdrawn"))
        tags.copy(before[0], tag)
    return not is_finishing


def beside(tag: str, suffix: str) -> str:
    """Name a tag that belongs to another: `queryforge:latest` and `previous-1` make `queryforge:previous-1`."""
    name, _, version = tag.rpartition(":")
    return f"{name}:{suffix}" if version == "latest" else f"{name}:{version}-{suffix}"


def _first_tags(digests: Mapping[str, str], names: Sequence[str], *, without: str) -> dict[str, str]:
    """Map each model to the first of the tags that stand for it, in their order."""
    found: dict[str, str] = {}
    for name in names:
        if name in digests and digests[name] != without:
            found.setdefault(digests[name], name)
    return found


def _delete(tags: OllamaTags, names: Sequence[str], known: Mapping[str, str]) -> None:
    for name in names:
        if name in known:
            tags.delete(name)


def _previous(tag: str) -> tuple[str, ...]:
    return tuple(beside(tag, f"previous-{number}") for number in range(1, KEPT + 1))
