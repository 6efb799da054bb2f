"""Descriptions of a flow's parameters in the language of the deployment: Prefect's form shows them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from prefect import Flow

from seodang.i18n import _

AnyFlow = TypeVar("AnyFlow", bound=Flow[..., Any])


def describe_parameters(**descriptions: str) -> Callable[[AnyFlow], AnyFlow]:
    """Give the parameters of a flow their descriptions, by name; `run` and `project` have some that fit most flows.

    Prefect takes them from the docstring of the flow, which is English. So the flow gets another one.
    """
    texts = {
        "run": _("What to run, and with which parameters."),
        "project": _("Folder of the project. None: the working folder, else the one of the flow."),
        **descriptions,
    }

    def describe(described: AnyFlow) -> AnyFlow:
        summary = (inspect.getdoc(described) or "").partition("\n\nArgs:")[0]
        lines = [f"    {name}: {texts[name]}" for name in inspect.signature(described.fn).parameters]
        described.__doc__ = "\n".join([summary, "", "Args:", *lines])
        return described

    return describe
