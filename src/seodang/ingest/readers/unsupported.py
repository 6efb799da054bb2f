"""Files that are something else than they seem: each is refused with its name and the way out."""

from __future__ import annotations

import re
from typing import Final

from seodang.errors import SourceError
from seodang.ingest.readers.text import GZIP, ZSTD, Head
from seodang.ingest.rows import shorten

_HEADER_BYTES: Final = 4096  # bytes in which a file names itself
_SIGNATURES: Final[tuple[tuple[bytes, str, str], ...]] = (
    (b"%PDF", "a PDF document", "take the records out of it into JSONL"),
    (b"\xd0\xcf\x11\xe0", "an old Office file (xls, doc, hwp)", "open it and save it as CSV UTF-8"),
    (b"\x89PNG", "a picture (PNG)", "name the file with the records"),
    (b"\xff\xd8\xff", "a picture (JPEG)", "name the file with the records"),
    (b"GIF8", "a picture (GIF)", "name the file with the records"),
    (b"SQLite format 3\0", "an SQLite database", "write the table out as CSV"),
    (b"BZh", "packed with bzip2", "unpack it (bunzip2), or pack it with gzip"),
    (b"\xfd7zXZ", "packed with xz", "unpack it (unxz), or pack it with gzip"),
    (b"7z\xbc\xaf", "a 7-Zip archive", "unpack it and name the files in it"),
    (b"Rar!", "a RAR archive", "unpack it and name the files in it"),
    (b"\x93NUMPY", "a NumPy array", "write the records out as JSONL"),
    (b"FEA1", "an Arrow file of the first Feather version", "write it again with pyarrow.feather.write_feather"),
    (b"PARE", "an encrypted parquet file", "write it again without encryption"),
    (GZIP, "packed twice", "unpack it once"),
    (ZSTD, "packed twice", "unpack it once"),
)
_WEB_PAGE: Final = re.compile(rb"\s*<(!doctype\s+html|html|head|body|\?xml|!--)", re.IGNORECASE)
_LFS_POINTER: Final = re.compile(rb"\s*version https://git-lfs\.github\.com/spec/")
_DVC_POINTER: Final = re.compile(rb"\s*(md5: \w+\s|frozen: \w+\s)*(outs|deps|wdir|stages):\s")
_DVC_PATH: Final = re.compile(rb"^\s*(?:- )?path: (.+?)\s*$", re.MULTILINE)
_TAR_SIGNATURE: Final = slice(257, 262)

# A file as a whole is in another encoding when more bytes are broken than letters beyond ASCII are whole, and the broken
# ones are this share of the text or more. Fewer are the faults of their rows.
_MALFORMED_RATIO: Final = 0.05


def reject_unsupported(head: Head, location: str) -> None:
    """Raise a SourceError if the file is of a known other kind."""
    header = head.data[:_HEADER_BYTES]
    if header.startswith(b"PK\x03\x04"):
        raise SourceError(_describe_archive(head.data, location))
    for signature, kind, way_out in _SIGNATURES:
        if header.startswith(signature):
            raise SourceError(f"{location} is {kind}; {way_out}")
    if header[_TAR_SIGNATURE] == b"ustar":
        raise SourceError(f"{location} is a tar archive; unpack it and name the files in it")
    if _WEB_PAGE.match(header):
        raise SourceError(
            f"{location} is a web page (HTML or XML), perhaps that of an error or a login; fetch the file itself, with its raw address"
        )
    if _LFS_POINTER.match(header):
        raise SourceError(f"{location} is a Git LFS pointer, not the data; fetch the data: git lfs pull")
    if _DVC_POINTER.match(header) and (head.suffix == ".dvc" or _DVC_PATH.search(header)):
        raise SourceError(_describe_dvc_pointer(header, location))


def _describe_archive(data: bytes, location: str) -> str:
    if b"[Content_Types].xml" in data or b"xl/" in data:
        return f"{location} is an Excel workbook or another Office file; open it and save it as CSV UTF-8"
    return f"{location} is a zip archive; unpack it and name the files in it"


def _describe_dvc_pointer(header: bytes, location: str) -> str:
    outs = _DVC_PATH.findall(header)
    name = f" ({shorten(outs[-1].decode('utf-8', 'replace'))})" if outs else ""
    return f"{location} is a DVC pointer, not the data; fetch the data (dvc pull) and name the file that it stands for{name}"


def reject_other_encoding(head: Head, location: str) -> None:
    """Raise a SourceError if the file as a whole is not UTF-8."""
    if guess := _detect_utf16(head.data):
        raise SourceError(f"{location}, line 1, byte 1: this is not UTF-8; {_format_conversion_hint(guess)}")
    text = head.data.decode("utf-8", "surrogateescape")
    if text.isascii():
        return
    malformed = len(re.findall(r"[\udc80-\udcff]", text))
    valid = len(re.findall(r"[^\x00-\x7f]", text)) - malformed
    if malformed > valid and malformed >= _MALFORMED_RATIO * len(text):
        raise SourceError(_describe_encoding_error(head.data, location))


def _detect_utf16(data: bytes) -> str | None:
    """Return UTF-32 or UTF-16 if the text is in it: by its byte order mark, or by every second byte being NUL."""
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
    """Return the message with the first line that isn't UTF-8, and the encoding that it probably has."""
    for number, line in enumerate(data.split(b"\n"), start=1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            return f"{location}, line {number}, byte {error.start + 1}: this is not UTF-8; {_format_conversion_hint(_guess_encoding(line))}"
    return f"{location} is not UTF-8; save it as UTF-8"


def _guess_encoding(line: bytes) -> str | None:
    """Return the encoding that Korean files have when they aren't UTF-8: Excel's CP949."""
    try:
        line.decode("cp949")
    except UnicodeDecodeError:
        return None
    return "CP949"


def _format_conversion_hint(guess: str | None) -> str:
    return f"it may be {guess}: iconv -f {guess} -t UTF-8 OLD > NEW" if guess else "save it as UTF-8"
