"""What is wrong with the teacher, and what to do: the errors that end a run, and a usage beyond what is reserved."""

from __future__ import annotations

from collections.abc import Sequence

from seodang.errors import TeacherError, TeacherUnreachable
from seodang.i18n import _
from seodang.synthesis.budget import Tokens
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


def describe_excess(reserved: Tokens, used: Tokens) -> str:
    """Return the warning about the first call that used more tokens than were reserved for it."""
    return _(
        "a call used more tokens than were reserved for it (prompt {prompt} of {most_prompt}, reply {reply} of "
        "{most_reply}), such as hidden reasoning; later calls reserve more by this ratio, but those in flight may exceed "
        "the budget: switch reasoning off at the teacher, or lower limits.concurrency",
        prompt=f"{used.prompt:,}",
        most_prompt=f"{reserved.prompt:,}",
        reply=f"{used.reply:,}",
        most_reply=f"{reserved.reply:,}",
    )
