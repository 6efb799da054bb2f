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
from seodang.gate.verdict import promoted, without_schema
from seodang.io.atomic import sha256_of, write_atomically
from seodang.io.disk_full import check_space, full_disk_told, on_one_disk
from seodang.io.jsonl import read_json, read_records, write_json
from seodang.licences import licence_summary
from seodang.models.adapters import trained_sha256
from seodang.models.checkpoints import weights_sha256
from seodang.models.loading import load_tokenizer
from seodang.models.tokenization import encode_prompt, end_id
from seodang.packaging.bento import build_bento, store_folder, store_model
from seodang.packaging.merge import merge, merged_size
from seodang.packaging.model_card import MODEL_CARD, CardFacts, model_card
from seodang.packaging.model_folder import CARD, Card, content_version, write_card
from seodang.packaging.parity import ParityReport, check_parity
from seodang.paths import Paths
from seodang.prompting import fingerprint, render_record
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
    with full_disk_told(f"the model was packaged in {paths.merged} and {store_folder()}"):
        return _package(prompt, train, package, paths)


def _package(prompt: PromptParams, train: TrainParams, package: PackageParams, paths: Paths) -> Report:
    started = time.monotonic()
    lineage = _lineage(prompt, promoted(paths.verdict, GateRejected, "nothing is packaged"), paths)
    told = _told(train, paths)
    _check_room(paths)
    logger.info("merging %s into %s", paths.adapter, paths.base)
    merge(paths.base, paths.adapter, paths.merged)
    parity = _compared(prompt, package, paths)
    card = _with_card(prompt, package, lineage, paths.merged)
    version, weights = content_version(paths.merged, card.fingerprint), weights_sha256(paths.merged)
    asked: dict[str, Any] = {
        "prompt_format": prompt.format,
        "fingerprint": card.fingerprint,
        "max_new_tokens": card.max_new_tokens,
    }
    facts = CardFacts(tag=f"{package.name}:{version}", weights_sha256=weights, lineage=lineage, **asked, **told)
    write_atomically(paths.merged / MODEL_CARD, [model_card(facts)])
    model_tag = store_model(
        paths.merged, package.name, version, {"project": "seodang", "prompt": prompt.format}, CARD, MODEL_CARD
    )
    report = {
        "model_tag": model_tag,
        "bento_tag": build_bento(paths.root, package.name, version, model_tag),
        "parity": asdict(parity),
        "fingerprint": card.fingerprint,
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


def _told(train: TrainParams, paths: Paths) -> dict[str, Any]:
    """Return what the model card tells of the stages before; read before anything is merged, so that a missing report is told at once."""
    return {
        "sources": [source for source in read_json(paths.ingest_report)["sources"] if source["rows_written"]],
        "trained": read_json(paths.train_report),
        "evaluated": read_json(paths.evaluate_report),
        "train": train.model_dump(),
    }


def _check_room(paths: Paths) -> None:
    """Refuse, before anything is loaded, a merge that would not fit: the merged model, and its copy in BentoML's store."""
    size, store = merged_size(paths.base, paths.adapter), store_folder()
    if on_one_disk(paths.merged, store):
        check_space(paths.merged, 2 * size, f"the merged model, with its copy in {store},")
        return
    check_space(paths.merged, size, "the merged model")
    check_space(store, size, "the copy of the merged model in BentoML's store")


def _compared(prompt: PromptParams, package: PackageParams, paths: Paths) -> ParityReport:
    tokenizer = load_tokenizer(paths.merged)
    records = itertools.islice(read_records(paths.split("test")), package.parity_prompts)
    prompts = [encode_prompt(tokenizer, render_record(record, prompt.format, tokenizer)) for record in records]
    try:
        return check_parity(
            paths.base, paths.adapter, paths.merged, prompts, package.parity_tokens, end_id(tokenizer, prompt.format)
        )
    except ParityError:
        shutil.rmtree(paths.merged)
        raise


def _with_card(prompt: PromptParams, package: PackageParams, lineage: dict[str, Any], folder: Path) -> Card:
    """Write the card of the merged model and return it."""
    tokenizer = load_tokenizer(folder)
    card = Card(
        card=1,
        prompt=prompt,
        fingerprint=fingerprint(prompt.format, tokenizer),
        end_id=end_id(tokenizer, prompt.format),
        max_new_tokens=package.max_new_tokens,
        lineage=lineage,
    )
    write_card(folder, card)
    return card


def _lineage(prompt: PromptParams, verdict: dict[str, Any], paths: Paths) -> dict[str, Any]:
    """Return the way back from the weights to files and licences, a checksum at each step."""
    judged = {"scores_sha256": _sha256(paths.scores), "adapter_sha256": trained_sha256(paths.adapter)}
    for name, found in judged.items():
        if verdict.get(name) != found:
            raise ArtefactError(
                f"the verdict in {paths.verdict} is about {name} {verdict.get(name)}, but what lies here is {found}; run: dvc repro gate"
            )
    sources, base = read_json(paths.ingest_report)["sources"], read_json(paths.base_report)
    return {
        "terms": _terms(
            [*(source["licence"] for source in sources if source["rows_written"]), base.get("licence", "")]
        ),
        "verdict": without_schema(verdict),
        **judged,
        "splits": {name: _sha256(paths.split(name)) for name in ("train", "validation", "test")},
        "accepted_sha256": _sha256(paths.accepted),
        "records_sha256": _sha256(paths.records),
        "sources": [{key: source[key] for key in ("name", "licence", "files")} for source in sources],
        "base": without_schema(base),
        "params": {"prompt": prompt.model_dump()},
        "git_commit": _git_commit(paths.root),
        "dvc_lock_sha256": _sha256(paths.root / "dvc.lock") if (paths.root / "dvc.lock").exists() else None,
    }


def _terms(licences: list[str]) -> dict[str, Any]:
    """Return what the licences of data and base ask of whoever uses the model, and warn where it is not commercial use."""
    found = licence_summary(licences)
    terms: dict[str, Any] = {name: list(names) for name, names in asdict(found).items()}
    if found.non_commercial:
        names = ", ".join(found.non_commercial)
        terms["use_ko"] = f"비상업적 이용만: {names} 데이터나 모델로 만들었습니다"
        terms["use_en"] = f"non-commercial use only: made from data or a model under {names}"
        logger.warning("%s / %s", terms["use_en"], terms["use_ko"])
    return terms


def _sha256(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise ArtefactError(
            f"{path} cannot be read ({error}), so the lineage would have a gap; run: dvc repro {path.parent.name}"
        ) from error


def _git_commit(folder: Path) -> str | None:
    """Return the commit that is checked out, or None outside a repository."""
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()
