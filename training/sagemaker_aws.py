"""S3, SageMaker's jobs and their logs, as far as a training needs them: the one module of training that talks to AWS.

In: names and files. Out: what AWS answered, or one clear error. boto3 tries again what is throttled or lost; what stays
lost is `AwsAway`, which those who follow a job wait out. Credentials are AWS's own business (environment, profile,
role). Decides nothing about jobs, and deletes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from assistant.errors import TrainingError, UsageError

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 60.0
MOST_TRIES = 8
_CREDENTIALS = "Set AWS_PROFILE, or run 'aws configure' or 'aws sso login'; the same command then goes on."
_NOT_ALLOWED = {
    "AccessDenied", "AccessDeniedException", "ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId",
    "SignatureDoesNotMatch", "UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException", "403",
}  # fmt: skip
_THROTTLED = {"ThrottlingException", "Throttling", "SlowDown", "RequestLimitExceeded", "TooManyRequestsException"}
_SHA256 = "sha256"


class AwsAway(TrainingError):
    """AWS cannot be reached or is busy for now: the same call may work later."""


class LogPage(NamedTuple):
    """Lines of a job, and where the next ones begin."""

    lines: tuple[str, ...]
    token: str


class Aws:
    """AWS in one region, contacted when it is first needed."""

    def __init__(self, region: str) -> None:
        """Find the credentials and the region.

        Args:
            region: Empty for what AWS's own settings say.

        Raises:
            TrainingError: boto3 is not installed, or there are no credentials.
            UsageError: No region is set, or there is no such profile.
        """
        self._clients: list[Any] = []
        with _translated():
            import boto3

            self._session: Any = boto3.Session(region_name=region or None)
            if self._session.get_credentials() is None:
                raise TrainingError("There are no credentials for AWS.", _CREDENTIALS)
            self.region: str = self._session.region_name or ""
        if not self.region:
            raise UsageError("No AWS region is set.", "Give --sagemaker-region, such as eu-west-1.")

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients:
            client.close()
        self._clients.clear()

    def check_bucket(self, bucket: str) -> None:
        """See whether the bucket is there.

        Raises:
            TrainingError: It is not, or may not be used.
        """
        with _translated(f"The bucket '{bucket}'"):
            self._s3.head_bucket(Bucket=bucket)

    def is_uploaded(self, bucket: str, key: str, sha256: str) -> bool:
        """Tell whether S3 has this very file."""
        with _translated(f"The bucket '{bucket}'"):
            try:
                head = self._s3.head_object(Bucket=bucket, Key=key)
            except self._s3.exceptions.ClientError as error:
                if _code_of(error) in ("404", "NoSuchKey", "NotFound"):
                    return False
                raise
        return bool(head.get("Metadata", {}).get(_SHA256) == sha256)

    def upload(self, path: Path, bucket: str, key: str, sha256: str, on_bytes: Callable[[int], None]) -> None:
        """Upload a file, in parts if it is large."""
        with _translated(f"The bucket '{bucket}'"):
            extra = {"Metadata": {_SHA256: sha256}}
            self._s3.upload_file(str(path), bucket, key, ExtraArgs=extra, Callback=on_bytes)

    def measure(self, uri: str) -> int:
        """Give the size of an object in bytes."""
        bucket, key = _split(uri)
        with _translated(f"The object '{uri}'"):
            return int(self._s3.head_object(Bucket=bucket, Key=key)["ContentLength"])

    def download(self, uri: str, path: Path, on_bytes: Callable[[int], None]) -> None:
        """Download an object; the file is there whole or not at all.

        Raises:
            OSError: It cannot be written.
        """
        bucket, key = _split(uri)
        with _translated(f"The object '{uri}'"):
            self._s3.download_file(bucket, key, str(path), Callback=on_bytes)

    def create_job(self, request: Mapping[str, Any]) -> None:
        """Start a job; one of that name that was started before, by a call whose answer was lost, counts."""
        with _translated("The training job"):
            try:
                self._sagemaker.create_training_job(**request)
            except self._sagemaker.exceptions.ClientError as error:
                if _code_of(error) != "ResourceInUse":
                    raise

    def describe_job(self, job: str) -> Mapping[str, Any] | None:
        """Say how a job stands; None when there is none of that name."""
        with _translated(f"The training job '{job}'"):
            try:
                found: Mapping[str, Any] = self._sagemaker.describe_training_job(TrainingJobName=job)
            except self._sagemaker.exceptions.ClientError as error:
                is_unknown = _code_of(error) == "ValidationException" and "not found" in _message_of(error).lower()
                if is_unknown or _code_of(error) in ("ResourceNotFound", "ResourceNotFoundException"):
                    return None
                raise
        return found

    def read_log(self, job: str, stream: str, token: str, *, from_start: bool) -> LogPage:
        """Read the lines that a job has written since.

        Args:
            job: Its name.
            stream: Of its lines, as `find_log` gives it.
            token: What the page before ended with; empty for the first.
            from_start: Whether the first page is the oldest one, or the last lines.
        """
        options: dict[str, Any] = {"nextToken": token} if token else {} if from_start else {"limit": 10}
        with _translated(f"The log of '{job}'"):
            page = self._logs.get_log_events(
                logGroupName=LOG_GROUP, logStreamName=stream, startFromHead=bool(token) or from_start, **options
            )
        lines = tuple(str(event.get("message", "")) for event in page.get("events", ()))
        return LogPage(lines, str(page.get("nextForwardToken", "")))

    def find_log(self, job: str) -> str:
        """Find the stream of a job's lines; empty while there is none."""
        with _translated(f"The log of '{job}'"):
            try:
                found = self._logs.describe_log_streams(logGroupName=LOG_GROUP, logStreamNamePrefix=f"{job}/")
            except self._logs.exceptions.ClientError as error:
                if _code_of(error) == "ResourceNotFoundException":  # the first job of an account makes the group
                    return ""
                raise
        streams = sorted(str(stream["logStreamName"]) for stream in found.get("logStreams", ()))
        return streams[-1] if streams else ""  # a job that was interrupted has several, whose names hold the time

    @cached_property
    def _s3(self) -> Any:
        return self._client("s3")

    @cached_property
    def _sagemaker(self) -> Any:
        return self._client("sagemaker")

    @cached_property
    def _logs(self) -> Any:
        return self._client("logs")

    def _client(self, service: str) -> Any:
        from botocore.config import Config

        # Without the variable of AWS's own settings, more tries than its library's three: nobody waits at a screen.
        tries = {} if "AWS_MAX_ATTEMPTS" in os.environ else {"total_max_attempts": MOST_TRIES}
        config = Config(
            connect_timeout=CONNECT_TIMEOUT_S, read_timeout=READ_TIMEOUT_S, retries={"mode": "standard", **tries}
        )
        client = self._session.client(service, config=config)
        self._clients.append(client)
        return client


