"""K-quants load and stay close; what goes wrong on the way is worded, and nothing half written is left."""

import ctypes
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from assistant.errors import TrainingError
from assistant.settings import PROJECT_ROOT
from tests.training.toy import require

require("gguf", "llama_cpp", "tokenizers", "torch", "transformers")
import gguf  # noqa: E402
import llama_cpp  # noqa: E402

from tests.training.hf_folders import write_model  # noqa: E402
from tests.training.test_gguf_parity import PROMPTS, logits_of, open_gguf, their_logits, tokens_of  # noqa: E402
from training.gguf import GgufConfig, GgufReport, GgufType, convert  # noqa: E402
from training.gguf_quantise import estimate_bytes, listening, quantise  # noqa: E402
from training.gguf_tensors import plan_tensors  # noqa: E402
from training.merging import open_source  # noqa: E402

pytestmark = pytest.mark.train

WIDE = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 1, "head_dim": 64,
        "initializer_range": 0.06}  # fmt: skip


def export(folder: Path, kind: GgufType) -> GgufReport:
    return convert(GgufConfig(model_dir=folder, out_path=folder.with_name(f"{kind}.gguf"), type=kind))


@pytest.mark.parametrize("architecture", ["llama3", "mistral", "qwen2"])
def test_fewer_bits_make_smaller_files_that_stay_close(tmp_path: Path, architecture: str) -> None:
    model = write_model(tmp_path / "model", architecture, **WIDE)
    kinds: tuple[GgufType, ...] = ("f16", "q8_0", "q5_k_m", "q4_k_m")
    reports = {kind: export(tmp_path / "model", kind) for kind in kinds}
    sizes = [report.size_bytes for report in reports.values()]
    assert sizes == sorted(sizes, reverse=True)
    assert {report.fallback_tensors for report in reports.values()} == {0}
    llama = open_gguf(reports["f16"].path, vocab_only=True)
    prompts = [tokens_of(llama, text) for text in PROMPTS]
    theirs = np.concatenate(their_logits(model, prompts))
    differences = {}
    for kind, report in reports.items():
        ours = np.concatenate(logits_of(report.path, prompts))
        differences[kind] = float(np.sqrt(np.mean((ours - theirs) ** 2)) / theirs.std())
    assert differences["f16"] < 0.01
    assert differences["q8_0"] < 0.03
    assert differences["q5_k_m"] < 0.12
    assert differences["q4_k_m"] < 0.3
    assert list(differences.values()) == sorted(differences.values())
    types = {str(tensor.tensor_type.name) for tensor in gguf.GGUFReader(reports["q4_k_m"].path).tensors}
    assert {"Q4_K", "Q6_K", "F32"} <= types <= {"Q4_K", "Q6_K", "F32"}


def test_rows_that_fit_no_k_quant_get_a_larger_type_and_are_counted(tmp_path: Path) -> None:
    write_model(tmp_path / "model", "llama3", hidden_size=96, intermediate_size=256)
    report = export(tmp_path / "model", "q4_k_m")
    types = [(t.name, str(t.tensor_type.name)) for t in gguf.GGUFReader(report.path).tensors if len(t.shape) > 1]
    assert len(types) == 15
    fallbacks = [name for name, kind in types if kind in ("Q5_0", "Q8_0")]
    # All but attn_output (4 heads of 32) and ffn_down (256) have rows of 96; those of 128 do not fit either.
    assert report.fallback_tensors == len(fallbacks) == 13
    assert np.isfinite(logits_of(report.path, [[5, 6, 7]])[0]).all()


def test_rows_that_fit_nothing_are_refused(tmp_path: Path) -> None:
    write_model(tmp_path / "model", "qwen2", hidden_size=80)
    with pytest.raises(TrainingError, match="have 80 numbers; q5_k_m needs a multiple of 32, better of 256"):
        export(tmp_path / "model", "q5_k_m")
    assert export(tmp_path / "model", "q8_0").fallback_tensors == 0


def test_the_estimated_size_is_a_little_more_than_the_real_one(tmp_path: Path) -> None:
    write_model(tmp_path / "model", "qwen2", **{**WIDE, "num_hidden_layers": 4})
    source = open_source(tmp_path / "model")
    planned = plan_tensors(source.tensors, source.facts, "f16")
    kinds: tuple[GgufType, ...] = ("q5_k_m", "q4_k_m")
    for kind in kinds:
        real = sum(int(tensor.n_bytes) for tensor in gguf.GGUFReader(export(tmp_path / "model", kind).path).tensors)
        assert 1.0 <= estimate_bytes(planned, kind) / real < 1.1


