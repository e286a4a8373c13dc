"""The rules of the house hold."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("torch", "transformers", "streamlit", "langgraph", "pandas", "sqlalchemy", "sqlglot", "llama_cpp")


def test_starting_the_command_line_imports_no_large_library() -> None:
    code = f"import app.cli, sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_asking_needs_no_training_library() -> None:
    code = (
        "import assistant.agent, assistant.graph, app.ask, sys;"
        "print([name for name in ('torch', 'transformers', 'tokenizers', 'gguf') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_packages_hold_a_docstring_and_nothing_else() -> None:
    found = sorted(
        p for name in ("app", "assistant", "evaluation", "training") for p in (ROOT / name).rglob("__init__.py")
    )
    assert len(found) >= 6
    for path in found:
        text = path.read_text(encoding="utf-8").strip()
        assert text.startswith('"""'), path
        assert text.endswith('"""'), path
        assert text.count('"""') == 2, path
