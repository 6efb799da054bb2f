"""Near-duplicates: ours (rensa's signatures, bands on disk, leaders) against datasketch's MinHash and MinHashLSH.

    python benchmarks/near_duplicates.py [FILE ...] [--records 20000] [--runs 3] [--subset 3000]

FILE holds Alpaca-style records; without one the bundled generator makes them. Half of the records are copies of others with
1 to 20 % of their words changed, so that many pairs lie close to the threshold, where every tool errs.

Both get the same normalised texts in the same order, and the same shingles, threshold and number of permutations; both remove
a record that is similar to an earlier one that stays. Each run has a process of its own, in turn. Times are from texts in
memory to the set of duplicates, without imports. Precision and recall are against exact Jaccard similarities of all pairs
of the first records: a record is a duplicate when an earlier one has at least the threshold's similarity.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from seodang.config import PrepareParams
from seodang.config.load import load_params
from seodang.ingest.readers.read import read_objects
from seodang.preparation.deduplication import find_leaders
from seodang.preparation.features import compute_features
from seodang.preparation.minhash import Sketches, compute_bands
from seodang.primer.generator import iter_primer_records
from seodang.records import Language, detect_language, make_record

ROOT = Path(__file__).resolve().parent.parent
Text = tuple[Language, str]


def originals(files: list[Path]) -> list[str]:
    """Return the texts to copy and edit: question and answer of each record."""
    if files:
        rows = [found for file in files for found in read_objects(file, file.name)]
        return [" ".join(str(row.get(name) or "") for name in ("instruction", "input", "output")) for row in rows]
    made = iter_primer_records(
        seed=7, sentiment_per_language=2000, classification_per_language=500, open_per_language=500
    )
    texts = [f"{record.instruction} {record.input} {record.output}" for record in made]
    return [
        " ".join(texts[start : start + 3]) for start in range(0, len(texts), 3)
    ]  # longer: short texts are compared exactly


def with_copies(texts: list[str], count: int) -> Iterator[Text]:
    """Yield `count` normalised texts: originals, and after each a copy of an earlier one with some words changed."""
    draw = random.Random(1446)
    draw.shuffle(texts)
    words = [word for text in texts[:2000] for word in text.split()]
    for number in range(count):
        if number % 2 and number > 1:
            share = draw.uniform(0.01, 0.2)
            copied = texts[draw.randrange(number // 2) % len(texts)]
            text = " ".join(draw.choice(words) if draw.random() < share else word for word in copied.split())
        else:
            text = texts[number // 2 % len(texts)]
        yield (
            detect_language(text),
            "".join(letter for letter in unicodedata.normalize("NFKC", text).casefold() if letter.isalnum()),
        )


def ours(texts: list[Text], prepare: PrepareParams) -> list[int]:
    """Return the numbers of the duplicates."""
    permutations = prepare.deduplication.permutations
    records = (
        make_record(instruction="", input="", output=text, language=language, source="s", task="t", cluster="c")
        for language, text in texts
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        Sketches(Path(folder), permutations, *compute_bands(prepare.deduplication.threshold, permutations)) as sketches,
    ):
        traits = compute_features(records, len(texts), prepare, sketches)
        leaders = find_leaders(traits.rows, sketches, prepare.deduplication)
    return [int(number) for number in np.flatnonzero(leaders != np.arange(len(texts)))]


def shingles_of(text: Text, prepare: PrepareParams) -> set[bytes]:
    """Return the shingles that ours takes, too: one a letter, shorter at the end."""
    size = prepare.deduplication.shingle_ko if text[0] == "ko" else prepare.deduplication.shingle_en
    return {f"{text[0]}{text[1][place : place + size]}".encode() for place in range(len(text[1]))}


def datasketch(texts: list[Text], prepare: PrepareParams) -> list[int]:
    """Return the numbers of the duplicates: candidates of the index, verified by their signatures."""
    from datasketch import MinHash, MinHashLSH

    threshold, permutations = prepare.deduplication.threshold, prepare.deduplication.permutations
    index = MinHashLSH(threshold=threshold, num_perm=permutations)
    seen: dict[str, int] = {}
    signed: dict[int, MinHash] = {}
    found = []
    for number, text in enumerate(texts):
        if seen.setdefault(text[1], number) != number:
            found.append(number)
            continue
        if len(text[1]) < prepare.deduplication.min_characters:
            continue
        signature = MinHash(num_perm=permutations, hashfunc=zlib.crc32)
        signature.update_batch(shingles_of(text, prepare))
        if any(signature.jaccard(signed[other]) >= threshold for other in index.query(signature)):
            found.append(number)
            continue
        index.insert(number, signature)
        signed[number] = signature
    return found


TOOLS: dict[str, Callable[[list[Text], PrepareParams], list[int]]] = {"seodang": ours, "datasketch": datasketch}


def exact(texts: list[Text], prepare: PrepareParams) -> list[int]:
    """Return the numbers of the records that have an earlier one of at least the threshold's similarity, by all pairs."""
    owners: dict[bytes, list[int]] = {}
    sizes = []
    found = []
    for number, text in enumerate(texts):
        mine = shingles_of(text, prepare)
        shared = np.zeros(number + 1)
        for shingle in mine:
            shared[owners.setdefault(shingle, [])] += 1
            owners[shingle].append(number)
        sizes.append(len(mine))
        least = 1.0 if len(text[1]) < prepare.deduplication.min_characters else prepare.deduplication.threshold
        union = np.array(sizes) + len(mine) - shared
        if (shared[:-1] / union[:-1] >= least).any():
            found.append(number)
    return found


