"""Load checkpoints: safetensors only, and code from a model folder only where stage `base` marked it as trusted."""

from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
from transformers.utils import logging as transformers_logging

from seodang.errors import ModelError
from seodang.models.checkpoints import is_code_trusted, list_custom_classes, list_weight_files

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
# One of these groups, beside tokenizer_config.json. Without them transformers makes up an empty tokenizer.
_TOKENIZER_FILES = (("tokenizer.json",), ("tokenizer.model",), ("vocab.json", "merges.txt"), ("vocab.txt",))
_LOAD_ERRORS = (
    OSError,
    ValueError,
    ImportError,
    KeyError,
    TypeError,
    AttributeError,
    RuntimeError,
    SafetensorError,
)  # what transformers raises for settings and files of every kind


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Return the tokenizer of a checkpoint.

    One without a pad token is left as it is: rows are filled up with id 0
    (`tokenizing.pad_id`), which is masked and never learned.

    Raises:
        ModelError: If it is missing or cannot be read.
    """
    if not (folder / "tokenizer_config.json").exists() or not any(
        all((folder / name).exists() for name in group) for group in _TOKENIZER_FILES
    ):
        file_names = ", ".join(sorted(path.name for path in folder.glob("*"))) or "nothing"
        raise ModelError(
            f"{folder} has no tokenizer: it needs tokenizer_config.json and tokenizer.json (found: {file_names}); copy them from the model that the weights belong to"
        )
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            folder, trust_remote_code=is_code_trusted(folder)
        )
    except _LOAD_ERRORS as error:
        raise ModelError(
            f"{folder} has no tokenizer that can be read: {_get_first_line(error)}; restore it, then run: dvc repro --force base"
        ) from error
    return tokenizer


def load_model(folder: Path, precision: str, device: str, *, load_in_4bit: bool = False) -> PreTrainedModel:
    """Return the model of a checkpoint, ready to answer.

    Args:
        precision: "fp32" or "bf16": of the weights, and of the arithmetic over 4-bit weights.
        device: "cpu", "cuda", "mps", or one such as "cuda:1".
        four_bit: Quantise the linear layers to NF4 with double quantisation while they are read (QLoRA), embeddings and output left as they are.

    Raises:
        ModelError: If it cannot be read, or weights are missing, which would be random ones.
    """
    transformers_logging.disable_progress_bar()
    list_weight_files(folder)  # names what is missing
    settings: dict[str, Any] = {
        "dtype": _DTYPES[precision],
        "use_safetensors": True,
        "trust_remote_code": is_code_trusted(folder),
    }
    if load_in_4bit:
        settings |= {"quantization_config": _create_nf4_config(_DTYPES[precision]), "device_map": {"": device}}
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True, **settings)
    except _LOAD_ERRORS as error:
        raise ModelError(
            f"{folder} has no model that can be read: {_get_first_line(error)}; restore it, then run: dvc repro --force base"
        ) from error
    model: PreTrainedModel = loaded[0]
    loading_info: dict[str, Any] = loaded[1]
    if missing_weights := sorted(
        {*loading_info["missing_keys"], *(entry[0] for entry in loading_info["mismatched_keys"])}
    ):
        raise ModelError(
            f"{folder} lacks {len(missing_weights)} of the weights that its config.json speaks of ({', '.join(missing_weights[:3])}): they would be random; restore it"
        )
    if load_in_4bit:
        _keep_weight_layout(model)
    else:
        model.to(device)  # type: ignore[arg-type]
    model.eval()
    return model


def check_quantization(method: str) -> None:
    """Refuse 4-bit training where what quantises is missing.

    Args:
        method: As in train.method.

    Raises:
        ModelError: With what to install.
    """
    if method == "qlora" and importlib.util.find_spec("bitsandbytes") is None:
        raise ModelError(
            "train.method qlora needs bitsandbytes, which is not installed; run: make qlora (outside a clone: pip install 'seodang[qlora]')"
        )


def _create_nf4_config(compute_dtype: torch.dtype) -> BitsAndBytesConfig:
    check_quantization("qlora")
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute_dtype,
    )


def _keep_weight_layout(model: PreTrainedModel) -> None:
    """Keep 4-bit weights as they are.

    On CPUs with AVX512-BF16 bitsandbytes packs them anew, coarser, in the first forward pass
    in evaluation mode, and after that no gradient passes through: training would go on
    after its first validation and learn nothing.
    """
    for part in model.modules():
        if hasattr(part, "support_avx512bf16_for_cpu"):
            layer: Any = part
            layer.support_avx512bf16_for_cpu = False


def check_checkpoint(folder: Path, origin: str) -> None:
    """Refuse a checkpoint that training or serving could not use, before anything is built on it. No weight is read.

    Args:
        place: Where it comes from, for messages.

    Raises:
        ModelError: If its config.json, tokenizer, end token or files of weights are not what a causal language model needs, or tokenizer and model do not belong together.
    """
    config = _load_config(folder, origin)
    if not _is_causal(config, folder):
        names = ", ".join(config.architectures or ()) or config.model_type
        raise ModelError(
            f"{origin} is {names}, which does not write text from left to right; name a causal language model (architectures: ...ForCausalLM)"
        )
    tokenizer = load_tokenizer(folder)
    vocab_size = config.get_text_config().vocab_size
    if tokenizer.eos_token_id is None and tokenizer.chat_template is None:
        raise ModelError(
            f"the tokenizer of {origin} has no end token, so a tuned model would never stop; set eos_token in its tokenizer_config.json"
        )
    if tokenizer.eos_token_id is not None and tokenizer.eos_token_id >= vocab_size:
        raise ModelError(
            f"the tokenizer of {origin} ends with {tokenizer.eos_token!r}, id {tokenizer.eos_token_id}, but the model knows ids below {vocab_size}; take the tokenizer that the weights belong to"
        )
    if unknown_tokens := _find_unknown_tokens(tokenizer, vocab_size):
        token, number = max(unknown_tokens.items(), key=lambda entry: entry[1])
        raise ModelError(
            f"the tokenizer of {origin} can write {token!r}, id {number}, but the model knows {vocab_size} tokens, ids below {vocab_size} ({len(unknown_tokens)} are beyond); "
            "take the tokenizer that the weights belong to, or enlarge the model before it comes here: model.resize_token_embeddings(len(tokenizer))"
        )
    count_parameters(folder, origin)


def _find_unknown_tokens(tokenizer: PreTrainedTokenizerBase, vocab_size: int) -> dict[str, int]:
    """Return the tokens with an id that the model does not know, in any text that could be rendered for it.

    A special token that nothing writes does no harm, as user text never becomes one:
    Gemma 3 1B has <image_soft_token>, id 262144, and Code Llama its marks for infilling.
    """
    special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    special_names = {tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token, tokenizer.unk_token}
    unused_tokens = {token for token in special - special_names if token not in str(tokenizer.chat_template)}
    return {
        token: number
        for token, number in tokenizer.get_vocab().items()
        if number >= vocab_size and token not in unused_tokens
    }


def count_parameters(folder: Path, origin: str) -> int:
    """Return how many weights a checkpoint has, by the headers of its files alone, which are held against the files' sizes.

    Raises:
        ModelError: If a file is missing or damaged.
    """
    total = 0
    for file in list_weight_files(folder):
        try:
            with safe_open(file, "np") as weights:  # torch would set memory aside for the whole file
                names = weights.keys()  # `weights` is no mapping
                total += sum(math.prod(weights.get_slice(name).get_shape()) for name in names)
        except (SafetensorError, OSError) as error:
            raise ModelError(
                f"{file.name} of {origin} is damaged or cut short: {error}; fetch or copy it again"
            ) from error
    return total


def _load_config(folder: Path, origin: str) -> PreTrainedConfig:
    try:
        custom_classes = list_custom_classes(folder)
        trusted = is_code_trusted(folder)
        config: PreTrainedConfig = AutoConfig.from_pretrained(folder, trust_remote_code=trusted)
    except FileNotFoundError as error:
        raise ModelError(
            f"{origin} has no config.json, which says what kind of model it is; restore it from where the weights come from"
        ) from error
    except json.JSONDecodeError as error:
        raise ModelError(
            f"config.json of {origin} is no JSON ({error}); restore it from where the weights come from"
        ) from error
    except _LOAD_ERRORS as error:
        if custom_classes and not trusted:
            raise ModelError(
                f"{origin} needs Python code of its own ({', '.join(custom_classes)}), and none is run unless it is trusted by name: read it, then set model.trust_remote_code to the value of model.hub or model.path"
            ) from error
        raise ModelError(
            f"config.json of {origin} describes no model that transformers knows: {_get_first_line(error)}"
        ) from error
    return config


def _is_causal(config: PreTrainedConfig, folder: Path) -> bool:
    """Tell by the class that the weights were saved from: the mapping alone would also take an encoder such as BERT."""
    known_classes = {
        name
        for entry in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values()
        for name in (entry if isinstance(entry, (tuple, list)) else (entry,))
    }
    custom_classes = {entry.rpartition(".")[2] for entry in list_custom_classes(folder)}
    return any(name in known_classes or name in custom_classes for name in config.architectures or ())


def get_context_length(config: PreTrainedConfig) -> int | None:
    """Return how many tokens a model reads at the most, or None where its architecture sets no limit."""
    length = getattr(config.get_text_config(), "max_position_embeddings", None)
    return int(length) if length else None


def check_max_length(config: PreTrainedConfig, max_length: int) -> None:
    """Refuse records longer than the model's context.

    Args:
        max_length: Tokens of prompt and answer, train.max_length.

    Raises:
        ModelError: With both lengths.
    """
    context = get_context_length(config)
    if context is not None and max_length > context:
        raise ModelError(
            f"train.max_length is {max_length} tokens, but the model reads {context} (max_position_embeddings); set it to {context} or less, or take a model with a longer context"
        )


def _get_first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).partition("\n")[0]
