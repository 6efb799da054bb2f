"""Write the hashes of all pinned packages into requirements.lock, or into the locks that are named.

Change a version in the lock, or add a line `name==version`, and run this tool. Then uv asks the package index for the
hashes of all files of each version. The set-up installs a file only if its hash is listed.

    python tools/lock_requirements.py                           requirements.lock
    python tools/lock_requirements.py requirements-otlp.lock    a lock of its own, which keeps its first comment

torch has no hashes: each platform installs its own build, and the builds of one version have different hashes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from itertools import takewhile
from pathlib import Path

LOCK = Path(__file__).resolve().parent.parent / "requirements.lock"
HEADER = "# Every package with the hashes of its files. After a change: python tools/lock_requirements.py\n"
UNHASHED = ("torch",)


def read_pins(text: str) -> list[str]:
    """Return the pins of a lock, `name==version`, without hashes and comments."""
    return [line.split()[0] for line in text.splitlines() if "==" in line and not line.startswith(("#", " "))]


def read_header(lock: Path) -> str:
    """Return the comment at the beginning of a lock, or the usual one for requirements.lock."""
    if lock == LOCK:
        return HEADER
    return "".join(takewhile(lambda line: line.startswith("#"), lock.read_text("utf-8").splitlines(keepends=True)))


def write_hashes(lock: Path) -> int:
    """Rewrite a lock and return uv's exit code; the lock stays as it is if uv fails."""
    pins = read_pins(lock.read_text("utf-8"))
    unhashed = [pin for pin in pins if pin.partition("==")[0] in UNHASHED]
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder) / "pins.txt", Path(folder) / "lock.txt"
        source.write_text("".join(f"{pin}\n" for pin in pins if pin not in unhashed))
        options = ["--no-deps", "--generate-hashes", "--no-header", "--no-annotate", "--quiet"]
        command = [sys.executable, "-m", "uv", "pip", "compile", *options, "--python-version", "3.11"]
        code = subprocess.run([*command, str(source), "-o", str(result)], check=False).returncode
        if code == 0:
            hashed = result.read_text("utf-8")
            lock.write_text(read_header(lock) + "".join(f"{pin}\n" for pin in unhashed) + hashed, "utf-8")
    return code


def main() -> int:
    """Rewrite the locks; return the exit code of the first that fails."""
    locks = [Path(name).resolve() for name in sys.argv[1:]] or [LOCK]
    return next((code for code in map(write_hashes, locks) if code), 0)


if __name__ == "__main__":
    sys.exit(main())
