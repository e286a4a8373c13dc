"""The model behind an Amazon SageMaker endpoint: the one module of the assistant that talks to AWS.

In: a Prompt's messages. Out: a Completion, streamed. The container must take OpenAI's chat messages at its
`/invocations`, as those of vLLM, LMI (DJL) and TGI do; its reply comes as parts of an event stream that hold
server-sent events or JSON lines, cut anywhere. Credentials are AWS's own business (environment, profile, role).
Creates nothing on AWS.
"""

from __future__ import annotations

import codecs
import json
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any

from assistant.backends.base import END_OF_REPLY
from assistant.backends.remote import StreamedReply, check_length, estimate_tokens, find_message
from assistant.constraint.draft import SqlConstraint
from assistant.errors import BackendError, BackendGone, UsageError
from assistant.settings import Settings
from assistant.types import Completion, ModelInfo, Prompt, Sampling

CONNECT_TIMEOUT_S = 5.0
_CREDENTIALS = "Set AWS_PROFILE, or run 'aws configure' or 'aws sso login'."
_PASSING = {"ThrottlingException", "ServiceUnavailable", "InternalFailure", "InternalDependencyException"}
_PASSING |= {"ModelNotReadyException", "InternalStreamFailure", "ModelStreamError", "ModelError"}
"""Errors that are the service's or the container's, so that another model may answer instead."""


