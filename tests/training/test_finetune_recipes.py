"""The recipes: each is read, says what it needs, and its shape runs; what cannot work is refused with a remedy."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from app.cli import main as run_command
from assistant.errors import DataError, TrainingError, UsageError
from assistant.settings import PROJECT_ROOT
from assistant.types import Message
from tests.training.toy import AUTHORS, require, toy_lines

require("torch", "transformers", "peft", "bitsandbytes")
import torch  # noqa: E402
import transformers  # noqa: E402

from tests.training.tiny_base import KINDS, make_tiny_base, tuning_config  # noqa: E402
from training.dataset import TrainingExample  # noqa: E402
from training.estimate import GIB, check_memory, check_time, estimate_needs  # noqa: E402
from training.finetune import estimate, finetune  # noqa: E402
from training.finetune_config import FinetuneConfig  # noqa: E402
from training.finetune_data import encode_for, make_tuned_batch  # noqa: E402
from training.finetune_judging import ExecutionJudge, TextJudge, WriteReplies, make_judge  # noqa: E402
from training.pretrained import find_base, load_tokenizer, read_shape  # noqa: E402
from training.train import read_training_config  # noqa: E402
from training.tuned_model import TunedModel  # noqa: E402

pytestmark = pytest.mark.train

_LLAMA3_ROPE = {
    "rope_type": "llama3", "rope_theta": 500000.0, "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}  # fmt: skip

SHAPES: dict[str, tuple[str, Any]] = {
    "finetune-shop": ("llama", transformers.LlamaConfig(
        vocab_size=4096, hidden_size=256, intermediate_size=768, num_hidden_layers=8, num_attention_heads=4,
        num_key_value_heads=4, tie_word_embeddings=True,
    )),
    "qwen2.5-coder-1.5b": ("qwen2", transformers.Qwen2Config(
        vocab_size=151936, hidden_size=1536, intermediate_size=8960, num_hidden_layers=28, num_attention_heads=12,
        num_key_value_heads=2, tie_word_embeddings=True,
    )),
    "qwen2.5-coder-7b": ("qwen2", transformers.Qwen2Config(
        vocab_size=152064, hidden_size=3584, intermediate_size=18944, num_hidden_layers=28, num_attention_heads=28,
        num_key_value_heads=4, tie_word_embeddings=False,
    )),
    "llama-3.2-1b": ("llama", transformers.LlamaConfig(
        vocab_size=128256, hidden_size=2048, intermediate_size=8192, num_hidden_layers=16, num_attention_heads=32,
        num_key_value_heads=8, head_dim=64, tie_word_embeddings=True, rope_parameters=_LLAMA3_ROPE,
    )),
    "llama-3.2-3b": ("llama", transformers.LlamaConfig(
        vocab_size=128256, hidden_size=3072, intermediate_size=8192, num_hidden_layers=28, num_attention_heads=24,
        num_key_value_heads=8, head_dim=128, tie_word_embeddings=True, rope_parameters=_LLAMA3_ROPE,
    )),
    "mistral-7b": ("mistral", transformers.MistralConfig(
        vocab_size=32768, hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32,
        num_key_value_heads=8, tie_word_embeddings=False, sliding_window=None,
    )),
}  # fmt: skip
"""Recipe -> its kind of base, and the shape of it as its config.json says."""

WEIGHTS_M = {
    "finetune-shop": 7.9, "qwen2.5-coder-1.5b": 1544, "qwen2.5-coder-7b": 7616, "llama-3.2-1b": 1236,
    "llama-3.2-3b": 3213, "mistral-7b": 7248,
}  # fmt: skip
"""Weights of the bases in millions, as their pages say."""


def _recipe(name: str, **overrides: object) -> FinetuneConfig:
    config = read_training_config(PROJECT_ROOT / "training" / "configs" / f"{name}.toml", overrides)
    assert isinstance(config, FinetuneConfig)
    return config


def _opening(name: str) -> str:
    lines = (PROJECT_ROOT / "training" / "configs" / f"{name}.toml").read_text().splitlines()
    return "\n".join(line for line in lines if line.startswith("#"))


@pytest.fixture(scope="module")
def bases(toy_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bases")
    return {kind: make_tiny_base(folder / kind, kind, toy_data) for kind in KINDS}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that the toy examples can be asked of."""
    path = tmp_path_factory.mktemp("library") / "library.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE book (title TEXT, author TEXT, pages INTEGER, year INTEGER)")
    books = [(f"Book {i}", (*AUTHORS, None)[i % 6], 100 + 37 * i, 2001 + i % 5) for i in range(40)]
    connection.executemany("INSERT INTO book VALUES (?, ?, ?, ?)", books)
    connection.commit()
    connection.close()
    return path


