"""Count whether answers keep the forms of their requests."""

from __future__ import annotations

from seodang.service.answers.forms import AnswerForm
from seodang.service.answers.reader import AnswerPart
from seodang.service.telemetry.metered_steps import MeteredSteps


class FormCheck:
    """Reads the parts of one answer, and counts it with its last one."""

    def __init__(self, form: AnswerForm | None, steps: MeteredSteps) -> None:
        """Create it.

        Args:
            form: Of the request; without one nothing is counted.
            steps: Counts.
        """
        self._form = form
        self._steps = steps
        self._texts: list[str] = []

    def read(self, part: AnswerPart) -> None:
        """Read a part; an answer that was cut does not keep its form."""
        if self._form is None:
            return
        self._texts.append(part.text)
        if part.finish_reason is not None:
            is_valid = part.finish_reason == "stop" and self._form.is_kept_by("".join(self._texts))
            self._steps.count_form(is_valid=is_valid)
