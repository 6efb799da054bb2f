"""Lines of the ledger in the commits of all branches. A judgement counts also after its line was deleted or edited."""

from __future__ import annotations

from pathlib import Path

from seodang.errors import RegistryError
from seodang.io.git_process import run_git

_FILE = "+++ b/"


def read_committed_lines(folder: Path) -> dict[str, list[str]]:
    """Return the lines that commits ever added to the files of a ledger, by name of the file, newest commit first.

    Candidates on another branch were judged on the same items, and a revert does not take back what a verdict showed.
    Empty outside a repository, and where git cannot be run.
    """
    existing = next(parent for parent in folder.resolve().parents if parent.is_dir())
    options = ["--all", "--patch", "--unified=0", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames"]
    try:
        log = run_git(existing, "log", *options, "--diff-filter=AM", "--format=", "--", str(folder.resolve()))
    except RegistryError:
        return {}
    lines: dict[str, list[str]] = {}
    name = ""
    for line in log.split("\n"):
        if line.startswith(_FILE):
            name = line.removeprefix(_FILE).rpartition("/")[2]
        elif line.startswith("+") and name.endswith(".jsonl"):
            lines.setdefault(name, []).append(line[1:])
    return lines
