"""Progress of `seodang generate`: a bar on a terminal, else a line now and then; for flows, a file."""

from __future__ import annotations

import logging
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from seodang.cli.generate_format import format_money
from seodang.i18n import _

if TYPE_CHECKING:
    from tqdm import tqdm

    from seodang.config.recipe import GenerateParams
    from seodang.synthesis.run import Progress

logger = logging.getLogger(__name__)

_FILE_VARIABLE: Final = "SEODANG_PROGRESS_FILE"
_FILE_SECONDS = 1.0  # from one content of that file to the next
_LINE_SECONDS = 30.0  # without a bar, from one line to the next


@contextmanager
def show_progress(params: GenerateParams) -> Iterator[Callable[[Progress], None]]:
    """Yield what takes the progress of a run and shows it."""
    view = _View(params)
    try:
        yield view.show
    finally:
        view.close()


class _View:
    def __init__(self, params: GenerateParams) -> None:
        self._params = params
        self._bar: tqdm[Any] | None = None
        self._line_time = time.monotonic()
        self._file_time = -math.inf
        name = os.environ.get(_FILE_VARIABLE)
        self._file = Path(name) if name else None

    def show(self, progress: Progress) -> None:
        """Move the bar, or log a line if the last one is old; write the file for flows, if there is one."""
        self._write_file(progress)
        if sys.stderr.isatty():
            self._move_bar(progress)
        elif time.monotonic() - self._line_time >= _LINE_SECONDS or progress.done >= progress.total:
            self._line_time = time.monotonic()
            logger.info(self._describe(progress))

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()

    def _move_bar(self, progress: Progress) -> None:
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(
                desc=_("asked"),
                total=progress.total,
                initial=progress.done - 1,
                unit=_(" calls"),
                leave=False,
                dynamic_ncols=True,
            )
        self._bar.set_postfix_str(
            _("failed {failed}, {spent}", failed=progress.failed, spent=self._describe_spent(progress)), refresh=False
        )
        self._bar.update(progress.done - self._bar.n)

    def _describe(self, progress: Progress) -> str:
        return _(
            "asked {done} of {total}, failed {failed}, {spent}",
            done=f"{progress.done:,}",
            total=f"{progress.total:,}",
            failed=f"{progress.failed:,}",
            spent=self._describe_spent(progress),
        )

    def _describe_spent(self, progress: Progress) -> str:
        tokens = _("tokens {tokens}", tokens=f"{progress.tokens.total:,}")
        money = format_money(progress.cost, self._params.prices)
        return f"{tokens}, {money}" if money else tokens

    def _write_file(self, progress: Progress) -> None:
        if self._file is None or (
            time.monotonic() - self._file_time < _FILE_SECONDS and progress.done < progress.total
        ):
            return
        from seodang.io.jsonl import write_json

        self._file_time = time.monotonic()
        write_json(
            self._file, {"step": progress.done, "steps": max(progress.total, 1), "text": self._describe(progress)}
        )
