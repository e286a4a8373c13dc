"""Convert a model folder, or an adapter with its base, into one GGUF file that llama.cpp and Ollama load.

In: a folder as transformers or peft writes it (Llama, Mistral or Qwen2), and what it was trained for. Out: a GGUF with
our own chat template and the keys `queryforge.*` that tell a backend how to prompt it. Refuses whatever it is not sure
to convert exactly. Weights are read tensor by tensor; no torch, but for adapters of QLoRA. The file appears whole or
not at all.

    queryforge export runs/shop-base/model out.gguf --type q8_0 --db data/shop.sqlite
    queryforge export runs/tuned/adapter out.gguf --type q4_k_m
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import sys
from pathlib import Path
from typing import Literal, get_args

import gguf
import numpy as np
from pydantic import Field, ValidationError
from tqdm import tqdm  # type: ignore[import-untyped]

from assistant.backends.metadata import DB_ID_KEY, EXAMPLES_KEY, FINGERPRINT_KEY, PROMPT_LAYOUT_KEY
from assistant.bank import BankHead, bank_path
from assistant.errors import QueryForgeError, TrainingError, UsageError
from assistant.prompts import CHAT_TEMPLATE
from assistant.types import Dialect, PromptLayout, Record
from training.gguf_check import check_tokens
from training.gguf_keys import DIALECT_KEY, Purpose, add_keys
from training.gguf_quantise import K_QUANTS, count_fallbacks, estimate_bytes, quantise, refuse_odd_rows
from training.gguf_tensors import PlannedTensor, append_tensors, plan_tensors
from training.merging import BaseWeights, ModelSource, open_source
from training.model_folder import read_json
from training.vocabulary import read_vocabulary
from training.weights import require_disk_space

GgufType = Literal["f32", "f16", "bf16", "q8_0", "q5_k_m", "q4_k_m"]

_FILE_TYPES = {
    "f32": gguf.LlamaFileType.ALL_F32,
    "f16": gguf.LlamaFileType.MOSTLY_F16,
    "bf16": gguf.LlamaFileType.MOSTLY_BF16,
    "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
}


class GgufConfig(Record):
    """What to convert, into what, and what the file says of itself."""

    model_dir: Path
    """Folder with config.json, model.safetensors (or its parts) and tokenizer.json; or an adapter's folder."""
    out_path: Path
    """GGUF file to write; an existing one is replaced only when the new one is whole."""
    type: GgufType = "q8_0"
    """Type of the matrices: f32, f16, bf16 (as trained), q8_0 (8 bits), or llama.cpp's q5_k_m and q4_k_m."""
    base_dir: Path | None = None
    """Base of an adapter; None for the one that it names."""
    base_weights: BaseWeights | None = None
    """What an adapter is merged into: the base as `stored`, or as `nf4` made it for QLoRA; None for what the adapter's
    `queryforge.json` says, else `stored`."""
    name: str = "queryforge"
    """Name of the model."""
    prompt_layout: PromptLayout | None = None
    """Layout it was trained with; None for what `queryforge.json` beside the weights says, else `compact` for a model
    of training.base and `full` for any other."""
    db_id: str | None = None
    """Database it was trained for, empty for any; None for what `queryforge.json` says, else any."""
    schema_fingerprint: str | None = None
    """Fingerprint of that schema, empty for any; None for what `queryforge.json` says, else any."""
    dialect: Dialect | None = None
    """SQL flavour it writes; None for what `queryforge.json` says, else sqlite."""
    examples: int | None = Field(default=None, ge=0)
    """Similar questions that it was trained to find in its prompt; None for what `queryforge.json` says, else none."""
    bank: Path | None = None
    """Examples it was trained on (`train.jsonl` of `queryforge datagen`): pairs that it may be shown are chosen from
    them and written beside the file; None for none. Needs the database that it was trained for."""


class GgufReport(Record):
    """The file that was written."""

    path: Path
    """The GGUF file."""
    architecture: str
    """llama.cpp's name of the architecture."""
    type: GgufType
    """Type of the matrices."""
    tensors: int
    """Tensors in the file."""
    fallback_tensors: int
    """Matrices that fit no block of a K-quant and got a somewhat larger type; 0 for the other types."""
    size_bytes: int
    """Size of the file."""
    sha256: str
    """SHA-256 (hex) of the file."""


def convert(config: GgufConfig) -> GgufReport:
    """Write the GGUF file.

    Raises:
        TrainingError: A file is missing or broken, the model is of a kind that cannot be converted exactly, or the disk
            is too full.
    """
    source = open_source(config.model_dir, base_dir=config.base_dir, base_weights=config.base_weights)
    purpose = _describe(config, source)
    if config.bank is not None and not purpose.db_id:
        raise TrainingError(
            f"A bank of examples ('{config.bank}') needs the database that the model was trained for.",
            "Name it with --db.",
        )
    is_k_quant = config.type in K_QUANTS
    planned = plan_tensors(source.tensors, source.facts, "f16" if is_k_quant else config.type)
    if is_k_quant:
        refuse_odd_rows(planned, config.type)
    out = config.out_path
    partial = out.with_name(out.name + ".partial")
    half = out.with_name(out.name + ".f16.partial")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        for old in (partial, half):  # of an export that was killed
            old.unlink(missing_ok=True)
        needed = sum(tensor.size_bytes for tensor in planned)
        needed += estimate_bytes(planned, config.type) if is_k_quant else 0
        require_disk_space(out.parent, needed, f"The export to {config.type}")
        _write(half if is_k_quant else partial, config, source, planned)
        if is_k_quant:
            with _bar(f"{out.name}: {config.type}", len(planned), "tensor") as bar:
                quantise(half, partial, config.type, bar.update)
        check_tokens(partial, source.tokenizer_dir / "tokenizer.json")
        # A bank is of one model: that of the file which is replaced goes with it.
        bank_path(out).unlink(missing_ok=True)
        os.replace(partial, out)
        if config.bank is not None:
            _write_bank(config.bank, out, purpose)
        with out.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise TrainingError(f"Cannot write '{out}': {error}.", "Choose another place or free disk space.") from error
    finally:
        for leftover in (partial, half):
            with contextlib.suppress(OSError):
                leftover.unlink(missing_ok=True)
    return GgufReport(
        path=out,
        architecture=source.facts.architecture,
        type=config.type,
        tensors=len(planned),
        fallback_tensors=count_fallbacks(planned) if is_k_quant else 0,
        size_bytes=out.stat().st_size,
        sha256=digest,
    )


