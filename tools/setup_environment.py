"""Make .venv from requirements.lock. Standard library only: it runs before anything is installed.

torch comes by pip, so that each platform gets its own build. The rest comes by uv at the same time. It is then compiled
to bytecode, except what few runs import. After an interruption the same command continues; when the environment is
ready, it prints nothing.

Exit codes: 0 ready; 2 this Python is too old; 1 an installation failed (its last lines are shown).
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
STAMP = VENV / "seodang-setup.sha256"
OLDEST = (3, 11)
# Not compiled in advance, because few runs import it: tests of packages, the architectures of transformers (a run
# imports one or two), and these packages. It is 40 % of all code. pip compiles torch itself.
UNUSED = "apprise beartype databricks mlflow moto mypy mypyc pip pkg_resources pygments setuptools tensorboard".split()
UNCOMPILED = rf"/tests/|/transformers/models/(?!auto/)|/site-packages/(?:torch|{'|'.join(UNUSED)})/"


def main() -> int:
    """Make the environment unless it is there already; return the exit code."""
    wanted = _fingerprint()
    if STAMP.exists() and STAMP.read_text() == wanted:
        return 0
    if sys.version_info < OLDEST:
        print(
            f"seodang needs Python {OLDEST[0]}.{OLDEST[1]} or newer; this is {sys.version.split()[0]}. Try: make PYTHON=python3.11",
            file=sys.stderr,
        )
        return 2
    started = time.monotonic()
    print(f"setting up {VENV.name} from {LOCK.name} (once)", flush=True)
    if not _healthy(VENV / "bin" / "python"):
        shutil.rmtree(VENV, ignore_errors=True)
        venv.create(VENV, with_pip=True)
    if not _install():
        return 1
    STAMP.write_text(wanted)
    print(f"environment ready in {time.monotonic() - started:.0f} s", flush=True)
    return 0


def _fingerprint() -> str:
    digest = hashlib.sha256(f"{ROOT}\n".encode())  # a moved folder breaks the scripts in .venv/bin
    for file in (LOCK, ROOT / "pyproject.toml", Path(__file__)):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _healthy(python: Path) -> bool:
    return python.exists() and subprocess.run([python, "-c", "import pip"], capture_output=True).returncode == 0


def _install() -> bool:
    """Install torch by pip and everything else by uv, each file by its hash; return whether all succeeded."""
    blocks = _read_lock()
    python = str(VENV / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "--quiet", "--no-deps"]
    uv = [python, "-m", "uv", "pip", "install", "--python", python, "--no-deps"]
    with tempfile.TemporaryDirectory() as folder:
        uv_lock, rest, log = (Path(folder) / name for name in ("uv.txt", "rest.txt", "torch.log"))
        uv_lock.write_text(blocks["uv"])
        rest.write_text("".join(block for name, block in blocks.items() if name != "torch"))
        if not _wait([*pip, "-r", str(uv_lock)], "uv"):
            return False
        with log.open("w") as output:
            torch = subprocess.Popen([*pip, blocks["torch"].strip()], stdout=output, stderr=subprocess.STDOUT)
        try:
            others = _wait([*uv, "--quiet", "--require-hashes", "-r", str(rest)], f"{len(blocks) - 1} packages")
            others = others and _wait([*uv, "--quiet", "--no-build-isolation", "-e", str(ROOT)], "seodang")
            others = others and _compile(python)
            is_torch_ready = _wait(torch, blocks["torch"].strip())
        finally:
            torch.terminate()
        if not is_torch_ready:
            print(log.read_text()[-2000:], file=sys.stderr)
    return others and is_torch_ready


def _compile(python: str) -> bool:
    """Compile the installed packages to bytecode; a package with a file of an older syntax is no failure."""
    packages = str(next(VENV.glob("lib/python*/site-packages")))
    command = [python, "-m", "compileall", "-qq", "-j", "0", "-x", UNCOMPILED, packages]
    return _wait(command, "bytecode", accepted=(0, 1))


def _read_lock() -> dict[str, str]:
    """Return the lines of each package, its pin and its hashes, by name."""
    blocks: dict[str, str] = {}
    name = ""
    for line in LOCK.read_text().splitlines(keepends=True):
        if line.startswith("#"):
            continue
        if not line.startswith(" "):
            name = line.partition("==")[0].strip()
        blocks[name] = blocks.get(name, "") + line
    return blocks


def _wait(command: list[str] | subprocess.Popen[bytes], name: str, *, accepted: tuple[int, ...] = (0,)) -> bool:
    """Wait for a command, and report every ten seconds that it is at work; return whether it succeeded."""
    process = subprocess.Popen(command) if isinstance(command, list) else command
    started = time.monotonic()
    while True:
        try:
            code = process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            print(f"  installing {name}: {time.monotonic() - started:.0f} s", flush=True)
            continue
        if code not in accepted:
            print(
                f"installing {name} failed (exit code {code}); check the network and run the same command again",
                file=sys.stderr,
            )
        return code in accepted


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as error:  # a folder of another user, a read-only or a full disk
        place = error.filename or ROOT
        print(
            f"setting up failed: {error.strerror}: {place}; run in a folder of yours with free space", file=sys.stderr
        )
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted; run the same command again, it goes on where it was", file=sys.stderr)
        sys.exit(130)
