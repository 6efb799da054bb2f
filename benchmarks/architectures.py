"""Loss and gradient of training against plain transformers and peft, for tiny random models of many architectures.

    python benchmarks/architectures.py                    # all causal language models of transformers
    python benchmarks/architectures.py qwen2_moe phimoe   # some of them
    python benchmarks/architectures.py --results FILE     # also append each result to FILE, as JSON lines

Each model is built from its configuration with four small layers; windows and chunks are 6 tokens. Seven records of 6
to 40 tokens, some with a common prefix, are computed twice. First, the unchanged model with peft's LoRA computes them
record by record. Then they are computed as `prepare_model` prepares training. The gradient error is the norm of the
difference of all LoRA gradients, relative to their norm. Models that cannot be built this small, or that transformers
cannot run without further inputs, are named.
"""

from __future__ import annotations

import argparse
import copy
import json
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from architecture_models import SPECIAL, VOCABULARY, build_model

if TYPE_CHECKING:
    from seodang.training.dataset import TokenizedDataset

LENGTHS, SHARED = (6, 9, 9, 14, 23, 31, 40), (0, 4, 4, 4, 12, 12, 20)  # tokens of each record and of its prefix
TOLERANCE = 1e-3


def build_dataset(
    vocabulary: int, lengths: Sequence[int] = LENGTHS, shared: Sequence[int] = SHARED
) -> TokenizedDataset:
    """Return random records with labels at their end, and in the middle of the long ones."""
    import numpy as np

    from seodang.training.dataset import DatasetCounts, TokenizedDataset

    rng = np.random.default_rng(0)
    prefix = rng.integers(5, vocabulary, 64)
    ids, masks = [], []
    for length, common in zip(lengths, shared, strict=True):
        ids.append(np.concatenate([prefix[:common], rng.integers(5, vocabulary, length - common)]).astype(np.int32))
        mask = np.zeros(length, dtype=np.bool_)
        mask[-max(2, length // 3) :] = True
        if length > 20:
            mask[length // 2 : length // 2 + 3] = True
        masks.append(mask)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    label_counts = np.array([int(mask.sum()) for mask in masks], dtype=np.int64)
    counts = DatasetCounts(kept=len(ids), too_long=0, without_answer=0)
    return TokenizedDataset(np.concatenate(ids), np.concatenate(masks), offsets, label_counts, counts)


def measure(
    kind: str, lengths: Sequence[int] = LENGTHS, shared: Sequence[int] = SHARED, **changes: Any
) -> dict[str, Any]:
    """Return loss and gradient error of one architecture, and how its records are laid out.

    Args:
        kind: Its model type.
        lengths: Tokens of each record.
        shared: Tokens of each record that belong to the common prefix.
        changes: Settings of its configuration.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    from seodang.training.assembly import select_kernels
    from seodang.training.trainer_factory import prepare_model

    model = build_model(kind, **changes)
    dataset = build_dataset(min(VOCABULARY, model.config.get_text_config().vocab_size), lengths, shared)
    targets = SPECIAL.get(kind, ({}, ["all-linear"]))[1]
    train = _build_train_params(targets)
    own = copy.deepcopy(model)
    torch.manual_seed(3)
    assembled, packing = prepare_model(model, train, dataset, 0, select_kernels(train))
    torch.manual_seed(3)
    lora = LoraConfig(
        r=train.rank,
        lora_alpha=train.alpha,
        target_modules="all-linear" if targets == ["all-linear"] else targets,
        task_type="CAUSAL_LM",
    )
    own_tuned, tuned = get_peft_model(own, lora), assembled.tuned_model
    # BigBird exchanges its attention layers in the first forward pass, so the order of random matrices differs.
    tuned.load_state_dict(own_tuned.state_dict())
    for each in (own_tuned, tuned):
        _randomize_adapter(each)
        each.eval()
    own_loss, loss = _compute_own_loss(own_tuned, dataset), _compute_loss(tuned, dataset, packing)
    layout = "packed" if packing.packed else "single" if getattr(packing, "single_records", False) else "padded"
    return {
        "kind": kind,
        "own_loss": round(own_loss, 5),
        "loss": round(loss, 5),
        "gradient_error": _compute_gradient_error(own_tuned, tuned),
        "layout": layout,
    }


def _build_train_params(targets: list[str]) -> Any:
    import yaml

    from seodang.config import TrainParams
    from seodang.config.load import DEFAULTS

    section = yaml.safe_load(DEFAULTS.read_text("utf-8"))["train"]
    changes = {"target_modules": targets, "rank": 4, "alpha": 8, "tokens_per_micro_batch": 96, "max_length": 96}
    return TrainParams.model_validate({**section, **changes, "dropout": 0.0, "neftune_noise_alpha": 0.0})


def _randomize_adapter(model: Any) -> None:
    """Fill the matrices that start at zero, so that all gradients differ from zero."""
    import torch

    generator = torch.Generator().manual_seed(1)
    for name, weight in sorted(model.named_parameters(), key=lambda pair: pair[0]):
        if "lora_B" in name:
            weight.data.copy_(torch.randn(weight.shape, generator=generator) * 0.05)


def _compute_own_loss(model: Any, dataset: TokenizedDataset) -> float:
    """Return the mean loss of the label tokens, record by record, and leave its gradient."""
    import torch

    count, total = int(dataset.label_counts.sum()), 0.0
    for example in dataset:
        ids = torch.from_numpy(example.ids.astype("int64"))
        logits = model(input_ids=ids[None], use_cache=False).logits[0, :-1].float()
        losses = torch.nn.functional.cross_entropy(logits, ids[1:], reduction="none")
        loss = losses[torch.from_numpy(example.loss_mask[1:].copy())].sum() / count
        loss.backward()
        total += float(loss)
    return total


def _compute_loss(model: Any, dataset: TokenizedDataset, packing: Any) -> float:
    from seodang.training.packing import iter_micro_batches

    count, total = int(dataset.label_counts.sum()), 0.0
    for micro_batch in iter_micro_batches(dataset, packing):
        loss = model(**micro_batch.build_inputs()).loss / count
        loss.backward()
        total += float(loss)
    return total


def _compute_gradient_error(own: Any, tuned: Any) -> float:
    import torch

    own_gradients, gradients = (
        {
            name: torch.zeros_like(weight) if weight.grad is None else weight.grad
            for name, weight in model.named_parameters()
            if weight.requires_grad
        }
        for model in (own, tuned)
    )
    difference = sum(float((own_gradients[name] - gradients[name]).norm()) ** 2 for name in own_gradients)
    return float((difference / sum(float(gradient.norm()) ** 2 for gradient in own_gradients.values())) ** 0.5)


def main() -> None:
    """Print a line for each architecture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", help="model types; all by default")
    parser.add_argument("--results", type=Path, help="file to which results are appended as JSON lines")
    options = parser.parse_args()
    import transformers
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    warnings.filterwarnings("ignore")
    transformers.logging.set_verbosity_error()
    logging.disable(logging.WARNING)
    print(f"{'architecture':26} {'own loss':>9} {'loss':>9} {'gradient error':>14}  layout")
    for kind in options.kinds or list(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES):
        try:
            result = measure(kind)
        except Exception as error:
            result = {"kind": kind, "error": f"{type(error).__name__}: {(str(error) or '-').splitlines()[0][:120]}"}
            print(f"{kind:26} {result['error']}", flush=True)
        else:
            mark = "" if result["gradient_error"] <= TOLERANCE else "  WRONG"
            print(
                f"{kind:26} {result['own_loss']:9.5f} {result['loss']:9.5f} {result['gradient_error']:14.1e} "
                f" {result['layout']}{mark}",
                flush=True,
            )
        if options.results is not None:
            with options.results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
