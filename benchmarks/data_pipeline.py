"""From file to split: wall time, CPU time and peak memory of ingest, validate and prepare at growing sizes.

    python benchmarks/data_pipeline.py [FILE ...] [--rows 10000 52000 100000] [--seed 1446]

FILE holds Alpaca-style records (JSON list or JSONL); without it, the bundled generator makes them. If there are fewer
records than rows, they are repeated with edits. A tenth of the copies have 3 % of the words changed (near-duplicates),
the others 40 %. Each stage runs in a process of its own, as `dvc repro` runs it. The peak is that process's resident
set plus that of its largest child.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import yaml

from seodang.config.load import merge_overlay
from seodang.config.profiles import read_starter
from seodang.ingest.readers.read import read_objects
from seodang.primer.generator import iter_primer_records

ROOT = Path(__file__).resolve().parent.parent
STAGES = ("ingest", "validate", "prepare")
_NEAR_DUPLICATE_RATIO = 0.1  # of the copies
_NEAR_DUPLICATE_EDITS, _OTHER_EDITS = 0.03, 0.4  # ratio of words that an edit replaces
# Runs the command line interface, and prints the peak memory in KiB at the end.
_STAGE_SCRIPT = """\
import resource, sys
from seodang.cli.main import main
code = main(sys.argv[1:])
peak = sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print("PEAK", peak)
sys.exit(code)
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a stage took."""

    seconds: float
    cpu_seconds: float
    peak_mb: float


def read_originals(files: list[Path]) -> list[dict[str, str]]:
    """Return the records to repeat."""
    if files:
        return [
            {name: str(row.get(name) or "") for name in ("instruction", "input", "output")}
            for file in files
            for row in read_objects(file, file.name)
        ]
    records = iter_primer_records(
        seed=7, sentiment_per_language=2000, classification_per_language=300, open_per_language=300
    )
    return [{"instruction": record.instruction, "input": record.input, "output": record.output} for record in records]


def iter_copies(originals: list[dict[str, str]], rows: int, seed: int) -> Iterator[dict[str, str]]:
    """Yield `rows` records: the originals, then edited copies of them."""
    rng = random.Random(seed)
    words = [word for record in originals for word in record["output"].split()]
    for index in range(rows):
        record = originals[index % len(originals)]
        if index < len(originals):
            yield record
            continue
        ratio = _NEAR_DUPLICATE_EDITS if rng.random() < _NEAR_DUPLICATE_RATIO else _OTHER_EDITS
        yield {
            name: " ".join(rng.choice(words) if rng.random() < ratio else word for word in text.split(" "))
            for name, text in record.items()
        }


def write_project(folder: Path, source: Path) -> None:
    """Write the parameters of a project with the file as its only source."""
    starter = read_starter()
    entry = {
        **starter["ingest"]["sources"][0],
        "name": "benchmark",
        "kind": "file",
        "path": str(source),
        "licence": "unknown",
    }
    lenient = {
        "dataset": {"quarantined_ratio": {"maximum": 0.9}, "accepted_count": {"minimum": 1}},
        "limits": {"max_tokens": None},
    }
    overlay: dict[str, Any] = {
        "ingest": {"sources": [entry]},
        "expectations": lenient,
        "prepare": {"held_out_clusters": [], "test_only_tasks": [], "test_ratio": 0.02, "validation_ratio": 0.01},
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(merge_overlay(starter, overlay), allow_unicode=True), "utf-8")


def measure_stage(stage: str, project: Path) -> Cost:
    """Run one stage in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "SEODANG_LOG_LEVEL": "WARNING"}
    command = [sys.executable, "-c", _STAGE_SCRIPT, "stage", stage]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    completed = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if completed.returncode:
        sys.exit(f"stage {stage} failed:\n{completed.stderr}")
    peak = next(line for line in completed.stdout.splitlines() if line.startswith("PEAK")).split()[1]
    cpu_seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(seconds, cpu_seconds, int(peak) / 1024)


def measure_pipeline(originals: list[dict[str, str]], rows: int, seed: int) -> None:
    """Run the stages on so many rows, and print one line for each stage and one for all."""
    with tempfile.TemporaryDirectory(prefix="seodang-benchmark-") as name:
        project = Path(name)
        source = project / "records.jsonl"
        with source.open("w", encoding="utf-8") as file:
            file.writelines(
                json.dumps(record, ensure_ascii=False) + "\n" for record in iter_copies(originals, rows, seed)
            )
        write_project(project, source)
        costs = {stage: measure_stage(stage, project) for stage in STAGES}
        report = json.loads((project / "artifacts/prepare/report.json").read_text("utf-8"))
    costs["all"] = Cost(
        sum(cost.seconds for cost in costs.values()),
        sum(cost.cpu_seconds for cost in costs.values()),
        max(cost.peak_mb for cost in costs.values()),
    )
    for stage, cost in costs.items():
        print(
            f"{rows:>10,} {stage:<10} {cost.seconds:>9.1f} {cost.cpu_seconds:>9.1f} {rows / cost.seconds:>10,.0f} "
            f"{cost.peak_mb:>8,.0f}"
        )
    print(f"{'':>10} splits {report['splits']}, left out {report.get('left_out')}", flush=True)


def main() -> None:
    """Print one line for each size and stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    parser.add_argument("--rows", nargs="+", type=int, default=[10_000, 52_000, 100_000])
    parser.add_argument("--seed", type=int, default=1446)
    options = parser.parse_args()
    originals = read_originals(options.files)
    characters = mean(len("".join(record.values())) for record in originals)
    print(f"{len(originals):,} originals, {characters:.0f} characters each on average")
    print(f"{'rows':>10} {'stage':<10} {'seconds':>9} {'CPU s':>9} {'records/s':>10} {'peak MB':>8}")
    for rows in options.rows:
        measure_pipeline(originals, rows, options.seed)


if __name__ == "__main__":
    main()
