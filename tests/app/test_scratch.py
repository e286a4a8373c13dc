"""What a killed server leaves on disk goes at the next start; what living ones use stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from app import scratch
from app.exports import rows_of
from app.scratch import LOCK, PREFIX, delete_leftovers
from assistant.types import QueryResult, ResultColumn
from tests.browser import free_port

OWNER = """
from app.scratch import make_folder
folder = make_folder()
(folder / "rows").write_text("x")
print(folder, flush=True)
input()
"""


@pytest.fixture(autouse=True)
def _own_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(scratch, "_mine", None)


def start_owner() -> tuple[subprocess.Popen[str], Path]:
    owner = subprocess.Popen([sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    folder = Path(owner.stdout.readline().strip())
    assert (folder / "rows").read_text() == "x"
    return owner, folder


def test_only_folders_of_killed_processes_are_deleted(tmp_path: Path) -> None:
    killed, gone = start_owner()
    living, kept = start_owner()
    try:
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        assert gone.is_dir()
        assert delete_leftovers() == 0  # too young to be judged
        assert delete_leftovers(min_age_s=0) == 1
        assert not gone.parent.exists()
        assert (kept / "rows").read_text() == "x"
    finally:
        living.communicate("\n")
    assert not kept.parent.exists()  # one that ends by itself leaves nothing
    assert list(tmp_path.iterdir()) == []


def test_links_and_what_belongs_to_others_are_left_alone(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / f"{PREFIX}link0000").symlink_to(elsewhere)
    for name in ("queryforge-server-abcd", "queryforge-abcd1234", f"{PREFIX}a.b", "other"):
        (tmp_path / name).mkdir()
    foreign = tmp_path / f"{PREFIX}foreign1"
    foreign.mkdir()
    if os.getuid() == 0:
        os.chown(foreign, 12345, 12345)
    else:
        foreign.rmdir()
    before = sorted(tmp_path.iterdir())
    assert delete_leftovers(min_age_s=0) == 0
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_whose_owner_died_before_it_had_the_lock_is_deleted(tmp_path: Path) -> None:
    (tmp_path / f"{PREFIX}abcd1234").mkdir()
    assert delete_leftovers(min_age_s=0) == 1


def test_rows_of_an_export_are_in_the_folder_of_this_process(tmp_path: Path) -> None:
    result = QueryResult(
        columns=(ResultColumn(name="n", kind="integer"),), rows=((1,),), is_truncated=False, elapsed_ms=0
    )
    with rows_of(result) as rows:
        assert rows.folder.parent.parent == tmp_path
        assert (rows.folder.parent / LOCK).is_file()
        assert delete_leftovers(min_age_s=0) == 0
        assert rows.count == sum(map(len, rows.batches())) == 1
    assert not rows.folder.exists()


def test_a_start_of_the_page_deletes_what_was_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from app import launch

    left = tmp_path / f"{PREFIX}abcd1234"
    left.mkdir()
    os.utime(left, (1, 1))
    with monkeypatch.context() as patched:
        patched.setattr(launch, "_server", _no_server)
        with pytest.raises(KeyboardInterrupt):
            launch.main(["--port", str(free_port())])
    assert not left.exists()


def _no_server(*_: object) -> None:
    raise KeyboardInterrupt
