"""The embedded backend, against real GGUF files of a few megabytes."""

from __future__ import annotations

import sys
from pathlib import Path

import llama_cpp
import pytest

from assistant import prompts
from assistant.backends.llamacpp import LlamaCppBackend
from assistant.errors import BackendError
from assistant.settings import Settings
from assistant.types import Message, Prompt
from tests.tiny_gguf import write_tiny_gguf

PIECES = ("SELECT", " count(*)", " FROM", " orders")
REPLY = "".join(PIECES)


def prompt_of(text: str) -> Prompt:
    messages = (Message(role="system", content="sqlite shop"), Message(role="user", content=text))
    return Prompt(messages=messages, text=prompts.render_text(messages))


def embedded(path: Path, **changes: object) -> LlamaCppBackend:
    return LlamaCppBackend(Settings.model_validate({"model_path": path, **changes}))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf(tmp_path_factory.mktemp("model") / "tiny.gguf", PIECES)


def failure_of(backend: LlamaCppBackend) -> BackendError:
    with pytest.raises(BackendError) as caught:
        backend.complete(prompt_of("How many?"), max_tokens=50)
    assert caught.value.hint
    return caught.value


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "nowhere.gguf" in failure_of(embedded(tmp_path / "nowhere.gguf")).message


def test_a_folder_is_no_model_file(tmp_path: Path) -> None:
    assert "is a folder" in failure_of(embedded(tmp_path)).message


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.example/spec/v1\n", b"\x7fELF"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.gguf"
    path.write_bytes(content)
    assert "is not a GGUF model file" in failure_of(embedded(path)).message


@pytest.mark.parametrize("kept", [12, 400, 4000, 100_000, -1000])
def test_a_file_that_is_cut_short_is_refused(tmp_path: Path, tiny: Path, kept: int) -> None:
    path = tmp_path / "cut.gguf"
    path.write_bytes(tiny.read_bytes()[:kept])
    assert "Cannot load the model file" in failure_of(embedded(path)).message


def test_a_file_of_noise_behind_the_magic_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "noise.gguf"
    path.write_bytes(b"GGUF" + bytes(range(256)) * 20)
    error = failure_of(embedded(path))
    assert "Cannot load the model file" in error.message
    assert "version" in error.message


def test_a_damaged_file_writes_nothing_to_the_terminal(
    tmp_path: Path, tiny: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cut.gguf"
    path.write_bytes(tiny.read_bytes()[:100_000])
    failure_of(embedded(path))
    backend = embedded(tiny)
    backend.complete(prompt_of("How many?"), max_tokens=50)
    backend.close()
    assert capfd.readouterr() == ("", "")


def test_a_missing_llama_cpp_is_explained(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    assert "llama-cpp-python" in failure_of(embedded(tiny)).message


def test_the_log_probability_is_that_of_the_tokens_with_the_end(tiny: Path) -> None:
    backend = embedded(tiny)
    prompt = prompt_of("How many?")
    completion = backend.complete(prompt, max_tokens=50)
    backend.close()
    assert completion.completion_tokens == len(PIECES) + 1
    assert completion.log_probability == pytest.approx(_log_probability(tiny, prompt.text, REPLY), abs=1e-3)


def _log_probability(path: Path, prompt: str, reply: str) -> float:
    """Score a reply in one pass over prompt and reply, with the logits of every position."""
    model = llama_cpp.Llama(str(path), n_ctx=512, logits_all=True, verbose=False)
    asked = model.tokenize(prompt.encode(), special=True)
    vocabulary = {model.detokenize([token], special=True).decode(errors="replace"): token for token in range(264)}
    said = [vocabulary[piece] for piece in (*PIECES, prompts.TURN_END)]
    assert "".join(PIECES) == reply
    model.eval(asked + said)
    scores = llama_cpp.Llama.logits_to_logprobs(model.scores[len(asked) - 1 : len(asked) + len(said) - 1])
    model.close()
    return float(sum(row[token] for row, token in zip(scores, said, strict=True)))


def test_only_what_differs_from_the_prompt_before_is_decoded(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = embedded(tiny)
    backend.complete(prompt_of("How many orders?"), max_tokens=50)
    decoded: list[int] = []
    real = backend._llama.eval
    monkeypatch.setattr(backend._llama, "eval", lambda tokens: (decoded.append(len(tokens)), real(tokens)))
    same_start = backend.complete(prompt_of("How many clients?"), max_tokens=50)
    assert decoded[0] < same_start.prompt_tokens - 20
    fresh = embedded(tiny)
    assert fresh.complete(prompt_of("How many clients?"), max_tokens=50).log_probability == pytest.approx(
        same_start.log_probability, abs=1e-3
    )
    backend.close()
    fresh.close()


def test_the_prompt_is_tokenised_as_rendered(tiny: Path) -> None:
    backend = embedded(tiny)
    prompt = prompt_of("How many?")
    backend.complete(prompt, max_tokens=50)
    held = backend._llama.input_ids[: backend.count_tokens(prompt.text)].tolist()
    spelled = backend._llama.detokenize(held, special=True).decode()
    backend.close()
    assert spelled == prompt.text
    assert len(held) < len(prompt.text)


def test_an_end_spelled_as_plain_text_ends_the_reply(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "plain.gguf", ("SELECT", " 1", "<|im_end|>", " more"), end_text="<|end_of_all|>")
    backend = embedded(path)
    completion = backend.complete(prompt_of("How many?"), max_tokens=50)
    backend.close()
    assert completion.text == "SELECT 1"


def test_tokens_longer_than_32_bytes_are_spelled_in_full(tmp_path: Path) -> None:
    column = " customer_loyalty_programme_registration_date" * 2
    path = write_tiny_gguf(tmp_path / "long.gguf", ("SELECT", column))
    backend = embedded(path)
    assert backend.complete(prompt_of("When?"), max_tokens=50).text == "SELECT" + column
    backend.close()


def test_characters_of_several_tokens_are_never_shown_in_part(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "umlaut.gguf", ("SELECT '", "Z", "ü", "'"))
    backend = embedded(path)
    seen: list[str] = []
    assert backend.complete(prompt_of("Who?"), max_tokens=50, on_text=seen.append).text == "SELECT 'Zü'"
    backend.close()
    assert not any("\ufffd" in text for text in seen)


def test_a_reply_without_end_is_cut_by_the_context(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "endless.gguf", PIECES, has_end=False, context_length=256)
    backend = embedded(path)
    with pytest.raises(BackendError, match="cut after"):
        backend.complete(prompt_of("How many?"), max_tokens=10_000)
    backend.close()


def test_the_time_limit_stops_the_model(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "endless.gguf", PIECES, has_end=False, context_length=4096)
    backend = embedded(path, backend_timeout_s=0.3)
    with pytest.raises(BackendError, match=r"did not finish within 0\.3 s"):
        backend.complete(prompt_of("How many?"), max_tokens=3900)
    backend.close()