@contextmanager
def _translated(what: str = "AWS") -> Iterator[None]:
    """Turn whatever AWS's library raises into an error of this project."""
    try:
        from boto3.exceptions import Boto3Error
        from botocore import exceptions
    except ImportError as error:
        raise TrainingError("The library for AWS, boto3, is not installed.", "pip install '.[aws]'") from error
    try:
        yield
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError, exceptions.TokenRetrievalError) as error:
        raise TrainingError(f"There are no credentials for AWS: {error}.", _CREDENTIALS) from error
    except exceptions.ProfileNotFound as error:
        raise UsageError(f"{error}.", "Set AWS_PROFILE to one of ~/.aws/config.") from error
    except exceptions.NoRegionError as error:
        raise UsageError("No AWS region is set.", "Give --sagemaker-region, such as eu-west-1.") from error
    except exceptions.ClientError as error:
        raise _from_client(what, error) from error
    except (exceptions.HTTPClientError, exceptions.IncompleteReadError, exceptions.ResponseStreamingError) as error:
        raise _away(error) from error
    except (exceptions.BotoCoreError, Boto3Error) as error:
        # s3transfer wraps what a part of a file has failed by.
        cause = error.__context__
        if isinstance(cause, exceptions.ClientError):
            raise _from_client(what, cause) from error
        if isinstance(cause, exceptions.HTTPClientError) or type(error).__name__ == "RetriesExceededError":
            raise _away(error) from error
        raise TrainingError(f"AWS's library failed: {error}.", _CREDENTIALS) from error


def _away(error: Exception) -> AwsAway:
    return AwsAway(
        f"AWS cannot be reached: {error}.", "Check the network and the region; the same command then goes on."
    )


def _from_client(what: str, error: Any) -> TrainingError:
    code, said = _code_of(error), _message_of(error).rstrip(".")
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
    if code in _THROTTLED or status >= 500 or status == 429:
        return AwsAway(f"AWS is busy ({code}): {said}.", "Wait a little; the same command then goes on.")
    if code == "ResourceLimitExceeded":
        return TrainingError(
            f"The quota of the account does not allow the job: {said}.",
            "Ask for more under Service Quotas, Amazon SageMaker, 'for training job usage' (spot has a quota of its "
            "own), or give another --sagemaker-instance or --no-sagemaker-spot; the same command then goes on.",
        )
    if code in ("NoSuchBucket", "404", "NotFound", "NoSuchKey"):
        return TrainingError(
            f"{what} is not there.", "Check --sagemaker-bucket and --sagemaker-region, or make it: aws s3 mb s3://NAME."
        )
    if code in ("301", "PermanentRedirect", "AuthorizationHeaderMalformed"):
        return TrainingError(f"{what} is in another region.", "Give --sagemaker-region, that of the bucket.")
    if code in _NOT_ALLOWED:
        return TrainingError(f"AWS does not allow it ({code}). {what}: {said}.", _CREDENTIALS)
    return TrainingError(
        f"{what} was refused ({code}): {said}.",
        "Check the --sagemaker- options: the role, which sagemaker.amazonaws.com must be allowed to assume, the "
        "bucket, the image and the instance.",
    )


def _code_of(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def _message_of(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Message", ""))


def _split(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key
