"""Stage `package`: merge the promoted model, store it and build its bento.

The tag of model and bento depends only on weights, tokenizer and prompt renderer.
The lineage is stored with them in seodang.json. If another commit packages the same
weights, they keep their tag and get the newer lineage.
"""

from __future__ import annotations

import itertools
import logging
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seodang.config import PackageParams, PromptParams, TrainParams
from seodang.errors import GateRejected, ParityError
from seodang.gate.verdict import require_promotion
from seodang.i18n import _, ngettext
from seodang.io.atomic import write_atomically
from seodang.io.disk_full import check_space, is_same_disk, translate_disk_full
from seodang.io.jsonl import read_json, read_records, write_json
from seodang.io.model_parts import list_sources, read_model_parts
from seodang.licences.refusal import require_permission
from seodang.licences.verdict import Part, list_notices
from seodang.models.checkpoints import compute_weights_sha256
from seodang.models.loading import load_tokenizer, read_context_length
from seodang.models.tokenization import encode_prompt, get_end_id
from seodang.packaging.bento import MODEL_CARD, NOTICE, build_bento, get_store_folder, store_model
from seodang.packaging.checksums import CHECKSUMS_NAME, write_checksums
from seodang.packaging.lineage import build_lineage, get_candidate_adapter
from seodang.packaging.merge import compute_merged_size, merge
from seodang.packaging.model_card import ModelCardData, render_model_card
from seodang.packaging.model_folder import MANIFEST_NAME, Manifest, compute_content_version, write_manifest
from seodang.packaging.parity import check_parity
from seodang.packaging.reader_parity import check_plain_reader
from seodang.packaging.reader_settings import decide_input_split, write_reader_settings
from seodang.paths import Paths
from seodang.prompting import compute_fingerprint, render_record
from seodang.stages import Report

logger = logging.getLogger(__name__)


def run(*, prompt: PromptParams, train: TrainParams, package: PackageParams, paths: Paths) -> Report:
    """Merge the model, compare it, store it and build its bento, if the verdict is `promote`.

    Raises:
        GateRejected: With the gate's reasons; nothing is written.
        LicenceRefused: If licences forbid the declared use, or the name of the model; nothing is written.
        ArtifactError: If a file of the lineage is missing, or the verdict belongs to another adapter.
        ParityError: If the merged model answers differently; it is removed again.
        ModelError: If base or adapter cannot be loaded, or the disk is too small or becomes full.

    """
    activity = _("the model was packaged in {folder} and {store}", folder=paths.merged_model, store=get_store_folder())
    with translate_disk_full(activity):
        return _package(prompt, train, package, paths)


def _package(prompt: PromptParams, train: TrainParams, package: PackageParams, paths: Paths) -> Report:
    started = time.monotonic()
    verdict = require_promotion(paths.verdict, GateRejected, _("nothing is packaged"))
    licences = require_permission(
        package.intended_use, package.name, read_model_parts(paths), _("the model is not packaged")
    )
    lineage = build_lineage(prompt, verdict, licences, paths)
    stage_reports = _read_stage_reports(train, paths)
    adapter = get_candidate_adapter(verdict, paths)
    _check_disk_space(adapter, paths)
    logger.info(_("merging {adapter} into {base}", adapter=adapter, base=paths.base))
    merge(paths.base, adapter, paths.merged_model)
    splits_input = decide_input_split(read_records(paths.get_split_path("train")))
    write_reader_settings(
        paths.base, paths.merged_model, prompt.format, package.max_new_tokens, splits_input=splits_input
    )
    parity = _check_parity(prompt, package, adapter, paths, splits_input=splits_input)
    penalty = stage_reports["evaluate_report"]["settings"]["frequency_penalty"]  # it is served as it was evaluated
    manifest = _write_manifest(prompt, package, penalty, lineage, paths.merged_model)
    version = compute_content_version(paths.merged_model, manifest.fingerprint)
    weights = compute_weights_sha256(paths.merged_model)
    card_data = ModelCardData(
        tag=f"{package.name}:{version}",
        weights_sha256=weights,
        lineage=lineage,
        prompt_format=prompt.format,
        fingerprint=manifest.fingerprint,
        max_new_tokens=manifest.max_new_tokens,
        **stage_reports,
    )
    write_atomically(paths.merged_model / MODEL_CARD, [render_model_card(card_data)])
    _write_notice(read_model_parts(paths), paths.merged_model)
    write_checksums(paths.merged_model)  # of all files, so it is the last one
    labels = {"project": "seodang", "prompt": prompt.format}
    model_tag = store_model(
        paths.merged_model, package.name, version, labels, MANIFEST_NAME, MODEL_CARD, NOTICE, CHECKSUMS_NAME
    )
    report = {
        "model_tag": model_tag,
        "bento_tag": build_bento(paths.root, package.name, version, model_tag),
        "parity": parity,
        "fingerprint": manifest.fingerprint,
        "weights_sha256": weights,
        "lineage": lineage,
        "seconds": round(time.monotonic() - started, 1),
    }
    write_json(paths.package_report, report)
    logger.info(
        ngettext(
            "packaged {bento}: {count} greedy token is equal, logits differ by at most {difference:.1e}",
            "packaged {bento}: {count} greedy tokens are equal, logits differ by at most {difference:.1e}",
            parity["tokens"],
            bento=report["bento_tag"],
            difference=parity["max_logit_difference"],
        )
    )
    return report