def run_tool(tool: str, source: Path, limit: int | None) -> dict[str, Any]:
    """Run one tool in a process of its own; return seconds, peak MB and the duplicates."""
    command = [sys.executable, __file__, str(source), "--tool", tool, *(["--records", str(limit)] if limit else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{tool} failed:\n{done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def tool_process(tool: str, source: Path, limit: int | None) -> None:
    """Measure one run and print it as JSON."""
    prepare = load_params(ROOT / "params.yaml").prepare
    texts: list[Text] = [tuple(json.loads(line)) for line in source.read_text("utf-8").splitlines()[:limit]]
    TOOLS[tool](texts[:2], prepare)  # imports and tables
    started = time.perf_counter()
    found = TOOLS[tool](texts, prepare)
    seconds = time.perf_counter() - started
    print(
        json.dumps(
            {"seconds": seconds, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "found": found}
        )
    )


def compare(source: Path, runs: int, count: int) -> None:
    """Print times, memory and agreement of both tools over all texts."""
    results: dict[str, list[dict[str, Any]]] = {tool: [] for tool in TOOLS}
    for _ in range(runs):
        for tool in TOOLS:
            results[tool].append(run_tool(tool, source, None))
    print(f"{'tool':12} {'median s':>9} {'range s':>15} {'records/s':>10} {'peak MB':>8} {'duplicates':>11}")
    for tool, measured in results.items():
        seconds = [run["seconds"] for run in measured]
        middle, spread = statistics.median(seconds), f"{min(seconds):.2f} to {max(seconds):.2f}"
        print(
            f"{tool:12} {middle:9.2f} {spread:>15} {count / middle:10,.0f} {measured[0]['peak_mb']:8.0f} {len(measured[0]['found']):11,}"
        )
    first, second = (set(results[tool][0]["found"]) for tool in TOOLS)
    print(
        f"found by both {len(first & second):,}; only by {' '.join(TOOLS)}: {len(first - second):,} {len(second - first):,}"
    )


def judge(source: Path, texts: list[Text], subset: int) -> None:
    """Print precision and recall of both tools on the first texts, against exact similarities."""
    true = set(exact(texts[:subset], load_params(ROOT / "params.yaml").prepare))
    print(f"the first {subset:,} texts have {len(true):,} duplicates by exact Jaccard similarity")
    for tool in TOOLS:
        found = set(run_tool(tool, source, subset)["found"])
        print(
            f"{tool:12} precision {len(found & true) / max(1, len(found)):.3f}   recall {len(found & true) / max(1, len(true)):.3f}"
        )


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--records", type=int)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--subset", type=int, default=3000)
    parser.add_argument("--tool", choices=TOOLS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.tool:
        tool_process(options.tool, options.files[0], options.records)
        return
    count = options.records or 20_000
    texts = list(with_copies(originals(options.files), count))
    print(f"{count:,} texts, {sum(len(text) for _, text in texts) / count:.0f} letters each on average")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "texts.jsonl"
        source.write_text("".join(json.dumps(text, ensure_ascii=False) + "\n" for text in texts), "utf-8")
        compare(source, options.runs, count)
        judge(source, texts, options.subset)


if __name__ == "__main__":
    main()