def test_every_recipe_that_is_asked_for_is_here() -> None:
    found = {
        path.stem
        for path in (PROJECT_ROOT / "training" / "configs").glob("*.toml")
        if 'kind = "finetune"' in path.read_text()
    }
    assert found == set(SHAPES)


@pytest.mark.parametrize("name", SHAPES)
def test_a_recipe_opens_with_its_command_its_base_and_the_licence(name: str) -> None:
    config, opening = _recipe(name), _opening(name)
    assert opening.startswith(f"# queryforge train training/configs/{name}.toml --data ")
    if name != "finetune-shop":
        assert f"hf download {config.base_model} (" in opening
    assert re.search(r"Apache-2\.0|Llama 3\.2 Community License", opening)
    assert config.eval_reply_examples > 0
    assert config.database


@pytest.mark.parametrize("name", SHAPES)
def test_a_recipe_says_what_its_base_as_it_is_will_need(name: str) -> None:
    config, opening = _recipe(name), _opening(name).replace("\n# ", " ")
    needs = estimate_needs(config, SHAPES[name][1])
    assert needs.parameters / 1e6 == pytest.approx(WEIGHTS_M[name], rel=0.005)
    said = re.search(r"Needs: ([\d.]+) GiB of .*?memory.*?, ([\d.]+) GiB of disk.*?([\d.]+) (hours|minutes)", opening)
    assert said
    assert float(said[1]) == pytest.approx(needs.memory_bytes / GIB, abs=0.06)
    assert float(said[2]) == pytest.approx(needs.disk_bytes / GIB, abs=0.06)
    if said[4] == "hours":
        assert config.max_steps
        assert float(said[3]) == pytest.approx(needs.step_operations * config.max_steps / 30e12 / 3600, abs=0.06)


def test_mistral_has_the_numbers_of_the_article() -> None:
    config = _recipe("mistral-7b")
    assert (config.lora_rank, config.lora_alpha, config.lora_dropout) == (8, 16, 0.05)
    assert (config.batch_size, config.micro_batch_size, config.max_steps, config.warmup_steps) == (4, 1, 1000, 100)
    assert (config.learning_rate, config.weight_decay, config.context_tokens) == (2e-4, 0.01, 2048)


@pytest.mark.parametrize("name", SHAPES)
def test_the_shape_of_a_recipe_runs(
    name: str, bases: dict[str, Path], library: Path, toy_data: Path, tmp_path: Path
) -> None:
    small = {"max_steps": 2, "warmup_steps": 0, "eval_reply_examples": 2, "max_reply_tokens": 4, "threads": 1}
    places = {"base_model": str(bases[SHAPES[name][0]]), "database": str(library), "data_dir": toy_data}
    report = finetune(_recipe(name, **small, **places, out_dir=tmp_path))
    assert report.steps == 2
    assert report.final_loss is not None
    assert report.best is not None
    assert report.best.examples == 2
    assert report.judged_by == "execution accuracy"
    facts = json.loads((report.result_dir / "queryforge.json").read_text())
    assert facts["queryforge.db_id"] == "library"
    assert len(facts["queryforge.schema_fingerprint"]) == 64
    weights = {"full": None, "lora": "stored", "qlora": "nf4"}[_recipe(name).method]
    assert facts.get("queryforge.base_weights") == weights


