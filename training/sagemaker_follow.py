"""A job on SageMaker, followed to its end: what it does and what it writes, on stderr.

In: the name of a job. Out: what AWS says of it once it has ended. A network that is away is waited out, for an hour;
the job does not notice. Starts, stops and changes nothing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from assistant.errors import TrainingError
from evaluation.progress import narrate
from training.sagemaker_aws import Aws, AwsAway

PATIENCE_S = 3600.0
"""How long AWS may be out of reach before this gives up; the job goes on."""
MOST_PAGES = 20
"""Pages of the log that are read between two looks at the job."""
MOST_LINE_CHARS = 400
_ENDED = ("Completed", "Failed", "Stopped")
_CONTROLS = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def follow(aws: Aws, job: str, *, poll_s: float, from_start: bool) -> Mapping[str, Any]:
    """Follow a job until it has ended.

    Args:
        aws: Where it runs.
        job: Its name.
        poll_s: Seconds between looks.
        from_start: Whether its lines are told from the first, or from the last few.

    Returns:
        What AWS says of it.

    Raises:
        TrainingError: It is gone, AWS does not allow to look, or was out of reach for too long.
        KeyboardInterrupt: It was interrupted; the job goes on.
    """
    log = _Log(aws, job, from_start)
    told, away_since = "", 0.0
    while True:
        try:
            found = aws.describe_job(job)
            if found is None:
                raise TrainingError(f"AWS knows no job '{job}' any more.", "The same command starts another one.")
            if away_since:
                narrate("AWS is within reach again.")
            away_since = 0.0
            status = str(found["TrainingJobStatus"])
            if (now := _describe(found)) != told:
                told = now
                narrate(f"{_elapsed(found)} {now}")
            log.tell()
            if status in _ENDED:
                log.tell()
                return found
        except AwsAway as error:
            if not away_since:
                away_since = time.monotonic()
                narrate(f"{error.message} The job goes on; trying again.")
            elif time.monotonic() - away_since > PATIENCE_S:
                raise
        _pause(poll_s)


def explain_end(found: Mapping[str, Any]) -> TrainingError | None:
    """Say why a job that has ended has no result; None when it has one."""
    status, secondary = str(found["TrainingJobStatus"]), str(found.get("SecondaryStatus", ""))
    job, reason = found["TrainingJobName"], clean(str(found.get("FailureReason", ""))).rstrip(".")
    again = "The same command starts another job, which goes on from the checkpoints"
    if status == "Completed":
        return None
    if status == "Failed":
        return TrainingError(
            f"The training job '{job}' failed: {reason or secondary or 'AWS gives no reason'}.",
            f"See its lines above, or its log in CloudWatch. {again}.",
        )
    if secondary in ("MaxRuntimeExceeded", "MaxWaitTimeExceeded"):
        what = "needed more time than it had" if secondary == "MaxRuntimeExceeded" else "waited too long for a machine"
        return TrainingError(
            f"The training job '{job}' {what} ({secondary}).",
            f"{again}; give it more --sagemaker-max-minutes, or --no-sagemaker-spot.",
        )
    return TrainingError(f"The training job '{job}' was stopped ({secondary or status}).", f"{again}.")


def clean(line: str) -> str:
    """Take out what would move a terminal's cursor: lines of a log are anybody's."""
    # Of a progress bar that overwrites itself the last state counts.
    return _CONTROLS.sub("", line.rstrip().rpartition("\r")[2])[:MOST_LINE_CHARS]


def _pause(seconds: float) -> None:
    time.sleep(seconds)


class _Log:
    """The lines of a job, each told once."""

    def __init__(self, aws: Aws, job: str, from_start: bool) -> None:
        self._aws = aws
        self._job = job
        self._stream = ""
        self._token = ""
        self._from_start = from_start
        self._is_allowed = True

    def tell(self) -> None:
        """Tell what is new."""
        if not self._is_allowed:
            return
        try:
            stream = self._aws.find_log(self._job)
            if stream and stream != self._stream:
                self._from_start = self._from_start or bool(self._stream)
                self._stream, self._token = stream, ""
            for _ in range(MOST_PAGES if stream else 0):
                page = self._aws.read_log(self._job, stream, self._token, from_start=self._from_start)
                for line in page.lines:
                    narrate(f"  | {clean(line)}")
                is_last = page.token == self._token
                self._token = page.token
                if is_last:
                    break
        except AwsAway:
            raise
        except TrainingError as error:
            self._is_allowed = False
            narrate(f"Note: the job's lines are not shown. {error.message}")


def _describe(found: Mapping[str, Any]) -> str:
    status, secondary = str(found["TrainingJobStatus"]), str(found.get("SecondaryStatus", ""))
    changes = found.get("SecondaryStatusTransitions") or [{}]
    message = clean(str(changes[-1].get("StatusMessage", "")))
    return " ".join(part for part in (secondary or status, f"({message})" if message else "") if part)


def _elapsed(found: Mapping[str, Any]) -> str:
    begun = found.get("CreationTime")
    seconds = max(0.0, time.time() - begun.timestamp()) if begun is not None else 0.0
    return f"[{int(seconds) // 60:3d}:{int(seconds) % 60:02d}]"
