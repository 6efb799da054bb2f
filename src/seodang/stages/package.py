"""Stage `package`: what the gate promoted becomes one model, one bento, and the account of both.

The tag of model and bento is derived from weights, tokenizer and prompt renderer
alone. The lineage travels beside them in seodang.json: packaged again at another
commit, the same weights keep their tag and get the newer account.
"""

from __future__ import annotations

import itertools
import logging
import shutil
import subprocess
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seodang.config import PackageParams, PromptParams, TrainParams
from seodang.errors import ArtefactError, GateRejected, ParityError
from seodang.gate.verdict import drop_schema, require_promotion
from seodang.io.atomic import sha256_of, write_atomically
from seodang.io.disk_full import check_space, is_same_disk, translate_disk_full
from seodang.io.jsonl import read_json, read_records, write_json
from seodang.licences import summarise_licences
from seodang.models.adapters import compute_tuned_sha256
from seodang.models.checkpoints import compute_weights_sha256
from seodang.models.loading import load_tokenizer
from seodang.models.tokenization import encode_prompt, get_end_id
from seodang.packaging.bento import build_bento, get_store_folder, store_model
from seodang.packaging.merge import compute_merged_size, merge
from seodang.packaging.model_card import MODEL_CARD, ModelCardData, render_model_card
from seodang.packaging.model_folder import MANIFEST_NAME, Manifest, compute_content_version, write_manifest
from seodang.packaging.parity import ParityReport, check_parity
from seodang.paths import Paths
from seodang.prompting import compute_fingerprint, render_record
from seodang.stages import Report

logger = logging.getLogger(__name__)


def run(*, prompt: PromptParams, train: TrainParams, package: PackageParams, paths: Paths) -> Report:
    """Merge, compare, store and build; nothing is written unless the verdict is `promote`.

    Raises:
        GateRejected: With the gate's reasons.
        ArtefactError: If the lineage has a gap, or the verdict is about another adapter.
        ParityError: If the merged model answers differently; it is taken away again.
        ModelError: If base or adapter cannot be loaded, or the disk is too small or becomes full.

    """
    with translate_disk_full(f"the model was packaged in {paths.merged_model} and {get_store_folder()}"):
        return _package(prompt, train, package, paths)


def _package(prompt: PromptParams, train: TrainParams, package: PackageParams, paths: Paths) -> Report:
    started = time.monotonic()
    lineage = _build_lineage(prompt, require_promotion(paths.verdict, GateRejected, "nothing is packaged"), paths)
    stage_reports = _read_stage_reports(train, paths)
    _check_disk_space(paths)
    logger.info("merging %s into %s", paths.adapter, paths.base)
    merge(paths.base, paths.adapter, paths.merged_model)
    parity = _check_parity(prompt, package, paths)
    manifest = _write_manifest(prompt, package, lineage, paths.merged_model)
    version, weights = (
        compute_content_version(paths.merged_model, manifest.fingerprint),
        compute_weights_sha256(paths.merged_model),
    )
    prompt_settings: dict[str, Any] = {
        "prompt_format": prompt.format,
        "fingerprint": manifest.fingerprint,
        "max_new_tokens": manifest.max_new_tokens,
    }
    card_data = ModelCardData(
        tag=f"{package.name}:{version}", weights_sha256=weights, lineage=lineage, **prompt_settings, **stage_reports
    )
    write_atomically(paths.merged_model / MODEL_CARD, [render_model_card(card_data)])
    model_tag = store_model(
        paths.merged_model,
        package.name,
        version,
        {"project": "seodang", "prompt": prompt.format},
        MANIFEST_NAME,
        MODEL_CARD,
    )
    report = {
        "model_tag": model_tag,
        "bento_tag": build_bento(paths.root, package.name, version, model_tag),
        "parity": asdict(parity),
        "fingerprint": manifest.fingerprint,
        "weights_sha256": weights,
        "lineage": lineage,
        "seconds": round(time.monotonic() - started, 1),
    }
    write_json(paths.package_report, report)
    logger.info(
        "packaged %s: %d greedy tokens equal, logits within %.1e",
        report["bento_tag"],
        parity.tokens,
        parity.max_logit_difference,
    )
    return report


def _read_stage_reports(train: TrainParams, paths: Paths) -> dict[str, Any]:
    """Return what the model card tells of the stages before; read before anything is merged, so that a missing report is told at once."""
    return {
        "sources": [source for source in read_json(paths.ingest_report)["sources"] if source["rows_written"]],
        "train_report": read_json(paths.train_report),
        "evaluate_report": read_json(paths.evaluate_report),
        "train": train.model_dump(),
    }


