"""Preference tuning as stage `align` runs it: read, tune, measure, report."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from seodang.alignment.figures import measure_preferences
from seodang.alignment.methods import get_alignment_method
from seodang.alignment.metrics import PreferenceMetrics
from seodang.alignment.preferences import Preferences, tokenize_preferences
from seodang.alignment.rated_figures import measure_rated
from seodang.alignment.rated_prompts import RatedPrompts
from seodang.alignment.replay import build_replay_pairs
from seodang.alignment.reward_figures import measure_rewards
from seodang.alignment.reward_model_run import prepare_rated_prompts
from seodang.alignment.reward_prompts import RewardPrompts, read_reward_prompts
from seodang.alignment.run_key import compute_alignment_key
from seodang.alignment.trainer_factory import PreferenceSplits
from seodang.alignment.tuning import AlignmentPaths, AlignmentResult, align_model
from seodang.config import AlignParams, PromptParams, TrainParams
from seodang.errors import TrainingError
from seodang.i18n import _, ngettext
from seodang.io.atomic import compute_sha256
from seodang.io.file_digests import compute_known_sha256
from seodang.io.jsonl import read_records, write_json
from seodang.models.adapters import ADAPTER, compute_tuned_sha256
from seodang.models.checkpoints import compute_weights_sha256
from seodang.models.device import choose_device, get_peak_memory_mb, keep_freed_memory
from seodang.models.loading import check_max_length, load_model, load_tokenizer
from seodang.models.methods import get_method
from seodang.paths import Paths
from seodang.prompting import compute_fingerprint
from seodang.records import Record
from seodang.training.checkpointing import delete_other_runs
from seodang.training.result import Stopwatch
from seodang.training.run_record import collect_versions
from seodang.training.tracking import track_run

logger = logging.getLogger(__name__)


def run_alignment(prompt: PromptParams, train: TrainParams, align: AlignParams, paths: Paths) -> dict[str, Any]:
    """Tune with preferences, measure what changed on held-out pairs, and write the report.

    Raises:
        TrainingError: If the preference records are missing or unusable, or training diverged.
        ModelError: If the tuned adapter does not fit the base.
    """
    stopwatch = Stopwatch()
    keep_freed_memory()
    device, method = choose_device(train.device), get_alignment_method(align)
    inputs, run_dir = _prepare_run_dir(prompt, train, align, device, paths)
    tokenizer = load_tokenizer(paths.base)
    training = list(read_records(paths.preferences_train))
    replayed = _read_replay_pairs(training, align, paths)
    splits = PreferenceSplits(
        *(
            tokenize_preferences(records, tokenizer, prompt.format, align.max_length)
            for records in ([*training, *replayed], read_records(paths.preferences_test))
        )
    )
    _log_start(align, splits, device)
    data: PreferenceSplits | RewardPrompts | RatedPrompts = splits
    if method.uses_rewards and align.reward == "model":
        data = prepare_rated_prompts(prompt, train, align, splits, tokenizer, device, run_dir, paths)
    elif method.uses_rewards:
        data = read_reward_prompts(prompt, align, tokenizer, paths)
    result = _tune(prompt, train, align, data, tokenizer, device, run_dir, paths)
    measured = measure_preferences(prompt, train, align, splits.held_out, tokenizer, device, paths)
    if isinstance(data, RewardPrompts):
        measured["rewards"] = measure_rewards(train, align, data, tokenizer, device, paths)
    elif isinstance(data, RatedPrompts):
        measured["reward_model"] = data.reward_model.figures
        measured["rewards"] = measure_rated(train, align, data, tokenizer, device, paths)
    report = {
        "method": align.method,
        "device": device,
        "records": {
            "train": {**_count(splits.training), "replayed": len(replayed)},
            "held_out": _count(splits.held_out),
        },
        "prompt_fingerprint": compute_fingerprint(prompt.format, tokenizer),
        "input_sha256": inputs,
        "adapter_sha256": compute_tuned_sha256(paths.aligned_adapter),
        "tuned_sha256": compute_tuned_sha256(paths.adapter),
        "base_sha256": compute_weights_sha256(paths.base),
        "versions": collect_versions(),
        "settings": align.model_dump(exclude={"sources", "bounds"}),
        **asdict(result),
        **measured,
        "peak_memory_mb": get_peak_memory_mb(),
        **stopwatch.read(),
    }
    write_json(paths.align_report, report)
    shutil.rmtree(run_dir, ignore_errors=True)
    _log_result(report)
    return report


def _prepare_run_dir(
    prompt: PromptParams, train: TrainParams, align: AlignParams, device: str, paths: Paths
) -> tuple[dict[str, str], Path]:
    """Return the checksums of the inputs and the folder of this run; delete the folders of other runs."""
    missing = [file for file in (paths.preferences_train, paths.preferences_test) if not file.exists()]
    if missing:
        raise TrainingError(
            _(
                "there are no preference records: {files} is missing; run: dvc repro prepare",
                files=", ".join(str(file.relative_to(paths.root)) for file in missing),
            )
        )
    inputs = {file.stem: compute_sha256(file) for file in (paths.preferences_train, paths.preferences_test)}
    if (get_alignment_method(align).uses_rewards and align.reward == "rules") or align.replay_ratio:
        inputs["records"] = compute_sha256(paths.get_split_path("train"))
    inputs["adapter"] = compute_sha256(paths.adapter / ADAPTER)
    base = {
        str(file.relative_to(paths.base)): compute_known_sha256(file)
        for file in sorted(paths.base.rglob("*"))
        if file.is_file()
    }
    threads = torch.get_num_threads() if device == "cpu" else None
    key = compute_alignment_key(align, train, prompt, {**inputs, **base}, threads=threads)
    delete_other_runs(paths.alignment, key)
    return inputs, paths.alignment / key


def _read_replay_pairs(preferences: Sequence[Record], align: AlignParams, paths: Paths) -> list[Record]:
    """Return pairs of training records, align.replay_ratio for each preference record; none with rewards."""
    count = 0 if get_alignment_method(align).uses_rewards else round(align.replay_ratio * len(preferences))
    return build_replay_pairs(read_records(paths.get_split_path("train")), count, align.seed) if count else []


def _tune(
    prompt: PromptParams,
    train: TrainParams,
    align: AlignParams,
    data: PreferenceSplits | RewardPrompts | RatedPrompts,
    tokenizer: PreTrainedTokenizerBase,
    device: str,
    run_dir: Path,
    paths: Paths,
) -> AlignmentResult:
    sections = {"prompt": prompt, "train": train, "align": align}
    metrics = PreferenceMetrics()
    with track_run(train, sections, live=paths.align_live, runs=paths.tracking, metrics=metrics) as tracking:
        model = load_model(paths.base, train.precision, device, load_in_4bit=get_method(train).loads_in_4bit)
        check_max_length(model.config, align.max_length)
        return align_model(
            model,
            tokenizer,
            data,
            align,
            train,
            tracking.callbacks,
            device=device,
            paths=AlignmentPaths(
                base=paths.base,
                tuned=paths.adapter,
                checkpoints=run_dir / "checkpoints",
                output=paths.aligned_adapter,
            ),
        )


def _count(preferences: Preferences) -> dict[str, int]:
    return {"pairs": len(preferences.pairs), "answers": len(preferences.answers), "too_long": preferences.too_long}


def _log_start(align: AlignParams, splits: PreferenceSplits, device: str) -> None:
    logger.info(
        _(
            "{method} on {device}: {training}, {held_out}",
            method=align.method,
            device=device,
            training=_format_count(splits.training),
            held_out=_("held out: {counts}", counts=_format_count(splits.held_out)),
        )
    )


def _format_count(preferences: Preferences) -> str:
    pairs = ngettext("{count:,} pair", "{count:,} pairs", len(preferences.pairs))
    answers = ngettext("{count:,} rated answer", "{count:,} rated answers", len(preferences.answers))
    return _("{pairs} and {answers}", pairs=pairs, answers=answers) if preferences.answers else pairs


def _log_result(report: Mapping[str, Any]) -> None:
    if report.get("rewards", {}).get("prompts"):
        _log_rewards(report["rewards"])
    if report["pairs"]:
        _log_pairs(report["pairs"], report["answers"])
    if report["thumbs"]:
        _log_thumbs(report["thumbs"], report["answers"])


def _log_rewards(rewards: Mapping[str, Any]) -> None:
    reward = rewards["reward"]
    logger.info(
        _(
            "mean reward ({prompts}): {before:.3f} before, {after:.3f} after, change {change}; KL per token"
            " {divergence:.3f}",
            prompts=ngettext("{count} held-out prompt", "{count} held-out prompts", rewards["prompts"]),
            before=reward["tuned"]["value"],
            after=reward["aligned"]["value"],
            change=_format_figure(rewards["reward"]["change"]),
            divergence=rewards["kl_per_token"]["value"] or 0.0,
        )
    )


def _format_figure(figure: Mapping[str, float | None]) -> str:
    """Return a figure with its interval; equal values of all groups have none."""
    low, high = figure["low"], figure["high"]
    return f"{figure['value']:+.3f}" + ("" if low is None or high is None else f" [{low:+.3f}, {high:+.3f}]")


def _log_pairs(pairs: Mapping[str, Any], answers: Mapping[str, Any]) -> None:
    logger.info(
        _(
            "held-out pairs right: {before:.0%} before, {after:.0%} after, change {change}; implicit reward right:"
            " {reward:.0%}; KL per token {divergence:.3f}",
            before=pairs["tuned_accuracy"]["value"],
            after=pairs["aligned_accuracy"]["value"],
            change=_format_figure(pairs["accuracy_change"]),
            reward=pairs["reward_accuracy"]["value"],
            divergence=answers["kl_per_token"]["value"] or 0.0,
        )
    )


def _log_thumbs(thumbs: Mapping[str, Any], answers: Mapping[str, Any]) -> None:
    logger.info(
        _(
            "held-out thumbs ({good} up, {bad} down): good answers gained more than bad ones with a probability of"
            " {reward:.0%}; log-probability of good answers {change}; KL per token {divergence:.3f}",
            good=thumbs["good"],
            bad=thumbs["bad"],
            reward=thumbs["reward_accuracy"]["value"],
            change=_format_figure(thumbs["chosen_change"]),
            divergence=answers["kl_per_token"]["value"] or 0.0,
        )
    )
