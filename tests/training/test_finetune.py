"""Fine-tuning: it learns, it survives being killed, and what it writes is served with the same replies."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from assistant.errors import TrainingError, UsageError
from assistant.prompts import TURN_START
from assistant.settings import PROJECT_ROOT, Settings
from assistant.types import Prompt
from tests.training.toy import require, toy_lines, write_toy_data

require("torch", "transformers", "peft", "bitsandbytes")
import torch  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from assistant.backends.huggingface import HuggingFaceBackend  # noqa: E402
from assistant.prompts import render_text  # noqa: E402
from tests.training.tiny_base import KINDS, make_tiny_base, tuning_config  # noqa: E402
from training.dataset import TrainingExample  # noqa: E402
from training.finetune import FineTuning, finetune  # noqa: E402
from training.finetune_config import FinetuneConfig, FinetuneReport, Standing  # noqa: E402
from training.finetune_judging import WriteReplies  # noqa: E402
from training.merging import merge_adapter  # noqa: E402
from training.pretrained import load_tokenizer, make_optimizer  # noqa: E402
from training.tuned_model import TunedModel  # noqa: E402

pytestmark = pytest.mark.train

FEW = (0, 2, 15, 17)
"""Toy examples that are learned by heart."""


@pytest.fixture(scope="session")
def few_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four examples, which are also those that judge."""
    folder = tmp_path_factory.mktemp("few")
    text = "".join(json.dumps(toy_lines()[number]) + "\n" for number in FEW)
    for name in ("train.jsonl", "eval.jsonl"):
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def base(toy_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_base(tmp_path_factory.mktemp("base") / "qwen2", "qwen2", toy_data)


@pytest.fixture(scope="session", params=KINDS)
def by_heart(
    request: pytest.FixtureRequest, toy_data: Path, few_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> FinetuneReport:
    """A full fine-tuning, of each kind of base, that knows four examples by heart."""
    folder = tmp_path_factory.mktemp(request.param)
    tiny = make_tiny_base(folder / "base", request.param, toy_data)
    changes = {"method": "full", "max_steps": 120, "learning_rate": 1e-2, "micro_batch_size": 4}
    rest = {"eval_every_steps": 120, "eval_reply_examples": 4, "max_reply_tokens": 70, "log_every_steps": 40}
    return finetune(tuning_config(tiny, few_data, folder / "run", **changes, **rest))


def _metrics(run: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "tokens_per_s"} for line in lines]


def _result(report: FinetuneReport) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file(next(report.result_dir.glob("*model.safetensors")))
    return found


def _are_equal(left: FinetuneReport, right: FinetuneReport) -> bool:
    a, b = _result(left), _result(right)
    assert len(a) > 10
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def _ask(backend: HuggingFaceBackend, number: int) -> str:
    messages = TrainingExample.model_validate(toy_lines()[number]).messages
    return backend.complete(Prompt(messages=messages, text=render_text(messages)), max_tokens=80).text


def test_four_examples_are_learned_by_heart_and_served_with_the_same_replies(by_heart: FinetuneReport) -> None:
    assert by_heart.best is not None
    assert by_heart.best.accuracy == 1.0
    assert by_heart.judged_by == "exact replies"
    assert by_heart.best.loss < 0.05
    assert by_heart.trainable_parameters == by_heart.parameters
    backend = HuggingFaceBackend(Settings(model_path=by_heart.result_dir, threads=1))
    assert backend.info().prompt_layout == "compact"
    assert [_ask(backend, number) for number in FEW] == [toy_lines()[number]["reply"] for number in FEW]


def test_the_result_keeps_the_tokens_of_the_base_and_has_our_template(by_heart: FinetuneReport) -> None:
    base = Path(by_heart.base_model)
    assert (by_heart.result_dir / "tokenizer.json").read_bytes() == (base / "tokenizer.json").read_bytes()
    settings = json.loads((by_heart.result_dir / "tokenizer_config.json").read_text())
    assert TURN_START in settings["chat_template"]
    assert json.loads((by_heart.result_dir / "queryforge.json").read_text())["queryforge.prompt_layout"] == "compact"


@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_adapters_learn_and_the_base_stays_as_it_is(
    method: str, by_heart: FinetuneReport, toy_data: Path, tmp_path: Path
) -> None:
    base = by_heart.result_dir
    before = (base / "model.safetensors").read_bytes()
    changes = {"max_steps": 12, "packing": True, "lora_dropout": 0.05, "lora_plus_ratio": 4, "precision": "bf16"}
    report = finetune(tuning_config(base, toy_data, tmp_path / "run", method=method, **changes))
    losses = [line["loss"] for line in _metrics(tmp_path / "run") if "loss" in line]
    assert losses[-1] < losses[0]
    assert report.trainable_parameters < report.parameters / 5
    assert report.result_dir.name == "adapter"
    assert (base / "model.safetensors").read_bytes() == before
    described = json.loads((report.result_dir / "adapter_config.json").read_text())
    assert described["base_model_name_or_path"] == str(base)
    assert not (report.result_dir / "README.md").exists()


@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_an_adapter_is_served_with_the_replies_it_was_judged_by(
    method: str, by_heart: FinetuneReport, few_data: Path, tmp_path: Path
) -> None:
    changes = {"eval_reply_examples": 4, "max_reply_tokens": 70, "max_steps": 12, "eval_every_steps": 12}
    report = finetune(tuning_config(by_heart.result_dir, few_data, tmp_path / "run", method=method, **changes))
    assert report.best is not None
    assert report.best.accuracy == 1.0
    folder = report.result_dir
    if method == "qlora":
        merge_adapter(folder, tmp_path / "merged")
        folder = tmp_path / "merged"
    backend = HuggingFaceBackend(Settings(model_path=folder, threads=1))
    assert [_ask(backend, number) for number in FEW] == [toy_lines()[number]["reply"] for number in FEW]


def test_qlora_holds_the_base_in_nf4_and_trains_adapters_in_float32(base: Path, toy_data: Path, tmp_path: Path) -> None:
    import bitsandbytes

    config = tuning_config(base, toy_data, tmp_path, method="qlora", precision="bf16")
    model = TunedModel(base, load_tokenizer(base), config, torch.device("cpu"))
    layers = [part for part in model.causal.modules() if isinstance(part, bitsandbytes.nn.Linear4bit)]
    assert len(layers) == 2 * 7
    state = layers[0].weight.quant_state
    assert (state.quant_type, state.nested, layers[0].compute_dtype) == ("nf4", True, torch.bfloat16)
    assert model.causal.lm_head.weight.dtype == torch.bfloat16
    assert len(model.trained) == 2 * 7 * 2
    assert {(weight.dtype, "lora_" in name) for name, weight in model.trained.items()} == {(torch.float32, True)}


def test_lora_plus_gives_b_matrices_their_own_rate(base: Path, toy_data: Path, tmp_path: Path) -> None:
    config = tuning_config(base, toy_data, tmp_path, lora_plus_ratio=16, learning_rate=1e-4)
    model = TunedModel(base, load_tokenizer(base), config, torch.device("cpu"))
    rates = {
        id(weight): (group["lr"], group["weight_decay"])
        for group in make_optimizer(model.whole, config).param_groups
        for weight in group["params"]
    }
    assert len(rates) == len(model.trained) == 28
    for name, weight in model.trained.items():
        assert rates[id(weight)] == (pytest.approx(1.6e-3 if "lora_B" in name else 1e-4), 0.01), name


@pytest.fixture(scope="module")
def steady(
    base: Path, toy_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[FinetuneConfig, FinetuneReport]:
    """A run that nothing disturbs: QLoRA, dropout, packing, several epochs, checkpoints and looks out of step."""
    config = tuning_config(
        base,
        toy_data,
        tmp_path_factory.mktemp("steady"),
        method="qlora",
        max_steps=12,
        batch_size=2,
        packing=True,
        micro_batch_size=1,
        lora_dropout=0.2,
        log_every_steps=3,
        checkpoint_every_steps=2,
        eval_every_steps=5,
        eval_reply_examples=2,
        max_reply_tokens=4,
    )
    report = finetune(config)
    assert report.epochs > 2
    return config, report


_DYING = """
import os, signal, sys
import training.checkpoints, training.metrics
from training.finetune import finetune
from training.finetune_config import FinetuneConfig

def die_at(module, name, call):
    real, calls = getattr(module, name), []
    def dying(*args, **named):
        calls.append(1)
        if len(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **named)
    setattr(module, name, dying)

config, place, call = sys.argv[1:]
if place == "checkpoint":
    die_at(training.checkpoints.os, "replace", int(call))
else:
    die_at(training.metrics.Metrics, "_write", int(call))
finetune(FinetuneConfig.model_validate_json(config))
"""


def test_a_run_that_is_killed_again_and_again_ends_as_if_it_had_not_been(
    steady: tuple[FinetuneConfig, FinetuneReport], tmp_path: Path
) -> None:
    config = steady[0].model_copy(update={"out_dir": tmp_path})
    # Before the third checkpoint has its name (config.json and versions.json get theirs first); then in the middle of
    # an interval, with lines written that no checkpoint knows of.
    for place, call, steps in (("checkpoint", 5, [2, 4]), ("metrics", 3, [4, 5, 6, 8])):
        done = subprocess.run(
            [sys.executable, "-c", _DYING, config.model_dump_json(), place, str(call)],
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
        left = sorted(int(path.stem[5:]) for path in (tmp_path / "checkpoints").glob("step-*.pt"))
        assert set(left) <= set(steps)
        assert max(left) == max(steps)
    report = finetune(config)
    assert _metrics(tmp_path) == _metrics(steady[0].out_dir)
    assert report.best == steady[1].best
    assert (report.steps, report.tokens) == (steady[1].steps, steady[1].tokens)
    assert _are_equal(report, steady[1])
    assert not list((tmp_path / "checkpoints").glob("*.partial"))


def test_ctrl_c_saves_and_the_same_call_goes_on(steady: tuple[FinetuneConfig, FinetuneReport], tmp_path: Path) -> None:
    config = steady[0].model_copy(update={"out_dir": tmp_path})

    def interrupt() -> None:
        deadline = time.monotonic() + 60
        while not (tmp_path / "metrics.jsonl").exists() and time.monotonic() < deadline:
            time.sleep(0.002)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        finetune(config)
    thread.join()
    assert not (tmp_path / "report.json").exists()
    assert list((tmp_path / "checkpoints").glob("step-*.pt"))
    report = finetune(config)
    assert _metrics(tmp_path) == _metrics(steady[0].out_dir)
    assert _are_equal(report, steady[1])


@pytest.mark.parametrize("place", ["training.finetune.draw_curves", "training.pretrained._copy_tokenizer"])
def test_a_run_that_breaks_off_at_its_end_is_finished_by_the_same_call(
    place: str, steady: tuple[FinetuneConfig, FinetuneReport], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(steady[0].out_dir / "checkpoints", tmp_path / "checkpoints")
    shutil.copyfile(steady[0].out_dir / "metrics.jsonl", tmp_path / "metrics.jsonl")
    config = steady[0].model_copy(update={"out_dir": tmp_path})

    def break_off(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(place, break_off)
        with pytest.raises(KeyboardInterrupt):
            finetune(config)
    assert not (tmp_path / "report.json").exists()
    assert _are_equal(finetune(config), steady[1])
    assert _metrics(tmp_path) == _metrics(steady[0].out_dir)
    assert not list(tmp_path.glob("adapter.*"))


def test_the_last_two_checkpoints_and_the_best_are_kept(steady: tuple[FinetuneConfig, FinetuneReport]) -> None:
    config, report = steady
    assert report.best is not None
    names = {path.name for path in (config.out_dir / "checkpoints").iterdir()}
    assert names == {f"step-{step:07d}.pt" for step in (10, 12, report.best.step)}


def test_a_finished_run_keeps_its_report_and_a_longer_plan_goes_on(
    steady: tuple[FinetuneConfig, FinetuneReport], tmp_path: Path
) -> None:
    shutil.copytree(steady[0].out_dir, tmp_path / "run")
    config = steady[0].model_copy(update={"out_dir": tmp_path / "run"})
    assert finetune(steady[0]) == steady[1]
    longer = finetune(config.model_copy(update={"max_steps": 14}))
    assert longer.steps == 14
    assert [line["step"] for line in _metrics(tmp_path / "run") if "loss" in line] == [3, 6, 9, 12, 14]


def test_the_run_folder_has_curves_and_tells_how_to_repeat_it(steady: tuple[FinetuneConfig, FinetuneReport]) -> None:
    require("vl_convert")
    config, report = steady
    assert "<svg" in (config.out_dir / "curves.svg").read_text()
    assert (config.out_dir / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert FinetuneConfig.model_validate_json((config.out_dir / "config.json").read_text()) == config
    assert json.loads((config.out_dir / "versions.json").read_text())["packages"]["peft"]
    assert FinetuneReport.model_validate_json((config.out_dir / "report.json").read_text()) == report


class _Falling:
    """A judge whose verdict is best at its second look."""

    name = "luck"
    count = 3

    def __init__(self) -> None:
        self.verdicts = iter([0.2, 0.8, 0.5, 0.7])

    def __call__(self, write: WriteReplies) -> float:
        return next(self.verdicts)

    def close(self) -> None:
        pass


def test_training_stops_when_answers_get_no_better_and_keeps_the_best_weights(
    base: Path, toy_data: Path, tmp_path: Path
) -> None:
    changes = {"max_steps": 40, "eval_every_steps": 2, "checkpoint_every_steps": 100, "early_stop_looks": 2}
    report = finetune(tuning_config(base, toy_data, tmp_path, **changes), _Falling())
    assert report.stopped_early
    assert report.best is not None
    assert (report.steps, report.best.step, report.best.accuracy, report.best.examples) == (8, 4, 0.8, 3)
    saved = torch.load(tmp_path / "checkpoints" / "step-0000004.pt", weights_only=True)["weights"]
    kept = _result(report)
    assert len(saved) == len(kept) == 28
    for name, weight in saved.items():
        assert torch.equal(kept[name.replace(".default", "")], weight)


def test_equal_accuracy_is_decided_by_the_loss() -> None:
    def standing(accuracy: float | None, loss: float) -> Standing:
        return Standing(step=1, loss=loss, accuracy=accuracy, examples=4)

    assert standing(0.0, 9.0).is_better_than(None)
    assert standing(0.5, 2.0).is_better_than(standing(0.25, 1.0))
    assert standing(0.5, 1.0).is_better_than(standing(0.5, 2.0))
    assert not standing(0.5, 1.0).is_better_than(standing(0.5, 1.0))
    assert standing(None, 1.0).is_better_than(standing(None, 2.0))


def test_a_run_without_held_out_examples_keeps_its_last_weights(base: Path, toy_data: Path, tmp_path: Path) -> None:
    data = write_toy_data(tmp_path / "data")
    (data / "eval.jsonl").unlink()
    report = finetune(tuning_config(base, data, tmp_path / "run", epochs=0.5))
    assert report.best is None
    assert report.steps == 3
    assert report.result_dir.is_dir()


def test_a_broken_off_loss_is_an_error_and_leaves_the_checkpoints(base: Path, toy_data: Path, tmp_path: Path) -> None:
    config = tuning_config(base, toy_data, tmp_path, learning_rate=1e30, max_steps=30, checkpoint_every_steps=1)
    with pytest.raises(TrainingError, match="loss became nan"):
        finetune(config)
    assert not (tmp_path / "report.json").exists()
    assert list((tmp_path / "checkpoints").glob("step-*.pt"))


@pytest.mark.parametrize(
    "failure",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    ],
)
def test_too_little_memory_is_answered_with_what_helps(
    failure: RuntimeError, base: Path, toy_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhaust(*_: object) -> float:
        raise failure

    monkeypatch.setattr(TunedModel, "learn", exhaust)
    with pytest.raises(TrainingError) as caught:
        finetune(tuning_config(base, toy_data, tmp_path))
    assert "too little memory" in caught.value.message
    for remedy in ("micro_batch_size=1", "gradient_checkpointing=true", "method=qlora", "context_tokens=128"):
        assert remedy in caught.value.hint


def test_a_run_folder_of_another_training_is_refused(
    steady: tuple[FinetuneConfig, FinetuneReport], tmp_path: Path
) -> None:
    shutil.copytree(steady[0].out_dir, tmp_path / "run")
    with pytest.raises(UsageError, match="other weights"):
        finetune(steady[0].model_copy(update={"out_dir": tmp_path / "run", "lora_rank": 2}))
    (tmp_path / "checkpoint.pt").touch()
    with pytest.raises(UsageError, match="from nothing"):
        FineTuning(steady[0].model_copy(update={"out_dir": tmp_path}))


def test_a_damaged_checkpoint_is_named(steady: tuple[FinetuneConfig, FinetuneReport], tmp_path: Path) -> None:
    shutil.copytree(steady[0].out_dir, tmp_path / "run")
    (tmp_path / "run" / "report.json").unlink()
    newest = tmp_path / "run" / "checkpoints" / "step-0000012.pt"
    newest.write_bytes(b"nonsense")
    config = steady[0].model_copy(update={"out_dir": tmp_path / "run"})
    with pytest.raises(TrainingError, match="step-0000012") as caught:
        finetune(config)
    assert "Delete it" in caught.value.hint
    newest.unlink()
    assert _are_equal(finetune(config), steady[1])
