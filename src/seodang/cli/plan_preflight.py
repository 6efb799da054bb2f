"""The part of `seodang plan` about the data: what would keep the gate from a verdict, and where the rows went."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from seodang.i18n import _

if TYPE_CHECKING:
    from seodang.config import Params
    from seodang.paths import Paths
    from seodang.preflight.checks import Preflight


def check_licences(params: Params) -> None:
    """Refuse a declared use or a name that licences forbid, before anything is downloaded or prepared.

    Raises:
        LicenceRefused: With what would be allowed.
    """
    from seodang.ingest.preferences import add_preference_sources
    from seodang.licences.refusal import require_permission
    from seodang.licences.verdict import list_parts

    sources = add_preference_sources(params.ingest, params.align).sources
    parts = list_parts(params.model.licence, [source.model_dump() for source in sources])
    require_permission(params.package.intended_use, params.package.name, parts, _("the run would be refused"))


def check_data(params: Params, paths: Paths) -> Preflight | None:
    """Return what stage preflight would find with these parameters; None before the data are prepared.

    Raises:
        SeodangError: If a split, a report or a task file cannot be used.
    """
    needed = (
        paths.base,
        paths.ingest_report,
        paths.validate_report,
        paths.prepare_report,
        paths.get_split_path("test"),
    )
    if not all(path.exists() for path in needed):
        return None
    from seodang.io.jsonl import read_json
    from seodang.preflight.checks import check_run
    from seodang.preflight.preferences import check_preferences

    result = check_run(
        params.prompt.format, params.train.max_length, params.prepare, params.evaluate, params.gate, paths
    )
    if _needs_preferences(params) and "preferences" not in read_json(paths.ingest_report):
        warning = _(
            "align.method {method}: the preference data are not prepared yet, so they are not checked; run: dvc repro"
            " prepare",
            method=params.align.method,
        )
        return replace(result, warnings=[*result.warnings, warning])
    found = check_preferences(params.prompt, params.align, paths)
    return replace(result, problems=[*result.problems, *found.problems], warnings=[*result.warnings, *found.warnings])


def _needs_preferences(params: Params) -> bool:
    """Return whether stage `align` reads preference records; the splits may come from a run without it."""
    align = params.align
    return align.method != "none" and not (align.method == "grpo" and align.reward == "rules") and bool(align.sources)


def format_preflight(result: Preflight | None) -> list[str]:
    """Return the lines for the terminal."""
    from seodang.preflight.row_table import format_rows

    if result is None:
        return [
            "",
            _("the data are not prepared yet, so rules and test items are not checked; run: dvc repro preflight"),
        ]
    lines = ["", _("rows of each source"), *format_rows(result.rows)]
    lines += ["", *(_("warning: {text}", text=warning) for warning in result.warnings)] if result.warnings else []
    if result.problems:
        lines += ["", _("the run could not end with a verdict about what it trains:")]
        lines += [f"  - {problem}" for problem in result.problems]
    return lines


def serialize_preflight(result: Preflight | None) -> dict[str, Any]:
    """Return the part of the JSON object."""
    if result is None:
        return {"problems": None, "warnings": None, "rows": None}
    return {"problems": result.problems, "warnings": result.warnings, "rows": [asdict(rows) for rows in result.rows]}
