"""Near-duplicates side by side: Seodang (signatures of rensa, bands on disk) and datasketch (MinHash and MinHashLSH).

    python benchmarks/near_duplicates.py [FILE ...] [--records 20000] [--runs 3] [--subset 3000]

FILE holds Alpaca-style records; without it, the bundled generator makes them. Half of the records are copies of others
with 1 to 20 % of their words changed. So many pairs lie close to the threshold, where every tool makes errors.

Both tools get the same normalized texts in the same order, with the same shingles, threshold and number of
permutations. Both remove a record that is similar to an earlier one that they keep. Each run has a process of its own;
the tools alternate. Times are from texts in memory to the set of duplicates, without imports. Precision and recall
compare with the exact Jaccard similarities of all pairs of the first records. There, a record is a duplicate if an
earlier one reaches the threshold.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import mean, median
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
_WORD_SOURCE = 2000  # texts from which the new words of the copies come
_RECORDS_PER_TEXT = 3  # of the generator: short texts would be compared exactly
Text = tuple[Language, str]


def read_originals(files: list[Path]) -> list[str]:
    """Return the texts to copy and edit: question and answer of each record."""
    if files:
        rows = [row for file in files for row in read_objects(file, file.name)]
        return [" ".join(str(row.get(name) or "") for name in ("instruction", "input", "output")) for row in rows]
    records = iter_primer_records(
        seed=7, sentiment_per_language=2000, classification_per_language=500, open_per_language=500
    )
    texts = [f"{record.instruction} {record.input} {record.output}" for record in records]
    return [" ".join(texts[start : start + _RECORDS_PER_TEXT]) for start in range(0, len(texts), _RECORDS_PER_TEXT)]


def iter_with_copies(originals: list[str], count: int) -> Iterator[Text]:
    """Yield `count` normalized texts: originals, and after each a copy of an earlier one with some words changed."""
    rng = random.Random(1446)
    rng.shuffle(originals)
    words = [word for text in originals[:_WORD_SOURCE] for word in text.split()]
    for index in range(count):
        if index % 2 and index > 1:
            ratio = rng.uniform(0.01, 0.2)
            original = originals[rng.randrange(index // 2) % len(originals)]
            text = " ".join(rng.choice(words) if rng.random() < ratio else word for word in original.split())
        else:
            text = originals[index // 2 % len(originals)]
        letters = "".join(letter for letter in unicodedata.normalize("NFKC", text).casefold() if letter.isalnum())
        yield detect_language(text), letters


def find_with_seodang(texts: list[Text], prepare: PrepareParams) -> list[int]:
    """Return the indices of the duplicates."""
    permutations = prepare.deduplication.permutations
    records = (
        make_record(instruction="", input="", output=text, language=language, source="s", task="t", cluster="c")
        for language, text in texts
    )
    bands, slots = compute_bands(prepare.deduplication.threshold, permutations)
    with tempfile.TemporaryDirectory() as folder, Sketches(Path(folder), permutations, bands, slots) as sketches:
        features = compute_features(records, len(texts), prepare, sketches)
        leaders = find_leaders(features.rows, sketches, prepare.deduplication)
    return [int(index) for index in np.flatnonzero(leaders != np.arange(len(texts)))]


def build_shingles(text: Text, prepare: PrepareParams) -> set[bytes]:
    """Return the shingles that Seodang uses, too: one per letter, shorter at the end."""
    language, letters = text
    size = prepare.deduplication.shingle_ko if language == "ko" else prepare.deduplication.shingle_en
    return {f"{language}{letters[start : start + size]}".encode() for start in range(len(letters))}


def find_with_datasketch(texts: list[Text], prepare: PrepareParams) -> list[int]:
    """Return the indices of the duplicates: candidates of the LSH index, verified by their signatures."""
    from datasketch import MinHash, MinHashLSH

    threshold, permutations = prepare.deduplication.threshold, prepare.deduplication.permutations
    lsh = MinHashLSH(threshold=threshold, num_perm=permutations)
    first_index: dict[str, int] = {}
    signatures: dict[int, Any] = {}
    duplicates = []
    for index, text in enumerate(texts):
        if first_index.setdefault(text[1], index) != index:
            duplicates.append(index)
            continue
        if len(text[1]) < prepare.deduplication.min_characters:
            continue
        signature = MinHash(num_perm=permutations, hashfunc=zlib.crc32)
        signature.update_batch(build_shingles(text, prepare))
        if any(signature.jaccard(signatures[other]) >= threshold for other in lsh.query(signature)):
            duplicates.append(index)
            continue
        lsh.insert(index, signature)
        signatures[index] = signature
    return duplicates


TOOLS: dict[str, Callable[[list[Text], PrepareParams], list[int]]] = {
    "seodang": find_with_seodang,
    "datasketch": find_with_datasketch,
}


def find_exact_duplicates(texts: list[Text], prepare: PrepareParams) -> list[int]:
    """Return the indices of the texts that are similar to an earlier one, by the exact similarity of all pairs."""
    owners: dict[bytes, list[int]] = {}  # the texts that contain each shingle
    sizes: list[int] = []
    duplicates = []
    for index, text in enumerate(texts):
        shingles = build_shingles(text, prepare)
        intersection = np.zeros(index + 1)
        for shingle in shingles:
            intersection[owners.setdefault(shingle, [])] += 1
            owners[shingle].append(index)
        union = np.array(sizes) + len(shingles) - intersection[:-1]
        sizes.append(len(shingles))
        is_short = len(text[1]) < prepare.deduplication.min_characters
        threshold = 1.0 if is_short else prepare.deduplication.threshold
        if (intersection[:-1] / union >= threshold).any():
            duplicates.append(index)
    return duplicates


def run_tool(tool: str, source: Path, limit: int | None) -> dict[str, Any]:
    """Run one tool in a process of its own; return seconds, peak MB and the duplicates."""
    command = [sys.executable, __file__, str(source), "--tool", tool, *(["--records", str(limit)] if limit else [])]
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    if completed.returncode:
        sys.exit(f"{tool} failed:\n{completed.stderr}")
    result: dict[str, Any] = json.loads(completed.stdout)
    return result


def measure_tool(tool: str, source: Path, limit: int | None) -> None:
    """Measure one run and print it as JSON."""
    prepare = load_params(ROOT / "params.yaml").prepare
    texts: list[Text] = [tuple(json.loads(line)) for line in source.read_text("utf-8").splitlines()[:limit]]
    TOOLS[tool](texts[:2], prepare)  # imports and tables
    start = time.perf_counter()
    duplicates = TOOLS[tool](texts, prepare)
    seconds = time.perf_counter() - start
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # without an import of torch
    print(json.dumps({"seconds": seconds, "peak_mb": peak_mb, "duplicates": duplicates}))


def compare_tools(source: Path, runs: int, count: int) -> None:
    """Print times, memory and agreement of both tools over all texts."""
    results: dict[str, list[dict[str, Any]]] = {tool: [] for tool in TOOLS}
    for _ in range(runs):
        for tool in TOOLS:
            results[tool].append(run_tool(tool, source, None))
    print(f"{'tool':12} {'median s':>9} {'range s':>15} {'texts/s':>10} {'peak MB':>8} {'duplicates':>11}")
    for tool, found in results.items():
        times = [run["seconds"] for run in found]
        middle, spread = median(times), f"{min(times):.2f} to {max(times):.2f}"
        memory, duplicates = median(run["peak_mb"] for run in found), len(found[0]["duplicates"])
        print(f"{tool:12} {middle:9.2f} {spread:>15} {count / middle:10,.0f} {memory:8.0f} {duplicates:11,}")
    seodang, other = (set(results[tool][0]["duplicates"]) for tool in ("seodang", "datasketch"))
    print(
        f"found by both {len(seodang & other):,}, by seodang alone {len(seodang - other):,}, "
        f"by datasketch alone {len(other - seodang):,}"
    )


def print_accuracy(source: Path, texts: list[Text], subset: int) -> None:
    """Print precision and recall of both tools on the first texts, against exact similarities."""
    actual = set(find_exact_duplicates(texts[:subset], load_params(ROOT / "params.yaml").prepare))
    print(f"the first {subset:,} texts have {len(actual):,} duplicates by exact Jaccard similarity")
    for tool in TOOLS:
        found = set(run_tool(tool, source, subset)["duplicates"])
        correct = len(found & actual)
        precision, recall = correct / max(1, len(found)), correct / max(1, len(actual))
        print(f"{tool:12} precision {precision:.3f}   recall {recall:.3f}")


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    parser.add_argument("--records", type=int, help="number of texts, default 20000")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--subset", type=int, default=3000)
    parser.add_argument("--tool", choices=TOOLS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.tool:
        measure_tool(options.tool, options.files[0], options.records)
        return
    count = options.records or 20_000
    texts = list(iter_with_copies(read_originals(options.files), count))
    print(f"{count:,} texts, {mean(len(text) for _, text in texts):.0f} letters each on average")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "texts.jsonl"
        source.write_text("".join(json.dumps(text, ensure_ascii=False) + "\n" for text in texts), "utf-8")
        compare_tools(source, options.runs, count)
        print_accuracy(source, texts, options.subset)


if __name__ == "__main__":
    main()
