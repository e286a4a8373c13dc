"""The training step of a retraining, done by a job on Amazon SageMaker instead of here.

    pack -> upload -> start the job -> follow it -> download -> unpack, check, put in place

In: a Plan, and the folder of the run. Out: `trained/`, as a training here would have left it. Killed or interrupted at
any point, the same command finds the job by `sagemaker.json` in that folder and goes on following it; nothing is
uploaded or started twice. Only this step is on AWS: data, export, judging, gate and swap are those of `retrain_steps`.
Stops no job and deletes nothing on S3.
"""

from __future__ import annotations

import re
import shutil
from contextlib import closing
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from assistant.errors import TrainingError, UsageError
from assistant.files import write_whole
from assistant.types import Record
from evaluation.progress import Progress, narrate
from training.base import BaseReport
from training.finetune_config import FinetuneReport
from training.retrain_config import RetrainConfig
from training.retrain_plan import Plan
from training.sagemaker_archive import BrokenArchive, take_over
from training.sagemaker_aws import Aws
from training.sagemaker_config import (
    Place,
    check_sagemaker_config,
    choose_image,
    find_most_minutes,
    has_gpu,
    make_request,
)
from training.sagemaker_follow import explain_end, follow
from training.sagemaker_parcel import Parcel, make_parcel
from training.weights import require_disk_space

RECORD = "sagemaker.json"
_LEAST_RESULT_BYTES = 2_000_000_000
_RESULT_PER_BASE = 5
"""Most that a result may weigh, over its base: float32 of 8 bits is 4, and there are the files beside."""


class JobRecord(Record):
    """The job of a run: sagemaker.json."""

    version: Literal[1] = 1
    key: str
    """Digest of what it trains on and by."""
    job: str
    """Its name at AWS."""
    attempt: int
    """Jobs that were begun for this key, with this one."""
    region: str
    bucket: str
    prefix: str
    """Where its files lie in the bucket."""
    ended: str = ""
    """How it ended, where nothing came of it; the next command then starts another one."""


def train_on_sagemaker(config: RetrainConfig, plan: Plan, folder: Path) -> BaseReport | FinetuneReport:
    """Train on SageMaker, or go on following the job of this run.

    Args:
        config: The retraining.
        plan: The training, settled; a GGUF it starts from has been turned back.
        folder: Of the run.

    Raises:
        UsageError: An option is missing or cannot be used.
        TrainingError: AWS refused, the job failed, or its result cannot be used; what serves is untouched.
        KeyboardInterrupt: It was interrupted; the job goes on.
    """
    check_sagemaker_config(config.sagemaker)
    try:
        parcel = make_parcel(plan, folder / "parcel")
        before = _read_record(folder)
    except OSError as error:
        raise UsageError(f"Cannot write to '{folder}': {error.strerror}.", "Free some disk space.") from error
    if before is not None and before.key == parcel.key and not before.ended:
        # Where it was started, whatever the options say now.
        with closing(Aws(before.region)) as aws:
            if aws.describe_job(before.job) is not None:
                return _finish(aws, before, config, plan, folder, parcel, is_new=False)
    with closing(Aws(_region(config))) as aws:
        record = _start_job(config, aws, parcel, before, folder)
        return _finish(aws, record, config, plan, folder, parcel, is_new=True)


def check_aws(config: RetrainConfig) -> None:
    """Find out before the first step what the training would stumble over: options, credentials, region, bucket.

    Raises:
        UsageError: An option is missing or cannot be used.
        TrainingError: boto3 or credentials are missing, or the bucket cannot be used.
    """
    check_sagemaker_config(config.sagemaker)
    with closing(Aws(_region(config))) as aws:
        choose_image(config.sagemaker, aws.region)
        aws.check_bucket(config.sagemaker.bucket)


def describe_sagemaker(config: RetrainConfig) -> list[str]:
    """Say what would be started, and what it costs as far as it is known here; reaches nothing."""
    wanted = config.sagemaker
    check_sagemaker_config(wanted)
    region = _region(config)
    most = find_most_minutes(wanted, config.minutes)
    kind = "spare capacity (spot), which AWS may take back and give again" if wanted.spot else "on demand"
    image = choose_image(wanted, region) if region or wanted.image else "by region, which AWS's own settings say"
    return [
        f"Trains on SageMaker: one {wanted.instance}, {kind}, in {region or 'the region of AWS_DEFAULT_REGION'}.",
        f"  as      {wanted.role}",
        f"  image   {image}",
        f"  files   s3://{wanted.bucket}/{wanted.prefix}/<run>: examples, recipe, code and weights go there; "
        "checkpoints and the model come to it. Nothing of it is deleted.",
        "  leaves  questions and statements, with values of the database in them; not the database, nor its address.",
        f"  cost    the time of the machine, {most:g} minutes at most"
        f"{', the waiting for it not included' if wanted.spot else ''}, and S3. Prices are not known here: see "
        f"aws.amazon.com/sagemaker/ai/pricing for {wanted.instance} in the region.",
        "  note    neither credentials, bucket, role, image nor quota have been looked at.",
    ] + ([] if has_gpu(wanted) else [f"  note    {wanted.instance} has no GPU; the image of AWS lacks transformers."])


