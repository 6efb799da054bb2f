"""The plan of a run: everything resolved, its memory by part, its time, and what would not fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig

from seodang.config import TrainParams
from seodang.errors import SeodangError
from seodang.models.loading import check_quantization, get_context_length
from seodang.training.distributed import check_processes
from seodang.training.planning.activations import Trace, trace_micro_batch
from seodang.training.planning.memory import Memory, estimate_memory
from seodang.training.planning.meta_model import DTYPES, WeightSizes, build_meta_model, compute_weight_sizes
from seodang.training.planning.micro_batches import MicroBatchStats, count_micro_batches, estimate_worst_case
from seodang.training.planning.sampling import Sample
from seodang.training.planning.suggestions import Change, suggest_changes
from seodang.training.planning.time import Duration, Speed, estimate_duration
from seodang.training.tracking import check_trackers
from seodang.training.trainer_args import build_packing_config, is_mixed_precision


@dataclass(frozen=True, slots=True)
class Base:
    """A base model, as far as a plan needs it."""

    name: str
    config: PreTrainedConfig
    folder: Path | None  # of its checkpoint; None when only its config.json is known
    origin: str  # where the configuration was found


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the run is to take place."""

    device: str  # "cpu", "mps" or "cuda"
    memory: int  # bytes
    free: int  # of them, now
    process_bytes: int  # bytes of a process with libraries and tokenizer loaded


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run will be."""

    base: Base
    train: TrainParams
    machine: Machine
    packed: bool
    fused_layers: int
    weights: WeightSizes
    sample: Sample | None
    micro_batches: MicroBatchStats
    trace: Trace
    memory: Memory
    steps: int | None  # None without data
    tokens: int | None  # read over all epochs
    computed_tokens: int | None  # that pass through the model
    label_tokens: int | None
    duration: Duration | None
    reasons: Sequence[tuple[str, str]]  # why it cannot run, Korean and English
    changes: Sequence[Change]  # that make it fit

    @property
    def fits(self) -> bool:
        """Return whether nothing stands in the way."""
        return not self.reasons


def make_plan(
    base: Base,
    train: TrainParams,
    sample: Sample | None,
    machine: Machine,
    get_speed: Callable[[MicroBatchStats], Speed] | None,
) -> Plan:
    """Return the plan of a run.

    Args:
        base: The model.
        train: The parameters.
        sample: Of its records; None when they have not been prepared.
        machine: The device and its memory.
        speed: Measures the device for passes such as these; None leaves time out.

    Raises:
        ModelError: If the targets match nothing, or the model cannot be planned.
    """
    meta_model = build_meta_model(base.config, train, base.folder)
    micro_batches = _plan_micro_batches(train, sample, packed=meta_model.packed)
    weights, trace = (
        compute_weight_sizes(meta_model, train),
        trace_micro_batch(
            base.config, train, micro_batches.largest, autocast=is_mixed_precision(train), folder=base.folder
        ),
    )
    memory = _estimate_memory(base, train, machine, weights, trace, micro_batches)
    reasons = _find_reasons(base, train, sample, machine, memory)
    changes = (
        suggest_changes(train, machine.memory, lambda changed: _estimate_peak(base, changed, sample, machine))
        if memory.peak > machine.memory
        else []
    )
    counts = _estimate_counts(train, sample, micro_batches)
    return Plan(
        base=base,
        train=train,
        machine=machine,
        packed=meta_model.packed,
        fused_layers=meta_model.fused_layers,
        weights=weights,
        sample=sample,
        micro_batches=micro_batches,
        trace=trace,
        memory=memory,
        **counts,
        duration=_estimate_duration(train, sample, machine, micro_batches, trace, get_speed(micro_batches), counts)
        if get_speed is not None and sample is not None and len(sample.dataset)
        else None,
        reasons=reasons,
        changes=changes,
    )


def _plan_micro_batches(train: TrainParams, sample: Sample | None, *, packed: bool) -> MicroBatchStats:
    packing = build_packing_config(train, packed=packed, pad_token_id=0)
    examples = (
        [lesson for lesson in sample.dataset if len(lesson.ids) <= train.max_length] if sample is not None else []
    )
    return count_micro_batches(examples, train, packing) if examples else estimate_worst_case(train, packing)


def _estimate_memory(
    base: Base, train: TrainParams, machine: Machine, weights: WeightSizes, trace: Trace, micro_batches: MicroBatchStats
) -> Memory:
    stored_dtype = getattr(base.config.get_text_config(), "dtype", None) or getattr(base.config, "dtype", None)
    converted = train.method == "qlora" or stored_dtype != DTYPES[train.precision]
    # Of the file where it is there; else what its precision makes of the parameters.
    stored_bytes = (
        sum(file.stat().st_size for file in base.folder.glob("*.safetensors")) if base.folder is not None else 0
    )
    file_bytes = stored_bytes or weights.parameters * (stored_dtype.itemsize if stored_dtype is not None else 2)
    return estimate_memory(
        weights,
        trace,
        micro_batches,
        train,
        device=machine.device,
        process_bytes=machine.process_bytes,
        file_bytes=file_bytes,
        converted=converted,
    )


def _estimate_peak(base: Base, train: TrainParams, sample: Sample | None, machine: Machine) -> int:
    meta_model = build_meta_model(base.config, train, base.folder)
    micro_batches = _plan_micro_batches(train, sample, packed=meta_model.packed)
    trace = trace_micro_batch(
        base.config, train, micro_batches.largest, autocast=is_mixed_precision(train), folder=base.folder
    )
    return _estimate_memory(base, train, machine, compute_weight_sizes(meta_model, train), trace, micro_batches).peak


def _find_reasons(
    base: Base, train: TrainParams, sample: Sample | None, machine: Machine, memory: Memory
) -> list[tuple[str, str]]:
    reasons = _check_machine(train, machine.device)
    context = get_context_length(base.config)
    if context is not None and train.max_length > context:
        reasons.append(
            (
                f"train.max_length {train.max_length}이 모델이 읽는 {context}토큰을 넘습니다. {context} 이하로 정하세요.",
                f"train.max_length {train.max_length} is above the {context} tokens that the model reads; set it to {context} or less.",
            )
        )
    if sample is not None and not len(sample.dataset):
        reasons.append(
            (
                f"train.max_length {train.max_length}에 드는 레코드가 하나도 없습니다. 값을 올리세요.",
                f"no record fits into train.max_length {train.max_length}; raise it.",
            )
        )
    if memory.peak > machine.memory:
        kind = ("GPU 메모리", "the device's memory") if machine.device == "cuda" else ("메모리(RAM)", "memory (RAM)")
        have, need = f"{machine.memory / 1e9:.1f} GB", f"{memory.peak / 1e9:.1f} GB"
        reasons.append(
            (
                f"{kind[0]}에 들어가지 않습니다: 약 {need} 필요, {have} 있음.",
                f"it will not fit into {kind[1]}: about {need} needed, {have} there.",
            )
        )
    return reasons


def _check_machine(train: TrainParams, device: str) -> list[tuple[str, str]]:
    """Return what stage `train` would refuse of this machine before it reads anything."""
    reasons = []
    checks: tuple[Callable[[], None], ...] = (
        partial(check_trackers, train.report_to),
        partial(check_processes, train, device),
        partial(check_quantization, train.method),
    )
    for check in checks:
        try:
            check()
        except SeodangError as error:
            reasons.append(
                (f"이 컴퓨터의 준비가 맞지 않습니다: {error}", f"this machine is not set up for it: {error}")
            )
    return reasons


def _estimate_counts(
    train: TrainParams, sample: Sample | None, micro_batches: MicroBatchStats
) -> dict[str, int | None]:
    if sample is None or not len(sample.dataset):
        return {"steps": None, "tokens": None, "computed_tokens": None, "label_tokens": None}
    factor = train.epochs * sample.usable_records / len(sample.dataset)
    processes = min(train.processes, train.batch_size)  # the passes counted are those of one process
    return {
        "steps": math.ceil(train.epochs * math.ceil(sample.usable_records / train.batch_size)),
        "tokens": round(factor * int(sample.dataset.lengths.sum())),
        "computed_tokens": round(factor * micro_batches.computed_tokens * processes),
        "label_tokens": round(factor * int(sample.dataset.label_counts.sum())),
    }


def _estimate_duration(
    train: TrainParams,
    sample: Sample,
    machine: Machine,
    micro_batches: MicroBatchStats,
    trace: Trace,
    speed: Speed,
    counts: dict[str, int | None],
) -> Duration:
    steps = counts["steps"] or 1
    validations = train.epochs if train.eval_steps is None else steps / train.eval_steps
    validation_tokens = (
        (validations + 1) * sample.validation_records * micro_batches.computed_tokens / max(1, micro_batches.records)
    )  # and once at the end
    micro_batch_count = micro_batches.micro_batches * steps / micro_batches.steps
    return estimate_duration(
        trace,
        micro_batches.largest.tokens,
        speed,
        machine.device,
        micro_batches=round(micro_batch_count),
        tokens=counts["computed_tokens"] or 0,
        validation_tokens=round(validation_tokens),
        processes=train.processes,
    )


def serialize_plan(plan: Plan) -> dict[str, Any]:
    """Return the plan as one JSON object; memory in MB of 2**20 bytes, as peak_memory_mb of training's report."""
    train, sample = plan.train, plan.sample
    parts_mb = {name: round(size / 2**20) for name, size in plan.memory.parts.items()}
    return {
        "model": {
            "name": plan.base.name,
            "type": plan.base.config.model_type,
            "parameters": plan.weights.parameters,
            "config_from": plan.base.origin,
        },
        "device": plan.machine.device,
        "precision": train.precision,
        "method": train.method,
        "attention": "packed" if plan.packed else "padded",
        "packing": plan.packed,
        "share_prefixes": build_packing_config(train, packed=plan.packed, pad_token_id=0).share_prefixes,
        "activation_checkpointing": train.activation_checkpointing,
        "fused_layers": plan.fused_layers,
        "trainable": plan.weights.trainable,
        "targets": train.target_modules if train.method != "full" else [],
        "processes": train.processes,
        "sharding": train.sharding,
        "data": None
        if sample is None
        else {
            "records": sample.records,
            "looked_at": sample.sample_size,
            "sampled": sample.sample_size < sample.records,
            "too_long": sample.dataset.counts.too_long,
            "without_answer": sample.dataset.counts.without_answer,
            "learned_from": sample.usable_records,
        },
        "steps": plan.steps,
        "tokens": plan.tokens,
        "learned_tokens": plan.label_tokens,
        "learned_share": round(plan.label_tokens / plan.tokens, 4) if plan.label_tokens and plan.tokens else None,
        "computed_tokens": plan.computed_tokens,
        "pass": {
            "tokens": plan.micro_batches.largest.tokens,
            "learned": plan.micro_batches.largest.label_tokens,
            "measured": plan.micro_batches.is_sampled,
        },
        "memory": {
            "parts_mb": parts_mb,
            "loading_mb": round(plan.memory.loading / 2**20),
            "peak_mb": round(plan.memory.peak / 2**20),
            "processes": plan.memory.processes,
            "there_mb": round(plan.machine.memory / 2**20),
            "free_mb": round(plan.machine.free / 2**20),
        },
        "time": None
        if plan.duration is None
        else {name: None if value is None else float(f"{value:.4g}") for name, value in asdict(plan.duration).items()},
        "fits": plan.fits,
        "reasons": [{"ko": korean, "en": english} for korean, english in plan.reasons],
        "changes": [
            {"set": dict(change.values), "text": change.describe(train), "peak_mb": round(change.peak / 2**20)}
            for change in plan.changes
        ],
    }