@pytest.mark.parametrize("changes", [
    {"method": "full"}, {"method": "lora"}, {"method": "lora", "lora_dropout": 0.05},
    {"method": "lora", "gradient_checkpointing": True}, {"method": "lora", "precision": "fp32"},
])  # fmt: skip
def test_what_torch_keeps_for_the_backward_pass_is_what_was_estimated(
    changes: dict[str, object], toy_data: Path, tmp_path: Path
) -> None:
    wide = {"hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 4, "num_key_value_heads": 2}
    base = make_tiny_base(tmp_path / "base", "llama", toy_data, **wide)
    values = {"packing": True, "context_tokens": 512, "batch_size": 1, "micro_batch_size": 1, "precision": "bf16"}
    config = tuning_config(base, toy_data, tmp_path, **{**values, **changes})
    model = TunedModel(base, load_tokenizer(base), config, torch.device("cpu"))
    examples = [TrainingExample.model_validate(line) for line in toy_lines()]
    encoded = encode_for(model.tokenizer, examples, context_tokens=512)
    batch = make_tuned_batch(encoded, [[0, 1, 2, 3]], pad_id=0)
    owned = {weight.untyped_storage().data_ptr() for weight in model.whole.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in owned:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    model.whole.train()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = model._sum_losses(batch)
    measured = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    needs = estimate_needs(config, read_shape(base), learning_share=encoded.learning_share())
    assert sum(weight.numel() for weight in model.trained.values()) == needs.trainable_parameters
    expected = needs.activation_bytes * batch.ids.size / 512
    if config.method == "full":
        expected += 2 * needs.parameters  # what autocast keeps of the weights is counted with training
    if config.gradient_checkpointing:
        # The layer that is computed again is not there yet.
        assert 0.1 * expected < measured < expected
    else:
        assert measured == pytest.approx(expected, rel=0.25)
    assert loss.item() > 0


def test_a_quantised_base_takes_the_memory_that_was_estimated(toy_data: Path, tmp_path: Path) -> None:
    wide = {"hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 4}
    base = make_tiny_base(tmp_path / "base", "mistral", toy_data, **wide)
    config = tuning_config(base, toy_data, tmp_path, method="qlora", precision="bf16")
    model = TunedModel(base, load_tokenizer(base), config, torch.device("cpu"))
    held = 0
    for name, weight in model.whole.named_parameters():
        if name in model.trained:
            continue
        held += weight.untyped_storage().nbytes()
        state = getattr(weight, "quant_state", None)
        if state is not None:
            held += state.absmax.nbytes + state.state2.absmax.nbytes
    needs = estimate_needs(config, read_shape(base))
    spread = 2 * 256 * 1024
    assert held == pytest.approx(needs.weights_bytes - spread, rel=0.02)


def test_execution_decides_which_replies_are_right(library: Path) -> None:
    def example(question: str, reply: str) -> TrainingExample:
        return TrainingExample(messages=(Message(role="user", content=question),), reply=reply)

    examples = [
        example("other words", "SELECT COUNT(*) FROM book"),
        example("in order", "SELECT title FROM book ORDER BY pages DESC LIMIT 3"),
        example("wrong", "SELECT MAX(pages) FROM book"),
        example("declined", "-- unanswerable: nothing here is about sport"),
        example("not declined", "-- refused: books cannot be deleted"),
        example("declined in vain", "SELECT COUNT(*) FROM book WHERE year = 2001"),
        example("broken", "SELECT title FROM book WHERE year = 2002"),
        example("its own SQL fails", "SELECT nothing FROM book"),
    ]
    replies = {
        "other words": "```sql\nSELECT COUNT(title) AS n FROM book;\n```",
        "in order": "SELECT title FROM book ORDER BY pages LIMIT 3",
        "wrong": "SELECT MIN(pages) FROM book",
        "declined": "-- unanswerable: no idea",
        "not declined": "DELETE FROM book",
        "declined in vain": "-- unanswerable: no years",
        "broken": "SELECT titel FROM book WHERE year = 2002",
    }

    def write(only: str) -> WriteReplies:
        return lambda prompts: [replies[prompt[-1].content] if prompt[-1].content == only else "" for prompt in prompts]

    judge = ExecutionJudge(str(library), examples)
    assert judge.count == 7
    right = {name for name in replies if judge(write(name)) > 0}
    assert right == {"other words", "declined"}
    assert judge(lambda prompts: [found.reply for found in examples[:7]]) == 1.0
    judge.close()
    with pytest.raises(DataError, match="None of 1 held-out"):
        ExecutionJudge(str(library), examples[-1:])
    assert isinstance(make_judge(None, examples), TextJudge)
    assert make_judge(str(library), []) is None


def test_a_base_that_is_not_there_is_answered_with_how_to_get_it(
    bases: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    name = "Qwen/Qwen2.5-Coder-1.5B-Instruct"
    with pytest.raises(TrainingError) as caught:
        find_base(name)
    assert f"'{name}'" in caught.value.message
    assert f"hf download {name}" in caught.value.hint
    assert shutil.which("hf", path=str(PROJECT_ROOT / ".venv" / "bin")) or shutil.which("hf")
    with pytest.raises(TrainingError, match="not on this machine") as caught:
        find_base("runs/there/is/no/such")
    assert "folder" in caught.value.hint
    half = shutil.copytree(bases["llama"], tmp_path / "half")
    (half / "model.safetensors").unlink()
    with pytest.raises(TrainingError, match="lacks its weights"):
        find_base(str(half))
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (half / "model.safetensors.index.json").write_text(json.dumps(index))
    (half / "model-00001-of-00002.safetensors").touch()
    with pytest.raises(TrainingError, match="model-00002-of-00002"):
        find_base(str(half))


def test_an_unknown_architecture_is_refused(bases: dict[str, Path], tmp_path: Path) -> None:
    other = shutil.copytree(bases["llama"], tmp_path / "other")
    described = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(described | {"architectures": ["Gemma3ForCausalLM"]}))
    with pytest.raises(TrainingError, match="Gemma3ForCausalLM") as caught:
        estimate(tuning_config(other, tmp_path, tmp_path))
    assert "Qwen2ForCausalLM" in caught.value.hint
    (other / "config.json").write_text("{")
    with pytest.raises(TrainingError, match=r"Cannot read '.*config.json'"):
        read_shape(other)


def test_damaged_weights_and_tokenizers_are_named(bases: dict[str, Path], toy_data: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(bases["llama"], tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(TrainingError, match="Cannot load the base model"):
        finetune(tuning_config(broken, toy_data, tmp_path / "run"))
    (broken / "tokenizer.json").write_text("{")
    with pytest.raises(TrainingError, match="Cannot read the tokenizer"):
        finetune(tuning_config(broken, toy_data, tmp_path / "run"))


def test_layers_that_are_not_there_cannot_be_adapted(bases: dict[str, Path], toy_data: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        finetune(tuning_config(bases["llama"], toy_data, tmp_path, lora_targets=["c_attn"]))
    assert caught.value.hint == "Correct lora_targets."


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_config_that_asks_for_cuda_says_what_to_do_without(
    bases: dict[str, Path], toy_data: Path, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="CUDA") as caught:
        finetune(tuning_config(bases["llama"], toy_data, tmp_path, device="cuda"))
    assert "device=auto" in caught.value.hint


def test_a_large_model_on_a_cpu_is_warned_about_and_not_forbidden() -> None:
    said: list[str] = []
    name = "qwen2.5-coder-7b"
    needs = estimate_needs(_recipe(name), SHAPES[name][1])
    check_time(needs, 1000, torch.device("cpu"), said.append)
    assert re.search(r"at least \d+ (days|weeks)", said[0])
    said.clear()
    check_time(
        estimate_needs(_recipe("finetune-shop"), SHAPES["finetune-shop"][1]), 10, torch.device("cpu"), said.append
    )
    assert said == []


def test_too_little_memory_or_disk_is_said_before_anything_is_loaded(
    bases: dict[str, Path], toy_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, said = "llama-3.2-3b", []
    needs = estimate_needs(_recipe(name, method="full"), SHAPES[name][1])
    monkeypatch.setattr("training.estimate._memory", lambda device: (24 * GIB, 3 * GIB))
    with pytest.raises(TrainingError, match=r"at least [\d.]+ GiB of memory; the machine has 24.0 GiB") as caught:
        check_memory(needs, torch.device("cpu"), said.append)
    assert "method=qlora" in caught.value.hint
    check_memory(estimate_needs(_recipe(name), SHAPES[name][1]), torch.device("cpu"), said.append)
    assert "3.0 GiB of it free" in said[0]
    monkeypatch.setattr("shutil.disk_usage", lambda place: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    with pytest.raises(TrainingError, match="GiB are free") as caught:
        finetune(tuning_config(bases["llama"], toy_data, tmp_path / "run"))
    assert "disk space" in caught.value.hint
    assert not (tmp_path / "run").exists()


def test_the_command_tells_the_kinds_of_training_apart(
    bases: dict[str, Path], toy_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "job.toml"
    config.write_text(f'kind = "finetune"\nbase_model = "{bases["llama"]}"\nmax_steps = 1\nmethod = "full"\n')
    words = ["train", str(config), "--data", str(toy_data), "--out", str(tmp_path / "run"), "--set", "threads=1"]
    assert run_command([*words, "--dry-run"]) == 0
    assert json.loads(capsys.readouterr().out)["trainable_parameters"] > 50_000
    assert not (tmp_path / "run").exists()
    assert run_command([*words, "--set", "eval_reply_examples=0", "--set", "precision=fp32"]) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 1
    assert run_command(words[:4]) == 2
    assert "'out_dir' is missing" in capsys.readouterr().err
    assert run_command([*words, "--set", "lora_rnk=3"]) == 2
    assert "Did you mean 'lora_rank'?" in capsys.readouterr().err
    config.write_text('kind = "finetun"\n')
    assert run_command(words) == 2
    assert "'finetun'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({}, "exactly one of max_steps and epochs"),
        ({"max_steps": 1, "epochs": 1}, "exactly one of max_steps and epochs"),
        ({"max_steps": 1, "batch_size": 4, "micro_batch_size": 3}, "multiple of micro_batch_size"),
        ({"max_steps": 1, "method": "full", "lora_plus_ratio": 16}, "lora_plus_ratio"),
    ],
)
def test_a_config_that_does_not_fit_together_is_refused(
    values: dict[str, object], complaint: str, tmp_path: Path
) -> None:
    config = tmp_path / "job.toml"
    config.write_text('kind = "finetune"\nbase_model = "x"\n')
    with pytest.raises(UsageError, match=complaint):
        read_training_config(config, {**values, "out_dir": tmp_path})
