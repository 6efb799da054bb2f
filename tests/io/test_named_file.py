"""An error while a file is written names the file. Run: pytest tests/io/test_named_file.py"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from seodang.evaluation.result_log import ResultLog
from seodang.io.atomic import write_atomically
from seodang.io.jsonl import Writer
from seodang.io.os_errors import describe_os_error
from seodang.training.npy import GrowingArray

_ROW = {"text": "x" * 100_000}  # more than a buffer holds


@contextmanager
def limit_file_size(size: int) -> Iterator[None]:
    """Let writes beyond a size, in bytes, fail: like a full disk, and without root's power to make one."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def write_text(path: Path) -> None:
    write_atomically(path, ["x" * 100_000])


def write_lines(path: Path) -> None:
    with Writer(path) as writer:
        writer.write(_ROW)


def append_results(path: Path) -> None:
    with ResultLog(path, "f") as log:
        log.append([_ROW])


def write_array(path: Path) -> None:
    with GrowingArray(path, np.dtype("<i4")) as array:
        array.append(np.zeros(100_000, np.int32))


@pytest.mark.parametrize("write", [write_text, write_lines, append_results, write_array])
def test_an_error_while_writing_names_the_file(tmp_path: Path, write: Callable[[Path], None]):
    path = tmp_path / "rows"
    with limit_file_size(10_000), pytest.raises(OSError, match="File too large") as caught:
        write(path)
    assert f"{path} is larger than a file may be here" in str(describe_os_error(caught.value))
