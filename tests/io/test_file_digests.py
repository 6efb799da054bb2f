"""Large files are read once, and again when they have changed. Run: pytest tests/io/test_file_digests.py"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import pytest

from seodang.io import file_digests
from seodang.io.file_digests import VARIABLE, compute_known_sha256, share_digests

CONTENT = b"a" * 2**20
SETTLED = 10  # seconds


@pytest.fixture(autouse=True)
def reads(monkeypatch):
    """The files that were read; nothing is known at the beginning."""
    reads = []
    compute = file_digests.compute_sha256
    monkeypatch.setattr(file_digests, "compute_sha256", lambda path: reads.append(path.name) or compute(path))
    monkeypatch.setattr(file_digests, "_known", {})
    monkeypatch.setattr(file_digests, "_has_inherited", False)
    monkeypatch.setenv(VARIABLE, "{}")
    return reads


@pytest.fixture
def settle(monkeypatch):
    """Lets changes count as long ago."""
    now = file_digests.time.time_ns
    monkeypatch.setattr(file_digests.time, "time_ns", lambda: now() + SETTLED * 10**9)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(CONTENT)
    return path


def test_a_file_is_read_once_also_by_another_name(file, reads, settle):
    link = file.with_name("link")
    link.symlink_to(file)
    digests = {compute_known_sha256(path) for path in (file, file, link)}
    assert digests == {hashlib.sha256(CONTENT).hexdigest()}
    assert reads == [file.name]


def test_a_file_that_changed_is_read_again_although_size_and_time_are_the_same(file, reads, settle):
    compute_known_sha256(file)
    status = file.stat()
    file.write_bytes(b"b" + CONTENT[1:])
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert compute_known_sha256(file) == hashlib.sha256(b"b" + CONTENT[1:]).hexdigest()
    replacement = file.with_name("other")
    replacement.write_bytes(b"c" + CONTENT[1:])
    os.utime(replacement, ns=(status.st_atime_ns, status.st_mtime_ns))
    replacement.replace(file)
    assert compute_known_sha256(file) == hashlib.sha256(b"c" + CONTENT[1:]).hexdigest()
    assert reads == [file.name] * 3


def test_a_file_that_changed_just_now_is_read_again(file, reads):
    compute_known_sha256(file)
    compute_known_sha256(file)
    assert reads == [file.name] * 2


def test_a_small_file_is_always_read(tmp_path, reads, settle):
    path = tmp_path / "config.json"
    path.write_bytes(CONTENT[1:])
    for _ in range(2):
        compute_known_sha256(path)
    assert reads == ["config.json"] * 2


@pytest.mark.parametrize("value", ["", "{", "[]", '{"a": 1}', "null"])
def test_a_damaged_variable_costs_only_time(file, reads, settle, monkeypatch, value):
    monkeypatch.setenv(VARIABLE, value)
    assert compute_known_sha256(file) == hashlib.sha256(CONTENT).hexdigest()
    assert reads == [file.name]


def test_a_process_that_is_started_does_not_read_it(file, settle):
    expected = compute_known_sha256(file)
    share_digests()
    code = (
        "import sys; from pathlib import Path; from seodang.io import file_digests\n"
        "file_digests.compute_sha256 = None\n"
        "print(file_digests.compute_known_sha256(Path(sys.argv[1])))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-c", code, str(file)], env=environment, capture_output=True, text=True)
    assert run.stdout.strip() == expected, run.stderr


def test_a_file_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        compute_known_sha256(tmp_path / "nothing")
