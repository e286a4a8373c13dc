"""What a GGUF says of itself: the keys llama.cpp needs, our chat template, and what the model was trained for.

In: facts, vocabulary and description. Out: keys in a writer. The keys `queryforge.*` are read by
`assistant.backends.metadata` and `training.modelfile`.
"""

from __future__ import annotations

import gguf

from assistant.backends.metadata import DB_ID_KEY, EXAMPLES_KEY, FINGERPRINT_KEY, PROMPT_LAYOUT_KEY
from assistant.prompts import CHAT_TEMPLATE
from assistant.types import Dialect, PromptLayout, Record
from training.model_folder import ModelFacts
from training.vocabulary import Vocabulary

DIALECT_KEY = "queryforge.dialect"

_TOKEN_TYPES = {
    "normal": gguf.TokenType.NORMAL,
    "unknown": gguf.TokenType.UNKNOWN,
    "control": gguf.TokenType.CONTROL,
    "user_defined": gguf.TokenType.USER_DEFINED,
    "unused": gguf.TokenType.UNUSED,
    "byte": gguf.TokenType.BYTE,
}


class Purpose(Record):
    """What a model is called and what it was trained for."""

    name: str
    """Name of the model."""
    prompt_layout: PromptLayout
    """Layout it was trained with."""
    db_id: str
    """Database it was trained for; empty for any."""
    schema_fingerprint: str
    """Fingerprint of that schema; empty for any."""
    dialect: Dialect
    """SQL flavour it writes."""
    examples: int = 0
    """Similar questions that it was trained to find in its prompt."""


def add_keys(
    writer: gguf.GGUFWriter,
    purpose: Purpose,
    facts: ModelFacts,
    vocabulary: Vocabulary,
    file_type: gguf.LlamaFileType,
) -> None:
    """Put every key into the writer."""
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(purpose.name)
    writer.add_file_type(int(file_type))
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    _add_shape(writer, facts)
    _add_vocabulary(writer, vocabulary)
    writer.add_chat_template(CHAT_TEMPLATE)
    writer.add_string(PROMPT_LAYOUT_KEY, purpose.prompt_layout)
    writer.add_string(DB_ID_KEY, purpose.db_id)
    writer.add_string(FINGERPRINT_KEY, purpose.schema_fingerprint)
    writer.add_string(DIALECT_KEY, purpose.dialect)
    if purpose.examples:
        writer.add_uint32(EXAMPLES_KEY, purpose.examples)


def _add_shape(writer: gguf.GGUFWriter, facts: ModelFacts) -> None:
    writer.add_vocab_size(facts.vocab_size)
    writer.add_context_length(facts.context_tokens)
    writer.add_embedding_length(facts.hidden_size)
    writer.add_block_count(facts.num_layers)
    writer.add_feed_forward_length(facts.ffn_size)
    writer.add_head_count(facts.num_heads)
    writer.add_head_count_kv(facts.num_kv_heads)
    writer.add_key_length(facts.head_size)
    writer.add_value_length(facts.head_size)
    writer.add_layer_norm_rms_eps(facts.norm_eps)
    writer.add_rope_freq_base(facts.rope_theta)
    writer.add_rope_dimension_count(facts.head_size)


def _add_vocabulary(writer: gguf.GGUFWriter, vocabulary: Vocabulary) -> None:
    writer.add_tokenizer_model(vocabulary.model)
    writer.add_tokenizer_pre(vocabulary.pre)
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types([_TOKEN_TYPES[kind] for kind in vocabulary.kinds])
    if vocabulary.model == "llama":
        writer.add_token_scores(vocabulary.scores)
    else:
        writer.add_token_merges(vocabulary.merges)
    # Without a beginning token llama.cpp assumes id 11; it is named even where it is never added.
    writer.add_bos_token_id(vocabulary.bos_id)
    writer.add_eos_token_id(vocabulary.eos_id)
    writer.add_eot_token_id(vocabulary.eos_id)
    writer.add_pad_token_id(vocabulary.pad_id)
    if vocabulary.unknown_id is not None:
        writer.add_unk_token_id(vocabulary.unknown_id)
    writer.add_add_bos_token(vocabulary.adds_bos)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(vocabulary.adds_space)
