"""An adapter merged here is the adapter that peft computes with; what peft would do otherwise is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assistant.backends.checkpoint import BASE_WEIGHTS_KEY, FACTS_FILE
from assistant.backends.metadata import DB_ID_KEY, PROMPT_LAYOUT_KEY
from assistant.errors import TrainingError
from tests.training.toy import require

require("gguf", "llama_cpp", "peft", "tokenizers", "torch", "transformers")
import peft  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

from tests.training.hf_folders import write_model  # noqa: E402
from tests.training.test_gguf_parity import largest_difference, logits_of, open_gguf, their_logits  # noqa: E402
from training.gguf import GgufConfig, convert, main  # noqa: E402
from training.merging import main as merge_main  # noqa: E402
from training.merging import merge_adapter  # noqa: E402
from training.weights import open_tensors  # noqa: E402

pytestmark = [
    pytest.mark.train,
    # peft asks transformers for it under its old name; the others are about what is tested here.
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers`:UserWarning"),
    pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`:UserWarning"),
]
LAYERS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
IDS = [[3, 40, 41, 300, 301, 7, 8, 9, 250, 251], list(range(100, 190))]


def write_adapter(folder: Path, base: Path, **options: Any) -> Any:
    """Lay a trained-looking adapter over a base and save it; give peft's model."""
    model = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    return adapt(model, folder, base, **options)


def adapt(model: Any, folder: Path, base: Path, **options: Any) -> Any:
    settings = {"r": 4, "lora_alpha": 16, "target_modules": LAYERS, "task_type": "CAUSAL_LM", **options}
    torch.manual_seed(11)
    adapted = peft.get_peft_model(model, peft.LoraConfig(**settings))
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_B" in name or "modules_to_save" in name:
                torch.nn.init.normal_(weight, std=0.1)
    adapted.peft_config["default"].base_model_name_or_path = str(base)
    adapted.save_pretrained(folder)
    return adapted.eval()


@pytest.fixture
def base(tmp_path: Path) -> Path:
    write_model(tmp_path / "base", "qwen2", tie_word_embeddings=False)
    return tmp_path / "base"


WAYS: dict[str, tuple[dict[str, Any], int]] = {
    "all layers": ({}, 14),
    "rank-stabilised": ({"use_rslora": True}, 14),
    "embedding and output whole": ({"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens", "lm_head"]}, 4),
    "output": ({"target_modules": ["lm_head", "up_proj"]}, 3),
}


@pytest.mark.parametrize("way", WAYS)
def test_merged_weights_are_those_that_peft_merges(base: Path, tmp_path: Path, way: str) -> None:
    options, changed = WAYS[way]
    adapted = write_adapter(tmp_path / "adapter", base, **options)
    merged = open_tensors(merge_adapter(tmp_path / "adapter", tmp_path / "merged"))
    expected = adapted.merge_and_unload().state_dict()
    assert merged.keys() == expected.keys()
    for name, tensor in merged.items():
        assert np.allclose(tensor.read(), expected[name].numpy(), rtol=0, atol=1e-6), name
    before = open_tensors(base)
    assert sum(not np.array_equal(merged[name].read(), before[name].read()) for name in merged) == changed
    loaded = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    assert torch.equal(loaded.state_dict()["lm_head.weight"], torch.from_numpy(merged["lm_head.weight"].read()))
    assert transformers.AutoTokenizer.from_pretrained(tmp_path / "merged")("SELECT 1").input_ids


