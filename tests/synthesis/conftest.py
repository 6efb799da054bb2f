"""A teacher on a loopback port, and runs that ask it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fixtures.servers import RunHandler
from tests.synthesis.scripted_recipe import PARAMS
from tests.synthesis.teacher_server import TeacherServer, build_handler

from seodang.config.recipe import GenerateParams
from seodang.synthesis import dispatcher


@pytest.fixture(autouse=True)
def short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher, "_BACKOFF_SECONDS", 0.01)


@pytest.fixture
def teacher(run_handler: RunHandler) -> Iterator[TeacherServer]:
    """A teacher that counts; a test sets its script."""
    server = TeacherServer()
    with run_handler(build_handler(server)) as port:
        server.url = f"http://127.0.0.1:{port}/v1"
        yield server


@pytest.fixture
def make_params(teacher: TeacherServer) -> Callable[..., GenerateParams]:
    """Builds parameters for the teacher; a keyword such as limits={"attempts": 1} changes fields of a section."""

    def make_params(**changes: dict[str, Any] | None) -> GenerateParams:
        raw: dict[str, Any] = copy.deepcopy(PARAMS)
        raw["teacher"]["url"] = teacher.url
        raw["teacher"]["is_idempotent"] = teacher.is_idempotent
        for name, fields in changes.items():
            raw[name] = {**(raw[name] or {}), **fields} if fields is not None else None
        return GenerateParams.model_validate(raw)

    return make_params


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture
def read_jsonl() -> Callable[[Path], list[dict[str, Any]]]:
    return read_lines
