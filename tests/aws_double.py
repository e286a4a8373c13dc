"""An HTTP server that speaks like S3, SageMaker and CloudWatch Logs, runs training jobs, and can fail like them.

A stand-in for tests without an AWS account, in the shapes that boto3's own service descriptions give; boto3 itself
talks to it. Objects are kept on disk. A training job gets a folder like `/opt/ml`, filled from its channels and
checkpoints in S3, and its real entry point runs there as a process of its own, whose lines are the log; then
checkpoints and model go to S3. Not checked, as AWS would: roles, images, quotas, signatures, prices.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from tests.http_double import HttpDouble, HttpHandler

BUCKET = "training-bucket"
ROLE = "arn:aws:iam::123456789012:role/training"
ML_ROOT = "/opt/ml"


class AwsDouble(HttpDouble):
    """A server on a free port of this machine; use it in a `with` block."""

    def __init__(self, folder: Path) -> None:
        super().__init__(_Handler)
        self.folder = folder
        (folder / "s3" / BUCKET).mkdir(parents=True)
        self.metadata: dict[str, dict[str, str]] = {}
        self.requests: list[str] = []
        """Names of the calls, in order."""
        self.faults: dict[str, list[tuple[int, str, str]]] = {}
        """Name of a call -> answers that are given before it works: status, code, message; status 0 hangs up."""
        self.jobs: dict[str, Job] = {}
        self.on_request: Callable[[str], None] = lambda name: None
        """Told the name of each call before it is answered."""
        self.cuts_model = False
        """Whether only half of a job's model.tar.gz comes to S3."""
        self.holds = threading.Event()
        """Cleared, jobs wait before they begin."""
        self.holds.set()

    def __exit__(self, *_: object) -> None:
        self.holds.set()
        for job in self.jobs.values():
            job.end()
        super().__exit__(*_)

    def object(self, key: str) -> Path:
        """Say where an object is kept."""
        return self.folder / "s3" / BUCKET / key

    def list_keys(self) -> list[str]:
        """List the objects of the bucket."""
        root = self.object("")
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())

    def point(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let boto3 talk to this server, with credentials that are none."""
        for name in list(os.environ):
            if name.startswith("AWS_"):
                monkeypatch.delenv(name)
        values = {
            "AWS_ENDPOINT_URL": self.host, "AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "3",
            "AWS_CONFIG_FILE": str(self.folder / "none"), "AWS_SHARED_CREDENTIALS_FILE": str(self.folder / "none"),
        }  # fmt: skip
        for name, value in values.items():
            monkeypatch.setenv(name, value)


class Job:
    """A training job: a folder, a process, and what is said of both."""

    def __init__(self, owner: AwsDouble, request: dict[str, Any]) -> None:
        self.owner = owner
        self.request = request
        self.status, self.secondary, self.reason = "InProgress", "Starting", ""
        self.lines: list[str] = []
        self.created = time.time()
        self.root = owner.folder / "machines" / request["TrainingJobName"]
        self.process: subprocess.Popen[str] | None = None
        self._is_stopped = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def end(self) -> None:
        """End it, as `stop-training-job` does, and wait for it."""
        self._is_stopped = True
        if self.process is not None:
            self.process.terminate()
        self._thread.join()

    def describe(self) -> dict[str, Any]:
        """Say how it stands."""
        name = self.request["TrainingJobName"]
        model = f"{self.request['OutputDataConfig']['S3OutputPath']}/{name}/output/model.tar.gz"
        return {
            "TrainingJobName": name,
            "TrainingJobArn": f"arn:aws:sagemaker:eu-west-1:123456789012:training-job/{name}",
            "TrainingJobStatus": self.status,
            "SecondaryStatus": self.secondary,
            "SecondaryStatusTransitions": [{"Status": self.secondary, "StartTime": self.created, "StatusMessage": ""}],
            "CreationTime": self.created,
            "BillableTimeInSeconds": 61,
            "ModelArtifacts": {"S3ModelArtifacts": model},
            **({"FailureReason": self.reason} if self.reason else {}),
        }

    def _run(self) -> None:
        self.owner.holds.wait()
        config = self.request
        for channel in config["InputDataConfig"]:
            source = self._locate(channel["DataSource"]["S3DataSource"]["S3Uri"])
            shutil.copytree(source, self.root / "input" / "data" / channel["ChannelName"])
        checkpoints = self._locate(config["CheckpointConfig"]["S3Uri"])
        if checkpoints.exists():
            shutil.copytree(checkpoints, self.root / "checkpoints")
        (self.root / "input" / "config").mkdir()
        (self.root / "input" / "config" / "hyperparameters.json").write_text(json.dumps(config["HyperParameters"]))
        self.secondary = "Training"
        status = self._start()
        if (self.root / "checkpoints").exists():
            shutil.copytree(self.root / "checkpoints", checkpoints, dirs_exist_ok=True)
        failure = self.root / "output" / "failure"
        if self._is_stopped:
            self.secondary, self.status = "Stopped", "Stopped"
        elif status:
            said = failure.read_text() if failure.exists() else ""
            self.reason = f"AlgorithmError: {said}, exit code: {status}"
            self.secondary, self.status = "Failed", "Failed"
        else:
            self._collect()
            self.secondary, self.status = "Completed", "Completed"

    def _start(self) -> int:
        chosen = self.request["AlgorithmSpecification"]
        words = [word.replace(ML_ROOT, str(self.root)) for word in
                 (*chosen["ContainerEntrypoint"], *chosen["ContainerArguments"])]  # fmt: skip
        assert words[0] == "python3"
        # Nothing of the caller's is there but what torch needs to be quick beside other tests.
        env = {"PATH": os.environ["PATH"], "HOME": str(self.root), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, *words[1:]],
            cwd=self.root,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with self.process as process:
            assert process.stdout is not None
            for line in process.stdout:
                self.lines.append(line.rstrip("\n"))
        return process.returncode

    def _collect(self) -> None:
        target = self._locate(self.describe()["ModelArtifacts"]["S3ModelArtifacts"])
        target.parent.mkdir(parents=True, exist_ok=True)
        model = self.root / "model"
        with tarfile.open(target, "w:gz") as archive:
            for path in sorted(model.iterdir()):
                archive.add(path, path.name)
        if self.owner.cuts_model:
            os.truncate(target, target.stat().st_size // 2)

    def _locate(self, uri: str) -> Path:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        assert bucket == BUCKET
        return self.owner.object(key.rstrip("/"))


class _Handler(HttpHandler):
    owner: AwsDouble

    def do_POST(self) -> None:
        name = str(self.headers.get("X-Amz-Target", "")).rpartition(".")[2]
        body = self.read_json()
        if name and not self._fail(name):
            getattr(self, f"_{_snake(name)}")(body)

    def do_PUT(self) -> None:
        content = _read_body(self)
        if self._fail("PutObject"):
            return
        path = self._object()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        prefix = "x-amz-meta-"
        found = {key.lower(): value for key, value in self.headers.items() if key.lower().startswith(prefix)}
        self.owner.metadata[str(path)] = found
        self._answer(200, b"", ETag=f'"{hashlib.md5(content).hexdigest()}"')

    def do_HEAD(self) -> None:
        is_bucket = urlsplit(self.path).path.count("/") == 1
        if self._fail("HeadBucket" if is_bucket else "HeadObject"):
            return
        path = self._object()
        if not path.exists() or path.is_dir() != is_bucket:
            self._answer(404, b"")
            return
        content = b"" if is_bucket else path.read_bytes()
        more = self.owner.metadata.get(str(path), {})
        self._answer(200, content, ETag='"e"', **{"Last-Modified": "Sat, 21 Nov 2026 10:00:00 GMT"}, **more)

    def do_GET(self) -> None:
        if self._fail("GetObject"):
            return
        path = self._object()
        if not path.is_file():
            self._answer(404, b"<Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>")
            return
        content = path.read_bytes()
        if wanted := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            first, last = int(wanted[1]), int(wanted[2] or len(content) - 1)
            self._answer(206, content[first : last + 1], Content_Range=f"bytes {first}-{last}/{len(content)}", ETag="e")
            return
        self._answer(200, content, ETag='"e"')

    def _create_training_job(self, body: dict[str, Any]) -> None:
        name = body["TrainingJobName"]
        if name in self.owner.jobs:
            self._refuse(400, "ResourceInUse", "Training job names must be unique.")
            return
        self.owner.jobs[name] = Job(self.owner, body)
        self.send_json(200, {"TrainingJobArn": self.owner.jobs[name].describe()["TrainingJobArn"]})

    def _describe_training_job(self, body: dict[str, Any]) -> None:
        job = self.owner.jobs.get(body["TrainingJobName"])
        if job is None:
            self._refuse(400, "ValidationException", "Requested resource not found.")
        else:
            self.send_json(200, job.describe())

    def _describe_log_streams(self, body: dict[str, Any]) -> None:
        job = self.owner.jobs[body["logStreamNamePrefix"].rstrip("/")]
        streams = [{"logStreamName": f"{body['logStreamNamePrefix']}algo-1-1"}] if job.lines else []
        self.send_json(200, {"logStreams": streams})

    def _get_log_events(self, body: dict[str, Any]) -> None:
        lines = self.owner.jobs[body["logStreamName"].partition("/")[0]].lines
        end = len(lines)
        start = int(body["nextToken"].partition("/")[2]) if "nextToken" in body else 0
        if "nextToken" not in body and not body.get("startFromHead"):
            start = max(0, end - body.get("limit", end))
        events = [{"timestamp": 0, "ingestionTime": 0, "message": line} for line in lines[start:end]]
        self.send_json(200, {"events": events, "nextForwardToken": f"f/{end}", "nextBackwardToken": "b/0"})

    def _object(self) -> Path:
        bucket, _, key = unquote(urlsplit(self.path).path).lstrip("/").partition("/")
        return self.owner.folder / "s3" / bucket / key

    def _fail(self, name: str) -> bool:
        self.owner.requests.append(name)
        self.owner.on_request(name)
        waiting = self.owner.faults.get(name)
        if not waiting:
            return False
        status, code, message = waiting.pop(0)
        if status == 0:
            self.close_connection = True
            self.connection.close()
        elif name in ("HeadBucket", "HeadObject"):
            self._answer(status, b"")
        elif name in ("PutObject", "GetObject"):
            self._answer(status, f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode())
        else:
            self._refuse(status, code, message)
        return True

    def _refuse(self, status: int, code: str, message: str) -> None:
        self.send_json(status, {"__type": code, "message": message})

    def _answer(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _read_body(handler: HttpHandler) -> bytes:
    """Read what is put, in chunks with signatures or checksums where boto3 sends it so."""
    if handler.headers.get("Expect"):
        handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    content = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    if "aws-chunked" not in str(handler.headers.get("Content-Encoding", "")):
        return content
    found, rest = b"", content
    while rest:
        head, _, rest = rest.partition(b"\r\n")
        size = int(head.partition(b";")[0], 16)
        if not size:
            break
        found, rest = found + rest[:size], rest[size + 2 :]
    assert len(found) == int(handler.headers["X-Amz-Decoded-Content-Length"])
    return found


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()
