"""Examples of duplicates and leaked evaluation items. Memory: 8 bytes per removed record."""

from __future__ import annotations

import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from seodang.io.jsonl import read_rows
from seodang.reports.data_card.redaction import WITHHELD, Text, format_head, is_personal
from seodang.reports.data_card.sampling import LowestHashes

_ID: Final = re.compile(r'^\{"id": ?"([0-9a-f]{16})"')  # the first field of a record
Heads = dict[str, Text]  # record id -> beginning of its text


@dataclass(frozen=True, slots=True)
class Cluster:
    """A kept record and the number of records of its cluster."""

    kept: str  # id of the kept record
    size: int  # the kept record included


@dataclass(slots=True)
class Overlaps:
    """Examples from duplicates.jsonl and leaks.jsonl."""

    largest: list[Cluster]
    near: list[dict[str, Any]]  # lines of duplicates.jsonl with kind near
    leaks: dict[str, list[dict[str, Any]]]  # kind -> lines of leaks.jsonl
    leaked_tasks: list[tuple[str, int]]  # task of the item, pairs of item and training record; most pairs first

    def collect_ids(self) -> set[str]:
        """Return the ids of all records in the examples."""
        ids = {cluster.kept for cluster in self.largest} | {line[name] for line in self.near for name in ("id", "kept")}
        return ids | {line[name] for lines in self.leaks.values() for line in lines for name in ("item", "record")}


def collect_overlaps(
    duplicates: Iterable[dict[str, Any]], leaks: Iterable[dict[str, Any]], *, examples: int, seed: int
) -> Overlaps:
    """Return the largest clusters, and a sample of near-duplicates and of leaks of each kind.

    Args:
        duplicates: Lines of duplicates.jsonl, one for each removed record.
        leaks: Lines of leaks.jsonl, one for each pair of evaluation item and training record.
        examples: Maximum size of each sample.
        seed: Seed of the samples.

    """
    kept_ids = array("Q")
    near: LowestHashes[dict[str, Any]] = LowestHashes(examples, seed)
    for line in duplicates:
        kept_ids.append(int(line["kept"], 16))
        if line["kind"] == "near":
            near.add(line["kept"], line)
    tasks: Counter[str] = Counter()
    kinds: dict[str, LowestHashes[dict[str, Any]]] = defaultdict(lambda: LowestHashes(examples, seed))
    for line in leaks:
        tasks[line["item_task"]] += 1
        kinds[line["kind"]].add(line["item"], line)
    by_kind = {kind: sample.items() for kind, sample in sorted(kinds.items())}
    return Overlaps(
        _find_largest(kept_ids, examples),
        near.items(),
        by_kind,
        sorted(tasks.items(), key=lambda item: (-item[1], item[0])),
    )


def _find_largest(kept_ids: array[int], examples: int) -> list[Cluster]:
    """Return the clusters with the most removed records; ties are sorted by id."""
    import numpy as np

    ids, removed_counts = np.unique(np.frombuffer(kept_ids, dtype=np.uint64), return_counts=True)
    order = np.lexsort((ids, -removed_counts))[:examples]
    return [Cluster(f"{int(ids[index]):016x}", int(removed_counts[index]) + 1) for index in order]


def read_heads(path: Path, ids: set[str]) -> Heads:
    """Return the beginning of the text of the records with these ids; other lines are not parsed."""
    result: Heads = {}
    for row in _iter_rows(path, ids):
        text = " ⏎ ".join(row[name] for name in ("instruction", "input", "output") if row[name])
        result.setdefault(row["id"], WITHHELD if any(map(is_personal, row.get("warnings", ()))) else format_head(text))
        if len(result) == len(ids):
            break
    return result


def _iter_rows(path: Path, ids: set[str]) -> Iterator[dict[str, Any]]:
    if not ids:
        return
    import json

    with path.open(encoding="utf-8", errors="surrogatepass", newline="\n") as file:
        for line in file:
            match = _ID.match(line)
            if match is None or match[1] in ids:
                row = json.loads(line)
                if row["id"] in ids:
                    yield row


def read_optional_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a JSONL file; none if the file does not exist."""
    if path.exists():
        yield from read_rows(path)