def _write(path: Path, config: GgufConfig, source: ModelSource, planned: list[PlannedTensor]) -> None:
    vocabulary = read_vocabulary(source.tokenizer_dir, source.facts)
    file_type = _FILE_TYPES.get(config.type, gguf.LlamaFileType.MOSTLY_F16)
    writer = gguf.GGUFWriter(path, source.facts.architecture)
    try:
        add_keys(writer, _describe(config, source), source.facts, vocabulary, file_type)
        for tensor in planned:
            writer.add_tensor_info(
                tensor.name, tensor.byte_shape, np.dtype(np.uint8), tensor.size_bytes, raw_dtype=tensor.kind
            )
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
    finally:
        writer.close()
    with _bar(config.out_path.name, sum(tensor.size_bytes for tensor in planned), "B") as bar:
        append_tensors(path, planned, bar.update)


def _write_bank(triples: Path, gguf_path: Path, purpose: Purpose) -> None:
    from training.datagen.slices import read_triples
    from training.example_bank import write_examples

    head = BankHead(db_id=purpose.db_id, dialect=purpose.dialect, schema_fingerprint=purpose.schema_fingerprint)
    try:
        write_examples(gguf_path, read_triples(triples), head)
    except ValidationError as error:
        raise TrainingError(
            f"'{triples}' holds no examples of 'queryforge datagen'.", "Name its train.jsonl."
        ) from error


def _describe(config: GgufConfig, source: ModelSource) -> Purpose:
    """Settle what the file says of its purpose: what the caller says, else the folder, else what is likely."""
    path = source.tokenizer_dir / "tokenizer_config.json"
    is_ours = path.exists() and read_json(path).get("chat_template") == CHAT_TEMPLATE
    said = source.metadata
    layout = config.prompt_layout or said.get(PROMPT_LAYOUT_KEY) or ("compact" if is_ours else "full")
    db_id = said.get(DB_ID_KEY, "") if config.db_id is None else config.db_id
    fingerprint = said.get(FINGERPRINT_KEY, "") if config.schema_fingerprint is None else config.schema_fingerprint
    values = {
        "name": config.name,
        "prompt_layout": layout,
        "db_id": db_id,
        "schema_fingerprint": fingerprint,
        "dialect": config.dialect or said.get(DIALECT_KEY, "sqlite"),
        "examples": said.get(EXAMPLES_KEY, 0) if config.examples is None else config.examples,
    }
    try:
        return Purpose.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise TrainingError(
            f"'queryforge.json' of '{config.model_dir}' has {first['input']!r} for '{first['loc'][0]}': "
            f"{first['msg']}.",
            "Correct it, or say it with a flag.",
        ) from error


def _bar(text: str, total: int, unit: str) -> tqdm:
    is_hidden = not sys.stderr.isatty()
    return tqdm(total=total, unit=unit, unit_scale=unit == "B", desc=text, disable=is_hidden, leave=False)


def _trained_for(url: str) -> dict[str, str]:
    from assistant.database import connect

    with contextlib.closing(connect(url)) as database:
        schema = database.schema()
    return {"db_id": schema.db_id, "schema_fingerprint": schema.fingerprint, "dialect": schema.dialect}


def main(argv: list[str] | None = None) -> int:
    """Run the command; give the exit code."""
    fields = GgufConfig.model_fields
    parser = argparse.ArgumentParser(
        prog="queryforge export", description="Turn a model folder, or an adapter with its base, into a GGUF file."
    )
    parser.add_argument("model_dir", type=Path, metavar="DIR", help=fields["model_dir"].description)
    parser.add_argument("out_path", type=Path, metavar="OUT.gguf", help="file to write")
    parser.add_argument("--db", help="database it was trained for: gives name, schema fingerprint and SQL flavour")
    parser.add_argument("--type", default="q8_0", choices=get_args(GgufType), help=fields["type"].description)
    parser.add_argument("--base", dest="base_dir", type=Path, metavar="DIR", help=fields["base_dir"].description)
    for name in ("base_weights", "name", "prompt_layout", "db_id", "schema_fingerprint", "dialect"):
        flag = "--" + name.replace("_", "-")
        parser.add_argument(flag, default=fields[name].default, help=fields[name].description)
    parser.add_argument("--examples", type=int, metavar="N", help=fields["examples"].description)
    parser.add_argument("--bank", type=Path, metavar="TRAIN.jsonl", help=fields["bank"].description)
    values = vars(parser.parse_args(argv))
    try:
        if url := values.pop("db"):
            values |= _trained_for(url)
        try:
            config = GgufConfig.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            raise UsageError(
                f"'{first['loc'][0]}' cannot be {first.get('input')!r}: {first['msg']}.",
                "See queryforge export --help.",
            ) from error
        report = convert(config)
    except QueryForgeError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    print(report.model_dump_json(indent=2))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
