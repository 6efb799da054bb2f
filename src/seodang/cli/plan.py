"""`seodang plan`: the resolved plan of a run before anything runs, and whether it fits; 0 it does, 2 it does not."""

from __future__ import annotations

import argparse
import importlib
import json
import textwrap
import unicodedata
from typing import TYPE_CHECKING

from seodang.errors import ModelError, ParamsError, SeodangError
from seodang.paths import Paths

if TYPE_CHECKING:
    from seodang.config import ModelParams, Params
    from seodang.training.planning.micro_batches import MicroBatchStats
    from seodang.training.planning.plan import Base, Plan
    from seodang.training.planning.sampling import Sample
    from seodang.training.planning.time import Speed

FITS, DOES_NOT_FIT = 0, 2
_WIDTH = 100  # columns
_LABEL, _VALUE = 34, 12
_PARTS = {
    "weights": "가중치 / weights",
    "adapter": "어댑터 / adapter",
    "gradients": "기울기 / gradients",
    "optimiser": "옵티마이저 / optimiser",
    "activations": "활성값 / activations",
    "loss": "로짓과 손실 / logits, loss, buffers",
    "kernels": "연산 커널 / compiled kernels",
    "process": "프로세스 / process and libraries",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--profile", metavar="NAME", help="plan this profile or overlay, without using it / 이 프로필로 계획"
    )
    parser.add_argument("--json", action="store_true", help="print the plan as one JSON object / 계획을 JSON으로")


def run(options: argparse.Namespace, paths: Paths) -> int:
    """Print the plan; 0 when it fits, 2 when it does not.

    Raises:
        SeodangError: If it cannot be planned; exit code 2.
    """
    try:
        plan = _make_plan(options.profile, paths)
    except SeodangError as error:
        if options.json:
            print(json.dumps({"fits": False, "error": str(error)}, ensure_ascii=False))
        raise
    from seodang.training.planning.plan import serialize_plan

    print(json.dumps(serialize_plan(plan), ensure_ascii=False) if options.json else "\n".join(format_plan(plan)))
    return FITS if plan.fits else DOES_NOT_FIT


def _make_plan(profile: str | None, paths: Paths) -> Plan:
    from seodang.models.device import keep_freed_memory
    from seodang.training.planning.plan import Machine, make_plan

    params = _load_params(profile, paths)
    keep_freed_memory()  # as training does, so that this process weighs what that one will
    device, missing = _select_device(params)
    base, reasons = _find_base(params.model, paths)
    if base is None or device is None:
        raise ModelError(
            "\n  ".join(
                [f"{params.model.name} cannot be planned:", *missing, *reasons, *_describe_params(params, paths)]
            )
        )
    sample = _sample_records(base, params, paths)
    return make_plan(
        base,
        params.train,
        sample,
        Machine(device, *_get_memory(device)),
        lambda passes: _benchmark_speed(base, params, device, passes),
    )


def _load_params(profile: str | None, paths: Paths) -> Params:
    from ruamel.yaml import YAML

    from seodang.config import profiles
    from seodang.config.load import load_params, parse_params

    if profile is None:
        return load_params(paths.params)
    folder = paths.root / "profiles"
    if not (folder / f"{profiles.BASE}.yaml").exists():
        raise ParamsError(
            f"there is no profiles/{profiles.BASE}.yaml here, on which profiles lie; run seodang plan in the project's folder"
        )
    text = profiles.render_profile(folder / f"{profiles.BASE}.yaml", profiles.resolve_overlay(profile, folder))
    return parse_params(YAML(typ="safe").load(text), f"profile {profile}")


def _select_device(params: Params) -> tuple[str | None, list[str]]:
    from seodang.models.device import choose_device

    try:
        return choose_device(params.train.device), []
    except ModelError as error:
        return None, [str(error)]


def _find_base(model: ModelParams, paths: Paths) -> tuple[Base | None, list[str]]:
    """Return the base as far as it is known, or why it is not."""
    from seodang.training.planning.base import find_base

    try:
        return find_base(model, paths.base, paths.base_report, paths.root, paths.model_cache, paths.downloads), []
    except ModelError as error:
        return None, [str(error)]


