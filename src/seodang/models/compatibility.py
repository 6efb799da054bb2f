"""Check that a checkpoint can be trained and served, from its settings and file headers alone."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path

from safetensors import SafetensorError, safe_open
from transformers import AutoConfig, PreTrainedConfig, PreTrainedTokenizerBase
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from seodang.errors import ChatTemplateError, ModelError
from seodang.i18n import _
from seodang.models.architecture import check_causal_config
from seodang.models.checkpoints import is_code_trusted, list_custom_classes, list_weight_files
from seodang.models.loading import LOAD_ERRORS, get_first_line, load_tokenizer
from seodang.prompting import render_prompt

logger = logging.getLogger(__name__)


def check_checkpoint(folder: Path, origin: str) -> None:
    """Raise an error if training or serving could not use a checkpoint. No weight is read.

    Args:
        folder: Folder of the checkpoint.
        origin: Source of the checkpoint, for messages.

    Raises:
        ModelError: If the model is not causal, if its config.json, tokenizer, end token or weights do not fit, or if
            tokenizer and model differ.
    """
    config = _load_config(folder, origin)
    if not _is_causal(config, folder):
        raise ModelError(
            _(
                "{origin} is {architecture}, which does not generate text from left to right; name a causal language"
                " model (architectures: ...ForCausalLM)",
                origin=origin,
                architecture=", ".join(config.architectures or ()) or config.model_type,
            )
        )
    check_causal_config(config, origin)
    tokenizer = load_tokenizer(folder)
    _check_tokenizer(tokenizer, config.get_text_config().vocab_size, origin)
    _warn_about_chat_template(tokenizer)
    count_parameters(folder, origin)


def _warn_about_chat_template(tokenizer: PreTrainedTokenizerBase) -> None:
    """Log why the chat template cannot be used; only prompt format `chat` needs it."""
    if tokenizer.chat_template is None:
        return
    try:
        render_prompt("a", "", "chat", tokenizer)
    except ChatTemplateError as error:
        logger.warning(str(error))


def _check_tokenizer(tokenizer: PreTrainedTokenizerBase, vocab_size: int, origin: str) -> None:
    if tokenizer.eos_token_id is None and tokenizer.chat_template is None:
        raise ModelError(
            _(
                "the tokenizer of {origin} has no end token, so a tuned model would never stop; set eos_token in its"
                " tokenizer_config.json",
                origin=origin,
            )
        )
    if tokenizer.eos_token_id is not None and tokenizer.eos_token_id >= vocab_size:
        raise ModelError(
            _(
                "the end token of the tokenizer of {origin} is {token!r}, id {token_id}, but the model has only ids below"
                " {vocab_size}; use the tokenizer that the weights belong to",
                origin=origin,
                token=tokenizer.eos_token,
                token_id=tokenizer.eos_token_id,
                vocab_size=vocab_size,
            )
        )
    if unknown_tokens := _find_unknown_tokens(tokenizer, vocab_size):
        token, token_id = max(unknown_tokens.items(), key=lambda entry: entry[1])
        raise ModelError(
            _(
                "the tokenizer of {origin} can produce {token!r}, id {token_id}, but the model has {vocab_size} tokens,"
                " ids below {vocab_size} (ids above: {count}); use the tokenizer that the weights belong to, or"
                " resize the model first: model.resize_token_embeddings(len(tokenizer))",
                origin=origin,
                token=token,
                token_id=token_id,
                vocab_size=vocab_size,
                count=len(unknown_tokens),
            )
        )


def _find_unknown_tokens(tokenizer: PreTrainedTokenizerBase, vocab_size: int) -> dict[str, int]:
    """Return the tokens whose ids the model does not know and that a rendered text could contain.

    A special token that nothing renders does no harm, because user text never becomes one. For example, Gemma 3 1B has
    <image_soft_token>, id 262144, and Code Llama has tokens for infilling.
    """
    special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    special_names = {tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token, tokenizer.unk_token}
    unused_tokens = {token for token in special - special_names if token not in str(tokenizer.chat_template)}
    return {
        token: token_id
        for token, token_id in tokenizer.get_vocab().items()
        if token_id >= vocab_size and token not in unused_tokens
    }


def count_parameters(folder: Path, origin: str) -> int:
    """Return the number of weights of a checkpoint from its file headers; safetensors checks them against file sizes.

    Raises:
        ModelError: If a file is missing or damaged.
    """
    total = 0
    for file in list_weight_files(folder):
        try:
            with safe_open(file, "np") as weights:  # torch would reserve memory for the entire file
                names = weights.keys()  # `weights` is no mapping
                total += sum(math.prod(weights.get_slice(name).get_shape()) for name in names)
        except (SafetensorError, OSError) as error:
            raise ModelError(
                _(
                    "{file} of {origin} is damaged or incomplete: {error}; download or copy it again",
                    file=file.name,
                    origin=origin,
                    error=error,
                )
            ) from error
    return total


def _load_config(folder: Path, origin: str) -> PreTrainedConfig:
    custom_classes: list[str] = []
    trusted = False
    try:
        custom_classes = list_custom_classes(folder)
        trusted = is_code_trusted(folder)
        config: PreTrainedConfig = AutoConfig.from_pretrained(folder, trust_remote_code=trusted)
    except FileNotFoundError as error:
        raise ModelError(
            _(
                "{origin} has no config.json, which describes the model; restore it from the source of the weights",
                origin=origin,
            )
        ) from error
    except json.JSONDecodeError as error:
        raise ModelError(
            _(
                "config.json of {origin} is not valid JSON ({error}); restore it from the source of the weights",
                origin=origin,
                error=error,
            )
        ) from error
    except LOAD_ERRORS as error:
        if custom_classes and not trusted:
            raise ModelError(
                _(
                    "{origin} needs custom Python code ({classes}), and custom code runs only if you name it as trusted:"
                    " read the code, then set model.trust_remote_code to the value of model.hub or model.path",
                    origin=origin,
                    classes=", ".join(custom_classes),
                )
            ) from error
        raise ModelError(
            _(
                "config.json of {origin} describes no model that transformers supports: {error}",
                origin=origin,
                error=get_first_line(error),
            )
        ) from error
    return config


def _is_causal(config: PreTrainedConfig, folder: Path) -> bool:
    """Return whether the class that saved the weights is causal; the mapping alone would also accept BERT."""
    known_classes = {
        name
        for entry in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values()
        for name in (entry if isinstance(entry, (tuple, list)) else (entry,))
    }
    custom_classes = {entry.rpartition(".")[2] for entry in list_custom_classes(folder)}
    return any(name in known_classes or name in custom_classes for name in config.architectures or ())
