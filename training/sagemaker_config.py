"""What decides a training on Amazon SageMaker: where, as whom, on what machine, and for how long at most.

In: flags of `queryforge retrain`. Out: a frozen record, and the job as boto3's `create_training_job` takes it. Reaches
nothing: neither that AWS accepts the job nor that the image exists is known here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import Field

from assistant.errors import UsageError
from assistant.types import Record

ML_ROOT = "/opt/ml"
"""Where SageMaker keeps everything in its containers."""
ENTRY = "sagemaker_entry.py"
"""Script that runs in the container."""
GPU_IMAGE = "huggingface-pytorch-training:2.9.0-transformers5.3.0-gpu-py312-cu130-ubuntu22.04"
CPU_IMAGE = "pytorch-training:2.9.0-cpu-py312"
_ACCOUNT = "763104351884"
_ACCOUNTS = {
    "af-south-1": "626614931356", "ap-east-1": "871362719292", "ap-northeast-3": "364406365360",
    "ap-southeast-3": "907027046896", "ca-west-1": "204538143572", "eu-south-1": "692866216735",
    "il-central-1": "780543022126", "me-south-1": "217643126080", "me-central-1": "914824155844",
}  # fmt: skip
"""Regions where AWS keeps its images for deep learning in another account."""
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9!_.*'()-]+(/[A-Za-z0-9!_.*'()-]+)*")
_GPU = re.compile(r"ml\.[gp]\d")
SPARE_MINUTES = 30.0
"""For packages, weights and the result, beside the minutes of training."""
SPOT_WAIT_MINUTES = 120.0
"""How long a job on spare capacity may wait for it, interruptions included."""


class SageMakerConfig(Record):
    """A training on SageMaker."""

    role: str = ""
    """ARN of the role that the job runs as: it reads and writes the bucket, pulls the image, writes logs."""
    bucket: str = ""
    """S3 bucket, in the same region, for examples, code, checkpoints and the result."""
    prefix: str = "queryforge"
    """Where in the bucket; each run has a folder of its own under it, which is not deleted."""
    region: str = ""
    """AWS region; by default QUERYFORGE_AWS_REGION, else what AWS's own settings say."""
    instance: str = "ml.g5.xlarge"
    """Type of the machine."""
    image: str = ""
    """URI of the container image, with Python 3.11 or later and torch; by default one of AWS's for the machine."""
    spot: bool = True
    """Whether to take spare capacity, which AWS may take back; the job then goes on from its last checkpoint."""
    max_minutes: float | None = Field(default=None, gt=0)
    """Minutes after which AWS ends the job; by default those of the training and 30 more."""
    volume_gb: int = Field(default=50, ge=1)
    """Disk of the machine, in GB."""
    poll_s: float = Field(default=15.0, gt=0)
    """Seconds between looks at the job."""


class Place(NamedTuple):
    """Where in S3 the files of a job lie."""

    bucket: str
    prefix: str
    """Of this job's examples; the attempts of one training share it, and so its checkpoints."""

    def uri(self, name: str) -> str:
        """Give the address of a folder."""
        return f"s3://{self.bucket}/{self.prefix}/{name}"


def check_sagemaker_config(config: SageMakerConfig) -> None:
    """Find out what is missing or cannot be right.

    Raises:
        UsageError: Something does.
    """
    if not config.role:
        raise UsageError(
            "--where sagemaker needs the role that the job runs as.",
            "Give --sagemaker-role arn:aws:iam::<account>:role/<name>, a role that sagemaker.amazonaws.com may assume.",
        )
    if not _ROLE.fullmatch(config.role):
        raise UsageError(
            f"--sagemaker-role cannot be '{config.role}'.", "Give its ARN: arn:aws:iam::<account>:role/<name>."
        )
    if not config.bucket:
        raise UsageError("--where sagemaker needs an S3 bucket.", "Give --sagemaker-bucket, a bucket in the region.")
    if not _BUCKET.fullmatch(config.bucket):
        raise UsageError(
            f"--sagemaker-bucket cannot be '{config.bucket}'.", "Give the plain name of a bucket, without s3://."
        )
    if not _PREFIX.fullmatch(config.prefix):
        raise UsageError(f"--sagemaker-prefix cannot be '{config.prefix}'.", "Give something like teams/queryforge.")


def choose_image(config: SageMakerConfig, region: str) -> str:
    """Choose the image: the one that was given, else AWS's for a machine with or without a GPU.

    Raises:
        UsageError: AWS's accounts in that region are not known here.
    """
    if config.image:
        return config.image
    if region.startswith(("cn-", "us-gov-", "us-iso", "eusc-")):
        raise UsageError(f"The image for '{region}' is not known here.", "Give --sagemaker-image, its URI.")
    name = GPU_IMAGE if has_gpu(config) else CPU_IMAGE
    return f"{_ACCOUNTS.get(region, _ACCOUNT)}.dkr.ecr.{region}.amazonaws.com/{name}"


def has_gpu(config: SageMakerConfig) -> bool:
    """Tell whether the machine has an NVIDIA GPU, by its family."""
    return _GPU.match(config.instance) is not None


def find_most_minutes(config: SageMakerConfig, minutes: float) -> float:
    """Give the minutes after which AWS ends the job."""
    return config.max_minutes if config.max_minutes is not None else minutes + SPARE_MINUTES


def make_request(
    config: SageMakerConfig,
    place: Place,
    *,
    job: str,
    region: str,
    minutes: float,
    hyperparameters: Mapping[str, str],
    channels: tuple[str, ...],
    tags: Mapping[str, str],
) -> dict[str, Any]:
    """Describe the job as boto3 takes it.

    Args:
        config: What was asked for.
        place: Where its files lie.
        job: Its name.
        region: Where it runs.
        minutes: Of training.
        hyperparameters: What the script in the container is told.
        channels: Folders under `input/` that the container gets.
        tags: To find it by in the bill.

    Raises:
        UsageError: There is no image for the region.
    """
    most_s = max(60, round(60 * find_most_minutes(config, minutes)))
    stopping = {"MaxRuntimeInSeconds": most_s}
    if config.spot:
        stopping["MaxWaitTimeInSeconds"] = most_s + round(60 * SPOT_WAIT_MINUTES)  # the running is part of the waiting
    return {
        "TrainingJobName": job,
        "RoleArn": config.role,
        "AlgorithmSpecification": {
            "TrainingImage": choose_image(config, region),
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3", f"{ML_ROOT}/input/data/code/{ENTRY}"],
            "ContainerArguments": ["--root", ML_ROOT],
        },
        "HyperParameters": dict(hyperparameters),
        "InputDataConfig": [
            {
                "ChannelName": name,
                "InputMode": "File",
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": place.uri(f"input/{name}/"),
                        "S3DataDistributionType": "FullyReplicated",
                    }
                },
            }
            for name in channels
        ],
        "OutputDataConfig": {"S3OutputPath": place.uri("output")},
        "CheckpointConfig": {"S3Uri": place.uri("checkpoints"), "LocalPath": f"{ML_ROOT}/checkpoints"},
        "ResourceConfig": {
            "InstanceType": config.instance,
            "InstanceCount": 1,
            "VolumeSizeInGB": config.volume_gb,
        },
        "StoppingCondition": stopping,
        "EnableManagedSpotTraining": config.spot,
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }
