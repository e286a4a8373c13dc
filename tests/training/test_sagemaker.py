"""A training on SageMaker, against a server that speaks AWS's protocol and really runs the job; AWS was not reached."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.errors import QueryForgeError, TrainingError, UsageError
from assistant.settings import Settings
from tests.aws_double import BUCKET, ROLE, AwsDouble
from tests.training.toy import require, toy_config
from training.base import BaseReport
from training.retrain_config import RetrainConfig
from training.retrain_plan import Plan
from training.sagemaker_config import SageMakerConfig, check_sagemaker_config, choose_image
from training.sagemaker_training import RECORD, check_aws, describe_sagemaker, train_on_sagemaker

require("torch", "boto3")
pytestmark = pytest.mark.train


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsDouble]:
    with AwsDouble(tmp_path / "aws") as double:
        double.point(monkeypatch)
        yield double


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "retrain-sqlite-library-20261121T150000000000"
    folder.mkdir()
    return folder


def make_config(**changes: object) -> RetrainConfig:
    values = {"role": ROLE, "bucket": BUCKET, "instance": "ml.m5.xlarge", "poll_s": 0.05, **changes}
    return RetrainConfig(settings=Settings(), where="sagemaker", sagemaker=SageMakerConfig.model_validate(values))


def make_plan(data: Path, run: Path, **changes: object) -> Plan:
    return Plan(toy_config(data, run / "trained", **changes), "nothing", None)


def leave(config: RetrainConfig, plan: Plan, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train, and press Ctrl-C at the first wait between two looks at the job."""

    def press(_: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("training.sagemaker_follow._pause", press)
        with pytest.raises(KeyboardInterrupt):
            train_on_sagemaker(config, plan, run)


def spoil(aws: AwsDouble) -> None:
    """Let jobs that wait fail at once: nobody needs their model."""
    for job in aws.jobs.values():
        job.request["AlgorithmSpecification"]["ContainerEntrypoint"] = ["python3", "-c", "raise SystemExit(1)"]


def test_a_job_that_was_left_by_ctrl_c_is_found_again_followed_through_a_broken_network_and_its_model_put_in_place(
    aws: AwsDouble, run: Path, toy_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, config = make_plan(toy_data, run), make_config()
    aws.faults = {
        "PutObject": [(503, "SlowDown", "slower, please")],
        "CreateTrainingJob": [(400, "ThrottlingException", "Rate exceeded")],
    }
    aws.holds.clear()
    leave(config, plan, run, monkeypatch)
    told = capsys.readouterr().err
    record = json.loads((run / RECORD).read_text())
    assert f"aws sagemaker stop-training-job --region eu-west-1 --training-job-name {record['job']}" in told
    assert "The same command goes on following it" in told

    sent = aws.requests.count("PutObject")
    # A look that is lost with all of its three tries, and one that the service is too busy for.
    drops = [(0, "", "")] * 3 + [(400, "ThrottlingException", "Rate exceeded")]
    aws.faults = {"GetLogEvents": list(drops)}
    aws.holds.set()
    report = train_on_sagemaker(config, plan, run)

    assert isinstance(report, BaseReport)
    assert report.model_dir == run / "trained" / "model"
    assert report.steps == 12
    assert (report.model_dir / "model.safetensors").exists()
    assert not list((run / "trained").glob("checkpoint*"))
    assert (aws.requests.count("PutObject"), len(aws.jobs)) == (sent, 1)
    told = capsys.readouterr().err
    assert "AWS cannot be reached" in told
    assert "within reach again" in told
    assert "  | Training with" in told
    assert "  | The model is ready to be collected." in told
    (job,) = aws.jobs.values()
    assert job.request["RoleArn"] == ROLE
    assert job.request["EnableManagedSpotTraining"]
    limits = job.request["StoppingCondition"]
    assert limits["MaxWaitTimeInSeconds"] > limits["MaxRuntimeInSeconds"] == 50 * 60
    assert any("/checkpoints/run/checkpoint.pt" in key for key in aws.list_keys())
    # It trained with the code that was uploaded, not with this checkout's.
    assert json.loads((run / "trained" / "config.json").read_text())["data_dir"].startswith(str(job.root))


def test_a_failed_job_is_told_with_its_reason_and_the_same_command_starts_another_one(
    aws: AwsDouble, run: Path, toy_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, config = make_plan(toy_data, run, learning_rate=1e-3), make_config()
    aws.holds.clear()
    leave(config, plan, run, monkeypatch)
    (path,) = [aws.object(key) for key in aws.list_keys() if key.endswith("recipe.json")]
    path.write_text("{}")
    del aws.metadata[str(path)]
    aws.holds.set()
    with pytest.raises(TrainingError, match="recipe.json is not the one that this job was started for") as caught:
        train_on_sagemaker(config, plan, run)
    assert "starts another job" in caught.value.hint
    assert json.loads((run / RECORD).read_text())["ended"] == "Failed"
    assert not (run / "trained").exists()
    aws.holds.clear()
    leave(config, plan, run, monkeypatch)
    assert path.read_text() != "{}"
    first, second = aws.jobs
    assert (first[-2:], second[-2:]) == ("-1", "-2")
    spoil(aws)


def test_a_model_that_arrives_damaged_replaces_nothing_and_the_same_command_starts_another_job(
    aws: AwsDouble, run: Path, toy_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, config = make_plan(toy_data, run), make_config()
    aws.cuts_model = True
    with pytest.raises(TrainingError, match="is damaged") as caught:
        train_on_sagemaker(config, plan, run)
    assert "starts another job" in caught.value.hint
    assert not (run / "trained").exists()
    assert not list(run.glob("*.tar.gz*"))
    aws.holds.clear()
    leave(config, plan, run, monkeypatch)
    assert [name[-2:] for name in aws.jobs] == ["-1", "-2"]
    spoil(aws)


@pytest.mark.parametrize(
    ("fault", "message", "remedy"),
    [
        ((400, "ResourceLimitExceeded", "limit 'ml.m5.xlarge for spot training job usage' is 0"), "quota", "Quotas"),
        ((400, "ValidationException", "Could not assume role"), "Could not assume role", "--sagemaker-"),
        ((400, "ExpiredTokenException", "token expired"), "ExpiredToken", "sso login"),
        ((0, "", ""), "cannot be reached", "network"),
    ],
)
def test_a_job_that_aws_refuses_leaves_nothing_behind_but_what_the_same_command_goes_on_from(
    aws: AwsDouble, run: Path, toy_data: Path, fault: tuple[int, str, str], message: str, remedy: str
) -> None:
    aws.faults = {"CreateTrainingJob": [fault] * 3}
    with pytest.raises(TrainingError, match=message) as caught:
        train_on_sagemaker(make_config(), make_plan(toy_data, run), run)
    assert remedy in caught.value.hint
    assert not aws.jobs
    assert not (run / "trained").exists()


def test_a_job_whose_start_was_answered_by_a_broken_line_is_not_started_twice(
    aws: AwsDouble, run: Path, toy_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.holds.clear()
    plan, config = make_plan(toy_data, run), make_config()
    leave(config, plan, run, monkeypatch)
    # As if the first call had been killed before it knew: the name is taken.
    aws.faults = {"DescribeTrainingJob": [(400, "ValidationException", "Requested resource not found.")]}
    leave(config, plan, run, monkeypatch)
    assert (aws.requests.count("CreateTrainingJob"), len(aws.jobs)) == (2, 1)
    spoil(aws)


def test_what_is_missing_is_said_before_anything_is_done(aws: AwsDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    check_aws(make_config())
    for changes, message in (
        ({"role": ""}, "needs the role"),
        ({"role": "training"}, "--sagemaker-role cannot be"),
        ({"bucket": ""}, "needs an S3 bucket"),
        ({"bucket": "s3://mine"}, "--sagemaker-bucket cannot be"),
        ({"prefix": "a//b"}, "--sagemaker-prefix cannot be"),
        ({"bucket": "nobodys-bucket"}, "is not there"),
    ):
        with pytest.raises(QueryForgeError, match=message) as caught:
            check_aws(make_config(**changes))
        assert caught.value.hint
    aws.faults = {"HeadBucket": [(403, "", "")]}
    with pytest.raises(TrainingError, match="does not allow it"):
        check_aws(make_config())
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(TrainingError, match="no credentials"):
        check_aws(make_config())
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(UsageError, match="No AWS region"):
        check_aws(make_config())
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.setitem(sys.modules, "boto3.exceptions", None)
    with pytest.raises(TrainingError, match="boto3, is not installed"):
        check_aws(make_config(region="eu-west-1"))


def test_a_dry_run_says_what_would_be_started_and_invents_no_price(aws: AwsDouble) -> None:
    told = "\n".join(describe_sagemaker(make_config(region="eu-south-1", instance="ml.g5.xlarge", max_minutes=45)))
    assert "one ml.g5.xlarge, spare capacity (spot)" in told
    assert "692866216735.dkr.ecr.eu-south-1.amazonaws.com/huggingface-pytorch-training" in told
    assert "45 minutes at most" in told
    assert "Prices are not known here" in told
    assert "$" not in told
    assert not aws.requests


def test_the_image_is_the_one_given_or_one_that_is_known() -> None:
    config = SageMakerConfig(role=ROLE, bucket=BUCKET)
    check_sagemaker_config(config)
    assert "-gpu-" in choose_image(config, "us-east-1")
    assert "-cpu-" in choose_image(config.model_copy(update={"instance": "ml.c7i.xlarge"}), "us-east-1")
    assert choose_image(config.model_copy(update={"image": "mine"}), "cn-north-1") == "mine"
    with pytest.raises(UsageError, match="not known here"):
        choose_image(config, "cn-north-1")
