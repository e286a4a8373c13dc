"""Reports of runs that were written by the real code, read back as a reader, a parser and a browser see them."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pytest

from assistant.errors import DataError, QueryForgeError, UsageError
from assistant.files import PARTIAL
from evaluation.folder import Identity, RunFolder
from evaluation.gate import GateSettings, decide, write_gate
from evaluation.metrics import Metrics, RunFacts, measure
from evaluation.records import ResultPreview, Score
from evaluation.report import main, write_report
from evaluation.reporting.questions import rank_worst
from evaluation.reporting.text import write_cell
from tests.browser import open_browser
from tests.evaluation.scored import FACTS, score, scores_of

VOID = frozenset(["meta", "br", "hr", "img", "input", "link", "wbr"])
HOSTILE = "<script>alert(1)</script> | **bold** ![x](http://evil.example/x.png)\n\n# Heading\x1b[2J"


@dataclass
class Page(HTMLParser):
    """A page taken apart: which elements it has, what it says, and whether every element is closed."""

    text: list[str] = field(default_factory=list)
    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    open_tags: list[str] = field(default_factory=list)
    headings: list[str] = field(default_factory=list)

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.text, self.elements, self.open_tags, self.headings = [], [], [], []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert self.open_tags == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open_tags.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open_tags, f"</{tag}> closes nothing"
        assert self.open_tags.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self.open_tags and re.fullmatch("h[1-6]", self.open_tags[-1]):
            self.headings.append(data)

    def says(self, words: str) -> bool:
        return words in " ".join(" ".join(self.text).split())

    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}


def changed(base: Score, **changes: object) -> Score:
    """Change a score; what belongs to its prediction goes there."""
    of_prediction = {"sql", "status", "text", "rejected_sql"} & changes.keys()
    prediction = base.prediction.model_copy(update={name: changes.pop(name) for name in of_prediction})
    return Score.model_validate({**dict(base), "prediction": prediction, **changes})


def write_run(folder: Path, scores: Sequence[Score], facts: RunFacts = FACTS) -> Metrics:
    identity = Identity(
        **facts.model_dump(include=Identity.model_fields.keys() & RunFacts.model_fields.keys()),
        prompt_layout="full",
        max_reply_tokens=320,
        query_timeout_s=15.0,
        backend_timeout_s=120.0,
    )
    metrics = measure(scores, facts)
    with RunFolder(folder, identity) as run:
        for each in scores:
            run.add(each.prediction)
        run.write_results(scores, metrics)
    return metrics


def report(folder: Path, **options: object) -> tuple[str, Page]:
    """Write the report of a run and read it back."""
    markdown, page = write_report(folder, **options)  # type: ignore[arg-type]
    return markdown.read_text(encoding="utf-8"), Page(page)


def mixed() -> list[Score]:
    """Make a run with something of everything."""
    right = score("r1", "answered", is_correct=True, kind="join", difficulty="easy", style="full", confidence=0.9)
    return [
        changed(right, question="How many join?", gold_sql="SELECT 1", sql="select 1"),
        score(
            "r2",
            "answered",
            is_correct=True,
            kind="join",
            difficulty="hard",
            style="terse",
            n_variants=3,
            confidence=0.6,
        ),
        changed(
            score("w1", "answered", is_correct=False, kind="dates", difficulty="easy", style="full", confidence=0.8),
            question="Sold in May?",
            reason="2 rows instead of 12.",
            gold_sql="select city, count(*) from sale group by city",
            sql="select city from sale",
            gold_result=ResultPreview(columns=("city", "n"), rows=(("Wien", 3), (None, 4)), n_rows=12),
            predicted_result=ResultPreview(columns=("city",), rows=(("Graz",), ("1",)), n_rows=2),
        ),
        changed(
            score("w2", "failed", is_correct=False, kind="dates", difficulty="medium", style="terse"),
            rejected_sql="SELECT nope",
            text="There is no column 'nope'.",
        ),
        changed(
            score("w3", "answered", is_correct=False, on_original=True, kind="top_n", difficulty="hard", style="full"),
            failed_variant=2,
            reason="Right on the database, wrong on variant 2 of it: 3 rows instead of 4.",
        ),
        score("t", "answered", is_correct=True, turn=1, kind="talk", difficulty="easy", style="full"),
        score("t", "clarify", is_correct=False, turn=2, kind="talk", difficulty="easy", style="full"),
        score("u", "answered", is_correct=False, expect="unanswerable", kind="none", style="full"),
        score("f", "refused", is_correct=True, expect="refuse", kind="none", style="full"),
        score("c", "clarify", is_correct=True, expect="clarify", kind="vague", style="full"),
    ]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Metrics, str, Page]:
    """The report of a run with something of everything, written once and only read."""
    folder = tmp_path_factory.mktemp("mixed") / "run"
    return write_run(folder, mixed()), *report(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_run(tmp_path / "run", mixed())
    return tmp_path / "run"


def test_the_command_writes_both_files_and_prints_where(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(folder)]) == 0
    assert capsys.readouterr().out.split() == [str(folder / "report.md"), str(folder / "report.html")]
    assert {path.name for path in folder.iterdir() if path.suffix == PARTIAL} == set()


def test_the_files_go_to_another_folder_when_one_is_named(folder: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert main([str(folder), "--out", str(tmp_path / "deep" / "er")]) == 0
    assert {path.name for path in (tmp_path / "deep" / "er").iterdir()} == {"report.md", "report.html"}
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_report_names_all_that_is_needed_to_measure_again(written: tuple[Metrics, str, Page]) -> None:
    _, markdown, page = written
    for fact in (FACTS.model, FACTS.model_sha256, FACTS.examples_sha256, FACTS.git_commit, FACTS.command):
        assert fact in markdown
        assert page.says(fact)


def test_figures_are_those_of_the_metrics_with_cases_and_interval(written: tuple[Metrics, str, Page]) -> None:
    metrics, markdown, page = written
    assert (metrics.accuracy.hits, metrics.accuracy.n) == (3, 7)
    row = re.search(r"^\| Execution accuracy +\|(.*)\|$", markdown, re.MULTILINE)
    assert row is not None
    assert [cell.strip() for cell in row[1].split("|")] == ["42.9 %", "3 of 7", "15.8 to 75.0 %"]
    assert page.says("Execution accuracy 42.9 % 3 of 7 15.8 to 75.0 %")
    for name, rate in (metrics.by_kind | metrics.by_style | metrics.by_difficulty).items():
        assert re.search(rf"^\| {name} +\| {rate.rate or 0:.1%} *\|".replace("%", " %"), markdown, re.MULTILINE), name


def test_every_part_of_a_report_is_there(written: tuple[Metrics, str, Page]) -> None:
    _, markdown, page = written
    parts = ["What was measured", "Figures", "By kind", "By difficulty", "By style", "By turn of a conversation"]
    for heading in [*parts, "Confidence", "Worst questions"]:
        assert f"## {heading}\n" in markdown
        assert heading in page.headings
    figures = [attributes for tag, attributes in page.elements if attributes.get("role") == "img"]
    assert len(figures) == 5
    assert all(len(attributes.get("aria-label") or "") > 20 for attributes in figures)
    assert [tag for tag, _ in page.elements].count("table") == [tag for tag, _ in page.elements].count("caption")


def test_the_page_needs_nothing_from_elsewhere(folder: Path) -> None:
    _, page = report(folder)
    assert page.tags() & {"script", "link", "img", "iframe", "object", "base", "form"} == set()
    for tag, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name not in ("src", "srcset"), (tag, value)
            assert name != "href" or (value or "").startswith("#"), (tag, value)
    style = (folder / "report.html").read_text().partition("<style>")[2].partition("</style>")[0]
    assert "var(--paper)" in style
    assert not re.search(r"url\(|@import|http", style)


def test_every_link_of_the_contents_leads_somewhere(written: tuple[Metrics, str, Page]) -> None:
    _, _, page = written
    links = [(attributes["href"] or "")[1:] for tag, attributes in page.elements if tag == "a"]
    assert len(links) >= 5
    assert set(links) <= {attributes.get("id") for _, attributes in page.elements}


def test_a_wrong_question_is_shown_with_both_queries_and_both_results(written: tuple[Metrics, str, Page]) -> None:
    _, markdown, page = written
    case = markdown.partition("1. w1 ")[2].partition("\n### ")[0]
    assert "(dates, full, easy)" in case
    assert "Question: Sold in May?" in case
    assert "Reason: 2 rows instead of 12." in case
    assert "- 80 % sure, 100 ms, 1 draft." in case
    assert "```sql\nSELECT city,\n       count(*)\nFROM sale\nGROUP BY city\n```" in case
    assert "```sql\nSELECT city\nFROM sale\n```" in case
    assert "Gold result (12 rows, the first 2):" in case
    assert re.search(r"\| city +\| n +\|\n\|[-|]+\|\n\| Wien +\| 3 +\|\n\| NULL +\| 4 +\|\n", case)
    assert re.search(r"\| Graz +\|\n\| '1' +\|\n", case)
    assert page.says("Gold result: 12 rows, the first 2 city n Wien 3 NULL 4")
    assert page.says("Predicted result: 2 rows city Graz '1'")


def test_what_was_said_instead_of_an_answer_is_shown_with_the_last_draft(written: tuple[Metrics, str, Page]) -> None:
    _, markdown, page = written
    assert "Prediction: failed, no query was run. There is no column 'nope'." in markdown
    assert "Last draft:\n\n```sql\nSELECT nope\n```" in markdown
    assert page.says("No query was run; ended as failed. There is no column 'nope'. Last draft: SELECT nope")


def test_a_wrong_answer_that_only_a_variant_catches_is_told_apart(written: tuple[Metrics, str, Page]) -> None:
    _, markdown, _ = written
    remark = "On the database itself the result is right; only a variant of it"
    assert markdown.count(remark) == 1
    assert remark in markdown.partition(". w3 ")[2].partition("\n### ")[0]


def test_the_most_telling_wrong_answers_come_first() -> None:
    def wrong(name: str, status: str, confidence: float | None, difficulty: str | None) -> Score:
        return changed(
            score(name, "answered", is_correct=False, confidence=confidence), status=status, difficulty=difficulty
        )

    ranked = rank_worst(
        [
            wrong("declined, easy", "clarify", None, "easy"),
            wrong("unsure, easy", "answered", 0.3, "easy"),
            wrong("sure, extra", "answered", 0.93, "extra"),
            score("right", "answered", is_correct=True),
            wrong("failed, medium", "failed", None, "medium"),
            wrong("as sure, medium", "answered", 0.88, "medium"),
            wrong("as sure, none expected", "answered", 0.91, None),
        ]
    )
    assert [found.id for found in ranked] == [
        "as sure, none expected",
        "as sure, medium",
        "sure, extra",
        "unsure, easy",
        "declined, easy",
        "failed, medium",
    ]


def test_only_so_many_wrong_questions_are_shown_and_the_rest_is_counted(folder: Path) -> None:
    markdown, page = report(folder, max_worst=2)
    assert "2 of 5 that went wrong, the most telling first. The others are in scores.jsonl." in markdown
    assert len(re.findall(r"^### \d+\. ", markdown, re.MULTILINE)) == 2
    assert page.says("2 of 5 that went wrong")
    assert "All 5 that went wrong" in report(folder)[0]


def test_foreign_text_stays_text(tmp_path: Path) -> None:
    fence = "SELECT '\n```\n# Not a heading\n' AS x -- <img src=x onerror=alert(1)>"
    preview = ResultPreview(columns=(HOSTILE,), rows=((HOSTILE,), ("</td></table><script>",)), n_rows=2)
    hostile = changed(
        score("</title><script>", "answered", is_correct=False, kind=HOSTILE, style=HOSTILE),
        question=HOSTILE,
        reason=HOSTILE,
        sql=fence,
        gold_sql=fence + " ````` ",
        gold_result=preview,
        predicted_result=preview,
    )
    declined = changed(score("d", "failed", is_correct=False), text=HOSTILE, rejected_sql=fence)
    facts = FACTS.model_copy(update={"model": HOSTILE, "command": HOSTILE})
    write_run(tmp_path / "run", [hostile, declined], facts)
    write_run(tmp_path / "old", [changed(hostile, is_correct=True, is_correct_on_original=True), declined], facts)
    markdown, page = report(tmp_path / "run", against=tmp_path / "old")
    assert page.tags() & {"script", "img", "b", "strong"} == {"strong"}
    assert page.says("<script>alert(1)</script> | **bold**")
    assert page.says("<img src=x onerror=alert(1)>")
    assert "\x1b" not in markdown + "".join(page.text)
    prose, inside = [], ""
    for line in markdown.split("\n"):
        if inside:
            inside = "" if line == inside else inside
        elif line.startswith("```"):
            inside = line.removesuffix("sql")
        else:
            prose.append(line)
    assert inside == ""
    assert not [line for line in prose if re.search(r"(?<!\\)[<*\[`]", line)]
    assert [line for line in prose if line.startswith("# ")] == [prose[0]]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in prose if r"\<script" in line and line[0] == "|"} == {2, 5}


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        (None, "NULL"),
        ("NULL", "'NULL'"),
        ("", "''"),
        (" x", "' x'"),
        ("1010", "'1010'"),
        (1010, "1010"),
        (1.0, "1.0"),
        (True, "True"),
        ("true", "'true'"),
        ("2024-01-01", "2024-01-01"),
        ("a\nb", "a\\nb"),
        ("x" * 500, "x" * 119 + "…"),
        ("\u202eabc", "\\u202eabc"),
    ],
)
def test_cells_that_differ_look_different(cell: str | float | None, shown: str) -> None:
    assert write_cell(cell) == shown


def test_against_an_older_run_won_and_lost_are_listed_with_both_predictions(tmp_path: Path) -> None:
    def run(outcomes: str, sql: str) -> list[Score]:
        return [
            changed(found, sql=f"select {sql}, {found.id}", reason=f"{sql} reason") for found in scores_of(outcomes)
        ]

    write_run(tmp_path / "old", run("++++-", "old"))
    write_run(tmp_path / "new", run("+--++", "new"))
    markdown, page = report(tmp_path / "new", against=tmp_path / "old")
    lost, _, won = markdown.partition("### Lost: 2")[2].partition("## Worst")[0].partition("### Won: 1")
    assert re.findall(r"^#### (\w+) ", lost, re.MULTILINE) == ["q1", "q2"]
    assert re.findall(r"^#### (\w+) ", won, re.MULTILINE) == ["q4"]
    assert "Why not now: new reason" in lost
    assert "Why not before: old reason" in won
    assert re.search(
        r"Before:\n\n```sql\nSELECT old,\s+q1\n```\n\nNow:\n\n```sql\nSELECT NEW,\s+q1\n```", lost, re.IGNORECASE
    )
    for text in ("Won 1 and lost 2 of 5: -20.0 points", "p = 1.000"):
        assert text in markdown
        assert page.says(text)
    assert {"Lost: 2", "Won: 1"} <= set(page.headings)
    assert "| Right before " in markdown
    assert page.says("Right before 80.0 % 4 of 5")
    assert page.says("Right now 60.0 % 3 of 5")
    assert page.says("Why not now: new reason")
    assert page.says("Why not before: old reason")


def test_what_cannot_be_compared_is_said(tmp_path: Path) -> None:
    write_run(tmp_path / "new", scores_of("++-+"), FACTS.model_copy(update={"variants": 8}))
    olds = [*scores_of("+-"), score("q2", "answered", is_correct=True, gold_sql="SELECT 'other'")]
    write_run(tmp_path / "old", [*olds, score("gone", "answered", is_correct=True)])
    markdown, page = report(tmp_path / "new", against=tmp_path / "old")
    left_out = (
        "Left out of the comparison: 1 with another question, gold SQL or expectation (q2), 1 in this run only (q3) "
        "and 1 in the older run only (gone)."
    )
    assert left_out in markdown
    assert page.says(left_out)
    assert page.says("This run was judged with 8 variants of each database, the older one with 0")


def test_runs_without_a_common_question_are_an_error(tmp_path: Path) -> None:
    write_run(tmp_path / "new", scores_of("++"))
    write_run(tmp_path / "old", [score("other", "answered", is_correct=True)])
    with pytest.raises(DataError, match="no question in common: 2 in this run only") as caught:
        write_report(tmp_path / "new", against=tmp_path / "old")
    assert caught.value.exit_code == 2
    assert not (tmp_path / "new" / "report.md").exists()


def test_a_run_against_itself_shows_no_difference(folder: Path) -> None:
    markdown, _ = report(folder, against=folder)
    assert "### Lost: 0" in markdown
    assert "### Won: 0" in markdown
    assert "no significant difference" in markdown
    assert "Left out" not in markdown


@pytest.mark.parametrize(
    ("scores", "says", "is_silent_of"),
    [
        (scores_of("+++"), "None: everything was answered or declined as it should be.", "By turn"),
        ([score(f"q{n}", "clarify", is_correct=False) for n in range(3)], "All 3 that went wrong", "Confidence"),
        (
            [score("u", "unanswerable", is_correct=True, expect="unanswerable")],
            "No question of this run expects an answer.",
            "By kind",
        ),
        ([score("a", "answered", is_correct=True, latency_ms=0)], "100.0 % of the 1 question", "By kind"),
    ],
    ids=["all right", "all declined", "nothing to answer", "one question"],
)
def test_runs_at_the_edge_have_a_report_too(tmp_path: Path, scores: list[Score], says: str, is_silent_of: str) -> None:
    write_run(tmp_path / "run", scores)
    markdown, page = report(tmp_path / "run", against=tmp_path / "run")
    assert says in markdown
    assert page.says(says)
    assert is_silent_of not in markdown
    assert not any(is_silent_of in heading for heading in page.headings)
    assert "None" not in markdown.replace("None: everything", "")
    assert "nan" not in markdown.lower().split()


def test_very_many_groups_have_a_table_and_no_picture(tmp_path: Path) -> None:
    scores = [score(f"q{n}", "answered", is_correct=True, kind=f"kind{n}", db_id=f"db{n % 2}") for n in range(41)]
    write_run(tmp_path / "run", scores)
    _, page = report(tmp_path / "run")
    pictures = [
        attributes.get("aria-label") or "" for _, attributes in page.elements if attributes.get("role") == "img"
    ]
    assert [label.partition(":")[0] for label in pictures] == [
        "Accuracy by database",
        "Latency of 41 asks, from 100 ms to 100 ms",
    ]
    assert page.says("kind40 100.0 % 1 of 1")


def test_the_verdict_of_the_gate_is_shown_while_it_is_of_these_figures(folder: Path) -> None:
    metrics, scores = Metrics.model_validate_json((folder / "metrics.json").read_bytes()), mixed()
    write_gate(folder, decide(metrics, scores, GateSettings(min_accuracy=0.9, min_examples=2)))
    markdown, page = report(folder)
    assert "## Gate\n\nThe gate was not passed." in markdown
    assert re.search(r"^\| execution accuracy +\| not met +\|", markdown, re.MULTILINE)
    assert page.says("execution accuracy not met")
    later = FACTS.model_copy(update={"finished_at": "2026-02-02T00:00:00+00:00"})
    (folder / "metrics.json").write_text(measure(scores, later).model_dump_json())
    assert "Gate" not in report(folder)[0]


def test_a_password_in_the_command_is_masked(tmp_path: Path) -> None:
    command = "queryforge eval --db postgresql://me:geheim@host/shop"
    write_run(tmp_path / "run", scores_of("+"), FACTS.model_copy(update={"command": command}))
    write_report(tmp_path / "run")
    for name in ("report.md", "report.html"):
        text = (tmp_path / "run" / name).read_text()
        assert "postgresql://me:" in text
        assert "geheim" not in text


def tear(folder: Path) -> None:
    path = folder / "scores.jsonl"
    path.write_bytes(path.read_bytes()[:-30])


def unfinish(folder: Path) -> None:
    (folder / "metrics.json").unlink()
    (folder / "scores.jsonl").unlink()


def tear_gate(folder: Path) -> None:
    (folder / "gate.json").write_text('{"is_passed": tr')


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


@pytest.mark.parametrize(
    ("damage", "error", "message", "hint"),
    [
        (tear, DataError, "breaks off in line", "--out"),
        (unfinish, UsageError, "not finished", "--out"),
        (tear_gate, DataError, "does not hold the verdict of a gate", "--gate"),
        (empty, UsageError, "holds no evaluation", "--out"),
    ],
)
@pytest.mark.parametrize("is_older", [False, True])
def test_a_folder_that_is_no_finished_run_is_named_with_a_remedy(
    tmp_path: Path, damage: object, error: type[QueryForgeError], message: str, hint: str, is_older: bool
) -> None:
    for name in ("run", "old"):
        write_run(tmp_path / name, mixed())
    damaged = tmp_path / ("old" if is_older else "run")
    damage(damaged)  # type: ignore[operator]
    if is_older and damage is tear_gate:
        assert write_report(tmp_path / "run", against=damaged)  # The verdict on an older run is not read.
        return
    with pytest.raises(error, match=message) as caught:
        write_report(tmp_path / "run", against=tmp_path / "old")
    assert str(damaged) in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.exit_code == 2
    assert not (tmp_path / "run" / "report.md").exists()


def test_a_folder_that_cannot_be_written_is_an_error(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="Cannot write") as caught:
        write_report(folder, out=tmp_path / "file" / "reports")
    assert "--out" in caught.value.hint


def test_without_vl_convert_the_markdown_is_written_and_the_error_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(UsageError, match=r"vl-convert-python.*report\.md' is written") as caught:
        write_report(folder)
    assert "pip install" in caught.value.hint
    assert "## Worst questions" in (folder / "report.md").read_text()
    assert not (folder / "report.html").exists()


def test_a_number_of_questions_below_zero_is_a_usage_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([str(folder), "--worst", "-1"])
    assert left.value.code == 2
    assert "--worst" in capsys.readouterr().err


def test_no_worst_question_is_shown_when_none_is_asked_for(folder: Path) -> None:
    markdown, _ = report(folder, max_worst=0)
    assert "0 of 5 that went wrong" in markdown
    assert not re.search(r"^### \d+\. ", markdown, re.MULTILINE)


@pytest.mark.browser
def test_the_page_fits_a_phone_runs_nothing_and_fetches_nothing(folder: Path) -> None:
    write_report(folder, against=folder)
    asked, said = [], []
    with open_browser() as browser:
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": 380, "height": 800}, color_scheme=scheme)
            page.on("request", lambda request: asked.append(request.url))
            page.on("console", lambda message: said.append(message.text))
            page.goto((folder / "report.html").as_uri())
            page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
            assert page.evaluate("document.documentElement.scrollWidth") == 380
            colours = page.evaluate(
                "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
            )
            assert contrast(*colours) > 7
            dot = page.locator('svg path[fill="var(--new)"]').first
            assert contrast(dot.evaluate("node => getComputedStyle(node).fill"), colours[1]) > 3
    assert set(asked) == {(folder / "report.html").as_uri()}
    assert said == []


def contrast(one: str, other: str) -> float:
    """Compute the contrast of two colours (WCAG 2.2, relative luminance): 3 is needed for shapes, 4.5 for text."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)
