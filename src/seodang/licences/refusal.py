"""Refuse a declared use that licences forbid, and a name that breaks a naming duty, with what would be allowed."""

from __future__ import annotations

from collections.abc import Sequence

from seodang.errors import LicenceRefused
from seodang.i18n import _
from seodang.licences.model_names import check_name
from seodang.licences.table import Use
from seodang.licences.verdict import LicenceVerdict, Part, judge_licences


def require_permission(use: Use | None, name: str, parts: Sequence[Part], consequence: str) -> LicenceVerdict:
    """Return the licence verdict if it does not forbid the use and the name meets all naming duties.

    Args:
        use: As package.intended_use declares it; None: not declared.
        name: Of the served model, package.name.
        parts: Of the model.
        consequence: Clause about what does not happen, in the user's language.

    Raises:
        LicenceRefused: With each rule that is broken, its document, and what would be allowed.
    """
    verdict = judge_licences(use, parts)
    problems = [str(problem) for problem in check_name(name, parts)]
    if verdict.status == "forbidden":
        problems += [str(finding.text) for finding in verdict.findings if finding.status == "forbidden"]
    if not problems:
        return verdict
    lines = [_("licences forbid what the parameters declare, so {consequence}:", consequence=consequence)]
    lines += [f"  - {problem}" for problem in problems]
    if verdict.instead:
        lines += [_("What would be allowed:"), *(f"  - {alternative}" for alternative in verdict.instead)]
    lines.append(_("This is no legal advice; the rules and their sources: docs/licences.md"))
    raise LicenceRefused("\n".join(lines))
