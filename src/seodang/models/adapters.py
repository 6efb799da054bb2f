"""Add adapters to a base, save tuned models and load them again.

A folder that training wrote holds either an adapter (adapter_model.safetensors,
methods lora, rslora, dora, qlora) or a full model (model.safetensors, method full).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors import SafetensorError
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from seodang.config import TrainParams
from seodang.errors import ArtifactError, ModelError
from seodang.i18n import _
from seodang.io.atomic import compute_sha256
from seodang.models.checkpoints import INDEX, WEIGHTS, compute_weights_sha256, copy_trusted_code
from seodang.models.methods import get_method

ADAPTER = "adapter_model.safetensors"
ALL_LINEAR = "all-linear"

_LINEAR = (torch.nn.Linear, Conv1D)  # bitsandbytes' 4-bit layers are subclasses of nn.Linear


def add_adapter(model: PreTrainedModel, train: TrainParams) -> PeftModel | PreTrainedModel:
    """Return the model with the trainable weights of train.method.

    Set the random seed first: the adapter's first matrix is random. An adapter is fp32
    in any precision of the base, and the base is frozen. Method full trains all
    weights in fp32, because bf16 would round most optimizer steps away. Method qlora
    needs a model that was loaded in 4 bits.

    Raises:
        ModelError: If a target module matches no layer, the output layer or tied embeddings. Also if the model was not
            loaded in the precision of the method.
    """
    method = get_method(train)
    four_bit = bool(getattr(model, "is_loaded_in_4bit", False))
    if four_bit != method.loads_in_4bit:
        if four_bit:
            message = _(
                "train.method {method} needs a base that is not quantized, but {model} was loaded in 4 bits",
                method=train.method,
                model=model.name_or_path,
            )
        else:
            message = _(
                "train.method {method} needs a base in 4 bits, but {model} was loaded without quantization",
                method=train.method,
                model=model.name_or_path,
            )
        raise ModelError(message)
    if method.trains_all_weights:
        return model.float().requires_grad_(True)
    _check_target_modules(model, train.target_modules)
    config = LoraConfig(
        r=train.rank,
        lora_alpha=train.alpha,
        lora_dropout=train.dropout,
        target_modules=ALL_LINEAR if train.target_modules == [ALL_LINEAR] else train.target_modules,
        task_type="CAUSAL_LM",
        **method.lora_options,
    )
    return get_peft_model(model, config, autocast_adapter_dtype=True)


def _check_target_modules(model: PreTrainedModel, target_modules: list[str]) -> None:
    if target_modules != [ALL_LINEAR]:
        _check_modules_exist(model, target_modules)
    tied_names = _find_tied_modules(model)
    output_embeddings = model.get_output_embeddings()
    head_names = [name for name, module in model.named_modules() if module is output_embeddings]
    if output_embeddings and not tied_names and (head := _select_matching(target_modules, head_names)):
        raise ModelError(
            _(
                "train.target_modules {modules}: the output layer is computed for label tokens only and supports no"
                " adapter; remove it from the list, or use train.method full",
                modules=head,
            )
        )
    if tied := _select_matching(target_modules, tied_names):
        raise ModelError(
            _(
                "train.target_modules {modules}: the embeddings and the output layer of this model share one matrix"
                " (tied), and a merge would add the adapter twice; remove them from the list, or use train.method full",
                modules=tied,
            )
        )


def _check_modules_exist(model: PreTrainedModel, target_modules: list[str]) -> None:
    layers = [name for name, module in model.named_modules() if isinstance(module, (*_LINEAR, torch.nn.Embedding))]
    unmatched = [target for target in target_modules if not any(_matches(target, name) for name in layers)]
    if unmatched:
        linear_names = sorted(
            {name.rpartition(".")[2] for name, module in model.named_modules() if isinstance(module, _LINEAR)}
        )
        raise ModelError(
            _(
                "train.target_modules {modules} match no layer of the model; its linear layers are {layers}, or use"
                " [{all_linear}]",
                modules=unmatched,
                layers=", ".join(linear_names),
                all_linear=ALL_LINEAR,
            )
        )


def _select_matching(target_modules: list[str], names: list[str]) -> list[str]:
    return [target for target in target_modules if any(_matches(target, name) for name in names)]


def _matches(target: str, name: str) -> bool:
    return name == target or name.endswith(f".{target}")


def _find_tied_modules(model: PreTrainedModel) -> list[str]:
    """Return the names of the embeddings and the output layer if they share a matrix, else an empty list."""
    input_embeddings, output_embeddings = model.get_input_embeddings(), model.get_output_embeddings()
    if input_embeddings is None or output_embeddings is None or input_embeddings.weight is not output_embeddings.weight:
        return []
    return [name for name, module in model.named_modules() if module is input_embeddings or module is output_embeddings]


def copy_base_weights(model: PeftModel | PreTrainedModel, base_weight: float) -> dict[str, torch.Tensor]:
    """Return copies of the trainable weights that hold weights of the base; {} for a weight of 0.

    These are all weights of method full and the magnitudes of dora. A low-rank adapter starts at zero: no copy.
    """
    if base_weight == 0:
        return {}
    return {
        name: weight.detach().clone()
        for name, weight in model.named_parameters()
        if weight.requires_grad and not _is_low_rank(name)
    }


def average_with_base(model: PeftModel | PreTrainedModel, initial: dict[str, torch.Tensor], base_weight: float) -> None:
    """Replace the tuned weights by their average with the base, in place.

    A low-rank adapter adds B·A to a weight, so the average of the weights is the adapter with a smaller B. For dora
    this holds for the parts of the adapter, direction and magnitude, each by itself. Source: WiSE-FT (Wortsman et al.
    2022, arXiv 2109.01903).

    Args:
        model: After training.
        initial: Of `copy_base_weights` before training.
        base_weight: From 0, which changes nothing, to below 1.
    """
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if ".lora_B." in name or ".lora_embedding_B." in name:
                weight.mul_(1 - base_weight)
            elif name in initial:
                weight.lerp_(initial[name], base_weight)


def _is_low_rank(name: str) -> bool:
    return any(f".lora_{part}." in name for part in ("A", "B")) or ".lora_embedding_" in name


def save_tuned_model(
    model: PeftModel | PreTrainedModel, folder: Path, base: Path, state_dict: dict[str, Any] | None = None
) -> None:
    """Save the adapter, or the full model in fp32.

    Args:
        model: The trained model.
        folder: An empty folder (see `replace_folder`).
        base: Folder of the base; a full model needs a copy of its trusted code.
        state_dict: Gathered weights of a sharded model; None: the model's own.
    """
    if isinstance(model, PeftModel):
        model.save_pretrained(str(folder), safe_serialization=True, save_embedding_layers=False, state_dict=state_dict)
        _make_reproducible(folder)
        return
    model.save_pretrained(folder, state_dict=state_dict)
    copy_trusted_code(base, folder)


def _make_reproducible(folder: Path) -> None:
    """Remove what differs between equal adapters: the path of the base on this machine and the order of a set.

    peft writes the path into adapter_config.json and into README.md, a form that nobody has filled in; the model card
    is that of the package.
    """
    (folder / "README.md").unlink(missing_ok=True)
    file = folder / "adapter_config.json"
    config = json.loads(file.read_text("utf-8"))
    config["base_model_name_or_path"] = None
    if isinstance(config["target_modules"], list):
        config["target_modules"].sort()
    file.write_text(json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")


def is_full_model(folder: Path) -> bool:
    """Return whether training wrote a full model (method full), not an adapter.

    Raises:
        ArtifactError: If the folder holds neither.
    """
    if (folder / ADAPTER).exists():
        return False
    if (folder / WEIGHTS).exists() or (folder / INDEX).exists():
        return True
    raise ArtifactError(
        _(
            "{folder} has neither {adapter} nor {weights}; run: dvc repro --force train",
            folder=folder,
            adapter=ADAPTER,
            weights=WEIGHTS,
        )
    )


def compute_tuned_sha256(folder: Path) -> str:
    """Return the sha256 of the trained weights: of the adapter, or of the full model.

    Raises:
        ArtifactError: If the folder holds neither.
    """
    return compute_weights_sha256(folder) if is_full_model(folder) else compute_sha256(folder / ADAPTER)


def load_adapter(base: PreTrainedModel, adapter: Path, *, is_trainable: bool = False) -> PeftModel:
    """Return the tuned model in evaluation mode; `base` becomes part of it.

    Args:
        base: A base that is not quantized, as it is served; a qlora adapter is added to the exact weights.
        adapter: Folder of the adapter. For a full model use `load_model`.
        is_trainable: Whether training continues the adapter.

    Raises:
        ModelError: If the adapter does not fit the base.
    """
    try:
        peft_model: Any = PeftModel.from_pretrained(base, str(adapter), is_trainable=is_trainable)
    except (OSError, ValueError, RuntimeError, TypeError, SafetensorError) as error:
        raise ModelError(
            _(
                "the adapter in {adapter} does not fit the base {base}: {error}; run: dvc repro --force train",
                adapter=adapter,
                base=base.name_or_path,
                error=error,
            )
        ) from error
    tuned: PeftModel = peft_model.eval()
    return tuned
