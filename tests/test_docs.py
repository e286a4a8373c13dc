"""Documentation and code say the same."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from app.cli import COMMANDS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_generated_tables_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "write_docs.py", "--check"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr


def test_every_command_that_the_readme_uses_exists() -> None:
    used = re.findall(r"\.venv/bin/queryforge (\w+)", README)
    assert len(used) >= 5
    assert set(used) <= set(COMMANDS)


def test_every_file_that_the_readme_names_exists() -> None:
    named = re.findall(r"`((?:scripts|modelfiles|assistant|training|app)/[\w./-]+)`", README)
    assert len(named) >= 4
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_ci_does_nothing_but_call_the_readmes_test_command() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    commands = [line for line in lines if line and not line.startswith("#")]
    assert commands == ['cd "$(dirname "$0")/.." && exec scripts/test.sh']


def test_every_training_config_is_read_and_opens_with_its_command() -> None:
    configs = sorted((ROOT / "training" / "configs").glob("*.toml"))
    assert configs
    for config in configs:
        text = config.read_text(encoding="utf-8")
        assert text.startswith(("# python -m training.", "# queryforge ")), config
        assert tomllib.loads(text)


def test_text_files_speak_of_the_project_alone() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, cwd=ROOT, check=True).stdout
    names = [name for name in listed.split("\0") if name.endswith((".py", ".md", ".toml", ".sh", ".txt", ".css"))]
    assert len(names) > 50
    foreign = re.compile(r"/(work|farm)/|pythonhosted|pypi\.org|bash_jobs")
    found = [name for name in names if foreign.search((ROOT / name).read_text(encoding="utf-8"))]
    assert [name for name in found if name != "tests/test_docs.py"] == []
