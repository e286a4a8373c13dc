"""Training from nothing: repeatable, resumable, and what it writes is a model that others can load."""

import json
import os
import signal
import threading
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest

from app.cli import main as run_command
from assistant.errors import DataError, TrainingError, UsageError
from assistant.settings import PROJECT_ROOT
from tests.training.toy import require, toy_config, toy_lines
from training.base import BaseConfig, BaseReport, train_base
from training.config import load_config, parse_overrides
from training.train import main
from training.weights import open_tensors

pytestmark = pytest.mark.train


@pytest.fixture(autouse=True)
def _torch() -> None:
    require("torch", "tokenizers", "safetensors")


def _weights(run: Path) -> dict[str, np.ndarray]:
    return {name: tensor.read() for name, tensor in open_tensors(run / "model").items()}


def _are_equal(left: Path, right: Path) -> bool:
    a, b = _weights(left), _weights(right)
    assert len(a) == 20
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def test_the_same_seed_gives_the_same_weights_and_another_does_not(toy_data: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train_base(toy_config(toy_data, tmp_path / name, max_steps=5, seed=seed))
    assert _are_equal(tmp_path / "a", tmp_path / "b")
    assert not _are_equal(tmp_path / "a", tmp_path / "c")


def _train_until_interrupted(config: BaseConfig) -> None:
    def interrupt() -> None:
        deadline = time.monotonic() + 60
        while not (config.out_dir / "metrics.jsonl").exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        train_base(config)
    thread.join()
    assert not (config.out_dir / "report.json").exists()


def test_an_interrupted_run_goes_on_and_ends_with_the_same_weights(toy_data: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train_base(toy_config(toy_data, whole, max_steps=60))
    _train_until_interrupted(toy_config(toy_data, parts, max_steps=60))
    report = train_base(toy_config(toy_data, parts, max_steps=60))
    assert report.steps == 60
    assert _are_equal(whole, parts)
    steps = [json.loads(line)["step"] for line in (parts / "metrics.jsonl").read_text().splitlines()]
    assert steps == sorted(steps)


def test_a_finished_run_is_not_trained_again(learned: BaseReport, toy_data: Path) -> None:
    run = learned.model_dir.parent
    before = (learned.model_dir / "model.safetensors").read_bytes()
    again = train_base(toy_config(toy_data, run, max_steps=240, batch_tokens=2048, max_reply_tokens=60))
    assert again == learned
    assert (learned.model_dir / "model.safetensors").read_bytes() == before


def test_twenty_examples_are_learned_by_heart(learned: BaseReport) -> None:
    assert learned.examples == 20
    assert learned.held_out is not None
    assert learned.held_out.exact_match == 1.0
    assert learned.held_out.loss < 0.05
    lines = [json.loads(line) for line in (learned.model_dir.parent / "metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert losses[0] > 10 * losses[-1]


def test_transformers_loads_the_folder_with_equal_logits(learned: BaseReport) -> None:
    require("transformers")
    import torch
    from transformers import AutoModelForCausalLM

    from training.model import load_model

    ours = load_model(learned.model_dir).eval()
    theirs = AutoModelForCausalLM.from_pretrained(learned.model_dir, dtype=torch.float32).eval()
    assert sum(weight.numel() for weight in theirs.parameters()) == learned.parameters
    ids = torch.randint(0, ours.shape.vocab_size, (3, 50), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        difference = (ours.logits(ours(ids)) - theirs(ids).logits).abs().max()
    assert difference < 1e-3


def test_writing_with_the_cache_equals_writing_without(learned: BaseReport) -> None:
    import torch

    from training.model import load_model, write_greedily

    model = load_model(learned.model_dir).eval()
    prompts = [[1, 50, 60, 70], [1, 9, 8, 7, 6, 5, 4, 3], [200]]
    expected = []
    for prompt in prompts:
        ids = list(prompt)
        for _ in range(20):
            with torch.no_grad():
                ids.append(int(model.logits(model(torch.tensor([ids]))[0, -1]).argmax()))
        reply = ids[len(prompt) :]
        expected.append(reply[: reply.index(2)] if 2 in reply else reply)
    assert write_greedily(model, prompts, 2, 20) == expected


def test_minutes_are_turned_into_steps_once(toy_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = toy_config(toy_data, tmp_path, max_steps=None, max_minutes=0.0001, eval_reply_examples=0)
    report = train_base(config)
    assert report.steps == 51
    assert "51 steps planned" in capsys.readouterr().err
    assert report.held_out is not None
    assert report.held_out.exact_match is None


def test_a_longer_plan_goes_on_with_a_finished_run(toy_data: Path, tmp_path: Path) -> None:
    train_base(toy_config(toy_data, tmp_path, max_steps=3))
    assert train_base(toy_config(toy_data, tmp_path, max_steps=6)).steps == 6


def test_a_finished_model_can_be_the_start_of_another(learned: BaseReport, toy_data: Path, tmp_path: Path) -> None:
    config = toy_config(toy_data, tmp_path, init_from=learned.model_dir, max_steps=2, learning_rate=1e-5)
    report = train_base(config)
    assert report.steps == 2
    assert report.final_loss is not None
    assert report.final_loss < 0.1


def test_another_tokenizer_keeps_what_the_model_computes(learned: BaseReport, toy_data: Path, tmp_path: Path) -> None:
    import torch

    from training.model import load_model
    from training.preparation import make_model, make_tokenizer
    from training.tokenizer import load_tokenizer

    config = toy_config(toy_data, tmp_path, init_from=learned.model_dir, new_tokenizer=True, vocab_size=330)
    old, new = load_tokenizer(learned.model_dir), make_tokenizer(config)
    before, after = load_model(learned.model_dir).eval(), make_model(config, new).eval()
    assert new.get_vocab_size() == after.shape.vocab_size == 330
    assert before.shape.vocab_size == 400
    text = "<|im_start|>\n7 + 8?<|im_end|>"
    pieces = [tokenizer.encode(text, add_special_tokens=False) for tokenizer in (old, new)]
    assert pieces[0].tokens == pieces[1].tokens
    shared = sorted(old.get_vocab().keys() & new.get_vocab().keys())
    assert len(shared) > 280
    with torch.no_grad():
        logits = [
            model.logits(model(torch.tensor([found.ids]))) for model, found in zip((before, after), pieces, strict=True)
        ]
    rows = [[tokenizer.token_to_id(token) for token in shared] for tokenizer in (old, new)]
    assert torch.equal(logits[0][..., rows[0]], logits[1][..., rows[1]])


def test_a_new_token_starts_as_the_mean_of_the_old_ones(learned: BaseReport) -> None:
    import torch

    from training.model import load_model
    from training.preparation import retokenize
    from training.tokenizer import load_tokenizer, train_tokenizer

    old, new = load_tokenizer(learned.model_dir), train_tokenizer(["zebra – zebra –", "WHERE WHERE"], 275)
    model = load_model(learned.model_dir)
    table = retokenize(model, old, new).model.embed_tokens.weight.detach()
    rows = model.model.embed_tokens.weight.detach()
    news = new.get_vocab().keys() - old.get_vocab().keys()
    assert "zebra" in news
    assert "âĢ" in news, "a part of a character"
    for token in news:
        parts = [old.token_to_id(part.value) for part in old.model.tokenize(token)]
        assert len(parts) > 1
        assert torch.allclose(table[new.token_to_id(token)], rows[parts].mean(0))


def test_a_run_with_another_tokenizer_goes_on_with_it(learned: BaseReport, toy_data: Path, tmp_path: Path) -> None:
    changes: dict[str, object] = {"init_from": learned.model_dir, "new_tokenizer": True, "vocab_size": 330}
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train_base(toy_config(toy_data, whole, max_steps=60, **changes))
    _train_until_interrupted(toy_config(toy_data, parts, max_steps=60, **changes))
    saved = (parts / "model" / "tokenizer.json").read_bytes()
    assert saved == (whole / "model" / "tokenizer.json").read_bytes()
    # Another vocab_size would learn another tokenizer, were the one of the run folder not used.
    report = train_base(toy_config(toy_data, parts, max_steps=60, **changes | {"vocab_size": 300}))
    assert report.steps == 60
    assert (parts / "model" / "tokenizer.json").read_bytes() == saved
    assert _are_equal(whole, parts)


def test_a_start_without_byte_level_tokens_keeps_its_tokenizer(learned: BaseReport) -> None:
    from tokenizers import Tokenizer, models

    from training.model import load_model
    from training.preparation import retokenize
    from training.tokenizer import load_tokenizer

    with pytest.raises(TrainingError, match="every byte"):
        retokenize(load_model(learned.model_dir), Tokenizer(models.BPE()), load_tokenizer(learned.model_dir))


def test_the_tokenizer_learns_from_the_whole_of_the_file(tmp_path: Path) -> None:
    from training.preparation import spread_examples

    path = tmp_path / "train.jsonl"
    message = [{"role": "user", "content": "q"}]
    lines = [json.dumps({"messages": message, "reply": str(number)}) for number in range(10)]
    path.write_text("\n\n".join(lines) + "\n\n", encoding="utf-8")
    chosen = {most: [int(example.reply) for example in spread_examples(path, most)] for most in (1, 3, 5, 10, 99)}
    assert chosen == {1: [9], 3: [3, 6, 9], 5: [1, 3, 5, 7, 9], 10: list(range(10)), 99: list(range(10))}
    with pytest.raises(DataError, match="Cannot read examples"):
        list(spread_examples(tmp_path / "none.jsonl", 3))


def test_muon_and_averaging_train_too(toy_data: Path, tmp_path: Path) -> None:
    report = train_base(toy_config(toy_data, tmp_path, optimizer="muon", ema_decay=0.5, max_steps=12))
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert losses[-1] < losses[0]
    assert report.held_out is not None


def test_a_share_of_the_start_is_in_the_weights_that_are_saved(
    learned: BaseReport, toy_data: Path, tmp_path: Path
) -> None:
    import torch

    from training.model import load_model

    config = toy_config(toy_data, tmp_path, init_from=learned.model_dir, start_share=0.25, max_steps=3)
    report = train_base(config)
    start, mixed = load_model(learned.model_dir).state_dict(), load_model(report.model_dir).state_dict()
    trained = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["model"]
    for name, weight in mixed.items():
        assert torch.allclose(weight, 0.25 * start[name] + 0.75 * trained[name], atol=1e-6)
    assert any(not torch.equal(weight, trained[name]) for name, weight in mixed.items())
    with pytest.raises(ValueError, match="start_share needs init_from"):
        toy_config(toy_data, tmp_path, start_share=0.25)


def test_a_run_folder_of_another_shape_is_refused(toy_data: Path, tmp_path: Path) -> None:
    train_base(toy_config(toy_data, tmp_path, max_steps=1))
    with pytest.raises(UsageError, match="another shape"):
        train_base(toy_config(toy_data, tmp_path, max_steps=2, num_layers=3))


def test_a_broken_checkpoint_is_named(toy_data: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"nonsense")
    with pytest.raises(TrainingError, match="checkpoint.pt"):
        train_base(toy_config(toy_data, tmp_path))


def test_a_diverged_run_is_an_error_and_leaves_no_report(toy_data: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="Lower learning_rate"):
        train_base(toy_config(toy_data, tmp_path, learning_rate=1e30))
    assert not (tmp_path / "report.json").exists()


def test_examples_that_never_fit_are_an_error(toy_data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="fits 16 tokens"):
        train_base(toy_config(toy_data, tmp_path, context_tokens=16))


def test_the_run_folder_tells_how_to_repeat_it(learned: BaseReport) -> None:
    run = learned.model_dir.parent
    config = BaseConfig.model_validate_json((run / "config.json").read_text())
    assert config.max_steps == 240
    versions = json.loads((run / "versions.json").read_text())
    assert versions["git_commit"]
    assert versions["packages"]["torch"]
    assert BaseReport.model_validate_json((run / "report.json").read_text()) == learned


def test_the_command_prints_its_report(toy_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "toy.toml"
    values = toy_config(toy_data, tmp_path, max_steps=2).model_dump(mode="json", exclude_none=True)
    config.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()))
    out = tmp_path / "run"
    assert main([str(config), "--data", str(toy_data), "--out", str(out), "--set", "max_steps=3"]) == 0
    assert BaseReport.model_validate_json(capsys.readouterr().out).steps == 3
    assert (out / "model" / "tokenizer_config.json").exists()


def test_the_command_ends_with_2_and_one_message_for_missing_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = PROJECT_ROOT / "training" / "configs" / "shop.toml"
    assert run_command(["train", str(config), "--data", str(tmp_path / "none"), "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: Cannot read examples")
    assert "Traceback" not in error


def test_a_misspelt_key_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        load_config(BaseConfig, None, {"max_step": 3})
    assert caught.value.hint == "Did you mean 'max_steps'?"


@pytest.mark.parametrize("values", [{}, {"max_steps": 1, "max_minutes": 1.0}])
def test_a_config_needs_exactly_one_budget(values: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="exactly one"):
        load_config(BaseConfig, None, values)


def test_overrides_are_toml_where_they_can_be() -> None:
    pairs = ["max_steps=3", "compile=false", "out_dir=runs/x", 'data_dir="a b"']
    expected = {"max_steps": 3, "compile": False, "out_dir": "runs/x", "data_dir": "a b"}
    assert parse_overrides(pairs) == expected
    with pytest.raises(UsageError, match="--set"):
        parse_overrides(["max_steps"])


def test_every_base_config_parses_and_opens_with_its_command() -> None:
    paths = [
        path
        for path in sorted((PROJECT_ROOT / "training" / "configs").glob("*.toml"))
        if tomllib.loads(path.read_text()).get("kind", "base") == "base"
    ]
    assert len(paths) >= 1
    for path in paths:
        config = load_config(BaseConfig, path)
        assert config.vocab_size == (8192 if config.new_tokenizer else 4096)
        assert f"training/configs/{path.name}" in path.read_text().splitlines()[0]


def test_the_toy_examples_are_twenty() -> None:
    assert len(toy_lines()) == 20


def test_halved_weights_are_near_and_training_goes_on_from_them(
    learned: BaseReport, toy_data: Path, tmp_path: Path
) -> None:
    from training.half import halve_weights
    from training.model import load_model

    size = halve_weights(learned.model_dir, tmp_path / "base")
    assert size < 0.52 * (learned.model_dir / "model.safetensors").stat().st_size
    whole, half = (dict(load_model(folder).named_parameters()) for folder in (learned.model_dir, tmp_path / "base"))
    for name, weight in whole.items():
        assert (weight - half[name]).abs().max() <= weight.abs().max() / 128
    report = train_base(toy_config(toy_data, tmp_path / "run", max_steps=2, init_from=tmp_path / "base"))
    assert report.steps == 2
