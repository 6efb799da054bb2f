"""A plan as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from seodang.models.methods import get_method
from seodang.training.planning.plan import Plan
from seodang.training.trainer_args import build_packing_config


def serialize_plan(plan: Plan) -> dict[str, Any]:
    """Return the plan as one JSON object; memory in MB of 2**20 bytes, as peak_memory_mb of the training report."""
    train = plan.train
    return {
        "model": {
            "name": plan.base.name,
            "type": plan.base.config.model_type,
            "parameters": plan.weights.parameters,
            "config_from": plan.base.origin,
        },
        "device": plan.machine.device,
        "machine": "this" if plan.machine.is_here else "another",
        "precision": train.precision,
        "method": train.method,
        "attention": "packed" if plan.packed else "padded",
        "packing": plan.packed,
        "share_prefixes": build_packing_config(train, packed=plan.packed, pad_token_id=0).share_prefixes,
        "activation_checkpointing": train.activation_checkpointing,
        "kernels": train.kernels,
        "fused_layers": plan.fused_layers,
        "trainable": plan.weights.trainable,
        "target_modules": train.target_modules if get_method(train).has_adapter else [],
        "processes": train.processes,
        "sharding": train.sharding,
        "data": _serialize_sample(plan),
        "steps": plan.steps,
        "tokens": plan.tokens,
        "label_tokens": plan.label_tokens,
        "label_ratio": round(plan.label_tokens / plan.tokens, 4) if plan.label_tokens and plan.tokens else None,
        "computed_tokens": plan.computed_tokens,
        "micro_batch": {
            "tokens": plan.micro_batches.largest.tokens,
            "label_tokens": plan.micro_batches.largest.label_tokens,
            "sampled": plan.micro_batches.is_sampled,
        },
        "memory": _serialize_memory(plan),
        "time": _serialize_duration(plan),
        "fits": plan.fits,
        "reasons": [reason.to_json() for reason in plan.reasons],
        "changes": [
            {"set": dict(change.values), "text": change.describe(train), "peak_mb": _to_mb(change.peak)}
            for change in plan.changes
        ],
    }


def _serialize_sample(plan: Plan) -> dict[str, Any] | None:
    sample = plan.sample
    if sample is None:
        return None
    return {
        "records": sample.records,
        "sample_size": sample.sample_size,
        "sampled": sample.sample_size < sample.records,
        "too_long": sample.dataset.counts.too_long,
        "without_answer": sample.dataset.counts.without_answer,
        "usable_records": sample.usable_records,
    }


def _serialize_memory(plan: Plan) -> dict[str, Any]:
    return {
        "parts_mb": {name: _to_mb(size) for name, size in plan.memory.parts.items()},
        "loading_mb": _to_mb(plan.memory.loading),
        "peak_mb": _to_mb(plan.memory.peak),
        "processes": plan.memory.processes,
        "total_mb": _to_mb(plan.machine.memory),
        "free_mb": _to_mb(plan.machine.free),
    }


def _serialize_duration(plan: Plan) -> dict[str, float | None] | None:
    if plan.duration is None:
        return None
    values = asdict(plan.duration).items()
    return {name: None if value is None else float(f"{value:.4g}") for name, value in values}


def _to_mb(size: int) -> int:
    return round(size / 2**20)
