"""Fixtures of the tests of room `release`: HAProxy between two servers."""

from __future__ import annotations

import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from seodang.paths import Paths
from seodang.registry.champion import write_champion
from seodang.registry.history import RegistryEvent, append_event
from seodang.release.router import Router, find_program, write_config

RunRouter = Callable[[Path, int, int], AbstractContextManager[tuple[Router, str]]]
_START_SECONDS = 60


@pytest.fixture(scope="session")
def run_router(find_free_port: Callable[[], int]) -> RunRouter:
    """Runs HAProxy in a folder before the ports of two servers; yields the router and its URL.

    The test is skipped where HAProxy is not installed.
    """
    if shutil.which("haproxy") is None:
        pytest.skip("no HAProxy is installed: apt-get install haproxy")

    @contextmanager
    def run_router(folder: Path, reference: int, candidate: int) -> Iterator[tuple[Router, str]]:
        port = find_free_port()
        config = write_config(folder, address="127.0.0.1", port=port, reference=reference, candidate=candidate)
        with (folder / "haproxy.log").open("wb") as log:
            command = [find_program(), "-db", "-f", config.name]
            process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_until_answered(f"{url}/readyz", folder)
            yield Router(folder), url
        finally:
            process.terminate()
            process.wait(30)

    return run_router


def _wait_until_answered(url: str, folder: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=10):
                return
        except OSError:
            time.sleep(0.05)
    pytest.fail(f"the router did not answer:\n{(folder / 'haproxy.log').read_text()}")


@pytest.fixture
def two_versions(tmp_path, build_champion):
    """A registry in which v0.2.0 with tiny:2 took the place of v0.1.0 with tiny:1."""
    paths = Paths(tmp_path)
    champions = [build_champion(f"v0.{n}.0").model_copy(update={"model_tag": f"tiny:{n}"}) for n in (1, 2)]
    for champion, previous in zip(champions, (None, "v0.1.0"), strict=True):
        append_event(
            paths.history, RegistryEvent(action="promote", previous=previous, best=[], **champion.model_dump())
        )
    write_champion(paths.champion, champions[1], [])
    return paths
