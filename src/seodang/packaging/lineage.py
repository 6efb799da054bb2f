"""The lineage of a packaged model: from the weights back to source files and licences."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seodang.config import PromptParams
from seodang.errors import ArtifactError
from seodang.gate.verdict import drop_schema
from seodang.i18n import Message, _
from seodang.io.atomic import compute_sha256
from seodang.io.jsonl import read_json
from seodang.io.model_parts import list_sources
from seodang.licences import summarize_licences
from seodang.licences.verdict import LicenceVerdict, serialize_verdict
from seodang.models.adapters import compute_tuned_sha256
from seodang.paths import Paths

logger = logging.getLogger(__name__)


def build_lineage(
    prompt: PromptParams, verdict: dict[str, Any], licences: LicenceVerdict, paths: Paths
) -> dict[str, Any]:
    """Return the lineage from the weights to source files and licences, with a checksum at each step.

    Args:
        prompt: Prompt format of the model.
        verdict: Of the gate.
        licences: On the declared use.
        paths: Paths of the project.

    Raises:
        ArtifactError: If a file is missing, or the verdict belongs to another adapter.
    """
    adapter = get_candidate_adapter(verdict, paths)
    checksums = {"scores_sha256": _compute_sha256(paths.scores), "adapter_sha256": compute_tuned_sha256(adapter)}
    for name, checksum in checksums.items():
        if verdict.get(name) != checksum:
            raise ArtifactError(
                _(
                    "the verdict in {file} has {name} {expected}, but the current one is {actual}; run: dvc repro gate",
                    file=paths.verdict,
                    name=name,
                    expected=verdict.get(name),
                    actual=checksum,
                )
            )
    sources, base = list_sources(read_json(paths.ingest_report)), read_json(paths.base_report)
    return {
        "terms": _build_terms(
            [*(source["licence"] for source in sources if source["rows_written"]), base.get("licence", "")]
        ),
        "licences": serialize_verdict(licences),
        "verdict": drop_schema(verdict),
        **checksums,
        **_describe_alignment(verdict, paths),
        "splits": {name: _compute_sha256(paths.get_split_path(name)) for name in ("train", "validation", "test")},
        "accepted_sha256": _compute_sha256(paths.accepted_records),
        "records_sha256": _compute_sha256(paths.records),
        "sources": [
            {key: source[key] for key in ("name", "licence", "teachers", "generated", "files") if key in source}
            for source in sources
        ],
        "base": drop_schema(base),
        "params": {"prompt": prompt.model_dump()},
        "git_commit": _read_git_commit(paths.root),
        "dvc_lock_sha256": _compute_sha256(paths.root / "dvc.lock") if (paths.root / "dvc.lock").exists() else None,
    }


def get_candidate_adapter(verdict: Mapping[str, Any], paths: Paths) -> Path:
    """Return the adapter of the candidate that a verdict is about: the tuned or the aligned one.

    Raises:
        ArtifactError: If it is gone.
    """
    name = verdict.get("candidate", "tuned")
    if name not in paths.list_candidates():
        raise ArtifactError(_("{folder} has no adapter; run: dvc repro align", folder=paths.aligned_adapter))
    return paths.list_candidates()[name]


def _describe_alignment(verdict: Mapping[str, Any], paths: Paths) -> dict[str, Any]:
    """Return how an aligned candidate was made: method, settings, tuned adapter before it, and preference records."""
    if verdict.get("candidate") != "aligned":
        return {}
    report = read_json(paths.align_report)
    names = ("method", "settings", "tuned_sha256", "input_sha256", "records")
    return {"alignment": {name: report[name] for name in names}}


def _build_terms(licences: list[str]) -> dict[str, Any]:
    """Return the licence obligations of a model's users, and log a warning if commercial use is not allowed."""
    summary = summarize_licences(licences)
    terms: dict[str, Any] = {name: list(names) for name, names in asdict(summary).items()}
    if summary.non_commercial:
        use = Message(
            "non-commercial use only: built from data or a model under {licences}",
            {"licences": ", ".join(summary.non_commercial)},
        )
        terms |= {f"use_{language}": text for language, text in use.to_json().items()}
        logger.warning(str(use))
    return terms


def _compute_sha256(path: Path) -> str:
    try:
        return compute_sha256(path)
    except OSError as error:
        raise ArtifactError(
            _(
                "{file} cannot be read ({error}), so the lineage is incomplete; run: dvc repro {stage}",
                file=path,
                error=error,
                stage=path.parent.name,
            )
        ) from error


def _read_git_commit(folder: Path) -> str | None:
    """Return the checked-out commit; None outside a repository."""
    try:
        completed = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return completed.stdout.strip()