def _describe_params(params: Params, paths: Paths) -> list[str]:
    """Return what can be said without the model."""
    train, split = params.train, paths.get_split_path("train")
    lines = [
        f"known so far: train.method {train.method}, train.precision {train.precision}, passes of {train.tokens_per_micro_batch} tokens, {train.epochs:g} epochs"
    ]
    if not split.exists():
        return [*lines, "no records yet; run: dvc repro prepare"]
    from seodang.io.jsonl import read_lines

    records = sum(1 for _ in read_lines(split))
    steps = train.epochs * -(-records // train.batch_size)
    return [*lines, f"{records:,} records, about {steps:,.0f} updates of {train.batch_size} records"]


def _sample_records(base: Base, params: Params, paths: Paths) -> Sample | None:
    from seodang.models.loading import load_tokenizer
    from seodang.training.planning.sampling import sample_records

    if base.folder is None or not paths.get_split_path("train").exists():
        return None
    return sample_records(
        paths.get_split_path("train"),
        paths.get_split_path("validation"),
        load_tokenizer(base.folder),
        params.prompt.format,
        params.train,
    )


def _get_memory(device: str) -> tuple[int, int, int]:
    """Return the bytes of the device, those that are free, and those that this process has with everything loaded that training loads."""
    from seodang.training.planning.memory import read_memory_capacity, read_resident_bytes

    importlib.import_module("seodang.stages.train")
    return (*read_memory_capacity(device), read_resident_bytes())


def _benchmark_speed(base: Base, params: Params, device: str, micro_batches: MicroBatchStats) -> Speed:
    from seodang.training.planning.meta_model import DTYPES
    from seodang.training.planning.time import benchmark_speed

    text = base.config.get_text_config()
    intermediate_size = getattr(text, "intermediate_size", None) or 4 * text.hidden_size
    tokens = max(1, round(micro_batches.computed_tokens / micro_batches.micro_batches))
    return benchmark_speed(
        device, DTYPES[params.train.precision], tokens=tokens, size=int(text.hidden_size), inner=int(intermediate_size)
    )


def format_plan(plan: Plan) -> list[str]:
    """Return the plan for a terminal, at most 100 columns wide."""
    train, weights = plan.train, plan.weights
    ratio = weights.trainable / max(1, weights.parameters)
    target_modules = (
        []
        if train.method == "full"
        else textwrap.wrap(f"rank {train.rank}, {', '.join(train.target_modules)}", _WIDTH - _LABEL - _VALUE - 2)
    )
    return [
        *_format_row(
            "모델 / model",
            plan.base.name,
            f"{weights.parameters / 1e6:,.1f} M, {plan.base.config.model_type}",
            plan.base.origin,
        ),
        *_format_row(
            "장치 / device",
            plan.machine.device,
            f"{train.precision}, {train.processes} 프로세스 / processes, sharding {train.sharding}",
        ),
        *_format_row("방법 / method", train.method, *target_modules),
        *_format_row(
            "학습 파라미터 / trainable",
            f"{weights.trainable:,}",
            f"{ratio:.2%}; 융합 / fused layers {plan.fused_layers}",
        ),
        *_format_row("어텐션 / attention", "packed" if plan.packed else "padded", *_format_attention(plan)),
        *_format_data(plan),
        "",
        *_format_memory(plan),
        *_format_time(plan),
        "",
        *_format_verdict(plan),
    ]


def _format_attention(plan: Plan) -> list[str]:
    notes = [f"한 번에 최대 / at most {plan.micro_batches.largest.tokens:,} tokens a pass"]
    notes += (
        ["앞부분 공유 / beginnings shared"]
        if plan.micro_batches.computed_tokens < plan.micro_batches.record_tokens
        else []
    )
    return notes + (["활성값 다시 계산 / activations recomputed"] if plan.train.activation_checkpointing else [])


def _format_data(plan: Plan) -> list[str]:
    sample = plan.sample
    if sample is None:
        return _format_row(
            "데이터 / data", "-", "아직 없어 최악으로 계산 / none yet, the worst assumed", "run: dvc repro prepare"
        )
    counts = sample.dataset.counts
    coverage = (
        f"표본 / sample of {sample.sample_size:,}" if sample.sample_size < sample.records else "모두 읽음 / all read"
    )
    left_out = f"너무 김 / too long {counts.too_long:,}, 답 없음 / no answer {counts.without_answer:,}"
    lines = _format_row("레코드 / records", f"{sample.records:,}", coverage, left_out)
    if plan.steps is None or plan.tokens is None or plan.label_tokens is None or plan.computed_tokens is None:
        return lines
    return [
        *lines,
        *_format_row(
            "업데이트 / updates",
            f"{plan.steps:,}",
            f"{plan.train.epochs:g} epochs, {plan.train.batch_size} records each",
        ),
        *_format_row(
            "토큰 / tokens",
            f"{plan.tokens:,}",
            f"학습 / learned {plan.label_tokens / plan.tokens:.0%}, 계산 / computed {plan.computed_tokens / plan.tokens:.0%}",
        ),
    ]


def _format_memory(plan: Plan) -> list[str]:
    memory, machine = plan.memory, plan.machine
    lines = _format_row("메모리 / memory", "MB")
    for name, size in memory.parts.items():
        lines += _format_row(f"  {_PARTS[name]}", _format_mb(size)) if size else []
    if memory.loading > memory.training:
        lines += _format_row(
            "  읽을 때 / while loading", _format_mb(memory.loading), "가중치와 그 파일 / weights and their file"
        )
    process_note = [f"{memory.processes} 프로세스 / processes"] if memory.processes > 1 else []
    return lines + _format_row(
        "  최대 / peak",
        _format_mb(memory.peak),
        f"있음 / there {_format_mb(machine.memory)}, 지금 남음 / free now {_format_mb(machine.free)}",
        *process_note,
    )


def _format_mb(size: int) -> str:
    return f"{size / 2**20:,.0f}"


def _format_time(plan: Plan) -> list[str]:
    if plan.duration is None:
        return []
    cpu = [] if plan.duration.cpu_seconds is None else [f"{plan.duration.cpu_seconds:,.0f} CPU s"]
    return _format_row(
        "시간 / time",
        _format_duration(plan.duration.seconds),
        "방금 잰 속도로 / at the speed measured now",
        ", ".join([*cpu, f"{plan.duration.flops:.1e} FLOPs"]),
    )


def _format_duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _format_verdict(plan: Plan) -> list[str]:
    if plan.fits:
        tight = plan.memory.peak > plan.machine.free
        warning = (
            ["  [!] 지금 남은 메모리보다 많습니다. / more than is free now: end what else is running."] if tight else []
        )
        return ["판정 / verdict: 실행할 수 있음 / it fits", *warning]
    lines = ["판정 / verdict: 실행할 수 없음 / it will not run"]
    for korean, english in plan.reasons:
        lines += [f"  [x] {korean}", f"      {english}"]
    if plan.changes:
        lines.append("  이렇게 바꾸면 들어갑니다 / what makes it fit:")
        for change in plan.changes:
            lines += textwrap.wrap(
                f"{change.describe(plan.train)} ({_format_mb(change.peak)} MB)",
                _WIDTH,
                initial_indent="    ",
                subsequent_indent="      ",
            )
    elif plan.memory.peak > plan.machine.memory:
        lines.append("  train의 어떤 값으로도 안 됩니다 / no value of train helps: a smaller base, or more memory")
    return lines


def _format_row(label: str, value: str, *remarks: str) -> list[str]:
    """Return a line of label, value and remark, and one below it for each further remark."""
    first, *rest = remarks or ("",)
    lines = [f"{_pad(label, _LABEL)}{' ' * max(1, _VALUE - _count_columns(value))}{value}  {first}".rstrip()]
    return lines + [f"{' ' * (_LABEL + _VALUE + 2)}{remark}" for remark in rest]


def _count_columns(text: str) -> int:
    """Return the terminal columns of a text; a Hangul syllable takes two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _pad(text: str, width: int) -> str:
    return text + " " * max(0, width - _count_columns(text))
