"""Reject files of unsupported kinds, with the name of the kind and the fix."""

from __future__ import annotations

import re
from typing import Final

from seodang.errors import SourceError
from seodang.i18n import N_, _
from seodang.ingest.readers.compression import BZIP2, GZIP, XZ, ZSTD
from seodang.ingest.readers.text import Head
from seodang.ingest.rows import shorten

ZIP: Final = b"PK\x03\x04"
WORKBOOK_SUFFIXES: Final = (".xlsx", ".xlsm")
_HEADER_BYTES: Final = 4096  # bytes in which the signature of a file is searched
_NAME_RECORDS: Final = N_("name the file with the records")
_EXTRACT: Final = N_("extract it and name the files in it")
_DECOMPRESS_ONCE: Final = N_("decompress it once")
_COMPRESSED_TWICE: Final = N_("compressed twice")
_SAVE_AS_XLSX: Final = N_("open it and save it as .xlsx without a password, or as CSV")
# Signature, kind of the file, fix.
_SIGNATURES: Final[tuple[tuple[bytes, str, str], ...]] = (
    (b"%PDF", N_("a PDF document"), N_("extract its records into JSONL")),
    (
        b"\xd0\xcf\x11\xe0",
        N_("an old Office file (xls, doc, hwp), or an Excel workbook with a password"),
        _SAVE_AS_XLSX,
    ),
    (b"\x89PNG", N_("an image (PNG)"), _NAME_RECORDS),
    (b"\xff\xd8\xff", N_("an image (JPEG)"), _NAME_RECORDS),
    (b"GIF8", N_("an image (GIF)"), _NAME_RECORDS),
    (b"SQLite format 3\0", N_("an SQLite database"), N_("export the table as CSV")),
    (b"7z\xbc\xaf", N_("a 7-Zip archive"), _EXTRACT),
    (b"Rar!", N_("a RAR archive"), _EXTRACT),
    (b"\x93NUMPY", N_("a NumPy array"), N_("write the records as JSONL")),
    (
        b"FEA1",
        N_("an Arrow file in the first version of Feather"),
        N_("write it again with pyarrow.feather.write_feather"),
    ),
    (b"PARE", N_("an encrypted Parquet file"), N_("write it again without encryption")),
    *((magic, _COMPRESSED_TWICE, _DECOMPRESS_ONCE) for magic in (GZIP, ZSTD, BZIP2, XZ)),
)
_WEB_PAGE: Final = re.compile(rb"\s*<(!doctype\s+html|html|head|body|\?xml|!--)", re.IGNORECASE)
_LFS_POINTER: Final = re.compile(rb"\s*version https://git-lfs\.github\.com/spec/")
_DVC_POINTER: Final = re.compile(rb"\s*(md5: \w+\s|frozen: \w+\s)*(outs|deps|wdir|stages):\s")
_DVC_PATH: Final = re.compile(rb"^\s*(?:- )?path: (.+?)\s*$", re.MULTILINE)
_TAR_SIGNATURE: Final = slice(257, 262)


def reject_unsupported(head: Head, location: str) -> None:
    """Raise a SourceError if the file is of a known unsupported kind."""
    header = head.data[:_HEADER_BYTES]
    if header.startswith(ZIP):
        raise SourceError(_describe_archive(head.data, location))
    for signature, kind, fix in _SIGNATURES:
        if header.startswith(signature):
            raise SourceError(_describe_kind(location, kind, fix))
    if header[_TAR_SIGNATURE] == b"ustar":
        raise SourceError(_describe_kind(location, N_("a tar archive"), _EXTRACT))
    if _WEB_PAGE.match(header):
        raise SourceError(
            _(
                "{path} is a web page (HTML or XML), perhaps an error or login page; fetch the file itself, with its raw"
                " URL",
                path=location,
            )
        )
    if _LFS_POINTER.match(header):
        raise SourceError(_("{path} is a Git LFS pointer, not the data; fetch the data: git lfs pull", path=location))
    if _DVC_POINTER.match(header) and (head.suffix == ".dvc" or _DVC_PATH.search(header)):
        raise SourceError(_describe_dvc_pointer(header, location))


def is_workbook(head: Head) -> bool:
    """Return whether a file is an Excel workbook (.xlsx): a zip archive with its parts."""
    return head.data.startswith(ZIP) and (b"xl/" in head.data or (head.suffix in WORKBOOK_SUFFIXES))


def _describe_kind(location: str, kind: str, fix: str) -> str:
    return _("{path} is {kind}; {fix}", path=location, kind=_(kind), fix=_(fix))


def _describe_archive(data: bytes, location: str) -> str:
    if b"[Content_Types].xml" in data or b"mimetype" in data[:_HEADER_BYTES]:
        return _describe_kind(location, N_("an Office file (docx, pptx, hwpx, ods)"), _SAVE_AS_XLSX)
    return _describe_kind(location, N_("a zip archive"), _EXTRACT)


def _describe_dvc_pointer(header: bytes, location: str) -> str:
    outs = _DVC_PATH.findall(header)
    if not outs:
        return _(
            "{path} is a DVC pointer, not the data; fetch the data (dvc pull) and name the tracked file", path=location
        )
    return _(
        "{path} is a DVC pointer, not the data; fetch the data (dvc pull) and name the tracked file ({tracked})",
        path=location,
        tracked=shorten(outs[-1].decode("utf-8", "replace")),
    )


def describe_encoding_error(data: bytes, location: str) -> str:
    """Return the message about a file in an unknown encoding, with the first line that is not UTF-8."""
    for number, line in enumerate(data.split(b"\n"), start=1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            return _(
                "{path}, line {line}, byte {byte}: this is neither UTF-8 nor CP949 nor UTF-16; save it as UTF-8",
                path=location,
                line=number,
                byte=error.start + 1,
            )
    return _("{path} is not UTF-8; save it as UTF-8", path=location)