@pytest.mark.parametrize("kind", ["llama3", "mistral", "qwen2"])
def test_an_adapter_is_exported_with_its_base_and_computes_as_under_peft(tmp_path: Path, kind: str) -> None:
    write_model(tmp_path / "base", kind)
    adapted = write_adapter(tmp_path / "adapter", tmp_path / "base")
    facts = {PROMPT_LAYOUT_KEY: "compact", DB_ID_KEY: "library", "queryforge.dialect": "mysql"}
    (tmp_path / "adapter" / FACTS_FILE).write_text(json.dumps(facts), encoding="utf-8")
    convert(GgufConfig(model_dir=tmp_path / "adapter", out_path=tmp_path / "x.gguf", type="f32"))
    difference = largest_difference(logits_of(tmp_path / "x.gguf", IDS), their_logits(adapted, IDS))
    assert difference < 1e-4
    said = open_gguf(tmp_path / "x.gguf", vocab_only=True).metadata
    assert {key: said[key] for key in facts} == facts


def test_an_adapter_of_qlora_is_merged_into_what_it_was_trained_over(base: Path, tmp_path: Path) -> None:
    require("bitsandbytes")
    from bitsandbytes import functional

    four_bits = transformers.BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )  # fmt: skip
    quantised = transformers.AutoModelForCausalLM.from_pretrained(
        base, quantization_config=four_bits, dtype=torch.bfloat16
    )
    adapted = adapt(quantised, tmp_path / "adapter", base)
    (tmp_path / "adapter" / FACTS_FILE).write_text(json.dumps({BASE_WEIGHTS_KEY: "nf4"}), encoding="utf-8")
    merged = open_tensors(merge_adapter(tmp_path / "adapter", tmp_path / "nf4"))
    plain = open_tensors(merge_adapter(tmp_path / "adapter", tmp_path / "stored", base_weights="stored"))
    assert json.loads((tmp_path / "nf4" / FACTS_FILE).read_text(encoding="utf-8")) == {}
    seen = 0
    for name, layer in adapted.get_base_model().named_modules():
        if hasattr(layer, "lora_A"):
            weight = layer.base_layer.weight
            expected = functional.dequantize_4bit(weight.data, weight.quant_state).float() + layer.get_delta_weight(
                "default"
            )
            found = merged[f"{name}.weight"].read()
            assert np.allclose(found, expected.detach().float().numpy(), rtol=0, atol=1e-6), name
            assert not np.allclose(found, plain[f"{name}.weight"].read(), rtol=0, atol=1e-2)
            seen += 1
    assert seen == 14
    for name in ("model.embed_tokens.weight", "lm_head.weight", "model.norm.weight"):
        assert np.array_equal(merged[name].read(), plain[name].read())


def test_a_base_in_half_precision_stays_so_and_the_output_keeps_its_tie(tmp_path: Path) -> None:
    model = write_model(tmp_path / "base", "llama3")
    model.to(torch.bfloat16).save_pretrained(tmp_path / "base", max_shard_size="100KB")
    assert len(list((tmp_path / "base").glob("*.safetensors"))) > 2
    (tmp_path / "base" / "model.safetensors").unlink(missing_ok=True)
    write_adapter(tmp_path / "adapter", tmp_path / "base")
    merged = open_tensors(merge_adapter(tmp_path / "adapter", tmp_path / "merged"))
    assert {tensor.dtype for tensor in merged.values()} == {"BF16"}
    assert "lm_head.weight" not in merged
    loaded = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    assert loaded.config.tie_word_embeddings
    for name, tensor in merged.items():
        assert np.array_equal(tensor.read(), loaded.state_dict()[name].float().numpy()), name


def test_rounding_to_half_precision_is_that_of_torch(tmp_path: Path) -> None:
    from training.weights import _encode

    values = torch.randn(10_000, generator=torch.Generator().manual_seed(1))
    values[:4] = torch.tensor([1.00390625, 1.01171875, 0.0, -3.0e38])  # two ties, one down and one up
    expected = values.to(torch.bfloat16).view(torch.int16).numpy().view("<u2")
    assert np.array_equal(_encode(values.numpy(), "BF16"), expected)


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


OPTIONS: dict[str, object] = {
    "peft_type": "LOHA",
    "use_dora": True,
    "bias": "lora_only",
    "alpha_pattern": {"q_proj": 8},
    "init_lora_weights": "pissa",
    "lora_alpha": None,
}


