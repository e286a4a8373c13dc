"""`queryforge corpus --held-out`: the databases that no model is trained on, made for measuring a base.

In: the corpora. Out: a folder with a SQLite file for each database that is held out, filled with made-up rows in which
the values of the questions occur, and the questions that people asked about them, in the form of `queryforge eval`.
The rows are not Spider's, so the figures are not to be put beside others' on Spider.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from pathlib import Path

from training.corpus.preparing import PreparedSchema, prepare_spider
from training.corpus.rows import build_database
from training.corpus.styled import Names
from training.datagen.slices import writing_to

QUESTIONS_FILE = "questions.jsonl"


def make_held_out(corpora: Path, out: Path, *, seed: int = 1) -> int:
    """Make the databases and their questions; gives the number of questions.

    Raises:
        DataError: A corpus cannot be read.
        UsageError: The folder cannot be written.
        DatabaseError: A database cannot be made.
    """
    with writing_to(out):
        out.mkdir(parents=True, exist_ok=True)
        lines = []
        for name, prepared in sorted(prepare_spider(corpora, held_out=True).items()):
            build_database(
                prepared.schema, out / f"{name}.sqlite", random.Random(f"{seed}:{name}"), literals=_literals(prepared)
            )
            names = Names.of(prepared.schema)
            for number, asked in enumerate(prepared.questions, 1):
                line = {
                    "id": f"{name}-{number:03}",
                    "db_id": name,
                    "question": asked.text,
                    "gold_sql": asked.query.write(names),
                    "expect": "answer",
                    "kind": asked.kind,
                }
                lines.append(json.dumps(line, ensure_ascii=False) + "\n")
        (out / QUESTIONS_FILE).write_text("".join(lines), encoding="utf-8")
    return len(lines)


def _literals(prepared: PreparedSchema) -> dict[tuple[str, str], list[str]]:
    """Collect the values that statements compare columns with, so that results are not empty."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for asked in prepared.questions:
        for literal in asked.query.literals:
            text = literal.text.strip("%") if literal.is_pattern else literal.text
            if text and text not in found[literal.table, literal.column]:
                found[literal.table, literal.column].append(text)
    return dict(found)
