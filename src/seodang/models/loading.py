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
from seodang.models.checkpoints import code_is_trusted, own_code, weight_files

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
# One of these groups, beside tokenizer_config.json. Without them transformers makes up an empty tokenizer.
_TOKENIZERS = (("tokenizer.json",), ("tokenizer.model",), ("vocab.json", "merges.txt"), ("vocab.txt",))
_UNREADABLE = (
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
        all((folder / name).exists() for name in group) for group in _TOKENIZERS
    ):
        found = ", ".join(sorted(path.name for path in folder.glob("*"))) or "nothing"
        raise ModelError(
            f"{folder} has no tokenizer: it needs tokenizer_config.json and tokenizer.json (found: {found}); copy them from the model that the weights belong to"
        )
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            folder, trust_remote_code=code_is_trusted(folder)
        )
    except _UNREADABLE as error:
        raise ModelError(
            f"{folder} has no tokenizer that can be read: {_first_line(error)}; restore it, then run: dvc repro --force base"
        ) from error
    return tokenizer


def load_model(folder: Path, precision: str, device: str, *, four_bit: bool = False) -> PreTrainedModel:
    """Return the model of a checkpoint, ready to answer.

    Args:
        precision: "fp32" or "bf16": of the weights, and of the arithmetic over 4-bit weights.
        device: "cpu", "cuda", "mps", or one such as "cuda:1".
        four_bit: Quantise the linear layers to NF4 with double quantisation while they are read (QLoRA), embeddings and output left as they are.

    Raises:
        ModelError: If it cannot be read, or weights are missing, which would be random ones.
    """
    transformers_logging.disable_progress_bar()
    weight_files(folder)  # names what is missing
    settings: dict[str, Any] = {
        "dtype": _DTYPES[precision],
        "use_safetensors": True,
        "trust_remote_code": code_is_trusted(folder),
    }
    if four_bit:
        settings |= {"quantization_config": _nf4(_DTYPES[precision]), "device_map": {"": device}}
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True, **settings)
    except _UNREADABLE as error:
        raise ModelError(
            f"{folder} has no model that can be read: {_first_line(error)}; restore it, then run: dvc repro --force base"
        ) from error
    model: PreTrainedModel = loaded[0]
    found: dict[str, Any] = loaded[1]
    if lacking := sorted({*found["missing_keys"], *(entry[0] for entry in found["mismatched_keys"])}):
        raise ModelError(
            f"{folder} lacks {len(lacking)} of the weights that its config.json speaks of ({', '.join(lacking[:3])}): they would be random; restore it"
        )
    if four_bit:
        _keep_packing(model)
    else:
        model.to(device)  # type: ignore[arg-type]
    model.eval()
    return model


def check_quantising(method: str) -> None:
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


def _nf4(compute: torch.dtype) -> BitsAndBytesConfig:
    check_quantising("qlora")
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=compute
    )


def _keep_packing(model: PreTrainedModel) -> None:
    """Keep 4-bit weights as they are.

    On CPUs with AVX512-BF16 bitsandbytes packs them anew, coarser, in the first forward pass
    in evaluation mode, and after that no gradient passes through: training would go on
    after its first validation and learn nothing.
    """
    for part in model.modules():
        if hasattr(part, "support_avx512bf16_for_cpu"):
            layer: Any = part
            layer.support_avx512bf16_for_cpu = False


def check_checkpoint(folder: Path, place: str) -> None:
    """Refuse a checkpoint that training or serving could not use, before anything is built on it. No weight is read.

    Args:
        place: Where it comes from, for messages.

    Raises:
        ModelError: If its config.json, tokenizer, end token or files of weights are not what a causal language model needs, or tokenizer and model do not belong together.
    """
    config = _config(folder, place)
    if not _is_causal(config, folder):
        names = ", ".join(config.architectures or ()) or config.model_type
        raise ModelError(
            f"{place} is {names}, which does not write text from left to right; name a causal language model (architectures: ...ForCausalLM)"
        )
    tokenizer = load_tokenizer(folder)
    vocabulary = config.get_text_config().vocab_size
    if tokenizer.eos_token_id is None and tokenizer.chat_template is None:
        raise ModelError(
            f"the tokenizer of {place} has no end token, so a tuned model would never stop; set eos_token in its tokenizer_config.json"
        )
    if tokenizer.eos_token_id is not None and tokenizer.eos_token_id >= vocabulary:
        raise ModelError(
            f"the tokenizer of {place} ends with {tokenizer.eos_token!r}, id {tokenizer.eos_token_id}, but the model knows ids below {vocabulary}; take the tokenizer that the weights belong to"
        )
    if beyond := _beyond(tokenizer, vocabulary):
        token, number = max(beyond.items(), key=lambda entry: entry[1])
        raise ModelError(
            f"the tokenizer of {place} can write {token!r}, id {number}, but the model knows {vocabulary} tokens, ids below {vocabulary} ({len(beyond)} are beyond); "
            "take the tokenizer that the weights belong to, or enlarge the model before it comes here: model.resize_token_embeddings(len(tokenizer))"
        )
    count_weights(folder, place)


