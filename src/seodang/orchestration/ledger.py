"""Let a run know the judgements that the working tree holds and no commit has yet."""

from __future__ import annotations

from pathlib import Path

from seodang.io.atomic import write_atomically
from seodang.paths import Paths


def carry_judgements(project: Path, root: Path) -> None:
    """Add the ledger lines of the project that a worktree lacks: they count, although nobody committed them yet."""
    for file in sorted(Paths(project).ledger.glob("*.jsonl")):
        target = Paths(root).ledger / file.name
        known = target.read_text("utf-8").splitlines() if target.is_file() else []
        if missing := [line for line in file.read_text("utf-8").splitlines() if line not in set(known)]:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(target, [f"{line}\n" for line in (*known, *missing)])