class SageMakerBackend:
    """A model of an endpoint, contacted when it is first needed."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings.

        Raises:
            UsageError: No endpoint is named.
        """
        if not settings.sagemaker_endpoint:
            raise UsageError("No SageMaker endpoint is named.", "Set QUERYFORGE_SAGEMAKER_ENDPOINT to its name.")
        self._endpoint = settings.sagemaker_endpoint
        self._settings = settings
        self._timeout_s = settings.backend_timeout_s
        self._server = f"The SageMaker endpoint '{self._endpoint}'"
        self._lock = threading.Lock()
        self._runtime: Any = None
        self._info: ModelInfo | None = None

    def info(self) -> ModelInfo:
        """See whether the endpoint is in service, if that may be asked."""
        with self._lock:
            if self._info is None:
                self._check_endpoint()
                self._info = ModelInfo(
                    name=self._endpoint,
                    backend="sagemaker",
                    prompt_layout=self._settings.remote_layout,
                    context_tokens=self._settings.remote_context_tokens,
                )
            return self._info

    def complete(
        self,
        prompt: Prompt,
        *,
        max_tokens: int,
        on_text: Callable[[str], None] | None = None,
        constraint: SqlConstraint | None = None,
        sampling: Sampling | None = None,
    ) -> Completion:
        """Write a reply; see `Backend.complete`."""
        started = time.perf_counter()
        info = self.info()
        check_length(prompt, info, max_tokens)
        body = {
            "messages": [{"role": message.role, "content": message.content} for message in prompt.messages],
            "max_tokens": max_tokens,
            "temperature": sampling.temperature if sampling else 0,
            "seed": sampling.seed if sampling else 0,
            "stop": [END_OF_REPLY],
            "logprobs": True,
            "stream": True,
        }
        reply = StreamedReply(self._server)
        with closing(self._lines(json.dumps(body).encode(), started + self._timeout_s)) as lines:
            reply.read(lines, on_text)
        latency_ms = (time.perf_counter() - started) * 1000
        return reply.complete(prompt, info, max_tokens=max_tokens, latency_ms=latency_ms)

    def count_tokens(self, text: str) -> int:
        """Estimate the tokens of `text` from above: an endpoint has no call that counts them."""
        return estimate_tokens(text)

    def close(self) -> None:
        """Close the connections; a later call would open new ones."""
        with self._lock:
            if self._runtime is not None:
                self._runtime.close()
            self._runtime = None

    def _client(self, service: str) -> Any:
        try:
            import boto3
            from botocore.config import Config
        except ImportError as error:
            raise BackendError("The library for AWS, boto3, is not installed.", "pip install '.[aws]'") from error
        config = Config(
            connect_timeout=min(self._timeout_s, CONNECT_TIMEOUT_S),
            read_timeout=self._timeout_s,
            retries={"total_max_attempts": 1},  # a person waits: they had rather know
        )
        session = boto3.Session(region_name=self._settings.aws_region or None)
        return session.client(service, config=config)

    def _check_endpoint(self) -> None:
        with self._translated():
            client = self._client("sagemaker")
            try:
                status = str(client.describe_endpoint(EndpointName=self._endpoint)["EndpointStatus"])
            except client.exceptions.ClientError as error:
                # Whoever may only invoke the endpoint finds out when they do.
                if _code_of(error) in ("AccessDeniedException", "AccessDenied"):
                    return
                raise
            finally:
                client.close()
        if status not in ("InService", "Updating", "SystemUpdating"):
            raise BackendError(
                f"{self._server} is not in service: it is '{status}'.",
                "Wait until it is, or look at its events in the AWS console.",
            )

    def _lines(self, body: bytes, deadline: float) -> Generator[str, None, None]:
        """Invoke the endpoint and give the lines of the reply as they come."""
        decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
        rest = ""
        with self._translated():
            with self._lock:
                if self._runtime is None:
                    self._runtime = self._client("sagemaker-runtime")
                runtime = self._runtime
            response = runtime.invoke_endpoint_with_response_stream(
                EndpointName=self._endpoint, ContentType="application/json", Accept="*/*", Body=body
            )
            # Closing the stream, also when on_text raises, closes the connection, and the container stops writing.
            with closing(response["Body"]) as events:
                for event in events:
                    if time.perf_counter() > deadline:
                        raise self._too_slow()
                    if "PayloadPart" not in event:
                        kind = next(iter(event), "an unknown event")
                        raise BackendGone(f"{self._server} broke off: {kind}.", "Look into its logs in CloudWatch.")
                    *lines, rest = (rest + decode(event["PayloadPart"]["Bytes"])).split("\n")
                    yield from lines
            yield rest

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn whatever AWS's library raises into a BackendError."""
        try:
            from botocore import eventstream, exceptions
            from urllib3.exceptions import HTTPError, ReadTimeoutError
        except ImportError as error:
            raise BackendError("The library for AWS, boto3, is not installed.", "pip install '.[aws]'") from error

        try:
            yield
        except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError) as error:
            raise BackendError("There are no credentials for AWS.", _CREDENTIALS) from error
        except exceptions.NoRegionError as error:
            raise BackendError("No AWS region is set.", "Set QUERYFORGE_AWS_REGION, such as eu-west-1.") from error
        except exceptions.ClientError as error:  # EventStreamError is one of them
            raise self._from_client(error) from error
        except (exceptions.ReadTimeoutError, ReadTimeoutError) as error:
            raise self._too_slow() from error
        except (exceptions.HTTPClientError, HTTPError, eventstream.ParserError) as error:
            raise BackendGone(
                f"The connection to {self._server[0].lower()}{self._server[1:]} broke: {error}.",
                "Check the network and the region, then ask again.",
            ) from error
        except exceptions.BotoCoreError as error:
            raise BackendError(f"AWS's library failed: {error}.", _CREDENTIALS) from error

    def _from_client(self, error: Any) -> BackendError:
        code, said = _code_of(error), find_message(str(error.response.get("Error", {}).get("Message", "")))
        if code in ("AccessDeniedException", "AccessDenied", "ExpiredTokenException", "UnrecognizedClientException"):
            return BackendError(f"AWS does not allow to use '{self._endpoint}' ({code}): {said}.", _CREDENTIALS)
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
        if code in _PASSING or status >= 500 or status == 429:
            return BackendGone(f"{self._server} failed ({code}): {said}.", "Look into its logs in CloudWatch.")
        return BackendError(
            f"{self._server} cannot be used ({code}): {said}.",
            "Check QUERYFORGE_SAGEMAKER_ENDPOINT and QUERYFORGE_AWS_REGION.",
        )

    def _too_slow(self) -> BackendGone:
        return BackendGone(
            f"{self._server} did not finish within {self._timeout_s:g} s.",
            "Raise QUERYFORGE_BACKEND_TIMEOUT_S, or use a smaller model.",
        )


def _code_of(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))
