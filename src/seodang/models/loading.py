"""Load tokenizers and models: safetensors only, and custom code only where stage `base` marked it as trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    GenerationConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from seodang.errors import ChatTemplateError, ModelError
from seodang.i18n import _
from seodang.models.chat_templates import find_template_problems, freeze_clock, select_chat_template
from seodang.models.checkpoints import is_code_trusted, list_weight_files
from seodang.models.methods import METHODS
from seodang.models.stop_tokens import read_declared_stop_ids

# Errors that transformers raises for damaged settings and files.
LOAD_ERRORS = (
    OSError,
    ValueError,
    ImportError,
    KeyError,
    TypeError,
    AttributeError,
    RuntimeError,
    SafetensorError,
)
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
# A tokenizer needs tokenizer_config.json and one of these groups. Without them transformers creates an empty tokenizer.
_TOKENIZER_FILES = (("tokenizer.json",), ("tokenizer.model",), ("vocab.json", "merges.txt"), ("vocab.txt",))
# Attributes of a config that limit the length of a text; most names are aliases of the first one in transformers.
_LENGTH_ATTRIBUTES = ("max_position_embeddings", "max_seq_len", "max_target_positions")
# Model types whose first position is pad_token_id + 1, so that their table of positions holds fewer tokens.
_OFFSET_MODEL_TYPES = {
    "camembert",
    "data2vec-text",
    "roberta",
    "roberta-prelayernorm",
    "xlm-roberta",
    "xlm-roberta-xl",
    "xmod",
}


def has_tokenizer(folder: Path) -> bool:
    """Return whether a folder has the files of a tokenizer."""
    return (folder / "tokenizer_config.json").exists() and any(
        all((folder / name).exists() for name in group) for group in _TOKENIZER_FILES
    )


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Return the tokenizer of a checkpoint.

    It has one chat template, and a date in it is frozen: neither tools nor the day change a prompt.
    A tokenizer without a pad token is not changed: short rows are filled with id 0
    (`tokenization.get_pad_id`), which is masked and never a label.

    Raises:
        ModelError: If the tokenizer is missing or cannot be read, or its chat template is not deterministic.
    """
    if not has_tokenizer(folder):
        raise ModelError(
            _(
                "{folder} has no tokenizer: it needs tokenizer_config.json and tokenizer.json (the folder has: {files});"
                " copy them from the model that the weights belong to",
                folder=folder,
                files=", ".join(sorted(path.name for path in folder.glob("*"))) or _("no files"),
            )
        )
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            folder, trust_remote_code=is_code_trusted(folder)
        )
    except LOAD_ERRORS as error:
        raise ModelError(
            _(
                "the tokenizer in {folder} cannot be read: {error}; restore it, then run: dvc repro --force base",
                folder=folder,
                error=get_first_line(error),
            )
        ) from error
    template = select_chat_template(tokenizer.chat_template)
    if template is not None:
        _check_chat_template(template, folder)
        template = freeze_clock(template)
    tokenizer.chat_template = template
    return tokenizer


def _check_chat_template(template: str, folder: Path) -> None:
    if problems := find_template_problems(template):
        raise ChatTemplateError(
            _(
                "the chat template in {folder} does not write the same prompt each time:\n  {problems}\n"
                "Correct it in the base ({files}), or remove it there and set prompt.format to another format than chat",
                folder=folder,
                problems="\n  ".join(problems),
                files="chat_template.jinja, tokenizer_config.json",
            )
        )


