"""The backend for unquantised model folders, against real models of a few thousand weights made by transformers."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assistant import prompts
from assistant.backends import loading
from assistant.backends.checkpoint import find_checkpoint
from assistant.backends.choose import choose_backend
from assistant.backends.huggingface import HuggingFaceBackend
from assistant.backends.llamacpp import LlamaCppBackend
from assistant.backends.metadata import DB_ID_KEY, FINGERPRINT_KEY, PROMPT_LAYOUT_KEY
from assistant.errors import BackendError
from assistant.settings import PROJECT_ROOT, Settings
from assistant.types import Message, Prompt
from tests.tiny_folder import write_random_folder, write_tiny_folder
from tests.training.toy import require

PIECES = ("SELECT", " count(*)", " FROM", " orders")
REPLY = "".join(PIECES)
QUESTIONS = (
    *(f"books from {year}" for year in range(2000, 2008)),
    *(
        "average pages by year",
        "Which books did Bo Fenn write?\nbook.author = 'Bo Fenn'",
        "東京 🙂 Zürich",
        "1 2  3\t4",
    ),
)
ARCHITECTURES: dict[str, dict[str, Any]] = {"Llama": {}, "Qwen2": {}}


def prompt_of(text: str) -> Prompt:
    messages = (Message(role="system", content="sqlite library"), Message(role="user", content=text))
    return Prompt(messages=messages, text=prompts.render_text(messages))


def unquantised(path: Path, **changes: object) -> HuggingFaceBackend:
    return HuggingFaceBackend(Settings.model_validate({"model_path": path, "threads": 1, **changes}))


def failure_of(backend: HuggingFaceBackend) -> BackendError:
    with pytest.raises(BackendError) as caught:
        backend.complete(prompt_of("How many?"), max_tokens=50)
    assert caught.value.hint
    return caught.value


def outcome(complete: Callable[..., Any], question: str, max_tokens: int) -> tuple[str | None, float]:
    """Text and log-probability of a reply, or None where it was cut."""
    try:
        completion = complete(prompt_of(question), max_tokens=max_tokens)
    except BackendError as error:
        if "cut after" not in error.message:
            raise
        return None, 0.0
    return completion.text, completion.log_probability


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_folder(tmp_path_factory.mktemp("tiny") / "model", PIECES)


@pytest.fixture(scope="module", params=sorted(ARCHITECTURES))
def drawn(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp(request.param) / "model"
    return folder, write_random_folder(folder, request.param, **ARCHITECTURES[request.param])


@pytest.mark.train
def test_the_reply_and_its_log_probability_are_those_of_transformers_greedy_search(drawn: tuple[Path, Any]) -> None:
    folder, model = drawn
    backend = unquantised(folder)
    replies = [outcome(backend.complete, question, 60) for question in QUESTIONS]
    expected = [_generate(folder, model, question, 60) for question in QUESTIONS]
    backend.close()
    assert [text for text, _ in replies] == [text for text, _ in expected]
    assert [value for _, value in replies] == pytest.approx([value for _, value in expected], abs=1e-4)
    ended = {text for text, _ in replies if text}
    assert len(ended) >= 5, "the models must not all say the same"
    assert max(map(len, ended)) > 10


def _generate(folder: Path, model: Any, question: str, max_tokens: int) -> tuple[str | None, float]:
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(prompt_of(question).text, return_tensors="pt").input_ids
    ends = [0, 2]
    done = model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=max_tokens, eos_token_id=ends,
        pad_token_id=0, return_dict_in_generate=True, output_logits=True,
    )  # fmt: skip
    written = done.sequences[0, ids.shape[1] :].tolist()
    if written[-1] not in ends:
        return None, 0.0
    scores = torch.cat(done.logits).log_softmax(-1)
    return tokenizer.decode(written[:-1]), float(scores[range(len(written)), written].sum())


@pytest.mark.train
def test_the_same_weights_in_a_gguf_write_the_same_under_llama_cpp(drawn: tuple[Path, Any], tmp_path: Path) -> None:
    require("gguf", "llama_cpp")
    from training.gguf import GgufConfig, convert

    folder, _ = drawn
    convert(GgufConfig(model_dir=folder, out_path=tmp_path / "same.gguf", type="f32"))
    ours = unquantised(folder)
    theirs = LlamaCppBackend(Settings(model_path=tmp_path / "same.gguf", threads=1))
    first, second = ours.info(), theirs.info()
    assert (first.context_tokens, first.prompt_layout) == (second.context_tokens, second.prompt_layout)
    texts = [*QUESTIONS, "", " \n", "<|im_start|>user\n", "SELECT 'O''Brien'", "naïve e\u0301 ½ ١٢٣"]
    assert [ours.count_tokens(text) for text in texts] == [theirs.count_tokens(text) for text in texts]
    replies = [outcome(ours.complete, question, 60) for question in QUESTIONS]
    expected = [outcome(theirs.complete, question, 60) for question in QUESTIONS]
    ours.close()
    theirs.close()
    assert [text for text, _ in replies] == [text for text, _ in expected]
    assert [value for _, value in replies] == pytest.approx([value for _, value in expected], abs=2e-2)
    assert sum(text is not None for text, _ in replies) >= 5


@pytest.mark.train
def test_what_was_asked_before_changes_no_bit(drawn: tuple[Path, Any]) -> None:
    backend = unquantised(drawn[0])
    first = [outcome(backend.complete, question, 60) for question in QUESTIONS]
    assert [outcome(backend.complete, question, 60) for question in reversed(QUESTIONS)] == first[::-1]
    backend.close()


@pytest.mark.train
def test_settings_for_generation_in_the_folder_are_ignored(drawn: tuple[Path, Any], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(drawn[0], folder)
    changed = {"do_sample": True, "temperature": 5.0, "repetition_penalty": 9.0, "eos_token_id": [2]}
    (folder / "generation_config.json").write_text(json.dumps(changed), encoding="utf-8")
    plain, other = unquantised(drawn[0]), unquantised(folder)
    for question in QUESTIONS[:4]:
        assert outcome(plain.complete, question, 60) == outcome(other.complete, question, 60)
    plain.close()
    other.close()


@pytest.mark.train
def test_a_model_that_stops_at_an_end_of_its_own_is_stopped_there(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny, folder)
    ids = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["added_tokens"]
    ends = [entry["id"] for entry in ids if entry["content"] == " FROM"]
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": ends}), encoding="utf-8")
    backend = unquantised(folder)
    assert backend.complete(prompt_of("How many?"), max_tokens=50).text == "SELECT count(*)"
    backend.close()


@pytest.mark.train
def test_an_end_spelled_as_plain_text_ends_the_reply(tmp_path: Path) -> None:
    folder = write_tiny_folder(tmp_path / "model", ("SELECT", " 1", "<|im_e", "nd|>", " more"))
    backend = unquantised(folder)
    assert backend.complete(prompt_of("How many?"), max_tokens=50).text == "SELECT 1"
    backend.close()


@pytest.mark.train
def test_characters_of_several_tokens_are_never_shown_in_part(tmp_path: Path) -> None:
    backend = unquantised(write_tiny_folder(tmp_path / "model", ("SELECT '", "Z", "ü", "東", "'")))
    seen: list[str] = []
    completion = backend.complete(prompt_of("Who?"), max_tokens=50, on_text=seen.append)
    backend.close()
    assert completion.text == "SELECT 'Zü東'"
    assert completion.completion_tokens == 1 + 1 + 2 + 3 + 1 + 1
    assert seen == ["SELECT '", "SELECT 'Z", "SELECT 'Zü", "SELECT 'Zü東", "SELECT 'Zü東'"]


@pytest.mark.train
def test_a_question_is_cancelled_at_its_next_token_and_the_model_can_be_asked_again(tiny: Path) -> None:
    backend = unquantised(tiny)
    seen: list[str] = []

    def cancel(text: str) -> None:
        seen.append(text)
        if len(seen) == 2:
            raise RuntimeError("cancelled")

    with pytest.raises(RuntimeError, match="^cancelled$"):
        backend.complete(prompt_of("How many?"), max_tokens=50, on_text=cancel)
    assert seen == ["SELECT", "SELECT count(*)"]
    assert backend.complete(prompt_of("How many?"), max_tokens=50).text == REPLY
    backend.close()


@pytest.mark.train
def test_a_reply_without_end_is_cut_by_the_limit_or_by_the_context(tmp_path: Path) -> None:
    backend = unquantised(write_tiny_folder(tmp_path / "model", PIECES, has_end=False, context_tokens=256))
    with pytest.raises(BackendError, match="cut after 7 tokens"):
        backend.complete(prompt_of("How many?"), max_tokens=7)
    room = 256 - backend.count_tokens(prompt_of("How many?").text)
    with pytest.raises(BackendError, match=f"cut after {room} tokens"):
        backend.complete(prompt_of("How many?"), max_tokens=10_000)
    backend.close()


@pytest.mark.train
def test_a_prompt_that_leaves_no_room_for_a_reply_is_refused_before_anything_is_written(tiny: Path) -> None:
    backend = unquantised(tiny)
    seen: list[str] = []
    with pytest.raises(BackendError, match=r"The prompt has \d+ tokens; model '.*model' reads 1024"):
        backend.complete(prompt_of("x" * 1000), max_tokens=50, on_text=seen.append)
    assert not seen
    backend.close()


@pytest.mark.train
def test_the_time_limit_stops_the_model(tmp_path: Path) -> None:
    folder = write_tiny_folder(tmp_path / "model", PIECES, has_end=False, context_tokens=4096)
    backend = unquantised(folder, backend_timeout_s=0.3)
    with pytest.raises(BackendError, match=r"did not finish within 0\.3 s"):
        backend.complete(prompt_of("How many?"), max_tokens=3900)
    backend.close()


@pytest.mark.train
@pytest.mark.parametrize(("template", "layout"), [(prompts.CHAT_TEMPLATE, "compact"), ("{{ messages }}", "full")])
def test_a_folder_that_says_nothing_is_prompted_as_its_export(
    drawn: tuple[Path, Any], tmp_path: Path, template: str, layout: str
) -> None:
    require("gguf", "llama_cpp")
    from training.gguf import GgufConfig, convert

    folder = tmp_path / "model"
    shutil.copytree(drawn[0], folder)
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "chat_template": template}), encoding="utf-8")
    convert(GgufConfig(model_dir=folder, out_path=tmp_path / "same.gguf"))
    ours = unquantised(folder).info()
    theirs = LlamaCppBackend(Settings(model_path=tmp_path / "same.gguf")).info()
    assert ours.prompt_layout == theirs.prompt_layout == layout
    assert (ours.trained_db_id, ours.trained_fingerprint) == (theirs.trained_db_id, theirs.trained_fingerprint)


def test_the_template_by_which_a_folder_of_training_is_known_is_the_one_it_writes() -> None:
    assert hashlib.sha256(prompts.CHAT_TEMPLATE.encode()).hexdigest() == loading.OWN_TEMPLATE_SHA256


@pytest.mark.train
def test_the_facts_beside_the_weights_are_believed(tmp_path: Path) -> None:
    facts = {PROMPT_LAYOUT_KEY: "full", DB_ID_KEY: "library", FINGERPRINT_KEY: "ab12"}
    folder = write_tiny_folder(tmp_path / "library-base" / "model", PIECES, facts=facts)
    info = unquantised(folder).info()
    assert (info.prompt_layout, info.trained_db_id, info.trained_fingerprint) == ("full", "library", "ab12")
    assert (info.name, info.backend) == ("library-base/model", "huggingface")
    assert info.size_bytes == (folder / "model.safetensors").stat().st_size


@pytest.mark.train
@pytest.mark.parametrize("in_base", [False, True])
def test_an_adapter_changes_the_model_as_peft_computes_it(tmp_path: Path, in_base: bool) -> None:
    model = write_random_folder(tmp_path / "base", "Llama")
    folder, with_adapter = _write_adapter(tmp_path / "adapter", model, "../base")
    facts = tmp_path / ("base" if in_base else "adapter") / "queryforge.json"
    facts.write_text(json.dumps({DB_ID_KEY: "library"}), encoding="utf-8")
    backend = unquantised(folder)
    base = unquantised(tmp_path / "base")
    expected = [_generate(tmp_path / "base", with_adapter, question, 60) for question in QUESTIONS]
    replies = [outcome(backend.complete, question, 60) for question in QUESTIONS]
    assert [text for text, _ in replies] == [text for text, _ in expected]
    assert [value for _, value in replies] == pytest.approx([value for _, value in expected], abs=1e-4)
    assert replies != [outcome(base.complete, question, 60) for question in QUESTIONS]
    assert backend.info().trained_db_id == "library"
    assert backend.info().size_bytes > base.info().size_bytes


def _write_adapter(folder: Path, model: Any, base: str) -> tuple[Path, Any]:
    require("peft")
    import peft

    config = peft.LoraConfig(r=2, target_modules=["q_proj", "down_proj"], init_lora_weights=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft's, about transformers
        with_adapter = peft.get_peft_model(model, config)
        config.base_model_name_or_path = base
        with_adapter.save_pretrained(folder, save_embedding_layers=False)
    return folder, with_adapter.eval()


@pytest.mark.train
def test_an_adapter_of_the_prompt_is_refused(tmp_path: Path) -> None:
    require("peft")
    import peft

    model = write_random_folder(tmp_path / "base", "Llama")
    config = peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft's, about transformers
        with_adapter = peft.get_peft_model(model, config)
        config.base_model_name_or_path = "../base"
        with_adapter.save_pretrained(tmp_path / "adapter", save_embedding_layers=False)
    assert "is no LoRA" in failure_of(unquantised(tmp_path / "adapter")).message


@pytest.mark.train
def test_a_token_without_weights_is_refused_only_where_it_is_used(tiny: Path, tmp_path: Path) -> None:
    from tokenizers import AddedToken

    from training.tokenizer import load_tokenizer, save_tokenizer

    folder = tmp_path / "model"
    shutil.copytree(tiny, folder)
    tokenizer = load_tokenizer(folder)
    tokenizer.add_tokens([AddedToken(f"<{number}>", normalized=False) for number in range(20)])
    save_tokenizer(tokenizer, folder, context_tokens=1024)
    backend = unquantised(folder)
    assert backend.complete(prompt_of("How many?"), max_tokens=50).text == REPLY
    with pytest.raises(BackendError, match="has no weights for"):
        backend.complete(prompt_of("How many <19>?"), max_tokens=50)
    backend.close()


@pytest.mark.train
def test_an_adapter_of_qlora_is_refused_until_it_is_merged(tmp_path: Path) -> None:
    folder, _ = _write_adapter(tmp_path / "adapter", write_random_folder(tmp_path / "base", "Llama"), "../base")
    (folder / "queryforge.json").write_text(json.dumps({"queryforge.base_weights": "nf4"}), encoding="utf-8")
    error = failure_of(unquantised(folder))
    assert "nf4" in error.message
    assert "training.merging" in error.hint
    (folder / "queryforge.json").write_text(json.dumps({"queryforge.base_weights": "stored"}), encoding="utf-8")
    assert unquantised(folder).info().prompt_layout == "compact"


@pytest.mark.train
def test_an_adapter_that_lacks_weights_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder, _ = _write_adapter(tmp_path / "adapter", write_random_folder(tmp_path / "base", "Llama"), "../base")
    weights = load_file(folder / "adapter_model.safetensors")
    name = sorted(weights)[0]
    del weights[name]
    save_file(weights, folder / "adapter_model.safetensors")
    error = failure_of(unquantised(folder))
    assert name in error.message


@pytest.mark.train
@pytest.mark.parametrize(("architecture", "changes"), [("OPT", {}), ("Gemma2", {"sliding_window": 16, "head_dim": 8})])
def test_other_kinds_of_attention_run_too(tmp_path: Path, architecture: str, changes: dict[str, Any]) -> None:
    model = write_random_folder(tmp_path, architecture, **changes)
    backend = unquantised(tmp_path)
    replies = [outcome(backend.complete, question, 60)[0] for question in QUESTIONS]
    assert replies == [_generate(tmp_path, model, question, 60)[0] for question in QUESTIONS]
    assert len(set(replies)) > 2


@pytest.mark.train
def test_a_model_without_key_value_cache_is_refused(tmp_path: Path) -> None:
    write_random_folder(tmp_path, "Mamba", state_size=4)
    assert "no key-value cache" in failure_of(unquantised(tmp_path)).message


@pytest.mark.train
def test_bfloat16_weights_in_several_files_are_read(tmp_path: Path) -> None:
    import torch

    model = write_random_folder(tmp_path, "Llama").to(torch.bfloat16)
    (tmp_path / "model.safetensors").unlink()
    model.save_pretrained(tmp_path, max_shard_size="30KB")
    assert len(find_checkpoint(tmp_path).weights) > 1
    backend = unquantised(tmp_path)
    outcome(backend.complete, QUESTIONS[0], 60)
    loaded = backend._loaded.model.state_dict()  # type: ignore[union-attr]
    expected = model.state_dict()
    assert loaded.keys() == expected.keys()
    assert all(torch.equal(loaded[name].float().cpu(), expected[name].float()) for name in expected)


def _remove(*names: str) -> Callable[[Path], None]:
    return lambda folder: [(folder / name).unlink() for name in names] and None


def _write(name: str, content: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return write


def _pickle_weights(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _lose_a_part(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")


def _cut_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def _edit_config(**values: object) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        (folder / "config.json").write_text(json.dumps({**config, **values}), encoding="utf-8")

    return edit


def _poison(folder: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"] = torch.full_like(weights["model.norm.weight"], torch.nan)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


BROKEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "no config": (_remove("config.json"), "has no config.json"),
    "no weights": (_remove("model.safetensors"), "has no weights"),
    "weights as a pickle": (_pickle_weights, "has no weights"),
    "a part is missing": (_lose_a_part, "model-00001-of-00002.safetensors"),
    "cut weights": (_cut_weights, "Cannot load the model"),
    "no tokenizer": (_remove("tokenizer.json", "tokenizer_config.json"), "Cannot load the model"),
    "config is no JSON": (_write("config.json", b"{"), "Cannot load the model"),
    "unknown kind": (_edit_config(model_type="soothsayer"), "soothsayer"),
    "code of its own": (_edit_config(model_type="x", auto_map={"AutoConfig": "x.X"}), "Cannot load the model"),
    "more layers than weights": (_edit_config(num_hidden_layers=2), "model.layers.1"),
    "another width": (_edit_config(intermediate_size=64), "Cannot load the model"),
    "fewer rows than tokens": (_edit_config(vocab_size=100), "Cannot load the model"),
    "no numbers": (_poison, "no numbers"),
    "facts are no JSON": (_write("queryforge.json", b"x"), "queryforge.json"),
    "facts are a list": (_write("queryforge.json", b"[]"), "not a JSON object"),
    "a fact is no text": (_write("queryforge.json", b'{"queryforge.db_id": 3}'), "no text"),
    "unknown layout": (_write("queryforge.json", b'{"queryforge.prompt_layout": "sideways"}'), "sideways"),
}


@pytest.mark.train
@pytest.mark.parametrize("case", BROKEN)
def test_a_folder_that_is_not_whole_is_refused_with_a_remedy(
    tiny: Path, tmp_path: Path, case: str, capfd: pytest.CaptureFixture[str]
) -> None:
    break_it, words = BROKEN[case]
    folder = tmp_path / "model"
    shutil.copytree(tiny, folder)
    break_it(folder)
    assert words in failure_of(unquantised(folder)).message
    assert capfd.readouterr() == ("", "")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "No model folder at" in failure_of(unquantised(tmp_path / "nowhere")).message


def test_a_file_is_no_model_folder(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    error = failure_of(unquantised(tmp_path / "model.gguf"))
    assert "is a file" in error.message
    assert "llamacpp" in error.hint


@pytest.mark.parametrize(
    ("described", "words"),
    [
        ({}, "names no base model"),
        ({"base_model_name_or_path": "nobody/no-such-model"}, "neither a folder nor in the Hugging Face cache"),
        ({"base_model_name_or_path": "not a name!"}, "neither a folder nor in the Hugging Face cache"),
        ({"base_model_name_or_path": "."}, "has no config.json"),
    ],
)
def test_an_adapter_without_its_base_is_refused(
    tmp_path: Path, described: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "adapter_config.json").write_text(json.dumps(described), encoding="utf-8")
    assert "lacks its weights" in failure_of(unquantised(tmp_path)).message
    (tmp_path / "adapter_model.safetensors").touch()
    assert words in failure_of(unquantised(tmp_path)).message


@pytest.mark.train
@pytest.mark.parametrize("package", ["torch", "transformers"])
def test_a_missing_package_is_explained(tiny: Path, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    error = failure_of(unquantised(tiny))
    assert package in error.message
    assert ".[train]" in error.hint


@pytest.mark.train
def test_a_missing_peft_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _ = _write_adapter(tmp_path / "adapter", write_random_folder(tmp_path / "base", "Llama"), "../base")
    monkeypatch.setitem(sys.modules, "peft", None)
    error = failure_of(unquantised(folder))
    assert "peft" in error.message
    assert ".[train]" in error.hint


def test_choosing_the_backend_imports_and_loads_nothing(tmp_path: Path) -> None:
    backend, reason = choose_backend(Settings(backend="huggingface", model_path=tmp_path / "nowhere"))
    assert isinstance(backend, HuggingFaceBackend)
    assert "nowhere" in reason
    code = (
        "import sys; from assistant.backends.choose import choose_backend; from assistant.settings import Settings;"
        "choose_backend(Settings(backend='huggingface'));"
        "print([name for name in ('torch', 'transformers', 'peft', 'safetensors') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT_ROOT, check=True)
    assert done.stdout.strip() == "[]"
