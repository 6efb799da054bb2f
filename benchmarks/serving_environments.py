"""Environments of the tools that serving.py runs beside Seodang: made once, in a cache folder."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

AIPERF = ("aiperf==0.13.0",)
# Of transformers' extra `serving` the lock lacks these; the rest comes from this environment.
OPENAI = ("openai==3.57.0", "jiter==0.19.0", "distro==1.9.0")
LLAMA = ("llama-cpp-python[server]==0.3.36",)


def make_environment(folder: Path, packages: tuple[str, ...], *, extends: bool = False) -> Path | None:
    """Return the interpreter of an environment, which is made if it is not there.

    Args:
        folder: Of the environment; one that is complete is left as it is.
        packages: Exact requirements.
        extends: Whether the packages of this environment are seen there, too. The requirements then come alone.

    Returns:
        None if the packages cannot be installed here; the reason is printed.
    """
    python, complete = folder / "bin" / "python", folder / "complete.txt"
    wanted = "\n".join(packages)
    if complete.is_file() and complete.read_text("utf-8") == wanted:
        return python
    print(f"{folder}: installing {', '.join(packages)}", flush=True)
    venv.create(folder, clear=True)
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(python), *packages]
    completed = subprocess.run(command + ["--no-deps"] * extends, capture_output=True, text=True, check=False)
    if completed.returncode:
        print(f"left out, it cannot be installed here: {completed.stderr[-300:]}", flush=True)
        return None
    if extends:
        _get_site_packages(folder).joinpath("project.pth").write_text(sysconfig.get_path("purelib"), "utf-8")
    complete.write_text(wanted, "utf-8")
    return python


def _get_site_packages(folder: Path) -> Path:
    return Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
