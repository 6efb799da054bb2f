"""Training records as preference pairs, so that the model keeps what it was tuned for.

The preferred answer is that of the record, the rejected one that of another record of the same task: mostly another
label. Without such pairs, preference tuning that changes style also changes the answers of the tasks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from seodang.constraints.build import hash_record
from seodang.records import Record


def build_replay_pairs(records: Iterable[Record], count: int, seed: int) -> list[Record]:
    """Return preference pairs of training records, selected by hash.

    Args:
        records: Of the training split. Those with several turns, or without an answer, are left out.
        count: Number of pairs; fewer where the records do not suffice.
        seed: Of the selection.
    """
    usable = [record for record in records if record.output and not record.turns]
    last: dict[tuple[str, str], str] = {}
    pairs: list[Record] = []
    for record in sorted(usable, key=lambda record: hash_record(seed, record)):
        if len(pairs) == count:
            break
        other = last.get((record.task, record.language), record.output)
        if other != record.output:
            pairs.append(replace(record, rejected=other))
        last[record.task, record.language] = record.output
    return pairs
