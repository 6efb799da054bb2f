"""A zip archive is read like a folder; a damaged, encrypted or oversized one is refused."""

from __future__ import annotations

import zipfile

import pytest

from seodang.errors import SourceError
from seodang.ingest.fetch.archives import expand_archives
from seodang.ingest.fetch.files import LocalFile

LINE = '{"instruction": "수도는?", "output": "서울"}\n'


@pytest.fixture
def expand(tmp_path):
    """Returns a function that writes an archive, expands it, and returns location -> content."""

    def write(members, name="a.zip"):
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, content in members.items():
                archive.writestr(member, content)
        return run(tmp_path / name)

    def run(path):
        files = expand_archives([LocalFile(path, f"data/{path.name}", None)], tmp_path / "cache")
        return {file.location: file.path.read_text("utf-8") for file in files}

    write.run = run
    return write


def test_an_archive_of_one_file_is_like_a_compressed_file(expand):
    assert expand({"faq.jsonl": LINE, "README.md": "x", "__MACOSX/._faq.jsonl": "x"}) == {"data/a.zip": LINE}


def test_all_data_files_of_an_archive_are_read(expand):
    found = expand({"b/train.jsonl": LINE, "b/test.jsonl": LINE, "picture.png": "x"})
    assert found == {"data/a.zip/b/test.jsonl": LINE, "data/a.zip/b/train.jsonl": LINE}


def test_names_in_an_archive_cannot_leave_the_cache(expand, tmp_path):
    expand({"../../outside.jsonl": LINE, "/etc/b.jsonl": LINE})
    assert not list(tmp_path.parent.glob("outside.jsonl"))
    assert all((tmp_path / "cache") in path.parents for path in tmp_path.rglob("*.jsonl"))


def test_an_archive_without_a_data_file_names_its_files(expand):
    with pytest.raises(SourceError, match=r"data/a.zip is a zip archive without a data file; its files: a.png, b.png"):
        expand({"a.png": "x", "b.png": "y"})


def test_an_encrypted_archive_is_refused(expand, tmp_path):
    expand({"faq.jsonl": LINE})
    content = bytearray((tmp_path / "a.zip").read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    (tmp_path / "b.zip").write_bytes(content)
    with pytest.raises(SourceError, match=r"data/b.zip is a zip archive with a password"):
        expand.run(tmp_path / "b.zip")


def test_a_truncated_archive_is_refused(expand, tmp_path):
    expand({"faq.jsonl": LINE * 100})
    (tmp_path / "b.zip").write_bytes((tmp_path / "a.zip").read_bytes()[:40])
    with pytest.raises(SourceError, match=r"data/b.zip is a zip archive, and truncated or damaged"):
        expand.run(tmp_path / "b.zip")


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damaged_data_in_an_archive_is_no_matter_of_the_disk(expand, tmp_path, method):
    with zipfile.ZipFile(tmp_path / "b.zip", "w", method) as archive:
        archive.writestr("faq.jsonl", LINE * 100)
    content = bytearray((tmp_path / "b.zip").read_bytes())
    start = len("faq.jsonl") + 30  # of the data, behind the local header
    content[start : start + 24] = b"\xff" * 24
    (tmp_path / "b.zip").write_bytes(content)
    with pytest.raises(SourceError, match=r"data/b.zip is a zip archive, and truncated or damaged"):
        expand.run(tmp_path / "b.zip")


def test_an_archive_in_another_compression_is_not_called_damaged(expand, tmp_path):
    expand({"faq.jsonl": LINE})
    content = bytearray((tmp_path / "a.zip").read_bytes())
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        content[content.index(signature) + offset] = 9  # Deflate64, in which Windows packs large files
    (tmp_path / "b.zip").write_bytes(content)
    with pytest.raises(SourceError, match=r"cannot be read here \(.*\); extract it and name the files in it"):
        expand.run(tmp_path / "b.zip")


def test_an_archive_that_expands_to_far_more_than_data_is_refused(expand, tmp_path):
    with (
        zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.csv", "w") as member,
    ):
        for _ in range(300):
            member.write(bytes(2**20))
    with pytest.raises(SourceError, match="looks like a decompression bomb"):
        expand.run(tmp_path / "bomb.zip")
    assert not (tmp_path / "cache").exists()
