"""The plan of a run: its resolved settings, memory by part, duration, and why it does not fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from seodang.config import TrainParams
from seodang.errors import ModelError
from seodang.i18n import Message, _
from seodang.models.methods import get_method
from seodang.training.planning.activations import Trace, trace_micro_batch
from seodang.training.planning.base import Base
from seodang.training.planning.machine import Machine
from seodang.training.planning.memory import Memory, estimate_memory
from seodang.training.planning.meta_model import DTYPES, WeightSizes, build_meta_model, compute_weight_sizes
from seodang.training.planning.micro_batches import MicroBatchStats, count_micro_batches, estimate_worst_case
from seodang.training.planning.reasons import find_reasons
from seodang.training.planning.sampling import Sample
from seodang.training.planning.suggestions import Change, suggest_changes
from seodang.training.planning.time import Duration, Speed, estimate_duration
from seodang.training.trainer_args import build_packing_config, is_mixed_precision


@dataclass(frozen=True, slots=True)
class Estimate:
    """Memory of a run and what it is computed from."""

    packed: bool
    fused_layers: int
    weights: WeightSizes
    micro_batches: MicroBatchStats
    trace: Trace
    memory: Memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The plan of a run."""

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
    steps: int | None  # optimizer steps; None without data, as are the numbers below
    tokens: int | None  # of the records, over all epochs
    computed_tokens: int | None  # passed through the model
    label_tokens: int | None
    duration: Duration | None
    reasons: Sequence[Message]  # why the run cannot start or does not fit
    changes: Sequence[Change]  # changes that make it fit

    @property
    def fits(self) -> bool:
        """Return whether the run can start and fits."""
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
        sample: A sample of the training records; None if they are not prepared yet.
        machine: The device and its memory.
        get_speed: Benchmarks the device for micro-batches of these sizes; None: no duration.

    Raises:
        ModelError: If the target modules match no layer, or the model cannot be planned.
    """
    estimate = _estimate(base, train, sample, machine)
    memory, micro_batches = estimate.memory, estimate.micro_batches
    changes = (
        suggest_changes(train, machine.memory, lambda changed: _estimate(base, changed, sample, machine).memory.peak)
        if memory.peak > machine.memory
        else []
    )
    counts = _estimate_counts(train, sample, micro_batches)
    duration = None
    if get_speed is not None and sample is not None and len(sample.dataset):
        speed = get_speed(micro_batches)
        duration = _estimate_duration(train, sample, machine, micro_batches, estimate.trace, speed, counts)
    return Plan(
        base=base,
        train=train,
        machine=machine,
        packed=estimate.packed,
        fused_layers=estimate.fused_layers,
        weights=estimate.weights,
        sample=sample,
        micro_batches=micro_batches,
        trace=estimate.trace,
        memory=memory,
        **counts,
        duration=duration,
        reasons=find_reasons(base, train, sample, machine, memory),
        changes=changes,
    )


def _estimate(base: Base, train: TrainParams, sample: Sample | None, machine: Machine) -> Estimate:
    meta_model = build_meta_model(base.config, train, base.folder)
    micro_batches = _plan_micro_batches(train, sample, packed=meta_model.packed)
    weights = compute_weight_sizes(meta_model, train)
    _check_parameters(base, weights)
    autocast = is_mixed_precision(train)
    trace = trace_micro_batch(base.config, train, micro_batches.largest, autocast=autocast, folder=base.folder)
    memory = _estimate_memory(base, train, machine, weights, trace, micro_batches)
    return Estimate(meta_model.packed, meta_model.fused_layers, weights, micro_batches, trace, memory)


def _check_parameters(base: Base, weights: WeightSizes) -> None:
    """Raise an error if the model that was built is not the published one."""
    if base.parameters is not None and base.parameters != weights.parameters:
        raise ModelError(
            _(
                "the configuration of {model} is not that of the published model (parameters: {built:,}, published:"
                " {published:,}), so it cannot be planned; run: dvc repro base",
                model=base.name,
                built=weights.parameters,
                published=base.parameters,
            )
        )


def _plan_micro_batches(train: TrainParams, sample: Sample | None, *, packed: bool) -> MicroBatchStats:
    packing = build_packing_config(train, packed=packed, pad_token_id=0)
    examples = (
        [example for example in sample.dataset if len(example.ids) <= train.max_length] if sample is not None else []
    )
    return count_micro_batches(examples, train, packing) if examples else estimate_worst_case(train, packing)


def _estimate_memory(
    base: Base, train: TrainParams, machine: Machine, weights: WeightSizes, trace: Trace, micro_batches: MicroBatchStats
) -> Memory:
    stored_dtype = getattr(base.config.get_text_config(), "dtype", None) or getattr(base.config, "dtype", None)
    converted = get_method(train).loads_in_4bit or stored_dtype != DTYPES[train.precision]
    # The size of the files if they exist, else parameters times the bytes of the stored precision.
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


def _estimate_counts(
    train: TrainParams, sample: Sample | None, micro_batches: MicroBatchStats
) -> dict[str, int | None]:
    if sample is None or not len(sample.dataset):
        return {"steps": None, "tokens": None, "computed_tokens": None, "label_tokens": None}
    factor = train.epochs * sample.usable_records / len(sample.dataset)
    processes = min(train.processes, train.batch_size)  # micro_batches counts those of one process
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
    evaluations = 1 + (train.epochs if train.eval_steps is None else steps / train.eval_steps)  # and one at the end
    tokens_per_record = micro_batches.computed_tokens / max(1, micro_batches.records)
    return estimate_duration(
        trace,
        micro_batches.largest.tokens,
        speed,
        machine.device,
        micro_batches=round(micro_batches.micro_batches * steps / micro_batches.steps),
        tokens=counts["computed_tokens"] or 0,
        validation_tokens=round(evaluations * sample.validation_records * tokens_per_record),
        processes=train.processes,
    )