def _finish(
    aws: Aws, record: JobRecord, config: RetrainConfig, plan: Plan, folder: Path, parcel: Parcel, *, is_new: bool
) -> BaseReport | FinetuneReport:
    """Follow a job to its end, and fetch what it has made."""
    narrate(f"The training job is '{record.job}' in {aws.region}. Ctrl-C stops following it, not the job.")
    try:
        found = follow(aws, record.job, poll_s=config.sagemaker.poll_s, from_start=is_new)
    except KeyboardInterrupt:
        narrate(
            f"\nThe training job '{record.job}' goes on at AWS, and is paid for. The same command goes on following "
            f"it. To end it: aws sagemaker stop-training-job --region {aws.region} --training-job-name {record.job}"
        )
        raise
    if fault := explain_end(found):
        _write_record(folder, record.model_copy(update={"ended": str(found["TrainingJobStatus"])}))
        raise fault
    if seconds := found.get("BillableTimeInSeconds"):
        narrate(f"AWS bills {int(seconds) / 60:.1f} minutes of {config.sagemaker.instance}.")
    try:
        report = _fetch(aws, str(found["ModelArtifacts"]["S3ModelArtifacts"]), folder, plan, parcel)
    except BrokenArchive:
        _write_record(folder, record.model_copy(update={"ended": "unusable"}))
        raise
    shutil.rmtree(folder / "parcel", ignore_errors=True)
    narrate("The model is here; all else goes on on this machine.")
    return report


def _start_job(
    config: RetrainConfig, aws: Aws, parcel: Parcel, before: JobRecord | None, folder: Path
) -> JobRecord:  # fmt: skip
    """Upload what is not there yet, and start the job."""
    attempt = 1
    if before is not None and before.key == parcel.key:
        attempt = before.attempt + 1 if before.ended else before.attempt
    elif before is not None and not before.ended:
        narrate(f"Note: the job '{before.job}' in {before.region} was for other inputs; it is left to itself.")
    wanted = config.sagemaker
    place = Place(wanted.bucket, f"{wanted.prefix}/{folder.name}/{parcel.key[:12]}")
    _upload(aws, parcel, place)
    record = JobRecord(
        key=parcel.key,
        job=_name_job(folder, parcel, attempt),
        attempt=attempt,
        region=aws.region,
        bucket=place.bucket,
        prefix=place.prefix,
    )
    # Before the job: killed in between, the next command looks for a job that is not there, and starts it.
    _write_record(folder, record)
    request = make_request(
        wanted,
        place,
        job=record.job,
        region=aws.region,
        minutes=config.minutes,
        hyperparameters=parcel.hyperparameters,
        channels=parcel.channels,
        tags={"application": "queryforge", "queryforge-run": folder.name},
    )
    aws.create_job(request)
    return record


def _upload(aws: Aws, parcel: Parcel, place: Place) -> None:
    missing = [
        item for item in parcel.items
        if not aws.is_uploaded(place.bucket, f"{place.prefix}/{item.name}", item.sha256)
    ]  # fmt: skip
    size = sum(item.size_bytes for item in missing)
    narrate(f"Uploading {size / 1e6:,.1f} MB of {parcel.size_bytes / 1e6:,.1f} to {place.uri('input')}.")
    bar = Progress(max(1, size), verb="bytes uploaded")
    for item in missing:
        key = f"{place.prefix}/{item.name}"
        aws.upload(item.path, place.bucket, key, item.sha256, lambda count: bar.step(by=count))
    bar.end()


def _fetch(aws: Aws, uri: str, folder: Path, plan: Plan, parcel: Parcel) -> BaseReport | FinetuneReport:
    archive = folder / "sagemaker-model.tar.gz"
    most_bytes = _LEAST_RESULT_BYTES + _RESULT_PER_BASE * parcel.base_bytes
    size = aws.measure(uri)
    if size > most_bytes:
        raise BrokenArchive(
            f"'{uri}' has {size / 1e9:.1f} GB, more than such a model can have.",
            "Look at what the job has written; the same command starts another job.",
        )
    require_disk_space(folder, size, "The model from SageMaker")
    for leftover in folder.glob(f"{archive.name}*"):  # of a download that was killed
        leftover.unlink()
    narrate(f"Downloading {size / 1e6:,.1f} MB from {uri}.")
    bar = Progress(max(1, size), verb="bytes downloaded")
    try:
        aws.download(uri, archive, lambda count: bar.step(by=count))
        bar.end()
        sha256 = parcel.hyperparameters["recipe_sha256"]
        return take_over(archive, folder / "trained", plan, recipe_sha256=sha256, most_bytes=most_bytes)
    except OSError as error:
        raise TrainingError(
            f"Cannot write '{archive}': {error.strerror}.", "Free some disk space; the same command then goes on."
        ) from error
    finally:
        archive.unlink(missing_ok=True)


def _name_job(folder: Path, parcel: Parcel, attempt: int) -> str:
    # Letters, digits and hyphens, 63 at most. The time at the end of the run's name tells it from others.
    run = re.sub(r"[^A-Za-z0-9]+", "-", folder.name.removeprefix("retrain-"))[-38:].strip("-")
    return f"queryforge-{run}-{parcel.key[:8]}-{attempt}"


def _region(config: RetrainConfig) -> str:
    return config.sagemaker.region or config.settings.aws_region


def _read_record(folder: Path) -> JobRecord | None:
    try:
        return JobRecord.model_validate_json((folder / RECORD).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise TrainingError(
            f"Cannot read '{folder / RECORD}', which names the job at AWS: {error}.",
            "Delete it to start another job, once the AWS console shows none of this run.",
        ) from error


def _write_record(folder: Path, record: JobRecord) -> None:
    try:
        write_whole(folder / RECORD, record.model_dump_json(indent=1) + "\n")
    except OSError as error:
        raise UsageError(f"Cannot write to '{folder}': {error.strerror}.", "Free some disk space.") from error
