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
from seodang.models.loading import check_quantising, context_length
from seodang.training.distributed import check_processes
from seodang.training.planning.activations import Trace, trace_pass
from seodang.training.planning.memory import Memory, memory_of
from seodang.training.planning.meta_model import DTYPES, Weights, build, weights_of
from seodang.training.planning.passes import Passes, passes_of_records, worst_passes
from seodang.training.planning.sampling import Sample
from seodang.training.planning.suggestions import Change, changes_that_fit
from seodang.training.planning.time import Duration, Speed, duration_of
from seodang.training.tracking import check_trackers
from seodang.training.trainer_args import layout_of, mixed


@dataclass(frozen=True, slots=True)
class Base:
    """A base model, as far as a plan needs it."""

    name: str
    config: PreTrainedConfig
    folder: Path | None  # of its checkpoint; None when only its config.json is known
    found: str  # where the configuration was found


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the run is to take place."""

    device: str  # "cpu", "mps" or "cuda"
    memory: int  # bytes
    free: int  # of them, now
    process: int  # bytes of a process with libraries and tokenizer loaded


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run will be."""

    base: Base
    train: TrainParams
    machine: Machine
    packed: bool
    fused_layers: int
    weights: Weights
    sample: Sample | None
    passes: Passes
    trace: Trace
    memory: Memory
    updates: int | None  # None without data
    tokens: int | None  # read over all epochs
    computed: int | None  # that pass through the model
    learned: int | None
    duration: Duration | None
    reasons: Sequence[tuple[str, str]]  # why it cannot run, Korean and English
    changes: Sequence[Change]  # that make it fit

    @property
    def fits(self) -> bool:
        """Return whether nothing stands in the way."""
        return not self.reasons


