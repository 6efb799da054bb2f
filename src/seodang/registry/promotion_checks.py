"""Whether the packaged model can be promoted, and as which version: asked before anything changes."""

from __future__ import annotations

from collections.abc import Sequence

from seodang.errors import RegistryError
from seodang.i18n import _
from seodang.paths import Paths
from seodang.registry.candidate import Candidate, check_reproducible, load_candidate
from seodang.registry.champion import Champion, format_version, read_champion
from seodang.registry.git import check_on_branch, get_head
from seodang.registry.history import RegistryEvent, find_event_by_weights, read_history
from seodang.registry.tag_check import check_tags, read_tagged_revisions
from seodang.registry.tags import compute_next_version, is_version, list_versions


def find_next_version(paths: Paths, message: str | None, version: str | None) -> str | None:
    """Return the version that `promote` would give, or None if the model is already champion; nothing changes.

    Raises:
        SeodangError: Whatever `promote` would raise.
    """
    check_on_branch(paths.root)
    current = read_champion(paths.champion)
    assigned = check_promotion(paths, load_candidate(paths), current, message, version)
    return assigned[0] if assigned else None


def check_promotion(
    paths: Paths, candidate: Candidate, current: Champion | None, message: str | None, version: str | None
) -> tuple[str, str] | None:
    """Return version and revision for a candidate, or None if it is already champion."""
    if current is not None and current.weights_sha256 == candidate.weights_sha256:
        return None
    history = read_history(paths.history)
    check_reproducible(paths.root)
    check_tags(paths.root, history)
    existing = find_event_by_weights(history, candidate.weights_sha256)
    if message is None and existing is not None:
        _check_not_rolled_back(history, existing.version)
    return _assign_version(paths, version, existing, [event.version for event in history])


def _check_not_rolled_back(history: list[RegistryEvent], version: str) -> None:
    """Raise an error for a version that was rolled back: its promotion needs a reason besides the verdict."""
    rollback_event = next(
        (event for event in reversed(history) if event.action == "rollback" and event.previous == version), None
    )
    if rollback_event is not None:
        raise RegistryError(
            _(
                "{author} rolled back from {version} on {date}: {message}\n"
                "To promote it again, give a reason: seodang registry promote --message TEXT",
                author=rollback_event.author,
                version=version,
                date=rollback_event.created_at[:10],
                message=rollback_event.message,
            )
        )


def _assign_version(
    paths: Paths, requested_version: str | None, existing: RegistryEvent | None, recorded: Sequence[str]
) -> tuple[str, str]:
    """Return version and revision of a candidate; registered weights keep both, and no version is given twice."""
    if existing is not None:
        if requested_version is not None and format_version(requested_version) != existing.version:
            raise RegistryError(
                _("these weights are already registered as {version}; omit --version", version=existing.version)
            )
        return existing.version, existing.revision
    revision, versions = get_head(paths.root), list_versions(paths.root)
    # A killed promotion leaves a tag without a record; this promotion then finishes it.
    at_head = (one.version for one in versions if one.revision == revision and one.version not in recorded)
    head_version = next(at_head, None)
    if head_version and requested_version is None:
        return head_version, revision
    known = list(dict.fromkeys([*recorded, *read_tagged_revisions(paths.root)]))
    return compute_next_version([version for version in known if is_version(version)], requested_version), revision
