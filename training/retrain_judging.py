"""How the new model and the served one are judged: both on the same questions, by what serves or will serve them.

In: the work of a run, its questions and a model. Out: the folders of the judgements, which later retrainings find again
when they judge the same model by the same questions. Decides nothing: that is the gate's.
"""

from __future__ import annotations

from assistant.errors import BackendError
from assistant.settings import Settings
from evaluation.folder import read_commit, sha256_of
from evaluation.progress import narrate
from evaluation.runner import EvalConfig
from evaluation.runner import run as evaluate
from training.modelfile import read_modelfile_config
from training.ollama_previous import beside
from training.ollama_tags import OllamaTags, full_name
from training.retrain_work import Facts, Work, digest, digest_content


def judge_candidate(work: Work) -> Facts:
    """Let the new file answer all questions, through what will serve it."""
    sha256 = work.run.fact("export", "sha256")
    if work.situation.server == "ollama":
        return _judge_in_ollama(work, sha256)
    settings = work.settings.model_copy(update={"backend": "llamacpp", "model_path": work.gguf})
    try:
        return _judge(work, settings, sha256)
    except BackendError as error:
        # Embedded, nothing but the file itself can be at fault, and a rerun would find the same.
        return {"fault": error.message}


def judge_served(work: Work) -> Facts:
    """Let the served model answer the same questions, unless it has."""
    situation = work.situation
    if situation.server == "ollama":
        name = full_name(work.settings.model)
        with OllamaTags(work.settings.ollama_host) as tags:
            digest = tags.digests().get(name, "")
        if not digest:
            return {}
        settings = work.settings.model_copy(update={"backend": "ollama"})
        return _judge(work, settings, digest)
    if situation.served_path is None:
        narrate("No model serves this database yet: there is nothing to hold the new one against.")
        return {}
    settings = work.settings.model_copy(update={"backend": "llamacpp", "model_path": situation.served_path})
    try:
        return _judge(work, settings, sha256_of(situation.served_path))
    except BackendError as error:
        narrate(f"The served model cannot be used, so that the new one is held against nothing: {error.message}")
        return {"fault": error.message}


def _judge(work: Work, settings: Settings, model_key: str) -> Facts:
    """Evaluate a model on each file of questions, or find that it was."""
    facts = {}
    files = {"made": work.data / "test-examples.jsonl"}
    if work.config.examples is not None:
        files["human"] = work.config.examples
    url = settings.database_url
    for name, examples in files.items():
        key = digest(
            model_key, settings.backend, sha256_of(examples), work.situation.schema.fingerprint, digest_content(url),
            str(work.config.variants), read_commit(),
            settings.model_dump_json(
                include={"max_rows", "max_attempts", "max_reply_tokens", "query_timeout_s", "backend_timeout_s"}
            ),
        )  # fmt: skip
        # Beside the runs and not in one of them: the next retraining may judge the same model by the same questions.
        folder = work.config.runs / "judged" / key[:20]
        facts[name] = str(folder)
        if (folder / "metrics.json").exists():
            narrate(f"'{folder}' holds the judgement of this model on '{examples.name}'.")
            continue
        evaluate(
            EvalConfig(
                examples=examples,
                out=folder,
                settings=settings,
                variants=work.config.variants,
                command=work.config.command,
            )
        )
    return facts


def _judge_in_ollama(work: Work, sha256: str) -> Facts:
    """Make a tag for the new file, judge it there, and remove the tag."""
    settings = work.settings
    tag = f"{beside(full_name(settings.model), 'judging-')}{sha256[:12]}"
    with OllamaTags(settings.ollama_host) as tags:
        tags.upload(work.gguf, sha256)
        tags.create(tag, sha256, read_modelfile_config(work.gguf, work.situation.schema))
        try:
            return _judge(work, settings.model_copy(update={"backend": "ollama", "model": tag}), sha256)
        finally:
            tags.delete(tag)
