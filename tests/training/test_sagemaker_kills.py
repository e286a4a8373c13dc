"""Killed (SIGKILL) while it uploads, starts, follows or downloads, the same command finds the job and finishes it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from assistant.settings import PROJECT_ROOT, Settings
from tests.aws_double import BUCKET, ROLE, AwsDouble
from tests.training.toy import require
from training.retrain_config import RetrainConfig
from training.sagemaker_config import SageMakerConfig

require("torch", "boto3")
pytestmark = pytest.mark.train

PLACES = {"PutObject": 3, "CreateTrainingJob": 1, "DescribeTrainingJob": 3, "GetObject": 1}
"""Call -> which one of it is the last that is made: it is killed before it gets the answer."""

# What is killed is a fork of it, so that all is imported once.
_DRIVER = """
import os, signal, sys, traceback
from pathlib import Path
import boto3
from tests.training.toy import toy_config
from training.retrain_config import RetrainConfig
from training.retrain_plan import Plan
from training.sagemaker_training import train_on_sagemaker

config = RetrainConfig.model_validate_json(sys.argv[1])
data, run, pid = Path(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
while True:
    child = os.fork()
    if child == 0:
        try:
            pid.write_text(str(os.getpid()))
            report = train_on_sagemaker(config, Plan(toy_config(data, run / "trained"), "nothing", None), run)
            print(report.steps, flush=True)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code != -signal.SIGKILL:
        sys.exit(code)
"""


def test_a_training_on_sagemaker_that_is_killed_again_and_again_is_finished_by_one_job(
    tmp_path: Path, toy_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "retrain-sqlite-library-20261121T150000000000"
    run.mkdir()
    wanted = SageMakerConfig(role=ROLE, bucket=BUCKET, poll_s=0.05)
    config = RetrainConfig(settings=Settings(), where="sagemaker", sagemaker=wanted).model_dump_json()
    left, kills, pid = dict(PLACES), [], tmp_path / "pid"

    def kill(name: str) -> None:
        left[name] = left.get(name, 0) - 1
        if left[name] == 0:
            os.kill(int(pid.read_text()), signal.SIGKILL)
            kills.append(name)

    with AwsDouble(tmp_path / "aws") as aws:
        aws.point(monkeypatch)
        aws.on_request = kill
        command = [sys.executable, "-c", _DRIVER, config, str(toy_data), str(run), str(pid)]
        done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True)
        assert (done.returncode, done.stdout.strip()) == (0, "12"), done.stderr[-2000:]
        assert sorted(kills) == sorted(PLACES)
        assert len(aws.jobs) == 1
    assert (run / "trained" / "model" / "model.safetensors").exists()
    assert not (run / "sagemaker-model.tar.gz").exists()
