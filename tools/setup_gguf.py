"""Install what `seodang export gguf` needs into .seodang/gguf: llama.cpp's converter, and llama-cpp-python.

Both come from one source distribution of llama-cpp-python (MIT), which holds llama.cpp; requirements-gguf.lock pins it
by its hash. It is compiled here, which takes ten minutes on two cores. The environment sees the packages of .venv, such
as torch and transformers. After an interruption the same command begins again; when all is ready, it prints nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements-gguf.lock"
FOLDER = ROOT / ".seodang" / "gguf"
CONVERTER = ("convert_hf_to_gguf.py", "conversion/", "gguf-py/", "LICENSE")
TEMPLATES = ("models/templates/",)  # chat templates of public models, for tests/service/test_tool_formats.py


def main() -> int:
    """Install the tools unless they are there already; return the exit code."""
    complete = FOLDER / "complete.txt"
    if complete.is_file() and complete.read_text("utf-8") == LOCK.read_text("utf-8"):
        return 0
    shutil.rmtree(FOLDER, ignore_errors=True)
    print(f"installing the GGUF tools into {FOLDER.relative_to(ROOT)} (compiles llama.cpp, once)", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        common = ["--no-deps", "--require-hashes", "--requirement", str(LOCK)]
        _run([*pip, "download", *common, "--no-binary", "llama-cpp-python", "--dest", folder])
        _unpack_converter(next(Path(folder).glob("llama_cpp_python-*.tar.gz")), FOLDER / "llama.cpp")
        venv.create(FOLDER / "env", with_pip=True)
        own = [str(FOLDER / "env" / "bin" / "python"), *pip[1:]]
        environment = {**os.environ, "CMAKE_ARGS": os.environ.get("CMAKE_ARGS", "-DLLAVA_BUILD=OFF")}
        _run([*own, "install", *common, "--no-binary", "llama-cpp-python"], environment)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(FOLDER / "env"), "platbase": str(FOLDER / "env")}))
    (packages / "project.pth").write_text(sysconfig.get_path("purelib"), "utf-8")
    shutil.copy(LOCK, complete)
    return 0


def _run(command: list[str], environment: dict[str, str] | None = None) -> None:
    if code := subprocess.run(command, env=environment, check=False).returncode:
        sys.exit(code)


def _unpack_converter(archive: Path, target: Path) -> None:
    """Write the converter's files of a source distribution."""
    with tarfile.open(archive) as files:
        for member in files:
            _name, separator, inner = member.name.partition("/vendor/llama.cpp/")
            if separator and member.isfile() and inner.startswith(CONVERTER + TEMPLATES):
                file = target / inner
                file.parent.mkdir(parents=True, exist_ok=True)
                content = files.extractfile(member)
                assert content is not None
                file.write_bytes(content.read())


if __name__ == "__main__":
    sys.exit(main())