def _check_disk_space(paths: Paths) -> None:
    """Refuse, before anything is loaded, a merge that would not fit: the merged model, and its copy in BentoML's store."""
    size, store = compute_merged_size(paths.base, paths.adapter), get_store_folder()
    if is_same_disk(paths.merged_model, store):
        check_space(paths.merged_model, 2 * size, f"the merged model, with its copy in {store},")
        return
    check_space(paths.merged_model, size, "the merged model")
    check_space(store, size, "the copy of the merged model in BentoML's store")


def _check_parity(prompt: PromptParams, package: PackageParams, paths: Paths) -> ParityReport:
    tokenizer = load_tokenizer(paths.merged_model)
    records = itertools.islice(read_records(paths.get_split_path("test")), package.parity_prompts)
    prompts = [encode_prompt(tokenizer, render_record(record, prompt.format, tokenizer)) for record in records]
    try:
        return check_parity(
            paths.base,
            paths.adapter,
            paths.merged_model,
            prompts,
            package.parity_tokens,
            get_end_id(tokenizer, prompt.format),
        )
    except ParityError:
        shutil.rmtree(paths.merged_model)
        raise


def _write_manifest(prompt: PromptParams, package: PackageParams, lineage: dict[str, Any], folder: Path) -> Manifest:
    """Write the card of the merged model and return it."""
    tokenizer = load_tokenizer(folder)
    manifest = Manifest(
        schema_version=1,
        prompt=prompt,
        fingerprint=compute_fingerprint(prompt.format, tokenizer),
        end_id=get_end_id(tokenizer, prompt.format),
        max_new_tokens=package.max_new_tokens,
        lineage=lineage,
    )
    write_manifest(folder, manifest)
    return manifest


def _build_lineage(prompt: PromptParams, verdict: dict[str, Any], paths: Paths) -> dict[str, Any]:
    """Return the way back from the weights to files and licences, a checksum at each step."""
    checksums = {"scores_sha256": _compute_sha256(paths.scores), "adapter_sha256": compute_tuned_sha256(paths.adapter)}
    for name, checksum in checksums.items():
        if verdict.get(name) != checksum:
            raise ArtefactError(
                f"the verdict in {paths.verdict} is about {name} {verdict.get(name)}, but what lies here is {checksum}; run: dvc repro gate"
            )
    sources, base = read_json(paths.ingest_report)["sources"], read_json(paths.base_report)
    return {
        "terms": _build_terms(
            [*(source["licence"] for source in sources if source["rows_written"]), base.get("licence", "")]
        ),
        "verdict": drop_schema(verdict),
        **checksums,
        "splits": {name: _compute_sha256(paths.get_split_path(name)) for name in ("train", "validation", "test")},
        "accepted_sha256": _compute_sha256(paths.accepted_records),
        "records_sha256": _compute_sha256(paths.records),
        "sources": [{key: source[key] for key in ("name", "licence", "files")} for source in sources],
        "base": drop_schema(base),
        "params": {"prompt": prompt.model_dump()},
        "git_commit": _read_git_commit(paths.root),
        "dvc_lock_sha256": _compute_sha256(paths.root / "dvc.lock") if (paths.root / "dvc.lock").exists() else None,
    }


def _build_terms(licences: list[str]) -> dict[str, Any]:
    """Return what the licences of data and base ask of whoever uses the model, and warn where it is not commercial use."""
    summary = summarise_licences(licences)
    terms: dict[str, Any] = {name: list(names) for name, names in asdict(summary).items()}
    if summary.non_commercial:
        names = ", ".join(summary.non_commercial)
        terms["use_ko"] = f"비상업적 이용만: {names} 데이터나 모델로 만들었습니다"
        terms["use_en"] = f"non-commercial use only: made from data or a model under {names}"
        logger.warning("%s / %s", terms["use_en"], terms["use_ko"])
    return terms


def _compute_sha256(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise ArtefactError(
            f"{path} cannot be read ({error}), so the lineage would have a gap; run: dvc repro {path.parent.name}"
        ) from error


def _read_git_commit(folder: Path) -> str | None:
    """Return the commit that is checked out, or None outside a repository."""
    try:
        completed = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return completed.stdout.strip()
