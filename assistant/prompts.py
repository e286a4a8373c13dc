r"""Every word that is sent to a model: for chat, training, evaluation and `ollama run` alike.

In: a Question, its SchemaContext and what was refused so far. Out: a Prompt, as messages and as text, byte for byte the
same in training and in use. Also the way back: `parse_reply` reads what the model wrote. Knows no backend.

The chat format is ChatML, which is also what the GGUF's own template and the Modelfile render:

    <|im_start|>system\n...<|im_end|>\n<|im_start|>user\n...<|im_end|>\n<|im_start|>assistant\n...<|im_end|>

A model declines by writing a SQL comment instead of a statement, which also reads well in a terminal:
`-- unanswerable: ...`, `-- refused: ...` or `-- clarify: ...`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from assistant.types import (
    Dialect,
    GlossaryEntry,
    Message,
    Prompt,
    PromptLayout,
    Question,
    Rejection,
    Reply,
    SchemaContext,
    SqlDraft,
    Table,
)

TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"
PAD = "<|endoftext|>"
MAX_HISTORY_TURNS = 2
MAX_VALUES = 6

CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""`render_text` as Jinja, for the GGUF."""

OLLAMA_TEMPLATE = (
    "{{- range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n"
)
"""`render_text` as a Go template, for the Modelfile."""

INSTRUCTION = (
    "You write one {dialect} SELECT statement that answers the user's question about the database '{db_id}'. "
    "Use only the tables and columns below. Write SQL alone, no explanation. "
    "If the database cannot answer, write '-- unanswerable: ' and the reason; if data would have to be changed, "
    "'-- refused: ' and the reason; if the question has several readings, '-- clarify: ' and what to ask back."
)

DIALECT_NAMES: dict[Dialect, str] = {"sqlite": "SQLite", "postgres": "PostgreSQL", "mysql": "MySQL"}

_DECLINED = re.compile(r"^\s*--\s*(unanswerable|refused|clarify)\b:?[ \t]*(.*)", re.IGNORECASE)
_FENCE = re.compile(r"```(?:sql)?\s*\n?(.*?)```", re.DOTALL | re.IGNORECASE)


def render_system(context: SchemaContext, layout: PromptLayout) -> str:
    """Render the system message: what database this is and, in the full layout, what is in it."""
    if layout == "compact":
        return f"{context.dialect} {context.db_id}"
    parts = [INSTRUCTION.format(dialect=DIALECT_NAMES[context.dialect], db_id=context.db_id)]
    parts += [_render_table(table) for table in context.tables]
    if context.glossary:
        parts.append("\n".join(["Terms:", *(_render_term(entry) for entry in context.glossary)]))
    return "\n\n".join(parts)


def render_user(question: Question, context: SchemaContext) -> str:
    """Render the question, then one line for each value of the database that it names."""
    lines = [question.text.strip()]
    if question.evidence:
        lines.append(question.evidence.strip())
    for match in context.values[:MAX_VALUES]:
        value = match.value.replace("'", "''")
        lines.append(f"{match.table}.{match.column} = '{value}'")
    return "\n".join(lines)


def render_rejection(rejection: Rejection) -> str:
    """Render why a draft was refused, for the model that wrote it."""
    return f"{rejection.message} {rejection.hint}".strip()


def render_prompt(
    question: Question,
    context: SchemaContext,
    layout: PromptLayout,
    attempts: Sequence[tuple[SqlDraft, Rejection]] = (),
) -> Prompt:
    """Render everything the model gets to see for one draft.

    Args:
        question: The question, with the earlier turns; the last `MAX_HISTORY_TURNS` are shown.
        context: The linked schema and matched values.
        layout: The layout the model was trained with.
        attempts: Drafts of this question that were refused. Only the last is shown, with its reason.
    """
    messages = [_message("system", render_system(context, layout))]
    for turn in question.history[-MAX_HISTORY_TURNS:]:
        if turn.sql:
            messages += [_message("user", turn.question.strip()), _message("assistant", turn.sql)]
    messages.append(_message("user", render_user(question, context)))
    for draft, rejection in attempts[-1:]:
        messages += [_message("assistant", draft.sql), _message("user", render_rejection(rejection))]
    return Prompt(messages=tuple(messages), text=render_text(messages))


def render_text(messages: Sequence[Message]) -> str:
    """Render messages as ChatML, up to where the assistant goes on."""
    turns = (f"{TURN_START}{m.role}\n{m.content}{TURN_END}\n" for m in messages)
    return "".join(turns) + f"{TURN_START}assistant\n"


def parse_reply(text: str) -> Reply:
    """Read what the model wrote: a statement, or the reason there is none.

    Code fences and whatever stands around them are dropped, as is a final semicolon.
    """
    fenced = _FENCE.search(text)
    body = (fenced.group(1) if fenced else text).strip()
    declined = _DECLINED.match(body)
    if declined:
        kind = declined.group(1).lower()
        reason = declined.group(2).strip()
        if kind == "unanswerable":
            return Reply(kind="unanswerable", text=reason)
        if kind == "refused":
            return Reply(kind="refused", text=reason)
        return Reply(kind="clarify", text=reason)
    return Reply(kind="sql", text=body.rstrip("; \n"))


def _message(role: Literal["system", "user", "assistant"], content: str) -> Message:
    # A question or a value must not be able to open a turn of its own; removing one marker may form another.
    while any(marker in content for marker in (TURN_START, TURN_END, PAD)):
        content = content.replace(TURN_START, "").replace(TURN_END, "").replace(PAD, "")
    return Message(role=role, content=content)


def _render_table(table: Table) -> str:
    """Render a table as DDL, comments and sample values at the end of each line."""
    lines = []
    for column in table.columns:
        note = column.comment or (f"such as {', '.join(column.samples)}" if column.samples else "")
        lines.append((f"  {column.name} {column.sql_type}", note))
    if table.primary_key:
        lines.append((f"  PRIMARY KEY ({', '.join(table.primary_key)})", ""))
    for key in table.foreign_keys:
        target = f"{key.ref_table}({', '.join(key.ref_columns)})"
        lines.append((f"  FOREIGN KEY ({', '.join(key.columns)}) REFERENCES {target}", ""))
    last = len(lines) - 1
    rendered = (
        text + ("" if i == last else ",") + (f" -- {' '.join(note.split())}" if note else "")
        for i, (text, note) in enumerate(lines)
    )
    return f"CREATE TABLE {table.name} (\n" + "\n".join(rendered) + "\n);"


def _render_term(entry: GlossaryEntry) -> str:
    names = ", ".join((entry.term, *entry.synonyms))
    return f"- {names}: {entry.meaning}" + (f" SQL: {entry.sql}" if entry.sql else "")
