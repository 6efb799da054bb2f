"""A training plan for the terminal, at most 100 columns wide."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len

from seodang.cli.terminal import WIDTH
from seodang.i18n import N_, _, ngettext

if TYPE_CHECKING:
    from seodang.training.planning.plan import Plan

_LABEL, _VALUE = 26, 12  # columns
_PARTS: Final = {
    "weights": N_("weights"),
    "adapter": N_("adapter"),
    "gradients": N_("gradients"),
    "optimizer": N_("optimizer"),
    "activations": N_("activations"),
    "loss": N_("logits, loss, buffers"),
    "kernels": N_("compiled kernels"),
    "process": N_("process and libraries"),
}


def format_plan(plan: Plan, tokenizer_lines: Sequence[str] = ()) -> list[str]:
    """Return the lines of a plan, with those about its tokenizer below the data."""
    train, weights = plan.train, plan.weights
    ratio = weights.trainable / max(1, weights.parameters)
    size = f"{weights.parameters / 1e6:,.1f} M, {plan.base.config.model_type}"
    return [
        *format_row(_("model"), plan.base.name, size, str(plan.base.origin)),
        *format_row(
            _("device"),
            plan.machine.device,
            ngettext(
                "{precision}, {count} process, sharding {sharding}",
                "{precision}, {count} processes, sharding {sharding}",
                train.processes,
                precision=train.precision,
                sharding=train.sharding,
            ),
            *([] if plan.machine.is_here else [_("of another machine; its set-up and speed are not known here")]),
        ),
        *format_row(_("method"), train.method, *_describe_adapter(plan)),
        *format_row(
            _("trainable parameters"),
            f"{weights.trainable:,}",
            _("{ratio:.2%}; fused layers {count}", ratio=ratio, count=plan.fused_layers),
        ),
        *format_row(_("attention"), "packed" if plan.packed else "padded", *_describe_attention(plan)),
        *_format_data(plan),
        *tokenizer_lines,
        "",
        *_format_memory(plan),
        *_format_time(plan),
        "",
        *_format_verdict(plan),
    ]


def _describe_adapter(plan: Plan) -> list[str]:
    train = plan.train
    if train.method == "full":
        return []
    return textwrap.wrap(f"rank {train.rank}, {', '.join(train.target_modules)}", WIDTH - _LABEL - _VALUE - 2)


def _describe_attention(plan: Plan) -> list[str]:
    batches = plan.micro_batches
    notes = [
        ngettext(
            "at most {count:,} token per micro-batch",
            "at most {count:,} tokens per micro-batch",
            batches.largest.tokens,
        )
    ]
    if batches.computed_tokens < batches.record_tokens:
        notes.append(_("common prefixes are computed once"))
    if plan.train.activation_checkpointing:
        notes.append(_("activations are recomputed"))
    return notes


def _format_data(plan: Plan) -> list[str]:
    sample = plan.sample
    if sample is None and plan.base.folder is None:
        note = _("not counted, for the tokenizer is not here: the longest records are assumed")
        return format_row(_("data"), "-", note, _("run: dvc repro prepare"))
    if sample is None:
        note = _("none yet: the plan assumes the longest records")
        return format_row(_("data"), "-", note, _("run: dvc repro prepare"))
    counts = sample.dataset.counts
    is_part = sample.sample_size < sample.records
    coverage = _("sample of {count:,}", count=sample.sample_size) if is_part else _("all were read")
    left_out = _(
        "too long {too_long:,}, no answer {without_answer:,}",
        too_long=counts.too_long,
        without_answer=counts.without_answer,
    )
    lines = format_row(_("records"), f"{sample.records:,}", coverage, left_out)
    if plan.steps is None or plan.tokens is None or plan.label_tokens is None or plan.computed_tokens is None:
        return lines
    steps = _(
        "{epochs}, {records} each",
        epochs=ngettext("{count:g} epoch", "{count:g} epochs", plan.train.epochs),
        records=ngettext("{count:,} record", "{count:,} records", plan.train.batch_size),
    )
    shares = _(
        "label tokens {label:.0%}, computed {computed:.0%}",
        label=plan.label_tokens / plan.tokens,
        computed=plan.computed_tokens / plan.tokens,
    )
    return [
        *lines,
        *format_row(_("optimizer steps"), f"{plan.steps:,}", steps),
        *format_row(_("tokens"), f"{plan.tokens:,}", shares),
    ]


def _format_memory(plan: Plan) -> list[str]:
    memory, machine = plan.memory, plan.machine
    lines = format_row(_("memory"), "MB")
    for name, size in memory.parts.items():
        lines += format_row(f"  {_(_PARTS[name])}", _format_mb(size)) if size else []
    if memory.loading > memory.training:
        lines += format_row(f"  {_('while loading')}", _format_mb(memory.loading), _("weights and their file"))
    available = (
        _("available {memory}, free now {free}", memory=_format_mb(machine.memory), free=_format_mb(machine.free))
        if machine.is_here
        else _("available {memory}", memory=_format_mb(machine.memory))
    )
    note = [_("{count} processes", count=memory.processes)] if memory.processes > 1 else []
    return lines + format_row(f"  {_('peak')}", _format_mb(memory.peak), available, *note)


def _format_mb(size: int) -> str:
    return f"{size / 2**20:,.0f}"


def _format_time(plan: Plan) -> list[str]:
    if plan.duration is None:
        return []
    cpu = [] if plan.duration.cpu_seconds is None else [f"{plan.duration.cpu_seconds:,.0f} CPU s"]
    cost = ", ".join([*cpu, f"{plan.duration.flops:.1e} FLOPs"])
    return format_row(_("time"), format_duration(plan.duration.seconds), _("at the speed measured now"), cost)


def format_duration(seconds: float) -> str:
    """Return seconds, minutes or hours."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _format_verdict(plan: Plan) -> list[str]:
    if plan.fits:
        lines = [_("plan: it fits")]
        if plan.memory.peak > plan.machine.free:
            lines.append(f"  [!] {_('it needs more memory than is free now: end other programs')}")
        return lines
    lines = [_("plan: it does not run")]
    lines += [f"  [x] {reason}" for reason in plan.reasons]
    if plan.changes:
        lines.append(f"  {_('changes that make it fit:')}")
        for change in plan.changes:
            text = f"{change.describe(plan.train)} ({_format_mb(change.peak)} MB)"
            lines += textwrap.wrap(text, WIDTH, initial_indent="    ", subsequent_indent="      ")
    elif plan.memory.peak > plan.machine.memory:
        lines.append(f"  {_('no value of train helps: take a smaller base, or more memory')}")
    return lines


def format_row(label: str, value: str, *notes: str) -> list[str]:
    """Return a line of label, value and note, and one line for each further note; a Hangul syllable is two columns."""
    first, *rest = notes or ("",)
    gap = max(1, _LABEL - cell_len(label) + _VALUE - cell_len(value))
    lines = [f"{label}{' ' * gap}{value}  {first}".rstrip()]
    return lines + [f"{' ' * (_LABEL + _VALUE + 2)}{note}" for note in rest]
