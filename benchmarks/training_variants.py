"""Variants of training that the training benchmarks compare.

All variants train the same model with the same adapter, optimizer and records.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from training_measurement import StepTimer, Workload

# Imports of torch and transformers stand inside functions: the parent process only starts the measured ones.
if TYPE_CHECKING:
    from peft import LoraConfig
    from transformers import PreTrainedModel

    from seodang.config import TrainParams
    from seodang.training.assembly import Kernel

# Arguments of TrainingArguments that decide the optimizer: the same for all variants.
_SHARED_ARGUMENTS = (
    "output_dir", "seed", "use_cpu", "learning_rate", "lr_scheduler_type", "lr_scheduler_kwargs", "warmup_steps",
    "max_grad_norm", "weight_decay", "report_to", "disable_tqdm", "dataloader_pin_memory",
)  # fmt: skip


Variant = Callable[[Workload, StepTimer], None]


def _build_shared_arguments(workload: Workload) -> dict[str, Any]:
    from seodang.training.trainer_args import build_trainer_kwargs

    train = workload.train
    arguments = build_trainer_kwargs(train, "cpu", workload.folder, len(workload.dataset))
    return {
        **{name: arguments[name] for name in _SHARED_ARGUMENTS},
        "bf16": train.precision == "bf16",
        "per_device_train_batch_size": train.batch_size,
        "max_steps": len(workload.steps),
        "logging_steps": 1,
        "save_strategy": "no",
    }


def _build_rows(workload: Workload) -> list[dict[str, list[int]]]:
    """Return the records as transformers reads them, in the order of the optimizer steps."""
    rows = []
    for index in (index for step in workload.steps for index in step):
        example = workload.dataset[index]
        ids, loss_mask = example.ids.tolist(), example.loss_mask.tolist()
        labels = [token if is_label else -100 for token, is_label in zip(ids, loss_mask, strict=True)]
        rows.append({"input_ids": ids, "labels": labels})
    return rows


def _build_lora_config(train: TrainParams) -> LoraConfig:
    from peft import LoraConfig

    return LoraConfig(
        r=train.rank,
        lora_alpha=train.alpha,
        lora_dropout=train.dropout,
        target_modules="all-linear" if train.target_modules == ["all-linear"] else train.target_modules,
        task_type="CAUSAL_LM",
    )


def _load_base(workload: Workload) -> PreTrainedModel:
    import torch
    from transformers import AutoModelForCausalLM

    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[workload.train.precision]
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(workload.base, dtype=dtype)
    return model


def train_with_trl(workload: Workload, timer: StepTimer, *, sampling: str) -> None:
    """Train with TRL's SFTTrainer and its chunked loss.

    Its packing without padding needs FlashAttention, which has no CPU kernel.

    Args:
        workload: The records.
        timer: Receives times and losses.
        sampling: "sequential", or "group_by_length" for TRL's own order.
    """
    from datasets import Dataset
    from transformers import set_seed
    from trl import SFTConfig, SFTTrainer

    set_seed(workload.train.seed)
    SFTTrainer(
        model=_load_base(workload),
        args=SFTConfig(
            **_build_shared_arguments(workload),
            max_length=None,
            train_sampling_strategy=sampling,
            dataset_kwargs={"skip_prepare_dataset": True},
            gradient_checkpointing=False,
        ),
        train_dataset=Dataset.from_list(_build_rows(workload)),
        processing_class=workload.tokenizer,
        peft_config=_build_lora_config(workload.train),
        callbacks=[timer.build_callback()],
    ).train()


def train_with_transformers(workload: Workload, timer: StepTimer) -> None:
    """Train with transformers' Trainer and its collator, which pads to the longest record."""
    from datasets import Dataset
    from peft import get_peft_model
    from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments, set_seed

    set_seed(workload.train.seed)
    rows = [{**row, "attention_mask": [1] * len(row["input_ids"])} for row in _build_rows(workload)]
    Trainer(
        model=get_peft_model(_load_base(workload), _build_lora_config(workload.train)),
        args=TrainingArguments(**_build_shared_arguments(workload), train_sampling_strategy="sequential"),
        train_dataset=Dataset.from_list(rows),
        data_collator=DataCollatorForSeq2Seq(workload.tokenizer, padding="longest"),
        callbacks=[timer.build_callback()],
    ).train()


def train_with_seodang(
    workload: Workload, timer: StepTimer, *, without_kernels: frozenset[Kernel] = frozenset(), **changes: Any
) -> None:
    """Train as stage `train` does, without its trackers, validation and checks.

    Args:
        workload: The records.
        timer: Receives times and losses.
        without_kernels: Kernels to leave out.
        changes: Parameters of section `train` that differ from the project's.
    """
    from transformers import set_seed

    from seodang.models.device import keep_freed_memory
    from seodang.models.loading import load_model
    from seodang.models.tokenization import get_pad_id
    from seodang.training.assembly import select_kernels
    from seodang.training.tracking import TrainingMetrics
    from seodang.training.trainer_args import build_training_arguments
    from seodang.training.trainer_factory import Splits, build_trainer, prepare_model

    keep_freed_memory()
    train = workload.train.model_copy(update={**changes, "early_stopping_patience": 0})
    kernels = select_kernels(train) - without_kernels
    model = load_model(workload.base, train.precision, "cpu")
    set_seed(train.seed)
    assembled, packing = prepare_model(model, train, workload.dataset, get_pad_id(workload.tokenizer), kernels)
    splits = Splits(workload.dataset, workload.dataset)
    arguments = build_training_arguments(_build_seodang_settings(workload, train, kernels))
    callbacks = [timer.build_callback()]
    build_trainer(assembled.tuned_model, splits, train, packing, arguments, TrainingMetrics(), callbacks).train()


def _build_seodang_settings(workload: Workload, train: TrainParams, kernels: frozenset[Kernel]) -> dict[str, Any]:
    """Return the arguments of the Trainer for a number of optimizer steps without evaluation and checkpoints."""
    from seodang.training.trainer_args import build_trainer_kwargs, is_mixed_precision

    return {
        **build_trainer_kwargs(train, "cpu", workload.folder / "run", len(workload.dataset)),
        "max_steps": len(workload.steps),
        "eval_strategy": "no",
        "save_strategy": "no",
        "load_best_model_at_end": False,
        "logging_steps": 1,
        "bf16": is_mixed_precision(train, kernels),
    }


TRAINERS: dict[str, Variant] = {
    "seodang": train_with_seodang,
    "trl": partial(train_with_trl, sampling="sequential"),
    "trl-grouped": partial(train_with_trl, sampling="group_by_length"),
    "transformers": train_with_transformers,
}
# Seodang with everything on, with one technique off each time, and with all of them off. Records that are not packed
# share no prefixes either.
ABLATION: dict[str, Variant] = {
    "all on": train_with_seodang,
    "packing off": partial(train_with_seodang, packing=False),
    "shared prefixes off": partial(train_with_seodang, share_prefixes=False),
    "LoRA kernel off": partial(train_with_seodang, without_kernels=frozenset({"lora"})),
    "last-layer kernel off": partial(train_with_seodang, without_kernels=frozenset({"last_layer"})),
    "RMSNorm kernel off": partial(train_with_seodang, without_kernels=frozenset({"rms_norm"})),
    "kernels off": partial(train_with_seodang, kernels="off"),
    "all off": partial(train_with_seodang, packing=False, share_prefixes=False, kernels="off"),
    "transformers Trainer": train_with_transformers,
}