def _write_notice(parts: list[Part], folder: Path) -> None:
    """Write the notices that the licences of base and data require beside the weights; without one there is no file."""
    if notices := list_notices(parts):
        write_atomically(folder / NOTICE, [f"{notice}\n" for notice in notices])


def _read_stage_reports(train: TrainParams, paths: Paths) -> dict[str, Any]:
    """Return the reports of earlier stages for the model card; a missing report is an error before the merge."""
    return {
        "sources": [source for source in list_sources(read_json(paths.ingest_report)) if source["rows_written"]],
        "train_report": read_json(paths.train_report),
        "evaluate_report": read_json(paths.evaluate_report),
        "train": train.model_dump(),
    }


def _check_disk_space(adapter: Path, paths: Paths) -> None:
    """Raise an error if the merged model and its copy in BentoML's store would not fit on the disk."""
    size, store = compute_merged_size(paths.base, adapter), get_store_folder()
    if is_same_disk(paths.merged_model, store):
        check_space(paths.merged_model, 2 * size, _("the merged model with its copy in {store}", store=store))
        return
    check_space(paths.merged_model, size, _("the merged model"))
    check_space(store, size, _("the copy of the merged model in BentoML's store"))


def _check_parity(
    prompt: PromptParams, package: PackageParams, adapter: Path, paths: Paths, *, splits_input: bool
) -> dict[str, Any]:
    """Compare the merged model with base and adapter, then plain transformers with the service."""
    tokenizer = load_tokenizer(paths.base)
    records = list(itertools.islice(read_records(paths.get_split_path("test")), package.parity_prompts))
    context_length = read_context_length(paths.merged_model)
    limit = None if context_length is None else context_length - package.parity_tokens
    prompts = [
        encode_prompt(tokenizer, render_record(record, prompt.format, tokenizer))[-limit if limit else None :]
        for record in records
    ]
    try:
        report = check_parity(
            paths.base,
            adapter,
            paths.merged_model,
            prompts,
            package.parity_tokens,
            get_end_id(tokenizer, prompt.format),
        )
        plain_prompts = check_plain_reader(
            paths.base,
            paths.merged_model,
            prompt.format,
            [record for record, ids in zip(records, prompts, strict=True) if limit is None or len(ids) < limit],
            package.parity_tokens,
            splits_input=splits_input,
        )
        return {**asdict(report), "plain_prompts": plain_prompts}
    except ParityError:
        shutil.rmtree(paths.merged_model)
        raise


def _write_manifest(
    prompt: PromptParams, package: PackageParams, frequency_penalty: float, lineage: dict[str, Any], folder: Path
) -> Manifest:
    """Write the manifest of the merged model and return it."""
    tokenizer = load_tokenizer(folder)
    manifest = Manifest(
        schema_version=1,
        prompt=prompt,
        fingerprint=compute_fingerprint(prompt.format, tokenizer),
        end_id=get_end_id(tokenizer, prompt.format),
        max_new_tokens=package.max_new_tokens,
        frequency_penalty=frequency_penalty,
        lineage=lineage,
    )
    write_manifest(folder, manifest)
    return manifest
