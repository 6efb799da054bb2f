"""The methods of training: what is learned on top of a base, where it is kept, and the tuned model again.

A folder that training wrote holds either an adapter (adapter_model.safetensors,
methods lora, rslora, dora, qlora) or a whole model (model.safetensors, method full).
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
from seodang.errors import ArtefactError, ModelError
from seodang.io.atomic import sha256_of
from seodang.models.checkpoints import INDEX, WEIGHTS, compute_weights_sha256, copy_trusted_code

ADAPTER = "adapter_model.safetensors"
ALL_LINEAR = "all-linear"

_LINEAR = (torch.nn.Linear, Conv1D)  # bitsandbytes' 4-bit layers are nn.Linear, too


def add_adapter(model: PreTrainedModel, train: TrainParams) -> PeftModel | PreTrainedModel:
    """Return the model with what train.method learns, untrained: seed first, the adapter's first matrix is random.

    With an adapter the base is frozen, and the adapter is fp32 whatever the base's
    precision. With method full all weights are learned; they become fp32, since
    updates are smaller than what bf16 can add. Method qlora wants a model that was
    loaded in four bits.

    Raises:
        ModelError: If a target name matches no layer, with those that exist, or tied embeddings; or if the model is not in the precision that the method needs.
    """
    four_bit = bool(getattr(model, "is_loaded_in_4bit", False))
    if four_bit != (train.method == "qlora"):
        raise ModelError(
            f"train.method {train.method} wants a base {'in 4 bits' if train.method == 'qlora' else 'that is not quantised'}, but {model.name_or_path} was loaded otherwise"
        )
    if train.method == "full":
        return model.float().requires_grad_(True)
    _check_target_modules(model, train.target_modules)
    config = LoraConfig(
        r=train.rank,
        lora_alpha=train.alpha,
        lora_dropout=train.dropout,
        target_modules=ALL_LINEAR if train.target_modules == [ALL_LINEAR] else train.target_modules,
        use_rslora=train.method == "rslora",
        use_dora=train.method == "dora",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config, autocast_adapter_dtype=True)


def _check_target_modules(model: PreTrainedModel, target_modules: list[str]) -> None:
    layers = [name for name, part in model.named_modules() if isinstance(part, (*_LINEAR, torch.nn.Embedding))]
    linear_names = sorted(
        {name.rpartition(".")[2] for name, part in model.named_modules() if isinstance(part, _LINEAR)}
    )
    unmatched = [
        target
        for target in target_modules
        if not any(_matches(target, name) for name in layers) and target_modules != [ALL_LINEAR]
    ]
    if unmatched:
        raise ModelError(
            f"train.target_modules {unmatched} match no layer of the model; its linear layers are {', '.join(linear_names)}, or use [{ALL_LINEAR}]"
        )
    if output_embeddings := model.get_output_embeddings():
        head = [
            target
            for target in target_modules
            if any(_matches(target, name) for name, part in model.named_modules() if part is output_embeddings)
        ]
        if head and not _find_tied_modules(model):
            raise ModelError(
                f"train.target_modules {head}: the output layer is computed for learned tokens only and takes no adapter; leave it out, or use train.method full"
            )
    if tied := [
        target for target in target_modules if any(_matches(target, name) for name in _find_tied_modules(model))
    ]:
        raise ModelError(
            f"train.target_modules {tied}: embeddings and output of this model share one matrix (tied), to which a merge would add an adapter twice; leave them out, or use train.method full"
        )


def _matches(target: str, name: str) -> bool:
    return name == target or name.endswith(f".{target}")


def _find_tied_modules(model: PreTrainedModel) -> list[str]:
    """Return the names of embeddings and output where they are one matrix, else none."""
    input_embeddings, output_embeddings = model.get_input_embeddings(), model.get_output_embeddings()
    if input_embeddings is None or output_embeddings is None or input_embeddings.weight is not output_embeddings.weight:
        return []
    return [name for name, part in model.named_modules() if part is input_embeddings or part is output_embeddings]


def save_tuned_model(
    model: PeftModel | PreTrainedModel, folder: Path, base: Path, state_dict: dict[str, Any] | None = None
) -> None:
    """Write what was learned: the adapter alone, or the whole model in fp32.

    Args:
        folder: An empty one (see `replaced_folder`).
        base: The base's folder, whose trusted code a whole model needs, too.
        weights: Of a sharded model, gathered; None: the model holds them.
    """
    if isinstance(model, PeftModel):
        model.save_pretrained(str(folder), safe_serialization=True, save_embedding_layers=False, state_dict=state_dict)
        _sort_target_modules(folder / "adapter_config.json")
        return
    model.save_pretrained(folder, state_dict=state_dict)
    copy_trusted_code(base, folder)


def _sort_target_modules(path: Path) -> None:
    """Put the target names in order: peft writes a set, so that the same adapter would have another checksum each time."""
    config = json.loads(path.read_text("utf-8"))
    if isinstance(config["target_modules"], list):
        config["target_modules"].sort()
    path.write_text(json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")


def is_full_model(folder: Path) -> bool:
    """Return whether training wrote a whole model (method full), not an adapter.

    Raises:
        ArtefactError: If the folder holds neither.
    """
    if (folder / ADAPTER).exists():
        return False
    if (folder / WEIGHTS).exists() or (folder / INDEX).exists():
        return True
    raise ArtefactError(f"{folder} holds no {ADAPTER} and no {WEIGHTS}; run: dvc repro --force train")


def compute_tuned_sha256(folder: Path) -> str:
    """Return the sha256 of what training wrote: of the adapter, or of the whole model's weights.

    Raises:
        ArtefactError: If the folder holds neither.
    """
    return compute_weights_sha256(folder) if is_full_model(folder) else sha256_of(folder / ADAPTER)


def load_adapter(base: PreTrainedModel, adapter: Path) -> PeftModel:
    """Return the tuned model, ready to answer; `base` becomes part of it.

    Args:
        base: Not quantised, as it is served: what qlora learned is put onto the exact weights.
        trained: The folder that training wrote, with an adapter. A whole model is loaded as any other, and needs no base.

    Raises:
        ModelError: If what was trained does not fit the base.
    """
    try:
        peft_model: Any = PeftModel.from_pretrained(base, str(adapter))
    except (OSError, ValueError, RuntimeError, TypeError, SafetensorError) as error:
        raise ModelError(
            f"the adapter in {adapter} does not fit the base {base.name_or_path}: {error}; run: dvc repro --force train"
        ) from error
    tuned: PeftModel = peft_model.eval()
    return tuned
