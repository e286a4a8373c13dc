"""The data of the base: what it is made of, that nothing held out is in it, and that an interrupted call goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.cli import main
from assistant.errors import UsageError
from tests.training.corpus.tiny_corpus import write_corpus
from training.corpus.make import CorpusConfig, CorpusSummary, list_parts, make_corpus
from training.dataset import read_examples


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[CorpusConfig, CorpusSummary]:
    folder = tmp_path_factory.mktemp("corpus")
    config = CorpusConfig(
        out=folder / "data",
        corpora=write_corpus(folder / "corpora"),
        invented=2,
        spider=2,
        per_database=60,
        people=1,
        wikisql=1,
        drills=1,
        workers=2,
    )
    return config, make_corpus(config)


def test_every_kind_of_part_gives_examples_that_a_training_reads(made: tuple[CorpusConfig, CorpusSummary]) -> None:
    config, summary = made
    assert not summary.failed
    assert set(summary.parts) == {"invented", "spider", "people", "wikisql", "drill"}
    assert all(summary.parts.values())
    examples = list(read_examples(config.out / "train.jsonl"))
    assert len(examples) == summary.examples == sum(summary.parts.values())
    assert len(list(read_examples(config.out / "eval.jsonl"))) == summary.held_out


def test_the_end_of_a_training_sees_all_of_what_people_asked(
    made: tuple[CorpusConfig, CorpusSummary], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, summary = made
    folder = config.out / "last"
    everything = (config.out / "train.jsonl").read_text(encoding="utf-8").splitlines()
    last = (folder / "train.jsonl").read_text(encoding="utf-8").splitlines()
    assert last != everything  # the order is by chance
    assert sorted(last) == sorted(everything)
    assert (folder / "eval.jsonl").read_bytes() == (config.out / "eval.jsonl").read_bytes()
    monkeypatch.setattr("training.corpus.make.MOST_LAST", {"invented": 5, "spider": 5, "wikisql": 5, "drill": 5})
    make_corpus(config)
    fewer = (folder / "train.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(fewer) == sum(n if kind == "people" else min(n, 5) for kind, n in summary.parts.items())
    assert set(fewer) < set(everything)


def test_nearly_every_prompt_lists_the_tables_that_its_sql_reads(made: tuple[CorpusConfig, CorpusSummary]) -> None:
    statements = [e for e in read_examples(made[0].out / "train.jsonl") if e.reply.startswith("SELECT")]
    listed = [e for e in statements if e.reply.partition(" FROM ")[2].split()[0] in e.messages[-1].content]
    repaired = [e for e in statements if len(e.messages) > 2]
    assert len(statements) > 100
    assert len(listed) + len(repaired) > 0.9 * len(statements)


def test_what_is_held_out_is_not_trained_on(made: tuple[CorpusConfig, CorpusSummary]) -> None:
    config, _ = made
    train = [part.name for part in list_parts(config)[0]]
    held_out = [part.name for part in list_parts(config)[1]]
    assert "held_out-00000" in held_out
    assert set(train).isdisjoint(held_out)
    asked = {example.messages[-1].content.splitlines()[0] for example in read_examples(config.out / "train.jsonl")}
    assert "How many films are there?" not in asked
    lines = (config.out / "eval.jsonl").read_text(encoding="utf-8").splitlines()
    assert "How many films are there?" in {json.loads(line).get("question") for line in lines}


def test_a_call_goes_on_with_the_parts_that_are_missing(made: tuple[CorpusConfig, CorpusSummary]) -> None:
    config, summary = made
    whole = (config.out / "train.jsonl").read_bytes()
    kept = config.out / "parts" / "invented-00000.jsonl"
    stamp = kept.stat().st_mtime_ns
    for name in ("spider-00001", "people-00000"):
        (config.out / "parts" / f"{name}.jsonl").unlink()
    assert make_corpus(config.model_copy(update={"workers": 1})).parts == summary.parts
    assert (config.out / "train.jsonl").read_bytes() == whole
    assert kept.stat().st_mtime_ns == stamp


def test_a_folder_of_other_data_is_left_alone(made: tuple[CorpusConfig, CorpusSummary]) -> None:
    with pytest.raises(UsageError, match="other data"):
        make_corpus(made[0].model_copy(update={"seed": 2}))


def test_corpora_that_are_not_there_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["corpus", "--corpora", str(tmp_path / "none"), "--out", str(tmp_path / "data")])
    assert code == 2
    assert str(tmp_path / "none") in capsys.readouterr().err
