"""`seodang plan`: the resolved plan of a run before anything runs, and whether it fits; 0 it does, 2 it does not."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from seodang.cli.plan_format import format_plan
from seodang.cli.plan_machine import Device, Target, build_machine, parse_memory
from seodang.cli.plan_preflight import check_data, check_licences, format_preflight, serialize_preflight
from seodang.cli.plan_tokenizers import (
    compare_tokenizers,
    format_cost,
    load_corpus,
    measure_folder,
    print_comparison,
    serialize_cost,
)
from seodang.cli.terminal import print_lines
from seodang.errors import ModelError, SeodangError
from seodang.i18n import _, ngettext
from seodang.paths import Paths

if TYPE_CHECKING:
    from seodang.config import ModelParams, Params
    from seodang.training.planning.base import Base
    from seodang.training.planning.machine import Machine
    from seodang.training.planning.micro_batches import MicroBatchStats
    from seodang.training.planning.plan import Plan
    from seodang.training.planning.sampling import Sample
    from seodang.training.planning.time import Speed

T = TypeVar("T")

logger = logging.getLogger(__name__)

FITS, DOES_NOT_FIT = 0, 2


def plan(
    profile: Annotated[
        str | None, typer.Option(metavar="NAME", help=_("Plan this profile or overlay without using it."))
    ] = None,
    device: Annotated[
        Literal["cpu", "cuda", "mps"] | None,
        typer.Option(metavar="KIND", help=_("Plan for another machine: cpu, cuda or mps.")),
    ] = None,
    memory: Annotated[
        str | None, typer.Option(metavar="SIZE", help=_("Memory of one device of that machine, such as 24G."))
    ] = None,
    compare: Annotated[
        list[str] | None,
        typer.Option(
            "--compare-tokenizers",
            metavar="NAME",
            help=_("Only compare tokenizers: a profile, an overlay or a folder; once for each."),
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help=_("Print the plan as one JSON object."))] = False,
) -> int:
    """Print the plan, for this machine or another one; 0 when it fits and the gate can judge it, else 2.

    Raises:
        SeodangError: If it cannot be planned; exit code 2.
    """
    paths = Paths(Path.cwd())
    if compare:
        return _compare(compare, profile, paths, as_json=as_json)
    try:
        params = _load_params(profile, paths)
        check_licences(params)
        plan_result = _make_plan(params, device, memory, paths)
        preflight = check_data(params, paths)
    except SeodangError as error:
        if as_json:
            print(json.dumps({"fits": False, "error": str(error)}, ensure_ascii=False))
        raise
    from seodang.training.planning.plan_json import serialize_plan

    corpus = load_corpus(params, paths)
    cost = None if plan_result.base.folder is None else measure_folder(plan_result.base.folder, corpus)
    if as_json:
        content = {**serialize_plan(plan_result), **serialize_cost(cost, corpus), **serialize_preflight(preflight)}
        print(json.dumps(content, ensure_ascii=False))
    else:
        lines = [] if cost is None else format_cost(cost, corpus)
        print_lines([*format_plan(plan_result, lines), *format_preflight(preflight)])
    return FITS if plan_result.fits and not (preflight and preflight.problems) else DOES_NOT_FIT


def _compare(names: list[str], profile: str | None, paths: Paths, *, as_json: bool) -> int:
    """Print what text costs with each tokenizer; 2 if none is known."""
    corpus, costs = compare_tokenizers(names, _load_params(profile, paths), paths)
    if as_json:
        content = {
            name: {"error": cost} if isinstance(cost, str) else serialize_cost(cost, corpus)["tokenizer"]
            for name, cost in costs.items()
        }
        print(json.dumps(content, ensure_ascii=False))
    else:
        print_comparison(corpus, costs)
    return DOES_NOT_FIT if all(isinstance(cost, str) for cost in costs.values()) else FITS


def _make_plan(params: Params, device: Device | None, memory: str | None, paths: Paths) -> Plan:
    target = Target(device, None if memory is None else parse_memory(memory))
    logger.info(_("planning {model}; this takes some seconds", model=params.model.name))
    from seodang.models.device import keep_freed_memory  # the first of the imports that take seconds

    keep_freed_memory()  # as training does, so that this process weighs what that one will
    machine, missing = _try(lambda: build_machine(target, params.train.device))
    base, reasons = _try(lambda: _find_base(params.model, paths))
    if base is None or machine is None:
        problems = [*missing, *reasons, *_describe_params(params, paths)]
        raise ModelError("\n  ".join([_("{model} cannot be planned:", model=params.model.name), *problems]))
    return _plan_run(base, params, machine, paths)


def _plan_run(base: Base, params: Params, machine: Machine, paths: Paths) -> Plan:
    from seodang.training.planning.plan import make_plan

    logger.info(_("tracing a training step of {type} on {device}", type=base.config.model_type, device=machine.device))
    sample = _sample_records(base, params, paths)
    if not machine.is_here:
        return make_plan(base, params.train, sample, machine, None)  # its speed cannot be measured here
    return make_plan(
        base, params.train, sample, machine, lambda stats: _benchmark_speed(base, params, machine.device, stats)
    )


def _try(function: Callable[[], T]) -> tuple[T | None, list[str]]:
    """Return the result, or the message of the error, so that all problems are shown at once."""
    try:
        return function(), []
    except ModelError as error:
        return None, [str(error)]


def _load_params(profile: str | None, paths: Paths) -> Params:
    from seodang.config.load import load_params
    from seodang.config.profiles import load_profile

    return load_params(paths.params) if profile is None else load_profile(profile, paths.profiles)


def _find_base(model: ModelParams, paths: Paths) -> Base:
    from seodang.training.planning.base import find_base

    return find_base(model, paths.base, paths.base_report, paths.root, paths.model_cache, paths.downloads)


def _describe_params(params: Params, paths: Paths) -> list[str]:
    """Return what is known without the model."""
    train, split = params.train, paths.get_split_path("train")
    known = _(
        "known so far: train.method {method}, train.precision {precision}, micro-batches of {tokens}, {epochs}",
        method=train.method,
        precision=train.precision,
        tokens=ngettext("{count:,} token", "{count:,} tokens", train.tokens_per_micro_batch),
        epochs=ngettext("{count:g} epoch", "{count:g} epochs", train.epochs),
    )
    if not split.exists():
        return [known, _("no records yet; run: dvc repro prepare")]
    from seodang.io.jsonl import read_lines

    records = sum(1 for _line in read_lines(split))
    steps = train.epochs * -(-records // train.batch_size)
    counts = _(
        "{records}, about {steps} of {batch}",
        records=ngettext("{count:,} record", "{count:,} records", records),
        steps=ngettext("{count:,.0f} optimizer step", "{count:,.0f} optimizer steps", steps),
        batch=ngettext("{count:,} record", "{count:,} records", train.batch_size),
    )
    return [known, counts]


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


def _benchmark_speed(base: Base, params: Params, device: str, micro_batches: MicroBatchStats) -> Speed:
    from seodang.training.planning.meta_model import DTYPES
    from seodang.training.planning.time import benchmark_speed

    text = base.config.get_text_config()
    intermediate_size = getattr(text, "intermediate_size", None) or 4 * text.hidden_size
    tokens = max(1, round(micro_batches.computed_tokens / micro_batches.micro_batches))
    return benchmark_speed(
        device, DTYPES[params.train.precision], tokens=tokens, size=int(text.hidden_size), inner=int(intermediate_size)
    )
