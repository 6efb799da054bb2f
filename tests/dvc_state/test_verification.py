"""A flipped byte in DVC's cache is found before a stage reads it; what is missing after a partial push is named."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from seodang.dvc_state.verification import verify_inputs
from seodang.errors import ArtifactError
from seodang.paths import Paths

_PIPELINE = """
stages:
  first:
    cmd: mkdir -p artifacts/first/folder && echo one > artifacts/first/file.txt && echo two > artifacts/first/folder/two.txt
    deps: [in.txt]
    outs: [artifacts/first/file.txt, artifacts/first/folder]
  second:
    cmd: cat artifacts/first/file.txt artifacts/first/folder/two.txt > artifacts/second.txt
    deps: [artifacts/first]
    outs: [artifacts/second.txt]
"""

pytestmark = pytest.mark.slow


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    author = {
        "GIT_AUTHOR_NAME": "t",
        "GIT_AUTHOR_EMAIL": "t@l",
        "GIT_COMMITTER_NAME": "t",
        "GIT_COMMITTER_EMAIL": "t@l",
    }
    return subprocess.run(words, cwd=folder, env={**os.environ, **author}, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with two stages that have run, and a remote that has everything."""
    folder = tmp_path_factory.mktemp("made") / "project"
    folder.mkdir()
    (folder / "dvc.yaml").write_text(_PIPELINE)
    (folder / "in.txt").write_text("in")
    (folder / ".gitignore").write_text("/artifacts/\n")
    for words in (
        ["git", "init", "-q"],
        ["dvc", "init", "-q"],
        ["dvc", "remote", "add", "-q", "-d", "store", str(folder.parent / "store")],
        ["dvc", "repro", "-q"],
        ["dvc", "push", "-q"],
        ["git", "add", "."],
        ["git", "commit", "-q", "-m", "start"],
    ):
        done = run(folder, *words)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("name", ["file.txt", "folder/two.txt"])
def test_a_flipped_byte_in_the_cache_is_found_and_the_command_in_the_message_mends_it(made, tmp_path, name):
    project = tmp_path / "project"
    subprocess.run(["cp", "-r", str(made), str(project)], check=True)
    paths, cache = Paths(project), project / ".dvc" / "cache"
    verify_inputs("second", paths, cache)
    good = (project / "artifacts" / "first" / name).read_bytes()
    (stored,) = [file for file in cache.rglob("*") if file.is_file() and file.read_bytes() == good]
    stored.chmod(0o644)
    stored.write_bytes(good.replace(b"o", b"p"))
    stored.chmod(0o444)
    (project / "artifacts" / "first" / name).unlink()
    assert run(project, "dvc", "checkout", "first").returncode == 0
    assert (project / "artifacts" / "first" / name).read_bytes() != good  # DVC has not found it
    with pytest.raises(ArtifactError, match=rf"artifacts/first/{name} is not what stage first wrote") as raised:
        verify_inputs("second", paths, cache)
    command = str(raised.value).partition("make it again: ")[2]
    assert run(project, "bash", "-c", command).returncode == 0
    assert (project / "artifacts" / "first" / name).read_bytes() == good
    verify_inputs("second", paths, cache)


def test_a_pull_after_a_partial_push_names_what_is_missing(made, tmp_path):
    remote = tmp_path / "store"
    subprocess.run(["cp", "-r", str(made.parent / "store"), str(remote)], check=True)
    (missing,) = [file for file in remote.rglob("*") if file.is_file() and file.read_bytes() == b"one\n"]
    missing.unlink()
    clone = tmp_path / "clone"
    assert run(tmp_path, "git", "clone", "-q", str(made), str(clone)).returncode == 0
    run(clone, "dvc", "remote", "modify", "--local", "store", "url", str(remote))
    done = run(clone, "dvc", "pull")
    assert done.returncode != 0
    assert "artifacts/first/file.txt" in done.stdout + done.stderr
    assert not (clone / "artifacts" / "first" / "file.txt").exists()
    assert (clone / "artifacts" / "second.txt").read_text() == "one\ntwo\n"
    again = run(made, "dvc", "push", "--remote", "store")
    assert again.returncode == 0
