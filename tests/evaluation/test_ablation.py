"""An ablation: its arms, its table, and a run of it with the shipped model and with scripted replies."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from assistant.backends.scripted import ScriptedBackend
from assistant.constraint.draft import SqlConstraint
from assistant.database import Database
from assistant.errors import UsageError
from assistant.settings import SHIPPED_MODEL, Settings
from assistant.types import Completion, ModelInfo, Prompt, Sampling
from evaluation import ablation
from evaluation.ablation import main, run
from evaluation.arms import HELPS, list_arms, measure_arms
from evaluation.finished import read_metrics, read_scores
from evaluation.reporting.ablation import COLUMNS, render_markdown, render_page, render_table
from evaluation.runner import EvalConfig

QUESTIONS = Path(__file__).resolve().parents[2] / "scripts" / "demo" / "questions.jsonl"
DATA = Path(__file__).parent / "data" / "shop.jsonl"
EMBEDDED = ModelInfo(name="m", backend="llamacpp", prompt_layout="full")
NAMES = [help_.name for help_ in HELPS]


def switched_off(settings: Settings) -> list[str]:
    return [h.name for h in HELPS if all(getattr(settings, name) == value for name, value in h.off.items())]


def test_every_switch_is_a_setting_and_on_unless_it_is_set() -> None:
    assert switched_off(Settings()) == []
    for help_ in HELPS:
        text = {name: str(value) for name, value in help_.off.items()}
        assert switched_off(Settings.model_validate(text)) == [help_.name]


def test_helps_are_added_one_by_one_and_each_is_left_out_once() -> None:
    arms, left_out = list_arms(Settings(), EMBEDDED)
    off = {arm.name: switched_off(arm.settings) for arm in arms}
    assert list(off)[: len(HELPS) + 1] == ["bare", *(f"added-{name}" for name in NAMES[:-1]), "whole"]
    for number, name in enumerate(["bare", *(f"added-{name}" for name in NAMES[:-1]), "whole"]):
        assert off[name] == NAMES[number:]
    assert {name: off[f"without-{name}"] for name in NAMES[:-1]} == {name: [name] for name in NAMES[:-1]}
    # The help that was added last is left out by the arm before the whole.
    assert len(arms) == 2 * len(HELPS)
    assert left_out == ()
    by_name = {arm.name: arm for arm in arms}
    assert by_name["bare"].against == ()
    assert by_name["added-values"].against == ("bare", "added-scope")
    assert by_name["without-scope"].against == ("bare", "whole")


@pytest.mark.parametrize(
    ("changes", "info", "missing"),
    [
        ({"max_candidates": 0}, EMBEDDED, "candidates: switched off by the settings"),
        ({"send_values": False}, EMBEDDED, "values: the settings keep values from models"),
        ({}, EMBEDDED.model_copy(update={"backend": "ollama"}), "constraint: only the embedded backend can hold to it"),
        ({}, EMBEDDED.model_copy(update={"examples": 0}), "examples: the model was not trained with any"),
        ({}, EMBEDDED.model_copy(update={"prompt_layout": "compact"}), "examples: the model was not trained with any"),
    ],
)
def test_a_help_that_cannot_matter_has_no_arm(changes: dict[str, object], info: ModelInfo, missing: str) -> None:
    arms, left_out = list_arms(Settings.model_validate(changes), info)
    assert missing in left_out
    assert not any(missing.partition(":")[0] in arm.name for arm in arms)


def test_the_shipped_model_asked_bare_and_with_every_help(
    shop_db_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "CACHE_PATH": str(tmp_path / "cache"),
        "THREADS": "1",
        "DATABASE_URL": str(shop_db_path),
    }.items():
        monkeypatch.setenv(f"QUERYFORGE_{name}", value)
    lines = [json.loads(line) for line in QUESTIONS.read_text().splitlines()]
    picked = [line for line in lines if line["expect"] == "answer" and not line.get("turns")][:3]
    picked += [line for line in lines if line["expect"] == "unanswerable"][:1]
    examples = tmp_path / "few.jsonl"
    examples.write_text("".join(json.dumps(line) + "\n" for line in picked))
    monkeypatch.setattr(ablation, "TURN_ASKS", 2)
    out = tmp_path / "out"
    command = [
        "--examples",
        str(examples),
        "--out",
        str(out),
        "--model",
        str(SHIPPED_MODEL),
        "--variants",
        "0",
        "--short",
    ]
    assert main(command) == 0
    printed = capsys.readouterr()
    written = json.loads((out / "ablation.json").read_text())
    names = [arm["name"] for arm in written["arms"]]
    assert names == ["bare", "whole"]
    for arm in written["arms"]:
        folder = out / arm["name"]
        assert len((folder / "predictions.jsonl").read_text().splitlines()) == 4
        metrics = json.loads((folder / "metrics.json").read_text())
        assert arm["accuracy"] == metrics["accuracy"]
        assert arm["accuracy"]["n"] == 3
        assert arm["invented"] == []
        assert arm["median_ms"] > 0
    assert written["arms"][0]["ratio"] == written["arms"][0]["median_ratio"] == 1.0
    bare = json.loads((out / "bare" / "run.json").read_text())
    assert (bare["check_scope"], bare["match_values"], bare["link_tables"], bare["constrain_names"]) == (False,) * 4
    assert (bare["max_attempts"], bare["max_candidates"]) == (1, 0)
    assert "| bare greedy call |" in (out / "ablation.md").read_text()
    assert "bare greedy call" in printed.out
    # The same command again asks nothing: every time stays what it was.
    before = (out / "whole" / "predictions.jsonl").read_text()
    assert main(command) == 0
    assert (out / "whole" / "predictions.jsonl").read_text() == before
    assert f"{4 * len(names)} are answered already" in capsys.readouterr().err


def play(shop_db_path: Path, tmp_path: Path, replies: Sequence[str]) -> tuple[EvalConfig, ScriptedBackend]:
    settings = Settings(database_url=str(shop_db_path), backend="scripted", cache_path=tmp_path / "cache")
    config = EvalConfig(examples=DATA, out=tmp_path / "out", settings=settings, variants=0, limit=2)
    return config, ScriptedBackend(list(replies))


class _Interrupted(ScriptedBackend):
    """Somebody presses Ctrl-C at the fourth question."""

    def complete(
        self,
        prompt: Prompt,
        *,
        max_tokens: int,
        on_text: Callable[[str], None] | None = None,
        constraint: SqlConstraint | None = None,
        sampling: Sampling | None = None,
    ) -> Completion:
        if len(self.prompts) == 3:
            raise KeyboardInterrupt
        return super().complete(
            prompt, max_tokens=max_tokens, on_text=on_text, constraint=constraint, sampling=sampling
        )


def test_an_interrupted_ablation_goes_on(shop_db_path: Path, tmp_path: Path) -> None:
    config, backend = play(shop_db_path, tmp_path, ["SELECT COUNT(*) FROM category"])

    with pytest.raises(KeyboardInterrupt):
        run(config, backend=_Interrupted(["SELECT COUNT(*) FROM category"]))
    kept = sum(len(path.read_text().splitlines()) for path in (tmp_path / "out").glob("*/predictions.jsonl"))
    assert kept == 3
    found = run(config, backend=backend)
    whole, unhurried = play(shop_db_path, tmp_path, ["SELECT COUNT(*) FROM category"])
    run(whole.model_copy(update={"out": tmp_path / "at-once"}), backend=unhurried)
    assert len(backend.prompts) == len(unhurried.prompts) - kept
    assert found.arms[0].accuracy.n == 2


def test_an_invented_name_in_executed_sql_is_reported(shop_db_path: Path, shop_db: Database, tmp_path: Path) -> None:
    config, backend = play(shop_db_path, tmp_path, ["SELECT COUNT(*) FROM category"])
    run(config, backend=backend, is_short=True)
    arms, _ = list_arms(config.settings, backend.info())
    both = [arm for arm in arms if arm.name in ("bare", "whole")]
    metrics = {arm.name: read_metrics(config.out / arm.name) for arm in both}
    scores = {arm.name: read_scores(config.out / arm.name) for arm in both}
    first = scores["whole"][0]
    slipped = first.prediction.model_copy(update={"sql": 'SELECT "catgory" FROM category'})
    scores["whole"] = (first.model_copy(update={"prediction": slipped}), *scores["whole"][1:])
    found = measure_arms(both, metrics, scores, {"": shop_db.schema()})
    assert [arm.invented for arm in found.arms] == [(), (f'"catgory" ({first.id})',)]
    assert '"catgory"' in render_table(found)
    page = render_page(found)
    assert "&quot;catgory&quot;" in page
    assert page.count("<svg") == 2
    assert "<script" not in page


def test_the_table_has_a_line_for_each_arm(shop_db_path: Path, tmp_path: Path) -> None:
    config, backend = play(shop_db_path, tmp_path, ["SELECT COUNT(*) FROM category", "SELECT 1"])
    found = run(config, backend=backend)
    lines = render_table(found).splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith(COLUMNS[0]))
    for line, arm in zip(lines[at + 1 :], found.arms, strict=False):
        assert line.startswith(arm.title)
    rows = [line for line in render_markdown(found).splitlines() if line.startswith("|")]
    assert len(rows) == len(found.arms) + 2
    assert {len(re.findall(r"\|", row)) for row in rows} == {len(COLUMNS) + 1}


def test_nothing_to_compare_is_said(shop_db_path: Path, tmp_path: Path) -> None:
    config, backend = play(shop_db_path, tmp_path, ["SELECT 1"])
    off = {name: value for help_ in HELPS for name, value in help_.off.items()}
    config = config.model_copy(update={"settings": config.settings.model_copy(update=off)})
    with pytest.raises(UsageError, match="switched off already"):
        run(config, backend=backend)