def make_plan(
    base: Base, train: TrainParams, sample: Sample | None, machine: Machine, speed: Callable[[Passes], Speed] | None
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
    skeleton = build(base.config, train, base.folder)
    passes = _passes(train, sample, packed=skeleton.packed)
    weights, trace = (
        weights_of(skeleton, train),
        trace_pass(base.config, train, passes.largest, mixed=mixed(train), folder=base.folder),
    )
    memory = _memory(base, train, machine, weights, trace, passes)
    reasons = _reasons(base, train, sample, machine, memory)
    changes = (
        changes_that_fit(train, machine.memory, lambda changed: _peak(base, changed, sample, machine))
        if memory.peak > machine.memory
        else []
    )
    counts = _counts(train, sample, passes)
    return Plan(
        base=base,
        train=train,
        machine=machine,
        packed=skeleton.packed,
        fused_layers=skeleton.fused_layers,
        weights=weights,
        sample=sample,
        passes=passes,
        trace=trace,
        memory=memory,
        **counts,
        duration=_duration(train, sample, machine, passes, trace, speed(passes), counts)
        if speed is not None and sample is not None and len(sample.lessons)
        else None,
        reasons=reasons,
        changes=changes,
    )


def _passes(train: TrainParams, sample: Sample | None, *, packed: bool) -> Passes:
    layout = layout_of(train, packed=packed, pad=0)
    lessons = [lesson for lesson in sample.lessons if len(lesson.ids) <= train.max_length] if sample is not None else []
    return passes_of_records(lessons, train, layout) if lessons else worst_passes(train, layout)


def _memory(base: Base, train: TrainParams, machine: Machine, weights: Weights, trace: Trace, passes: Passes) -> Memory:
    stored = getattr(base.config.get_text_config(), "dtype", None) or getattr(base.config, "dtype", None)
    converted = train.method == "qlora" or stored != DTYPES[train.precision]
    # Of the file where it is there; else what its precision makes of the parameters.
    there = sum(file.stat().st_size for file in base.folder.glob("*.safetensors")) if base.folder is not None else 0
    file_bytes = there or weights.parameters * (stored.itemsize if stored is not None else 2)
    return memory_of(
        weights,
        trace,
        passes,
        train,
        device=machine.device,
        process=machine.process,
        file_bytes=file_bytes,
        converted=converted,
    )


def _peak(base: Base, train: TrainParams, sample: Sample | None, machine: Machine) -> int:
    skeleton = build(base.config, train, base.folder)
    passes = _passes(train, sample, packed=skeleton.packed)
    trace = trace_pass(base.config, train, passes.largest, mixed=mixed(train), folder=base.folder)
    return _memory(base, train, machine, weights_of(skeleton, train), trace, passes).peak


def _reasons(
    base: Base, train: TrainParams, sample: Sample | None, machine: Machine, memory: Memory
) -> list[tuple[str, str]]:
    found = _set_up(train, machine.device)
    context = context_length(base.config)
    if context is not None and train.max_length > context:
        found.append(
            (
                f"train.max_length {train.max_length}이 모델이 읽는 {context}토큰을 넘습니다. {context} 이하로 정하세요.",
                f"train.max_length {train.max_length} is above the {context} tokens that the model reads; set it to {context} or less.",
            )
        )
    if sample is not None and not len(sample.lessons):
        found.append(
            (
                f"train.max_length {train.max_length}에 드는 레코드가 하나도 없습니다. 값을 올리세요.",
                f"no record fits into train.max_length {train.max_length}; raise it.",
            )
        )
    if memory.peak > machine.memory:
        kind = ("GPU 메모리", "the device's memory") if machine.device == "cuda" else ("메모리(RAM)", "memory (RAM)")
        have, need = f"{machine.memory / 1e9:.1f} GB", f"{memory.peak / 1e9:.1f} GB"
        found.append(
            (
                f"{kind[0]}에 들어가지 않습니다: 약 {need} 필요, {have} 있음.",
                f"it will not fit into {kind[1]}: about {need} needed, {have} there.",
            )
        )
    return found


def _set_up(train: TrainParams, device: str) -> list[tuple[str, str]]:
    """Return what stage `train` would refuse of this machine before it reads anything."""
    found = []
    checks: tuple[Callable[[], None], ...] = (
        partial(check_trackers, train.tracking),
        partial(check_processes, train, device),
        partial(check_quantising, train.method),
    )
    for check in checks:
        try:
            check()
        except SeodangError as error:
            found.append((f"이 컴퓨터의 준비가 맞지 않습니다: {error}", f"this machine is not set up for it: {error}"))
    return found


def _counts(train: TrainParams, sample: Sample | None, passes: Passes) -> dict[str, int | None]:
    if sample is None or not len(sample.lessons):
        return {"updates": None, "tokens": None, "computed": None, "learned": None}
    times = train.epochs * sample.learned_from / len(sample.lessons)
    dealt = min(train.processes, train.batch_size)  # the passes counted are those of one process
    return {
        "updates": math.ceil(train.epochs * math.ceil(sample.learned_from / train.batch_size)),
        "tokens": round(times * int(sample.lessons.lengths.sum())),
        "computed": round(times * passes.computed * dealt),
        "learned": round(times * int(sample.lessons.learned_counts.sum())),
    }


def _duration(
    train: TrainParams,
    sample: Sample,
    machine: Machine,
    passes: Passes,
    trace: Trace,
    speed: Speed,
    counts: dict[str, int | None],
) -> Duration:
    updates = counts["updates"] or 1
    validations = train.epochs if train.validate_every is None else updates / train.validate_every
    checked = (validations + 1) * sample.validation * passes.computed / max(1, passes.records)  # and once at the end
    number = passes.passes * updates / passes.updates
    return duration_of(
        trace,
        passes.largest.tokens,
        speed,
        machine.device,
        passes=round(number),
        tokens=counts["computed"] or 0,
        checked_tokens=round(checked),
        processes=train.processes,
    )


def content_of(plan: Plan) -> dict[str, Any]:
    """Return the plan as one JSON object; memory in MB of 2**20 bytes, as peak_memory_mb of training's report."""
    train, sample = plan.train, plan.sample
    lines = {name: round(size / 2**20) for name, size in plan.memory.parts.items()}
    return {
        "model": {
            "name": plan.base.name,
            "type": plan.base.config.model_type,
            "parameters": plan.weights.parameters,
            "config_from": plan.base.found,
        },
        "device": plan.machine.device,
        "precision": train.precision,
        "method": train.method,
        "attention": "packed" if plan.packed else "padded",
        "packing": plan.packed,
        "share_prefixes": layout_of(train, packed=plan.packed, pad=0).share_prefixes,
        "activation_checkpointing": train.activation_checkpointing,
        "fused_layers": plan.fused_layers,
        "trainable": plan.weights.trainable,
        "targets": train.targets if train.method != "full" else [],
        "processes": train.processes,
        "sharding": train.sharding,
        "data": None
        if sample is None
        else {
            "records": sample.records,
            "looked_at": sample.looked_at,
            "sampled": sample.looked_at < sample.records,
            "too_long": sample.lessons.counts.too_long,
            "without_answer": sample.lessons.counts.without_answer,
            "learned_from": sample.learned_from,
        },
        "updates": plan.updates,
        "tokens": plan.tokens,
        "learned_tokens": plan.learned,
        "learned_share": round(plan.learned / plan.tokens, 4) if plan.learned and plan.tokens else None,
        "computed_tokens": plan.computed,
        "pass": {
            "tokens": plan.passes.largest.tokens,
            "learned": plan.passes.largest.learned,
            "measured": plan.passes.measured,
        },
        "memory": {
            "parts_mb": lines,
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
            {"set": dict(change.values), "text": change.named(train), "peak_mb": round(change.peak / 2**20)}
            for change in plan.changes
        ],
    }