def test_an_adapter_that_adds_up_in_another_way_is_refused(base: Path, tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapter", base)
    path = tmp_path / "adapter" / "adapter_config.json"
    text = path.read_text(encoding="utf-8")
    for key, value in OPTIONS.items():
        edit(path, **{key: value})
        with pytest.raises(TrainingError, match=f"'{key}'") as caught:
            merge_adapter(tmp_path / "adapter", tmp_path / "merged")
        assert "peft" in caught.value.hint
        path.write_text(text, encoding="utf-8")
    write_adapter(tmp_path / "deep", base, target_modules=["embed_tokens"])
    with pytest.raises(TrainingError, match="lora_embedding_A.*fits no matrix"):
        merge_adapter(tmp_path / "deep", tmp_path / "merged")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter", "base", "deep"]


def test_what_does_not_fit_together_is_named(base: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    write_adapter(adapter, base)
    write_model(tmp_path / "narrow", "qwen2", intermediate_size=64)
    config = GgufConfig(model_dir=adapter, out_path=tmp_path / "x.gguf", base_dir=tmp_path / "narrow")
    with pytest.raises(TrainingError, match="adapts 'model.layers.0.mlp.*different models"):
        convert(config)
    write_model(tmp_path / "shallow", "qwen2", num_hidden_layers=1)
    with pytest.raises(TrainingError, match="layers.1.*fits no matrix of the base"):
        convert(config.model_copy(update={"base_dir": tmp_path / "shallow"}))
    with pytest.raises(TrainingError, match="exists"):
        merge_adapter(adapter, base)
    edit(adapter / "adapter_config.json", base_model_name_or_path=str(tmp_path / "gone"))
    with pytest.raises(TrainingError, match="gone' is neither a folder"):
        merge_adapter(adapter, tmp_path / "merged")
    (adapter / FACTS_FILE).write_text(json.dumps({BASE_WEIGHTS_KEY: "gptq"}), encoding="utf-8")
    with pytest.raises(TrainingError, match="'gptq'"):
        merge_adapter(adapter, tmp_path / "merged", base_dir=base)
    (adapter / FACTS_FILE).unlink()
    (adapter / "adapter_model.safetensors").write_bytes(b"x" * 20)
    with pytest.raises(TrainingError, match="not a safetensors file"):
        merge_adapter(adapter, tmp_path / "merged", base_dir=base)
    assert not (tmp_path / "merged").exists()


def test_the_embedding_of_a_tied_model_may_not_change_alone(tmp_path: Path) -> None:
    write_model(tmp_path / "base", "qwen2")
    write_adapter(tmp_path / "adapter", tmp_path / "base", modules_to_save=["embed_tokens"])
    with pytest.raises(TrainingError, match="one matrix for both"):
        merge_adapter(tmp_path / "adapter", tmp_path / "merged")


def test_a_full_disk_is_known_before_anything_is_written(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_adapter(tmp_path / "adapter", base)
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr("training.weights.shutil.disk_usage", lambda _: usage)
    with pytest.raises(TrainingError, match="The merged model needs 0.00 GB in .* 0.00 GB are free"):
        merge_adapter(tmp_path / "adapter", tmp_path / "merged")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter", "base"]


def test_the_commands_take_an_adapter(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_adapter(tmp_path / "adapter", base)
    shutil.move(base, tmp_path / "moved")
    words = ["--base", str(tmp_path / "moved")]
    assert merge_main([str(tmp_path / "adapter"), str(tmp_path / "merged"), *words]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "merged")
    for folder, more in (("adapter", words), ("merged", [])):
        assert main([str(tmp_path / folder), str(tmp_path / f"{folder}.gguf"), "--type", "f32", *more]) == 0
    assert (tmp_path / "adapter.gguf").read_bytes() == (tmp_path / "merged.gguf").read_bytes()
    assert merge_main([str(tmp_path / "adapter"), str(tmp_path / "again")]) == 1
    assert "neither a folder" in capsys.readouterr().err
