"""What clients of OpenAI's interface rely on, side by side: this service and `transformers serve`.

    python benchmarks/conformance.py --model FOLDER [--port 8720] [--packages DIR] [--ours-only] [--json FILE]

FOLDER is a packaged model. `transformers serve` needs the package openai. It may lie in a folder DIR of its own, into
which pip has installed it without its dependencies. Both servers run on the CPU, from this environment, one after the
other. The table has a row for each case of the contract: pass, or what was seen instead.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import conformance_contract  # noqa: F401  registers the cases
from conformance_cases import CASES, Server
from served_process import run_server

Results = list[tuple[bool, str]]
_START_SECONDS = 300


def main() -> None:
    """Run the cases against both servers and print a table."""
    options = _parse_options()
    folder = options.model.resolve()
    with run_server(folder, options.port) as url:
        columns: dict[str, Results] = {"ours": run_cases(Server(url, folder.name))}
    if not options.ours_only:
        with _run_transformers(folder, options.port + 1, options.packages) as url:
            columns["transformers serve"] = run_cases(Server(url, str(folder)))
    print(_build_table(columns))
    if options.json:
        cases = [name for _line, name, _case in CASES]
        content = {name: dict(zip(cases, results, strict=True)) for name, results in columns.items()}
        options.json.write_text(json.dumps(content, ensure_ascii=False, indent=1), "utf-8")


def run_cases(server: Server) -> Results:
    """Return for each case whether it holds, and what was seen."""
    results: Results = []
    for _line, _name, function in CASES:
        try:
            results.append((True, function(server)))
        except Exception as error:  # a server may answer anything
            reason = str(error) or type(error).__name__
            results.append(
                (False, reason if isinstance(error, AssertionError) else f"{type(error).__name__}: {reason}")
            )
    return results


@contextmanager
def _run_transformers(folder: Path, port: int, packages: Path | None) -> Iterator[str]:
    program = str(Path(sys.executable).parent / "transformers")
    command = [program, "serve", str(folder), "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(packages or "")}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + _START_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{url}/health", timeout=5).close()
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.5)
        else:
            raise SystemExit("transformers serve does not start")
        yield url
    finally:
        process.terminate()
        process.wait()


def _build_table(columns: dict[str, Results]) -> str:
    head = " | ".join(columns)
    lines = [f"| line | case | {head} |", f"|---|---|{'---|' * len(columns)}"]
    for number, (line, name, _case) in enumerate(CASES):
        cells = [_format_cell(*results[number]) for results in columns.values()]
        lines.append(f"| {line} | {name} | {' | '.join(cells)} |")
    counts = [f"{sum(passed for passed, _seen in results)} of {len(results)}" for results in columns.values()]
    lines.append(f"| | all | {' | '.join(counts)} |")
    return "\n".join(lines)


def _format_cell(passed: bool, seen: str) -> str:
    text = " ".join(seen.split()).replace("|", "/")[:90]
    return f"pass: {text}" if passed else f"**no**: {text}"


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--port", type=int, default=8720)
    parser.add_argument("--packages", type=Path)
    parser.add_argument("--ours-only", action="store_true")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
