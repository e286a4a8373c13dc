"""The GGUF computes, splits text and renders chats as the model did in training; what is not sure is refused."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assistant.backends.metadata import DB_ID_KEY, EXAMPLES_KEY, FINGERPRINT_KEY, PROMPT_LAYOUT_KEY
from assistant.bank import bank_path, read_bank
from assistant.errors import TrainingError
from assistant.prompts import CHAT_TEMPLATE, render_text
from assistant.types import Message
from tests.training.toy import make_triple, require, toy_lines
from training.base import BaseReport

require("gguf", "llama_cpp", "tokenizers")
import llama_cpp  # noqa: E402

from training.gguf import GgufConfig, GgufReport, convert, main  # noqa: E402
from training.tokenizer import load_tokenizer  # noqa: E402
from training.weights import open_tensors  # noqa: E402

pytestmark = pytest.mark.train

WORDS = [
    *(
        "SELECT",
        "FROM",
        "WHERE",
        "book_id",
        "COUNT(*)",
        ">=",
        "<>",
        "!=",
        "||",
        "''",
        "'O''Brien'",
        '"quoted"',
        "`tick`",
    ),
    *(
        "--",
        "/*",
        "*/",
        ";",
        ",",
        ".",
        "()",
        "[]",
        "{}",
        "%like%",
        "_under_",
        "CamelCase",
        "x1y2",
        "2001-12-31",
        "3.14159",
    ),
    *(
        "1,000,000",
        "1e-9",
        "0x1F",
        "author's",
        "don't",
        "WE'LL",
        "@user",
        "#tag",
        "http://a.b/c?d=e&f",
        "$",
        "€",
        "…",
        "–",
    ),
    *(
        "naïve",
        "Zürich",
        "Straße",
        "ÅNGSTRÖM",
        "東京",
        "データ",
        "Привет",
        "مرحبا",
        "שלום",
        "नमस्ते",
        "e\u0301",
        "½",
        "²",
        "١٢٣",
    ),
    *("🙂", "👩\u200d👩\u200d👧", "«", "»", "\ufb01", "<|im_start|>", "<|im_end|>"),
]
GAPS = ("", " ", "  ", "   ", "\n", "\n\n", "\r\n", "\t", " \t ", " \n", "\n  ", "\u00a0", "\u2003")


def _open(path: Path, **options: Any) -> llama_cpp.Llama:
    return llama_cpp.Llama(str(path), n_ctx=256, n_threads=1, n_threads_batch=1, verbose=False, **options)


def _convert(model_dir: Path, out: Path, **options: Any) -> GgufReport:
    return convert(GgufConfig(model_dir=model_dir, out_path=out, **options))


@pytest.fixture(scope="session")
def files(learned: BaseReport, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("gguf")
    paths = {kind: folder / f"library-{kind}.gguf" for kind in ("f16", "q8_0")}
    for kind, path in paths.items():
        _convert(learned.model_dir, path, type=kind, db_id="library", schema_fingerprint="ab12")
    return paths


def _write(llama: llama_cpp.Llama, prompt: str) -> str:
    ids = llama.tokenize(prompt.encode(), add_bos=False, special=True)
    text: str = llama.create_completion(ids, max_tokens=80, temperature=0)["choices"][0]["text"]
    return text


@pytest.mark.parametrize("kind", ["f16", "q8_0"])
def test_what_was_learned_by_heart_is_written_through_the_gguf(files: dict[str, Path], kind: str) -> None:
    llama = _open(files[kind])
    lines = toy_lines()
    assert len(lines) == 20
    for line in lines:
        messages = [Message.model_validate(message) for message in line["messages"]]  # type: ignore[attr-defined]
        assert _write(llama, render_text(messages)) == line["reply"]


def test_llama_cpp_gives_the_same_tokens_for_thousands_of_strings(files: dict[str, Path], learned: BaseReport) -> None:
    draw = random.Random(7)
    texts = ["".join(draw.choice(WORDS) + draw.choice(GAPS) for _ in range(draw.randint(1, 8))) for _ in range(2500)]
    texts += ["".join(chr(draw.randint(32, 0x24F)) for _ in range(draw.randint(1, 30))) for _ in range(500)]
    texts += ["".join(draw.choice("'\"sStTrReE vmLd \n\t12a") for _ in range(draw.randint(1, 20))) for _ in range(500)]
    texts += [str(line["reply"]) for line in toy_lines()]
    assert len(set(texts)) > 3000
    llama = _open(files["f16"], vocab_only=True)
    tokenizer = load_tokenizer(learned.model_dir)
    wrong = [
        text
        for text in texts
        if llama.tokenize(text.encode(), add_bos=False, special=True)
        != tokenizer.encode(text, add_special_tokens=False).ids
    ]
    assert wrong == []


def _logits(path: Path, ids: list[int]) -> np.ndarray:
    llama = _open(path, logits_all=True)
    llama.eval(ids)
    return llama.scores[: len(ids)].copy()


def _their_logits(model: Any, ids: list[int]) -> np.ndarray:
    import torch

    with torch.no_grad():
        return model.eval()(torch.tensor([ids])).logits[0].float().numpy()


def _save_random(kind: str, folder: Path, learned: BaseReport, **changes: Any) -> Any:
    """Save a random model of an architecture with the toy tokenizer; give the model."""
    require("transformers", "torch")
    import torch
    import transformers

    torch.manual_seed(3)
    rows = load_tokenizer(learned.model_dir).get_vocab_size() + 5
    shape = {
        "vocab_size": rows,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "initializer_range": 0.2,
        "rope_parameters": {"rope_type": "default", "rope_theta": 12345.0},
        **changes,
    }
    config = getattr(transformers, f"{kind}Config")(**shape)
    model = getattr(transformers, f"{kind}ForCausalLM")(config)
    for name, weight in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(weight, std=0.5)
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(learned.model_dir / name, folder / name)
    return model


@pytest.mark.parametrize(("kind", "most"), [("f16", 0.05), ("q8_0", 0.6)])
@pytest.mark.parametrize(
    ("architecture", "changes"),
    [
        ("Llama", {"tie_word_embeddings": True}),
        ("Llama", {"tie_word_embeddings": False, "head_dim": 32}),
        ("Qwen2", {"tie_word_embeddings": True}),
    ],
)
def test_logits_equal_those_of_transformers(
    learned: BaseReport, tmp_path: Path, architecture: str, changes: dict[str, Any], kind: str, most: float
) -> None:
    model = _save_random(architecture, tmp_path / "model", learned, **changes)
    report = _convert(tmp_path / "model", tmp_path / "model.gguf", type=kind)
    assert report.architecture == architecture.lower()
    ids = np.random.default_rng(2).integers(3, 300, 60).tolist()
    ours, theirs = _logits(tmp_path / "model.gguf", ids), _their_logits(model, ids)
    assert np.abs(ours - theirs).max() / theirs.std() < most
    agreement = (ours.argmax(-1) == theirs.argmax(-1)).mean()
    assert agreement == 1.0 if kind == "f16" else agreement > 0.8


def test_bfloat16_weights_in_several_files_are_read(learned: BaseReport, tmp_path: Path) -> None:
    import torch

    model = _save_random("Llama", tmp_path / "whole", learned)
    model.to(torch.bfloat16).save_pretrained(tmp_path / "parts", max_shard_size="60KB")
    assert len(list((tmp_path / "parts").glob("*.safetensors"))) > 1
    tensors = open_tensors(tmp_path / "parts")
    expected = model.state_dict()
    assert len(tensors) == len(expected)
    for name, tensor in tensors.items():
        assert np.array_equal(tensor.read(), expected[name].float().numpy())


@pytest.mark.parametrize(
    "roles", [("user",), ("system", "user"), ("system", "user", "assistant", "user"), ("user", "assistant", "user")]
)
def test_the_template_in_the_file_renders_what_training_saw(files: dict[str, Path], roles: tuple[str, ...]) -> None:
    import jinja2

    template = _open(files["q8_0"], vocab_only=True).metadata["tokenizer.chat_template"]
    assert template == CHAT_TEMPLATE
    messages = [Message.model_validate({"role": role, "content": f"text {i}\nline"}) for i, role in enumerate(roles)]
    # The settings of transformers and of llama.cpp's Python binding.
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    rendered = environment.from_string(template).render(
        messages=[message.model_dump() for message in messages], add_generation_prompt=True
    )
    assert rendered == render_text(messages)


def test_the_file_says_what_it_is(files: dict[str, Path], learned: BaseReport) -> None:
    llama = _open(files["q8_0"], vocab_only=True)
    expected = {
        "general.architecture": "llama",
        "general.name": "queryforge",
        "general.file_type": "7",
        PROMPT_LAYOUT_KEY: "compact",
        DB_ID_KEY: "library",
        FINGERPRINT_KEY: "ab12",
        "queryforge.dialect": "sqlite",
        "llama.context_length": "256",
        "llama.rope.freq_base": "10000.000000",
        "tokenizer.ggml.pre": "qwen2",
        "tokenizer.ggml.eos_token_id": "2",
        "tokenizer.ggml.bos_token_id": "0",
        "tokenizer.ggml.padding_token_id": "0",
        "tokenizer.ggml.add_bos_token": "false",
    }
    assert {key: llama.metadata.get(key) for key in expected} == expected
    assert llama.token_eos() == 2
    assert llama.n_vocab() == load_tokenizer(learned.model_dir).get_vocab_size()


def test_the_same_folder_gives_the_same_bytes(files: dict[str, Path], learned: BaseReport, tmp_path: Path) -> None:
    report = _convert(learned.model_dir, tmp_path / "x.gguf", db_id="library", schema_fingerprint="ab12")
    assert (tmp_path / "x.gguf").read_bytes() == files["q8_0"].read_bytes()
    assert report.size_bytes == files["q8_0"].stat().st_size
    assert report.size_bytes < 0.65 * files["f16"].stat().st_size


def test_llama_cpp_makes_a_smaller_file_of_k_quants(learned: BaseReport, tmp_path: Path) -> None:
    _save_random("Llama", tmp_path / "model", learned, hidden_size=256, intermediate_size=256, num_hidden_layers=1)
    sizes = {
        kind: _convert(tmp_path / "model", tmp_path / f"{kind}.gguf", type=kind).size_bytes
        for kind in ("q8_0", "q4_k_m")
    }
    assert sizes["q4_k_m"] < 0.75 * sizes["q8_0"]
    assert np.isfinite(_logits(tmp_path / "q4_k_m.gguf", [5, 6, 7])).all()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "q4_k_m.gguf", "q8_0.gguf"]


def test_what_the_folder_says_of_itself_is_written_unless_the_caller_knows_better(
    learned: BaseReport, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(learned.model_dir, folder)
    facts = {PROMPT_LAYOUT_KEY: "full", DB_ID_KEY: "books", FINGERPRINT_KEY: "cd34", "queryforge.dialect": "mysql"}
    (folder / "queryforge.json").write_text(json.dumps(facts), encoding="utf-8")

    def said(**options: Any) -> dict[str, str]:
        _convert(folder, tmp_path / "x.gguf", **options)
        metadata = _open(tmp_path / "x.gguf", vocab_only=True).metadata
        return {key: metadata.get(key, "") for key in facts}

    assert said() == facts
    assert said(db_id="", prompt_layout="compact") == facts | {DB_ID_KEY: "", PROMPT_LAYOUT_KEY: "compact"}
    (folder / "queryforge.json").write_text(json.dumps({PROMPT_LAYOUT_KEY: "wide"}), encoding="utf-8")
    with pytest.raises(TrainingError, match="'wide' for 'prompt_layout'"):
        said()


def test_examples_travel_beside_the_file_and_their_number_in_it(learned: BaseReport, tmp_path: Path) -> None:
    out = tmp_path / "x.gguf"
    _convert(learned.model_dir, out, db_id="library")
    assert EXAMPLES_KEY not in _open(out, vocab_only=True).metadata
    triples = [make_triple(f"How many books of kind {n}?", shape=f"s{n}") for n in range(5)]
    (tmp_path / "train.jsonl").write_text("".join(f"{triple.model_dump_json()}\n" for triple in triples))
    _convert(learned.model_dir, out, db_id="library", examples=2, bank=tmp_path / "train.jsonl")
    assert _open(out, vocab_only=True).metadata[EXAMPLES_KEY] == "2"
    assert len(read_bank(bank_path(out), "library", "sqlite")) == 5
    with pytest.raises(TrainingError, match="needs the database"):
        _convert(learned.model_dir, out, db_id="", bank=tmp_path / "train.jsonl")
    (tmp_path / "train.jsonl").write_text('{"question": "?"}\n')
    with pytest.raises(TrainingError, match="holds no examples"):
        _convert(learned.model_dir, out, db_id="library", bank=tmp_path / "train.jsonl")
    _convert(learned.model_dir, out, db_id="library")
    assert read_bank(bank_path(out), "library", "sqlite") == ()


Change = Callable[[Path], None]


def _edit(name: str, change: Callable[[dict[str, Any]], object]) -> Change:
    def edit(folder: Path) -> None:
        data = json.loads((folder / name).read_text(encoding="utf-8"))
        change(data)
        (folder / name).write_text(json.dumps(data), encoding="utf-8")

    return edit


def _remove(name: str) -> Change:
    return lambda folder: (folder / name).unlink()


def _drop_theta(config: dict[str, Any]) -> None:
    del config["rope_theta"], config["rope_parameters"]


def _rename_token(tokenizer: dict[str, Any]) -> None:
    tokenizer["added_tokens"][0]["content"] = "a"


def _plain_gpt2_split(tokenizer: dict[str, Any]) -> None:
    tokenizer["pre_tokenizer"] = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}


def _two_digits(tokenizer: dict[str, Any]) -> None:
    pattern = tokenizer["pre_tokenizer"]["pretokenizers"][0]["pattern"]
    pattern["Regex"] = pattern["Regex"].replace(r"\p{N}|", r"\p{N}{1,2}|")


def _poison(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensor = open_tensors(folder)["model.layers.1.mlp.up_proj.weight"]
    data = bytearray(path.read_bytes())
    data[tensor.offset : tensor.offset + 4] = np.float32(np.inf).tobytes()
    path.write_bytes(data)


REFUSED = {
    "no config": (_remove("config.json"), "config.json"),
    "no tokenizer": (_remove("tokenizer.json"), "tokenizer.json"),
    "no weights": (_remove("model.safetensors"), "model.safetensors"),
    "cut weights": (lambda folder: (folder / "model.safetensors").write_bytes(b"\xff" * 9), "not a safetensors file"),
    "unknown architecture": (_edit("config.json", lambda c: c.update(architectures=["GemmaForCausalLM"])), "Gemma"),
    "no architecture": (_edit("config.json", lambda c: c.pop("architectures")), "architecture"),
    "no rope theta": (_edit("config.json", _drop_theta), "rope_theta"),
    "scaled rope": (_edit("config.json", lambda c: c["rope_parameters"].update(rope_type="yarn")), "yarn"),
    "incomplete rope": (_edit("config.json", lambda c: c["rope_parameters"].update(rope_type="llama3")), "'factor'"),
    "incomplete config": (_edit("config.json", lambda c: c.pop("rms_norm_eps")), "rms_norm_eps"),
    "other shape": (_edit("config.json", lambda c: c.update(intermediate_size=256)), "(256, 64)"),
    "too many layers": (_edit("config.json", lambda c: c.update(num_hidden_layers=3)), "model.layers.2"),
    "too few layers": (_edit("config.json", lambda c: c.update(num_hidden_layers=1)), "model.layers.1"),
    "token twice": (_edit("tokenizer.json", _rename_token), "twice"),
    "no control token": (_edit("tokenizer.json", lambda t: t["added_tokens"].pop()), "<|im_end|>"),
    "gpt-2 split": (_edit("tokenizer.json", _plain_gpt2_split), "splits text"),
    "unknown split": (_edit("tokenizer.json", _two_digits), "splits text"),
    "lower case": (_edit("tokenizer.json", lambda t: t.update(normalizer={"type": "Lowercase"})), "Lowercase"),
    "not bpe": (_edit("tokenizer.json", lambda t: t["model"].update(type="Unigram")), "Unigram"),
    "infinite weight": (_poison, "up_proj"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_sure_is_refused_and_an_existing_file_stays(
    learned: BaseReport, tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change, message = REFUSED[case]
    folder, out = tmp_path / "model", tmp_path / "out.gguf"
    shutil.copytree(learned.model_dir, folder)
    out.write_bytes(b"before")
    change(folder)
    with pytest.raises(TrainingError) as caught:
        _convert(folder, out)
    assert message in caught.value.message
    assert caught.value.hint
    assert out.read_bytes() == b"before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "out.gguf"]


def test_the_command_prints_its_report_and_names_what_is_wrong(
    learned: BaseReport, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "x.gguf"
    assert main([str(learned.model_dir), str(out), "--type", "f16", "--db-id", "library"]) == 0
    assert GgufReport.model_validate_json(capsys.readouterr().out).size_bytes == out.stat().st_size
    assert main([str(tmp_path), str(out)]) == 1
    assert "it has no config.json" in capsys.readouterr().err
    assert main([str(learned.model_dir), str(out), "--dialect", "cobol"]) == 2
    assert "'dialect' cannot be 'cobol'" in capsys.readouterr().err
