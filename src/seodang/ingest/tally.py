"""Count what a source holds while its rows stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from seodang.ingest.fetch.files import LocalFile
from seodang.ingest.ignored_keys import IgnoredKeys
from seodang.ingest.provenance import ProvenanceTally
from seodang.ingest.readers.file_details import FileDetails
from seodang.ingest.rows import Row


@dataclass(slots=True)
class Tally:
    """Counts of one source, updated while its rows stream."""

    rows_read: int = 0
    ignored_keys: IgnoredKeys = field(default_factory=IgnoredKeys)  # keys of the files that no field of a record holds
    files: list[LocalFile] = field(default_factory=list)
    details: dict[str, FileDetails] = field(default_factory=dict)  # location of a file -> its encoding and sheets
    formats: list[str] = field(default_factory=list)  # detected formats, in the order of the files
    generated: ProvenanceTally = field(default_factory=ProvenanceTally)  # records that a teacher wrote

    def count_rows(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield the rows and count them."""
        for row in rows:
            self.rows_read += 1
            yield row

    def add_format(self, name: str) -> None:
        """Record the format of a file or of one of its records."""
        if name not in self.formats:
            self.formats.append(name)
