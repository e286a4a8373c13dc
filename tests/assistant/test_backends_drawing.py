"""Replies that are drawn at random: in the right proportions, by the seed, and within the rules for names."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from assistant.backends.drawing import Drawing
from assistant.backends.llamacpp import LlamaCppBackend
from assistant.backends.ollama import OllamaBackend
from assistant.backends.openai import OpenAIBackend
from assistant.backends.writing import Writing
from assistant.constraint.draft import SqlConstraint
from assistant.settings import SHIPPED_MODEL, Settings
from assistant.types import Column, Message, Prompt, Sampling, SchemaContext, Table
from tests.chat_double import OpenAIDouble
from tests.ollama_double import OllamaDouble

LOGITS = np.log(np.array([0.5, 0.3, 0.18, 0.015, 0.005], dtype=np.float32))
PROMPT = Prompt(messages=(Message(role="user", content="How many?"),), text="<|im_start|>user\nHow many?<|im_end|>\n")
PIECES = [b"SELECT ", b"order_id", b"nothing", b" FROM orders", b"x"]
ORDERS = SchemaContext(
    db_id="shop",
    dialect="sqlite",
    tables=(Table(name="orders", columns=(Column(name="order_id", sql_type="INTEGER", kind="integer"),)),),
)


def draw(count: int, **changes: float) -> Counter[int]:
    drawing = Drawing(Sampling(seed=1, **changes))  # type: ignore[arg-type]  # numbers all
    return Counter(int(drawing.score(LOGITS).argmax()) for _ in range(count))


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    drawn = draw(4000, temperature=1.0, min_p=0.0)
    shares = [drawn[token] / 4000 for token in range(5)]
    assert shares == pytest.approx(np.exp(LOGITS).tolist(), abs=0.03)


def test_a_low_temperature_draws_the_likeliest_nearly_always() -> None:
    assert draw(1000, temperature=0.1)[0] > draw(1000, temperature=1.0)[0] + 300


def test_tokens_far_less_likely_than_the_first_are_not_drawn_but_stay_in_order() -> None:
    assert set(draw(2000, temperature=1.0, min_p=0.1)) == {0, 1, 2}
    scores = Drawing(Sampling(seed=1, min_p=0.1)).score(LOGITS)
    assert min(scores[:3]) > scores[3] > scores[4]


def test_the_same_seed_draws_the_same() -> None:
    one, same, other = (Drawing(Sampling(seed=seed)).score(LOGITS).tolist() for seed in (1, 1, 2))
    assert one == same != other


def test_what_the_rules_refuse_is_drawn_by_nobody_and_the_probability_stays_the_models_own() -> None:
    # Behind SELECT: a column that exists, a name that does not, and two that may not stand there.
    behind = np.log(np.array([0.01, 0.34, 0.6, 0.04, 0.01], dtype=np.float32))
    for seed in range(40):
        writing = Writing(SqlConstraint(ORDERS), Sampling(seed=seed, temperature=1.0, min_p=0.0))
        writing.choose(np.array([9, 0, 0, 0, 0], dtype=np.float32), PIECES.__getitem__)
        writing.choose(behind, PIECES.__getitem__)
        if writing.text() == "SELECT order_id":
            break
    assert writing.text() == "SELECT order_id"
    assert writing.log_probability == pytest.approx(float(np.log(0.34)), abs=0.01)


def test_the_shipped_model_draws_different_statements_and_the_same_ones_again() -> None:
    prompt = Prompt(
        messages=(),
        text="<|im_start|>system\nsqlite shop<|im_end|>\n<|im_start|>user\nsales per month by region?<|im_end|>\n"
        "<|im_start|>assistant\n",
    )
    backend = LlamaCppBackend(Settings(model_path=SHIPPED_MODEL, threads=1))
    try:
        greedy = backend.complete(prompt, max_tokens=200)
        hot = [Sampling(seed=seed, temperature=1.5, min_p=0.0) for seed in (1, 2, 3, 1)]
        drawn = [backend.complete(prompt, max_tokens=320, sampling=sampling) for sampling in hot]
        again = backend.complete(prompt, max_tokens=200)
    finally:
        backend.close()
    assert (again.text, again.rejected_tokens) == (greedy.text, 0)
    assert drawn[0].text == drawn[3].text
    assert len({completion.text for completion in [greedy, *drawn]}) > 1
    told = [completion.log_probability for completion in drawn if completion.text != greedy.text]
    assert all(value is not None and greedy.log_probability is not None and value < 0 for value in told)


@pytest.mark.parametrize("sampling", [None, Sampling(seed=7, temperature=0.9, min_p=0.1)])
def test_servers_are_told_temperature_and_seed(sampling: Sampling | None) -> None:
    wanted = (0, 0, None) if sampling is None else (0.9, 7, 0.1)
    with OpenAIDouble("SELECT 1") as double:
        openai = OpenAIBackend(Settings(openai_url=double.url))
        openai.complete(PROMPT, max_tokens=50, sampling=sampling)
        openai.close()
        (body,) = double.chats()
    assert (body["temperature"], body["seed"], body.get("min_p")) == wanted
    with OllamaDouble("SELECT 1") as server:
        ollama = OllamaBackend(Settings(ollama_host=server.host))
        ollama.complete(PROMPT, max_tokens=50, sampling=sampling)
        ollama.close()
        options = server.chats()[-1]["options"]
    assert (options["temperature"], options["seed"], options.get("min_p")) == wanted
