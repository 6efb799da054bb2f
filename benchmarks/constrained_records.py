"""Write records with verified constraints from a run's training split, for the measurement of GRPO in docs/rewards.md.

    python benchmarks/constrained_records.py TRAIN_JSONL --output FILE [--records 2000]

`seodang constrain` takes only records whose answer is a sentence. Most answers of the primer are a word or a number, so
here each record without given choices may get constraints, up to three times.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seodang.constraints.build import hash_record, iter_constrained
from seodang.io.atomic import write_atomically
from seodang.io.jsonl import format_json_line, read_records
from seodang.records import Record

_MAX_INSTRUCTION = 120  # characters, as in the prompts of stage align
_ORDER, _SEED, _SELECTIONS = 7, 9000, 3
_REPLAYED = "practice"  # source of the records that the base has already learned


def build_rows(records: list[Record]) -> Iterator[dict[str, Any]]:
    """Yield records with constraints, each instruction with each input once."""
    seen: set[tuple[str, str]] = set()
    for number in range(_SELECTIONS):
        for _record, constrained in iter_constrained(records, _SEED + number):
            if (key := (constrained.instruction, constrained.input)) not in seen:
                seen.add(key)
                yield constrained.to_dict()


def _suits(record: Record) -> bool:
    is_short = len(record.instruction) <= _MAX_INSTRUCTION
    return is_short and not (record.turns or record.choices or record.rejected) and record.source != _REPLAYED


def main() -> None:
    """Read a split and write the records."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("split", type=Path, help="train.jsonl of stage prepare")
    parser.add_argument("--output", type=Path, required=True, help="JSON Lines file to write")
    parser.add_argument("--records", type=int, default=2000, help="maximum number of records")
    arguments = parser.parse_args()
    records = sorted(filter(_suits, read_records(arguments.split)), key=lambda record: hash_record(_ORDER, record))
    rows = list(build_rows(records))[: arguments.records]
    write_atomically(arguments.output, map(format_json_line, rows))
    print(f"{arguments.output}: {len(rows):,} records with constraints, of {len(records):,} records")


if __name__ == "__main__":
    main()
