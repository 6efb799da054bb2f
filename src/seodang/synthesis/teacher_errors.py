"""The errors that end a run: what the teacher said, and what to do."""

from __future__ import annotations

from collections.abc import Sequence

from seodang.errors import TeacherError, TeacherUnreachable
from seodang.i18n import _
from seodang.synthesis.calls import Failure


def describe_failures(failures: Sequence[Failure]) -> TeacherError:
    """Return the error of a run that ends after calls without an answer: the last one says why."""
    last = failures[-1]
    return build_unreachable(last.detail) if last.reason == "no_answer" else build_refused(last.detail)


def build_unreachable(reason: str) -> TeacherUnreachable:
    """Return the error of a teacher that may answer later."""
    return TeacherUnreachable(
        _(
            "the teacher does not answer ({reason}); the replies so far are in the journal: run the same command again, "
            "which pays for no reply twice",
            reason=reason,
        )
    )


def build_refused(reason: str) -> TeacherError:
    """Return the error of a teacher that refuses every call."""
    return TeacherError(
        _(
            "the teacher refuses the calls ({reason}); check teacher.url, teacher.model and the key in the variable "
            "that teacher.key_env names; the replies so far are in the journal",
            reason=reason,
        )
    )
