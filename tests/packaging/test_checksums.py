"""Whatever changes in a packaged model is refused with its name. Run: pytest tests/packaging/test_checksums.py"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from seodang.errors import ModelError
from seodang.packaging.checksums import CHECKSUMS_NAME, has_checksums, verify_checksums, write_checksums

FILES = ("model.safetensors", "tokenizer.json", "chat_template.jinja", "generation_config.json", "seodang.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the names of a packaged model's files."""
    folder = tmp_path / "model"
    (folder / "adapters").mkdir(parents=True)
    for name in (*FILES, "config.json", "adapters/adapter_config.json"):
        (folder / name).write_bytes(b"content of " + name.encode() * 2000)
    write_checksums(folder)
    return folder


def refuse(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        verify_checksums(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_an_untouched_folder_passes_and_so_does_its_copy_in_bentomls_store(folder, tmp_path):
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    (copy / "model.yaml").write_text("name: tiny", "utf-8")
    (copy / ".DS_Store").touch()
    assert verify_checksums(copy) == verify_checksums(folder)
    assert {*FILES, "adapters/adapter_config.json"} <= set(verify_checksums(folder))


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_refused_with_its_name(folder, name):
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)
    assert f"(changed: {name})" in refuse(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused_with_its_name(folder, name):
    (folder / name).unlink()
    assert f"(missing: {name})" in refuse(folder)


@pytest.mark.parametrize("name", ["model-00002-of-00002.safetensors", "modeling_x.py", "added_tokens.json", "a/b.json"])
def test_an_added_file_is_refused_with_its_name(folder, name):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"{}")
    assert f"(not packaged: {name})" in refuse(folder)


def test_a_truncated_file_a_link_to_nothing_and_a_folder_in_its_place_are_changes(folder):
    (folder / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes()[:-5])
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to(folder / "nowhere")
    (folder / "seodang.json").unlink()
    (folder / "seodang.json").mkdir()
    message = refuse(folder)
    assert "changed: config.json, tokenizer.json" in message
    assert "missing: seodang.json" in message


def test_a_message_names_a_few_of_many_files_and_no_control_character(folder):
    for number in range(50):
        (folder / f"extra{number:02}\x1b[31m\n").touch()
    message = refuse(folder)
    assert "and 47 more" in message
    assert "\x1b" not in message
    assert len(message) < 600


def test_a_model_of_an_older_version_is_refused_with_the_way_out(folder):
    (folder / CHECKSUMS_NAME).unlink()
    assert not has_checksums(folder)
    message = refuse(folder)
    assert CHECKSUMS_NAME in message
    assert "dvc repro --force package" in message


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"abc  model.safetensors\n", b"\0" * 100])
def test_a_damaged_list_is_refused_with_its_name(folder, content):
    (folder / CHECKSUMS_NAME).write_bytes(content)
    assert CHECKSUMS_NAME in refuse(folder)


def test_the_list_is_one_that_sha256sum_checks(folder):
    if shutil.which("sha256sum") is None:
        pytest.skip("sha256sum is not installed")
    command = ["sha256sum", "--check", "--strict", "--quiet", CHECKSUMS_NAME]
    assert subprocess.run(command, cwd=folder, check=False, capture_output=True).returncode == 0
    (folder / "config.json").write_bytes(b"x")
    assert subprocess.run(command, cwd=folder, check=False, capture_output=True).returncode == 1


def test_messages_follow_the_language(folder, monkeypatch):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    (folder / "config.json").unlink()
    assert "없음: config.json" in refuse(folder)
