"""Compile the form of an answer beside the event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from seodang.i18n import _
from seodang.inference.engine.contract import Guide, GuideFailed, QueueFull
from seodang.inference.guides.compiler import GuideCompiler
from seodang.inference.guides.grammars import build_grammar
from seodang.service.answers.forms import AnswerForm
from seodang.service.http.api_error import ApiError, build_busy_error, reject_field

_SECONDS: Final = 10
# A few threads: a form that needs long to compile delays other forms, but no other request.
_THREADS: Final = ThreadPoolExecutor(max_workers=2, thread_name_prefix="seodang-guides")


async def compile_form(compiler: GuideCompiler, form: AnswerForm | None, prefix: str = "") -> Guide | None:
    """Return the guide of a form; None if an answer has none.

    Args:
        compiler: Of the model.
        form: Of the request.
        prefix: Text before each answer of the model's prompt format.

    Raises:
        ApiError: With the status 400, if the form cannot be kept; with 429, if too many forms are in use.
    """
    if form is None:
        return None

    def compile() -> Guide:
        body = form.build()
        return compiler.compile(body if form.is_grammar else build_grammar(body, prefix))

    loop = asyncio.get_running_loop()
    try:
        await loop.run_in_executor(None, compiler.prepare)
        return await asyncio.wait_for(loop.run_in_executor(_THREADS, compile), _SECONDS)
    except TimeoutError as error:
        raise reject_form(form.field, GuideFailed(_("it needs too long to compile"))) from error
    except QueueFull as error:
        raise build_busy_error() from error
    except GuideFailed as error:
        raise reject_form(error.field or form.field, error) from error


def reject_form(field: str | None, error: GuideFailed) -> ApiError:
    """Return the error of a form that cannot be kept."""
    return reject_field(field or "response_format", _("the answer cannot be kept to this form: {error}", error=error))
