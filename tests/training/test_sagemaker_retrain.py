"""A whole retraining whose training is a job of SageMaker's: a server that speaks its protocol really runs it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from assistant.errors import UsageError
from tests.aws_double import BUCKET, ROLE, AwsDouble
from tests.training.retrain_library import ask_served, make_home, retrain_config, serving
from tests.training.toy import require
from training.retrain import main
from training.retrain_run import digest_inputs, retrain
from training.retrain_steps import STEPS
from training.sagemaker_config import SageMakerConfig
from training.situation import look_around

require("torch", "llama_cpp", "boto3")
pytestmark = pytest.mark.train


def test_a_retraining_passes_through_sagemaker_and_its_model_is_judged_and_serves_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = make_home(tmp_path / "home")
    wanted = SageMakerConfig(role=ROLE, bucket=BUCKET, poll_s=0.2, instance="ml.m5.xlarge", spot=False)
    config = retrain_config(home, where="sagemaker", sagemaker=wanted)
    with AwsDouble(tmp_path / "aws") as aws:
        aws.point(monkeypatch)
        run = retrain(config, look_around(config))
        (job,) = aws.jobs.values()
    assert run.state.outcome == "installed"
    assert list(run.state.steps) == [step.name for step in STEPS]
    assert run.fact("train", "steps") == "24"
    assert serving(config).sha256 == run.fact("export", "sha256")
    ask_served(config)
    assert "MaxWaitTimeInSeconds" not in job.request["StoppingCondition"]
    assert [channel["ChannelName"] for channel in job.request["InputDataConfig"]] == ["data", "code", "base"]
    sent = (job.root / "input" / "data" / "data" / "train.jsonl").read_bytes()
    assert sent == (run.folder / "data" / "train.jsonl").read_bytes()
    # Neither the database nor the place of anything on this machine was sent.
    assert not [path for path in aws.folder.rglob("*") if path.suffix in (".sqlite", ".gguf")]
    assert str(home) not in (job.root / "input" / "data" / "data" / "recipe.json").read_text()
    assert str(home) not in json.dumps(job.request)
    assert not (run.folder / "parcel").exists()
    # Where it is trained is no reason to train it again.
    assert digest_inputs(config, look_around(config)) == digest_inputs(
        retrain_config(home), look_around(retrain_config(home))
    )

    for name in ("database_url", "models_path", "memory_url", "cache_path", "backend"):
        monkeypatch.setenv(f"QUERYFORGE_{name.upper()}", str(getattr(config.settings, name)))
    flags = ["--runs", str(home / "runs"), "--recipe", str(config.recipe), "--base", str(config.base)]
    flags += ["--where", "sagemaker"]
    before = len(list((home / "runs").iterdir()))
    with pytest.raises(UsageError, match="needs the role"):
        main(flags)
    flags += ["--sagemaker-role", ROLE, "--sagemaker-bucket", BUCKET, "--no-sagemaker-spot"]
    capsys.readouterr()
    assert main([*flags, "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "Trains on SageMaker: one ml.g5.xlarge, on demand" in told
    assert "Prices are not known here" in told
    assert len(list((home / "runs").iterdir())) == before
    shutil.rmtree(home)
