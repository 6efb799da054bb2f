"""What may be promoted: the packaged model, if gate, package, DVC and git all speak of the same weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seodang.errors import NotPromoted, RegistryError
from seodang.gate.verdict import compute_digest, drop_schema, require_promotion
from seodang.io.jsonl import read_json
from seodang.paths import Paths
from seodang.registry.git import list_uncommitted

_STAGES = ("evaluate", "gate", "package")  # the stages whose outputs a promotion rests on
_TUNED = "tuned"
_METRICS = ("accuracy", "exact_match", "chrf", "loss")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A packaged model with the verdict on it."""

    adapter_sha256: str
    weights_sha256: str
    base_sha256: str | None
    model_tag: str
    bento_tag: str
    prompt_format: str
    prompt_fingerprint: str
    items_fingerprint: str
    scores: dict[str, float | None]
    verdict: str
    verdict_sha256: str


def load_candidate(paths: Paths) -> Candidate:
    """Return what lies in artifacts/package, if the gate promoted it.

    Raises:
        NotPromoted: If the verdict is not `promote`; exit code 3.
        ArtefactError: If a report is missing.
        RegistryError: If the verdict is about other weights.
    """
    verdict = require_promotion(paths.verdict, NotPromoted, "nothing becomes champion / 챔피언을 바꾸지 않습니다")
    package = read_json(paths.package_report)
    _check_same_weights(verdict, package, paths)
    return build_candidate(verdict, package, read_json(paths.evaluate_report))


def check_reproducible(root: Path) -> None:
    """Refuse what the checked-out commit would not give again.

    Raises:
        RegistryError: If it doesn't hold what lies here, or DVC would make something anew.
    """
    _check_committed(root)
    _check_up_to_date(root)


def build_candidate(verdict: dict[str, Any], package: dict[str, Any], evaluate_report: dict[str, Any]) -> Candidate:
    """Return the candidate that three reports describe."""
    lineage = package["lineage"]
    tuned: dict[str, Any] = next((arm for arm in evaluate_report["variants"] if arm["name"] == _TUNED), {})
    return Candidate(
        adapter_sha256=lineage["adapter_sha256"],
        weights_sha256=package["weights_sha256"],
        base_sha256=lineage["base"].get("weights_sha256"),
        model_tag=package["model_tag"],
        bento_tag=package["bento_tag"],
        prompt_format=lineage["params"]["prompt"]["format"],
        prompt_fingerprint=package["fingerprint"],
        items_fingerprint=verdict["items_fingerprint"],
        scores={name: None if tuned.get(name) is None else float(tuned[name]) for name in _METRICS},
        verdict=verdict["verdict"],
        verdict_sha256=compute_digest(verdict),
    )


def _check_same_weights(verdict: dict[str, Any], package: dict[str, Any], paths: Paths) -> None:
    """Refuse a verdict that is about something else than what was packaged, or weights that are not those."""
    from seodang.models.checkpoints import compute_weights_sha256

    if drop_schema(verdict) != package["lineage"]["verdict"]:
        raise RegistryError(
            f"the verdict in {paths.verdict} is about adapter {str(verdict.get('adapter_sha256'))[:12]}, but what is packaged was promoted by another one "
            f"(adapter {package['lineage']['adapter_sha256'][:12]}); run: dvc repro package / 판정과 패키지가 서로 다릅니다"
        )
    if (weights_digest := compute_weights_sha256(paths.merged_model)) != package["weights_sha256"]:
        raise RegistryError(
            f"{paths.merged_model} has sha256 {weights_digest[:12]}, but was packaged with {package['weights_sha256'][:12]}; run: dvc checkout package / 가중치가 바뀌었습니다"
        )


def _check_committed(root: Path) -> None:
    if changed := list_uncommitted(root):
        listing = " ".join(changed[:6]) + (" ..." if len(changed) > 6 else "")
        raise RegistryError(
            f"a version is a commit, and the one checked out does not hold {listing} as it lies here; run: git add {listing} && git commit, then promote again / 커밋하지 않은 변경이 있습니다"
        )


def _check_up_to_date(root: Path) -> None:
    """Refuse what DVC would make anew: dvc.lock would name other weights, or the verdict be about another champion."""
    scripts = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}"}
    status = subprocess.run(
        [f"{scripts}/dvc", "--wait-for-lock", "status", "--json", *_STAGES],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        changed: dict[str, Any] = json.loads(status.stdout)
    except ValueError as error:
        raise RegistryError(f"dvc status failed: {status.stderr.strip()[-500:] or status.stdout[-500:]}") from error
    if changed:
        raise RegistryError(
            f"since the verdict something has changed ({format_changes(changed)}), so it is no longer about what lies here; run: dvc repro, commit dvc.lock, promote again / dvc repro가 필요합니다"
        )


def format_changes(changed: dict[str, Any]) -> str:
    """Return what `dvc status --json` found: stage, and the first files."""
    parts = []
    for stage, findings in changed.items():
        files = [
            f"{file} {state}"
            for finding in findings
            if isinstance(finding, dict)
            for group in finding.values()
            if isinstance(group, dict)
            for file, state in group.items()
        ]
        words = [finding for finding in findings if isinstance(finding, str)]
        details = [*files, *words]
        parts.append(f"{stage}: {', '.join(details[:3])}{' ...' if len(details) > 3 else ''}")
    return "; ".join(parts)