def test_a_full_disk_is_known_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_model(tmp_path / "model", "qwen2")
    (tmp_path / "q4_k_m.gguf").write_bytes(b"before")
    usage = shutil.disk_usage(tmp_path)._replace(free=200_000)
    monkeypatch.setattr("training.weights.shutil.disk_usage", lambda _: usage)
    assert export(tmp_path / "model", "q8_0").size_bytes < 200_000
    with pytest.raises(TrainingError, match="The export to q4_k_m needs .* GB are free") as caught:
        export(tmp_path / "model", "q4_k_m")
    assert "Free disk space" in caught.value.hint
    assert (tmp_path / "q4_k_m.gguf").read_bytes() == b"before"


@pytest.fixture
def limit_files() -> Iterator[Callable[[int], None]]:
    """Let no file grow beyond some bytes: to a writer the same as a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda most: resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("kind", ["f16", "q8_0", "q4_k_m"])
def test_a_file_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, kind: GgufType, limit_files: Callable[[int], None]
) -> None:
    write_model(tmp_path / "model", "qwen2", hidden_size=96)
    (tmp_path / f"{kind}.gguf").write_bytes(b"before")
    limit_files(100_000)
    with pytest.raises(TrainingError, match="Cannot write '.*File too large"):
        export(tmp_path / "model", kind)
    assert (tmp_path / f"{kind}.gguf").read_bytes() == b"before"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([f"{kind}.gguf", "model"])


def test_a_disk_that_is_full_only_for_llama_cpp_is_an_error_too(
    tmp_path: Path, limit_files: Callable[[int], None]
) -> None:
    write_model(tmp_path / "model", "qwen2", **WIDE)
    whole = export(tmp_path / "model", "f16").path
    limit_files(300_000)
    with pytest.raises(TrainingError, match="could not quantise to q4_k_m: .*failed") as caught:
        quantise(whole, tmp_path / "small.gguf", "q4_k_m", lambda: None)
    assert "disk is full" in caught.value.hint


KILLED = """
import os, signal, sys
from pathlib import Path
from training import gguf

def quantise(source, target, kind, on_tensor):
    assert source.stat().st_size > 500_000
    assert "torch" not in sys.modules and "transformers" not in sys.modules, "an export needs neither"
    target.write_bytes(b"GGUF and half a file")
    print("killed", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

gguf.quantise = quantise
gguf.main([sys.argv[1], sys.argv[2], "--type", "q4_k_m"])
"""


def test_an_export_that_is_killed_leaves_the_old_file_and_the_next_one_clears_up(tmp_path: Path) -> None:
    write_model(tmp_path / "model", "qwen2", **WIDE)
    out = tmp_path / "q4_k_m.gguf"
    out.write_bytes(b"before")
    words = [sys.executable, "-c", KILLED, str(tmp_path / "model"), str(out)]
    done = subprocess.run(words, cwd=PROJECT_ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "killed\n"), done.stderr
    assert out.read_bytes() == b"before"
    assert len(list(tmp_path.glob("*.partial"))) == 2
    export(tmp_path / "model", "q4_k_m")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "q4_k_m.gguf"]
    assert np.isfinite(logits_of(out, [[5, 6, 7]])[0]).all()


def test_the_words_of_llama_cpp_reach_the_error_and_its_listener_gets_them_again(tmp_path: Path) -> None:
    heard: list[str] = []
    (tmp_path / "x.gguf").write_bytes(b"GGUF, or so it says")
    with listening(llama_cpp, lambda _, text: heard.append(text)):
        with pytest.raises(TrainingError, match="could not quantise to q4_k_m: .*(failed|invalid)"):
            quantise(tmp_path / "x.gguf", tmp_path / "y.gguf", "q4_k_m", lambda: None)
        assert heard == []
        before, data = llama_cpp.llama_log_callback(), ctypes.c_void_p()
        llama_cpp.llama_log_get(ctypes.byref(before), ctypes.byref(data))
        before(1, b"still there", None)
    assert heard == ["still there"]
