"""Load the model that may be promoted: gate, package, DVC and git must agree about its weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seodang.errors import NotPromoted, RegistryError
from seodang.gate.rules import describe_subject
from seodang.gate.verdict import VERDICT_LABELS, compute_digest, drop_schema, require_promotion
from seodang.i18n import _
from seodang.io.jsonl import read_json
from seodang.metric_registry import SUMMARY_METRICS
from seodang.paths import Paths
from seodang.registry.git import describe_dvc_failure, list_uncommitted
from seodang.registry.ledger.recording import read_ledger

_STAGES = ("evaluate", "gate", "package")  # a promotion depends on the outputs of these stages
_TUNED = "tuned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A packaged model and its verdict."""

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
    """Return the packaged model of artifacts/package if the gate promoted it.

    Raises:
        NotPromoted: If the verdict is not `promote`, or says nothing about the trained tasks; exit code 3.
        ArtifactError: If a report is missing.
        RegistryError: If the verdict belongs to other weights.
    """
    verdict = require_promotion(paths.verdict, NotPromoted, _("the champion stays the same"))
    _check_coverage(verdict, paths)
    _check_judgement(verdict, paths)
    package = read_json(paths.package_report)
    _check_same_weights(verdict, package, paths)
    return build_candidate(verdict, package, read_json(paths.evaluate_report))


def _check_coverage(verdict: Mapping[str, Any], paths: Paths) -> None:
    """Raise an error if the verdict does not say which trained tasks it is about."""
    if "trained_tasks" not in verdict:
        raise NotPromoted(
            _(
                "the verdict in {file} does not say which trained tasks it is about, so the champion stays the same; "
                "run: dvc repro gate",
                file=paths.verdict,
            )
        )


def _check_judgement(verdict: Mapping[str, Any], paths: Paths) -> None:
    """Raise an error if the ledger does not have the verdict: it was edited, or its judgement was deleted."""
    name = verdict.get("judgement")
    judgements = [judgement for judgement in read_ledger(paths.ledger) if judgement.candidate == name]
    if any(judgement.verdict == "promote" for judgement in judgements):
        return
    raise NotPromoted(
        _(
            "the verdict in {file} is promote, but {ledger} has {found}, so the champion stays the same; run: dvc repro --force gate",
            file=paths.verdict.relative_to(paths.root),
            ledger=paths.ledger.relative_to(paths.root),
            found=_("the verdict {verdict}", verdict=_(VERDICT_LABELS[judgements[-1].verdict]))
            if judgements
            else _("no such judgement"),
        )
    )


def check_reproducible(root: Path) -> None:
    """Raise an error if the checked-out commit would not reproduce the working tree.

    Raises:
        RegistryError: If there are uncommitted changes, or DVC would run a stage again.
    """
    _check_committed(root)
    _check_up_to_date(root)


def build_candidate(verdict: dict[str, Any], package: dict[str, Any], evaluate_report: dict[str, Any]) -> Candidate:
    """Return the candidate that the verdict and two stage reports describe."""
    lineage = package["lineage"]
    name = verdict.get("candidate", _TUNED)
    tuned: dict[str, Any] = next((variant for variant in evaluate_report["variants"] if variant["name"] == name), {})
    return Candidate(
        adapter_sha256=lineage["adapter_sha256"],
        weights_sha256=package["weights_sha256"],
        base_sha256=lineage["base"].get("weights_sha256"),
        model_tag=package["model_tag"],
        bento_tag=package["bento_tag"],
        prompt_format=lineage["params"]["prompt"]["format"],
        prompt_fingerprint=package["fingerprint"],
        items_fingerprint=verdict["items_fingerprint"],
        scores=collect_scores(tuned, verdict["results"]),
        verdict=verdict["verdict"],
        verdict_sha256=compute_digest(verdict),
    )


def collect_scores(tuned: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Return the scores of the rules on the rules' own items first, then the means over all test items.

    Args:
        tuned: Summary of the candidate, with a mean of each metric.
        results: Of the verdict's rules.

    Returns:
        Score by the subject of a rule, such as "chrf faq" or "accuracy [ko]", then by each other metric of a summary.

    """
    scores: dict[str, float | None] = {}
    for result in results:
        # The rules of params.yaml come first; a default rule of several tasks may have the same subject.
        subject = describe_subject(result["metric"], result["tasks"], result["group"])
        scores.setdefault(subject, float(result["candidate"]))
    for name in SUMMARY_METRICS:
        scores.setdefault(name, None if tuned.get(name) is None else float(tuned[name]))
    return scores


def _check_same_weights(verdict: dict[str, Any], package: dict[str, Any], paths: Paths) -> None:
    """Raise an error if the verdict or the weights differ from those that were packaged."""
    from seodang.models.checkpoints import compute_weights_sha256

    if drop_schema(verdict) != package["lineage"]["verdict"]:
        raise RegistryError(
            _(
                "the verdict in {file} belongs to adapter {adapter}, but the packaged model has another verdict (adapter"
                " {packaged}); run: dvc repro package",
                file=paths.verdict,
                adapter=str(verdict.get("adapter_sha256"))[:12],
                packaged=package["lineage"]["adapter_sha256"][:12],
            )
        )
    if (weights_digest := compute_weights_sha256(paths.merged_model)) != package["weights_sha256"]:
        raise RegistryError(
            _(
                "the weights in {folder} changed: they have sha256 {actual}, but were packaged with {expected}; run:"
                " dvc checkout package",
                folder=paths.merged_model,
                actual=weights_digest[:12],
                expected=package["weights_sha256"][:12],
            )
        )


def _check_committed(root: Path) -> None:
    if changed := list_uncommitted(root):
        listing = " ".join(changed[:6]) + (" ..." if len(changed) > 6 else "")
        raise RegistryError(
            _(
                "there are uncommitted changes, and a version is a commit: {files}; run: git add {files} && git commit,"
                " then promote again",
                files=listing,
            )
        )


def _check_up_to_date(root: Path) -> None:
    """Raise an error if DVC would run a stage again: the weights or the champion may then differ from the verdict's."""
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
        details = describe_dvc_failure(root, status.stderr)[-500:] or status.stdout[-500:]
        raise RegistryError(_("dvc status failed: {error}", error=details)) from error
    if changed:
        raise RegistryError(
            _(
                "the verdict is out of date, because files changed after it ({changes}); run: dvc repro, commit dvc.lock,"
                " then promote again",
                changes=format_changes(changed),
            )
        )


def format_changes(changed: dict[str, Any]) -> str:
    """Return the changed stages of `dvc status --json`, each with its first files."""
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