def load_model(folder: Path, precision: str, device: str, *, load_in_4bit: bool = False) -> PreTrainedModel:
    """Return the model of a checkpoint, in evaluation mode and without generation settings other than its end tokens.

    Published models often set top-p, a repetition penalty or suppressed tokens. Training, evaluation, packaging and
    service load models here. So they all decode without such settings, stop at the same tokens (see `stop_tokens`)
    and get the same answers.

    Args:
        folder: Folder of the checkpoint.
        precision: "fp32" or "bf16"; the data type of the weights, or the compute type of 4-bit weights.
        device: "cpu", "cuda", "mps", or one such as "cuda:1".
        load_in_4bit: Quantize the linear layers to NF4 with double quantization while they are read (QLoRA).
            Embeddings and output layer keep their precision.

    Raises:
        ModelError: If the model cannot be read, or weights are missing: transformers would fill them randomly.
    """
    transformers_logging.disable_progress_bar()
    list_weight_files(folder)  # raises an error that names missing files
    settings: dict[str, Any] = {
        "dtype": _DTYPES[precision],
        "use_safetensors": True,
        "trust_remote_code": is_code_trusted(folder),
    }
    if load_in_4bit:
        settings |= {"quantization_config": _create_nf4_config(_DTYPES[precision]), "device_map": {"": device}}
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True, **settings)
    except LOAD_ERRORS as error:
        raise ModelError(
            _(
                "the model in {folder} cannot be read: {error}; restore it, then run: dvc repro --force base",
                folder=folder,
                error=get_first_line(error),
            )
        ) from error
    model: PreTrainedModel = loaded[0]
    _check_loaded_weights(loaded[1], folder)
    if load_in_4bit:
        _keep_weight_layout(model)
    else:
        model.to(device)  # type: ignore[arg-type]
    model.generation_config = GenerationConfig(eos_token_id=_read_stop_ids(folder, model.config) or None)
    model.eval()
    return model


def _read_stop_ids(folder: Path, config: PreTrainedConfig) -> list[int]:
    # A fully trained model has no tokenizer in its folder; its settings come from a base that was read here before.
    tokenizer = load_tokenizer(folder) if has_tokenizer(folder) else None
    return read_declared_stop_ids(folder, tokenizer, config.get_text_config().vocab_size)


def _check_loaded_weights(loading_info: dict[str, Any], folder: Path) -> None:
    missing = sorted({*loading_info["missing_keys"], *(entry[0] for entry in loading_info["mismatched_keys"])})
    if missing:
        raise ModelError(
            _(
                "{folder} lacks {count} of the weights that its config.json describes ({names}); they would be random:"
                " restore the checkpoint",
                folder=folder,
                count=len(missing),
                names=", ".join(missing[:3]),
            )
        )


def _create_nf4_config(compute_dtype: torch.dtype) -> BitsAndBytesConfig:
    METHODS["qlora"].check_package()
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute_dtype,
    )


def _keep_weight_layout(model: PreTrainedModel) -> None:
    """Keep the layout of 4-bit weights.

    On CPUs with AVX512-BF16 bitsandbytes repacks them more coarsely in the first forward pass
    in evaluation mode. After that no gradient flows through them: training would
    continue after its first validation without learning anything.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            layer: Any = module
            layer.support_avx512bf16_for_cpu = False


def get_context_length(config: PreTrainedConfig) -> int | None:
    """Return the maximum number of tokens that a model reads; None if its architecture sets no limit.

    Bloom (ALiBi) and Mamba (a recurrent state) have no limit, and XLNet's limit of -1 is none.
    """
    text_config = config.get_text_config()
    lengths = (getattr(text_config, name, None) for name in _LENGTH_ATTRIBUTES)
    length = next((int(length) for length in lengths if length and length > 0), None)
    if length is not None and text_config.model_type in _OFFSET_MODEL_TYPES:
        return length - int(text_config.pad_token_id) - 1
    return length


def read_context_length(folder: Path) -> int | None:
    """Return the context length of a checkpoint, see `get_context_length`."""
    return get_context_length(AutoConfig.from_pretrained(folder, trust_remote_code=is_code_trusted(folder)))


def check_max_length(config: PreTrainedConfig, max_length: int) -> None:
    """Raise an error if train.max_length is longer than the model's context.

    Args:
        config: Configuration of the model.
        max_length: The value of train.max_length: tokens of prompt and answer.

    Raises:
        ModelError: With both lengths.
    """
    context = get_context_length(config)
    if context is not None and max_length > context:
        raise ModelError(
            _(
                "train.max_length is {max_length} tokens, but the model reads at most {context}; set it to {context} or"
                " less, or use a model with a longer context",
                max_length=max_length,
                context=context,
            )
        )


def get_first_line(error: Exception) -> str:
    """Return the first line of an error's message, or the name of its class if it has no message."""
    return (str(error).strip() or type(error).__name__).partition("\n")[0]
