"""What reading a file found out about it, for the log and the manifest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from seodang.i18n import _
from seodang.ingest.readers.encoding import UTF8, format_encoding


@dataclass(slots=True)
class FileDetails:
    """The encoding of a text file, and the sheets of a workbook."""

    encoding: str | None = None  # None for Parquet, Arrow and workbooks
    sheets: list[str] = field(default_factory=list)
    skipped_sheets: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the known details for the manifest."""
        details = {"encoding": self.encoding, "sheets": self.sheets, "skipped_sheets": self.skipped_sheets}
        return {name: value for name, value in details.items() if value}

    def describe(self) -> str:
        """Return what a user should know: another encoding than UTF-8, and the sheets; "" if there is nothing."""
        parts = []
        if self.encoding and self.encoding != UTF8:
            parts.append(_("encoding {encoding}", encoding=format_encoding(self.encoding)))
        if self.skipped_sheets:
            sheets = {"sheets": ", ".join(self.sheets), "skipped": ", ".join(self.skipped_sheets)}
            parts.append(_("sheets {sheets}; left out, as they have no table with these columns: {skipped}", **sheets))
        elif len(self.sheets) > 1:
            parts.append(_("sheets {sheets}", sheets=", ".join(self.sheets)))
        return "; ".join(parts)
