"""Reject files of unsupported kinds and encodings, with the name of the kind and the fix."""

from __future__ import annotations

import re
import shlex
from typing import Final

from seodang.errors import SourceError
from seodang.i18n import N_, _
from seodang.ingest.readers.text import GZIP, ZSTD, Head
from seodang.ingest.rows import shorten

_HEADER_BYTES: Final = 4096  # bytes in which the signature of a file is searched
_NAME_RECORDS: Final = N_("name the file with the records")
_EXTRACT: Final = N_("extract it and name the files in it")
_DECOMPRESS_ONCE: Final = N_("decompress it once")
_COMPRESSED_TWICE: Final = N_("compressed twice")
_SAVE_AS_CSV: Final = N_("open it and save it as CSV UTF-8")
# Signature, kind of the file, fix.
_SIGNATURES: Final[tuple[tuple[bytes, str, str], ...]] = (
    (b"%PDF", N_("a PDF document"), N_("extract its records into JSONL")),
    (b"\xd0\xcf\x11\xe0", N_("an old Office file (xls, doc, hwp)"), _SAVE_AS_CSV),
    (b"\x89PNG", N_("an image (PNG)"), _NAME_RECORDS),
    (b"\xff\xd8\xff", N_("an image (JPEG)"), _NAME_RECORDS),
    (b"GIF8", N_("an image (GIF)"), _NAME_RECORDS),
    (b"SQLite format 3\0", N_("an SQLite database"), N_("export the table as CSV")),
    (b"BZh", N_("compressed with bzip2"), N_("decompress it (bunzip2), or compress it with gzip")),
    (b"\xfd7zXZ", N_("compressed with xz"), N_("decompress it (unxz), or compress it with gzip")),
    (b"7z\xbc\xaf", N_("a 7-Zip archive"), _EXTRACT),
    (b"Rar!", N_("a RAR archive"), _EXTRACT),
    (b"\x93NUMPY", N_("a NumPy array"), N_("write the records as JSONL")),
    (
        b"FEA1",
        N_("an Arrow file in the first version of Feather"),
        N_("write it again with pyarrow.feather.write_feather"),
    ),
    (b"PARE", N_("an encrypted Parquet file"), N_("write it again without encryption")),
    (GZIP, _COMPRESSED_TWICE, _DECOMPRESS_ONCE),
    (ZSTD, _COMPRESSED_TWICE, _DECOMPRESS_ONCE),
)
_WEB_PAGE: Final = re.compile(rb"\s*<(!doctype\s+html|html|head|body|\?xml|!--)", re.IGNORECASE)
_LFS_POINTER: Final = re.compile(rb"\s*version https://git-lfs\.github\.com/spec/")
_DVC_POINTER: Final = re.compile(rb"\s*(md5: \w+\s|frozen: \w+\s)*(outs|deps|wdir|stages):\s")
_DVC_PATH: Final = re.compile(rb"^\s*(?:- )?path: (.+?)\s*$", re.MULTILINE)
_TAR_SIGNATURE: Final = slice(257, 262)

# Minimum ratio of invalid bytes to the characters of a file in another encoding, which also has more invalid bytes than
# valid characters beyond ASCII. Fewer invalid bytes make only their rows malformed.
_MALFORMED_RATIO: Final = 0.05


def reject_unsupported(head: Head, location: str) -> None:
    """Raise a SourceError if the file is of a known unsupported kind."""
    header = head.data[:_HEADER_BYTES]
    if header.startswith(b"PK\x03\x04"):
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


def _describe_kind(location: str, kind: str, fix: str) -> str:
    return _("{path} is {kind}; {fix}", path=location, kind=_(kind), fix=_(fix))


def _describe_archive(data: bytes, location: str) -> str:
    if b"[Content_Types].xml" in data or b"xl/" in data:
        return _describe_kind(location, N_("an Excel workbook or another Office file"), _SAVE_AS_CSV)
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


def reject_other_encoding(head: Head, location: str) -> None:
    """Raise a SourceError if the encoding of the file is not UTF-8."""
    if guess := _detect_utf16(head.data):
        raise SourceError(_describe_encoding(location, 1, 1, guess))
    text = head.data.decode("utf-8", "surrogateescape")
    if text.isascii():
        return
    malformed = len(re.findall(r"[\udc80-\udcff]", text))
    valid = len(re.findall(r"[^\x00-\x7f]", text)) - malformed
    if malformed > valid and malformed >= _MALFORMED_RATIO * len(text):
        raise SourceError(_describe_encoding_error(head.data, location))


def _detect_utf16(data: bytes) -> str | None:
    """Return "UTF-32" or "UTF-16..." if the byte order mark or NUL at every second byte shows it, else None."""
    if data.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "UTF-32"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "UTF-16"
    header = data[:_HEADER_BYTES]
    for first, name in ((0, "UTF-16BE"), (1, "UTF-16LE")):
        nul, other = header[first::2].count(0), header[1 - first :: 2].count(0)
        if len(header) > 3 and nul > len(header) / 4 and not other:
            return name
    return None


def _describe_encoding_error(data: bytes, location: str) -> str:
    """Return a message with the first line that is not UTF-8, and its probable encoding."""
    for number, line in enumerate(data.split(b"\n"), start=1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            return _describe_encoding(location, number, error.start + 1, _guess_encoding(line))
    return _("{path} is not UTF-8; save it as UTF-8", path=location)


def _guess_encoding(line: bytes) -> str | None:
    """Return "CP949", which Excel writes for Korean text, if the line is valid in it, else None."""
    try:
        line.decode("cp949")
    except UnicodeDecodeError:
        return None
    return "CP949"


def _describe_encoding(location: str, line: int, byte: int, guess: str | None) -> str:
    if guess is None:
        return _(
            "{path}, line {line}, byte {byte}: this is not UTF-8; save it as UTF-8", path=location, line=line, byte=byte
        )
    return _(
        "{path}, line {line}, byte {byte}: this is not UTF-8; it may be {encoding}; convert it: {command}",
        path=location,
        line=line,
        byte=byte,
        encoding=guess,
        command=_build_conversion(location, guess),
    )


def _build_conversion(location: str, encoding: str) -> str:
    """Return the command that converts a file, which may be compressed, to UTF-8 in its place."""
    old, new = shlex.quote(location), shlex.quote(f"{location}.utf8")
    convert = f"iconv -f {encoding} -t UTF-8"
    if location.lower().endswith((".gz", ".gzip")):
        return f"gzip -dc < {old} | {convert} | gzip > {new} && mv {new} {old}"
    if location.lower().endswith((".zst", ".zstd")):
        return f"zstd -dc < {old} | {convert} | zstd > {new} && mv {new} {old}"
    return f"{convert} {old} > {new} && mv {new} {old}"