def _beyond(tokenizer: PreTrainedTokenizerBase, vocabulary: int) -> dict[str, int]:
    """Return the tokens with an id that the model does not know, in any text that could be rendered for it.

    A special token that nothing writes does no harm, as user text never becomes one:
    Gemma 3 1B has <image_soft_token>, id 262144, and Code Llama its marks for infilling.
    """
    special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    named = {tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token, tokenizer.unk_token}
    unwritten = {token for token in special - named if token not in str(tokenizer.chat_template)}
    return {
        token: number
        for token, number in tokenizer.get_vocab().items()
        if number >= vocabulary and token not in unwritten
    }


def count_weights(folder: Path, place: str) -> int:
    """Return how many weights a checkpoint has, by the headers of its files alone, which are held against the files' sizes.

    Raises:
        ModelError: If a file is missing or damaged.
    """
    found = 0
    for file in weight_files(folder):
        try:
            with safe_open(file, "np") as weights:  # torch would set memory aside for the whole file
                names = weights.keys()  # `weights` is no mapping
                found += sum(math.prod(weights.get_slice(name).get_shape()) for name in names)
        except (SafetensorError, OSError) as error:
            raise ModelError(
                f"{file.name} of {place} is damaged or cut short: {error}; fetch or copy it again"
            ) from error
    return found


def _config(folder: Path, place: str) -> PreTrainedConfig:
    try:
        code = own_code(folder)
        trusted = code_is_trusted(folder)
        config: PreTrainedConfig = AutoConfig.from_pretrained(folder, trust_remote_code=trusted)
    except FileNotFoundError as error:
        raise ModelError(
            f"{place} has no config.json, which says what kind of model it is; restore it from where the weights come from"
        ) from error
    except json.JSONDecodeError as error:
        raise ModelError(
            f"config.json of {place} is no JSON ({error}); restore it from where the weights come from"
        ) from error
    except _UNREADABLE as error:
        if code and not trusted:
            raise ModelError(
                f"{place} needs Python code of its own ({', '.join(code)}), and none is run unless it is trusted by name: read it, then set model.trust_remote_code to the value of model.hub or model.path"
            ) from error
        raise ModelError(
            f"config.json of {place} describes no model that transformers knows: {_first_line(error)}"
        ) from error
    return config


def _is_causal(config: PreTrainedConfig, folder: Path) -> bool:
    """Tell by the class that the weights were saved from: the mapping alone would also take an encoder such as BERT."""
    known = {
        name
        for entry in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values()
        for name in (entry if isinstance(entry, (tuple, list)) else (entry,))
    }
    own = {entry.rpartition(".")[2] for entry in own_code(folder)}
    return any(name in known or name in own for name in config.architectures or ())


def context_length(config: PreTrainedConfig) -> int | None:
    """Return how many tokens a model reads at the most, or None where its architecture sets no limit."""
    found = getattr(config.get_text_config(), "max_position_embeddings", None)
    return int(found) if found else None


def check_length(config: PreTrainedConfig, max_length: int) -> None:
    """Refuse records longer than the model's context.

    Args:
        max_length: Tokens of prompt and answer, train.max_length.

    Raises:
        ModelError: With both lengths.
    """
    context = context_length(config)
    if context is not None and max_length > context:
        raise ModelError(
            f"train.max_length is {max_length} tokens, but the model reads {context} (max_position_embeddings); set it to {context} or less, or take a model with a longer context"
        )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).partition("\n")[0]
