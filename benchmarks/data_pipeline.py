"""From file to split: wall time, CPU time and peak memory of ingest, validate and prepare at growing sizes.

    python benchmarks/data_pipeline.py FILE [FILE ...] --rows 10000 100000 1000000

FILE holds Alpaca-style records (JSON list or JSONL). Beyond their number they are repeated with edits: a tenth of the
copies with 3 % of the words changed (near-duplicates), the others with 40 %. Each stage runs in a process of its own,
as `dvc repro` runs it; the peak is that process's resident set plus that of its largest child. Without FILE the
bundled generator makes the records.
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
from pathlib import Path
from typing import Any

import yaml

from seodang.config.load import merge_overlay
from seodang.config.profiles import read_starter
from seodang.ingest.readers.read import read_objects
from seodang.primer.generator import iter_primer_records

ROOT = Path(__file__).resolve().parent.parent
STAGES = ("ingest", "validate", "prepare")
_NEAR_SHARE = 0.1


def originals(files: list[Path]) -> list[dict[str, str]]:
    """Return the records to repeat."""
    if files:
        return [
            {name: str(found.get(name) or "") for name in ("instruction", "input", "output")}
            for file in files
            for found in read_objects(file, file.name)
        ]
    made = iter_primer_records(
        seed=7, sentiment_per_language=2000, classification_per_language=300, open_per_language=300
    )
    return [{"instruction": record.instruction, "input": record.input, "output": record.output} for record in made]


def repeated(records: list[dict[str, str]], rows: int, seed: int) -> Iterator[dict[str, str]]:
    """Yield `rows` records: the real ones, then edited copies."""
    draw = random.Random(seed)
    words = [word for record in records for word in record["output"].split()]
    for number in range(rows):
        record = records[number % len(records)]
        if number < len(records):
            yield record
            continue
        share = 0.03 if draw.random() < _NEAR_SHARE else 0.4
        yield {
            name: " ".join(draw.choice(words) if draw.random() < share else word for word in text.split(" "))
            for name, text in record.items()
        }


def project(folder: Path, source: Path) -> None:
    """Write a project whose only source is the file."""
    profile = read_starter()
    entry = {
        **profile["ingest"]["sources"][0],
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
    (folder / "params.yaml").write_text(yaml.safe_dump(merge_overlay(profile, overlay), allow_unicode=True), "utf-8")


def measured(stage: str, folder: Path) -> dict[str, float]:
    """Run one stage and return seconds, CPU seconds and peak MB of its process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "SEODANG_LOG_LEVEL": "WARNING"}
    script = (
        "import sys, resource; from seodang.cli.main import main; code = main(sys.argv[1:]); usage = resource.getrusage; "
        "print('PEAK', usage(resource.RUSAGE_SELF).ru_maxrss + usage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"
    )
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    ended = subprocess.run(
        [sys.executable, "-c", script, "stage", stage],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if ended.returncode:
        sys.exit(f"stage {stage} failed:\n{ended.stderr}")
    peak = int(next(line for line in ended.stdout.splitlines() if line.startswith("PEAK")).split()[1]) / 1024
    return {
        "seconds": seconds,
        "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "peak_mb": peak,
    }


def main() -> int:
    """Print one line for each size and stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--rows", nargs="+", type=int, default=[10_000, 52_000, 100_000])
    parser.add_argument("--seed", type=int, default=1446)
    options = parser.parse_args()
    records = originals(options.files)
    print(
        f"{len(records):,} originals, "
        f"{sum(len(''.join(record.values())) for record in records) / len(records):.0f} characters each on average"
    )
    print(f"{'rows':>10} {'stage':<10} {'seconds':>9} {'CPU s':>9} {'records/s':>10} {'peak MB':>8}")
    for rows in options.rows:
        with tempfile.TemporaryDirectory(prefix="seodang-benchmark-") as name:
            folder = Path(name)
            with (folder / "records.jsonl").open("w", encoding="utf-8") as file:
                file.writelines(
                    json.dumps(record, ensure_ascii=False) + "\n" for record in repeated(records, rows, options.seed)
                )
            project(folder, folder / "records.jsonl")
            figures = {stage: measured(stage, folder) for stage in STAGES}
            splits = json.loads((folder / "artifacts/prepare/report.json").read_text("utf-8"))
            figures["all"] = {
                "seconds": sum(f["seconds"] for f in figures.values()),
                "cpu": sum(f["cpu"] for f in figures.values()),
                "peak_mb": max(f["peak_mb"] for f in figures.values()),
            }
            for stage, figure in figures.items():
                print(
                    f"{rows:>10,} {stage:<10} {figure['seconds']:>9.1f} {figure['cpu']:>9.1f} "
                    f"{rows / figure['seconds']:>10,.0f} {figure['peak_mb']:>8,.0f}",
                    flush=True,
                )
            print(f"{'':>10} {splits['splits']}, left out: {splits.get('left_out')}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
