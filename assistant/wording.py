"""An answer put into words by a general chat model, and held against its rows before anybody reads it.

In: an Answer whose text is grounded by construction, and the model. Out: the same Answer, with the model's words where
every number and name in them is borne out, else with a notice of why not. Whatever becomes of the model, the answer
stays. The model sees the question, the headings and the first rows: masked cells are covered in them already, and with
`Settings.send_values` off nothing here is used.
"""

from __future__ import annotations

from collections.abc import Callable

from assistant.backends.base import Backend
from assistant.backends.choose import choose_answer_backend
from assistant.errors import QueryForgeError
from assistant.grounding import find_fault
from assistant.prompts import render_wording
from assistant.settings import Settings
from assistant.types import Answer

MAX_WORDING_TOKENS = 200


def open_answer_model(settings: Settings) -> Backend | None:
    """Return the model that puts answers into words, contacted when it is first needed; None where none may be used.

    Raises:
        UsageError: The address of its server cannot be used.
    """
    return choose_answer_backend(settings) if settings.answer_model and settings.send_values else None


def word_answer(answer: Answer, backend: Backend, *, on_text: Callable[[str], None] | None = None) -> Answer:
    """Let the model put an answer into words, and take them if they are borne out by the result.

    Args:
        answer: One that was answered with rows; others come back as they are.
        backend: The model.
        on_text: Called while it writes; what it raises ends the work.
    """
    result = answer.result
    if answer.status != "answered" or result is None or not result.rows:
        return answer
    try:
        completion = backend.complete(render_wording(answer), max_tokens=MAX_WORDING_TOKENS, on_text=on_text)
    except QueryForgeError as error:
        return _noted(answer, f"The answer model did not answer, so the text was made without it: {error.message}")
    answer = answer.model_copy(update={"wording": completion})
    text = completion.text.strip()
    fault = find_fault(text, answer.question, result, answer.text)
    if fault:
        return _noted(answer, f"The words of the answer model '{completion.model}' were not used: {fault}.")
    return answer.model_copy(update={"text": " ".join(text.split())})


def _noted(answer: Answer, notice: str) -> Answer:
    return answer.model_copy(update={"notices": (*answer.notices, notice)})
