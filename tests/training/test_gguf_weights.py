"""A GGUF turned back into a folder: converted again it is the same file, and transformers answers as llama.cpp does."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from assistant.errors import TrainingError
from assistant.settings import SHIPPED_MODEL, Settings
from assistant.types import Question
from tests.training.tiny_base import make_tiny_base
from tests.training.toy import require

require("gguf", "llama_cpp", "tokenizers", "torch", "transformers")

from tests.training.hf_folders import write_model  # noqa: E402
from training.finetune import FineTuning  # noqa: E402
from training.finetune_config import FinetuneConfig  # noqa: E402
from training.gguf import GgufConfig, GgufType, convert  # noqa: E402
from training.gguf_weights import open_gguf, restore_folder  # noqa: E402

pytestmark = pytest.mark.train

QUESTIONS = (
    "how many customers are there", "total payments by method", "products that cost more than 20 euros",
    "orders of 2025 by month", "which employee earns most",
)  # fmt: skip


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped file, turned back."""
    return restore_folder(SHIPPED_MODEL, tmp_path_factory.mktemp("shipped") / "model")


@pytest.mark.model
def test_the_shipped_file_turned_back_and_converted_again_is_the_same_to_the_byte(
    shipped: Path, tmp_path: Path
) -> None:
    name = str(open_gguf(SHIPPED_MODEL).fields["general.name"])
    convert(GgufConfig(model_dir=shipped, out_path=tmp_path / "again.gguf", name=name))
    assert (tmp_path / "again.gguf").read_bytes() == SHIPPED_MODEL.read_bytes()


@pytest.mark.model
def test_the_shipped_file_and_its_folder_answer_alike(shipped: Path, shop_db_path: Path) -> None:
    from assistant.agent import Assistant

    drafts = []
    for backend, path in (("llamacpp", SHIPPED_MODEL), ("huggingface", shipped)):
        values = {"database_url": str(shop_db_path), "backend": backend, "model_path": path, "threads": 1}
        with closing(Assistant(Settings.model_validate(values))) as assistant:
            drafts.append([[draft.sql for draft in assistant.ask(Question(text=text)).drafts] for text in QUESTIONS])
    assert drafts[0] == drafts[1]
    # The model may decline one of them, as long as both ways of running it do.
    assert sum("SELECT" in found[0] for found in drafts[0] if found) >= len(QUESTIONS) - 1


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
@pytest.mark.parametrize("type_", ["f32", "f16", "bf16", "q8_0"])
def test_each_type_and_architecture_comes_back(tmp_path: Path, toy_data: Path, kind: str, type_: GgufType) -> None:
    base = make_tiny_base(tmp_path / "base", kind, toy_data)
    purpose = {"db_id": "shop", "dialect": "mysql", "schema_fingerprint": "ab", "prompt_layout": "full"}
    first = GgufConfig.model_validate(
        {"model_dir": base, "out_path": tmp_path / "first.gguf", "type": type_, **purpose}
    )
    convert(first)
    folder = restore_folder(first.out_path, tmp_path / "folder")
    again = GgufConfig(model_dir=folder, out_path=tmp_path / "again.gguf", type=type_)
    convert(again)
    assert again.out_path.read_bytes() == first.out_path.read_bytes()


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_transformers_computes_the_same_from_the_folder(tmp_path: Path, toy_data: Path, kind: str) -> None:
    import torch
    import transformers

    base = make_tiny_base(tmp_path / "base", kind, toy_data)
    gguf = tmp_path / "model.gguf"
    convert(GgufConfig(model_dir=base, out_path=gguf, type="f32"))
    folder = restore_folder(gguf, tmp_path / "folder")
    ids = torch.tensor([[5, 9, 40, 200, 7, 7, 31]])
    with torch.no_grad():
        before, after = (
            transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)(ids).logits
            for path in (base, folder)
        )
    assert torch.equal(before, after)


def test_training_goes_on_from_the_folder(tmp_path: Path, toy_data: Path) -> None:
    gguf = tmp_path / "model.gguf"
    convert(GgufConfig(model_dir=make_tiny_base(tmp_path / "base", "llama", toy_data), out_path=gguf, type="q8_0"))
    config = FinetuneConfig(
        data_dir=toy_data, out_dir=tmp_path / "run", base_model=str(restore_folder(gguf, tmp_path / "folder")),
        method="full", context_tokens=256, batch_size=4, max_steps=2, precision="fp32", eval_reply_examples=0,
        warmup_steps=1, threads=1,
    )  # fmt: skip
    assert FineTuning(config).train(None).steps == 2


def test_what_cannot_be_turned_back_is_refused_and_nothing_is_left(tmp_path: Path, toy_data: Path) -> None:
    folder = tmp_path / "folder"

    def refuse(path: Path, words: str) -> None:
        with pytest.raises(TrainingError, match=words) as caught:
            restore_folder(path, folder)
        assert caught.value.hint
        assert not list(tmp_path.glob("folder*"))

    gguf = tmp_path / "model.gguf"
    base = make_tiny_base(tmp_path / "base", "llama", toy_data, hidden_size=256, intermediate_size=256)
    convert(GgufConfig(model_dir=base, out_path=gguf, type="q4_k_m"))
    refuse(gguf, "of type Q[456]_K")
    write_model(tmp_path / "pieces", "mistral")
    convert(GgufConfig(model_dir=tmp_path / "pieces", out_path=gguf, type="f32"))
    refuse(gguf, "splits text")
    gguf.write_bytes(gguf.read_bytes()[:-5000])
    refuse(gguf, "cut short")
    gguf.write_bytes(b"no model at all")
    refuse(gguf, "not made by")
    refuse(tmp_path / "nowhere.gguf", "No such file")


def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert restore_folder(tmp_path / "nowhere.gguf", tmp_path / "folder") == tmp_path / "folder"
