"""Checks of disk, memory and GPU."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from seodang.config.load import load_params
from seodang.doctor.findings import Finding
from seodang.dvc_state.settings import get_cache_folder
from seodang.errors import SeodangError
from seodang.i18n import _
from seodang.io.os_errors import find_existing_parent
from seodang.packaging.bento import get_store_folder
from seodang.paths import Paths

_GIGABYTE: Final = 1e9  # bytes
_USUAL_DISK: Final = 5e9  # bytes of a default run with its environment (README.md)
_LEAST_DISK: Final = 1e9  # bytes; below, a default run fails
_USUAL_MEMORY: Final = 8e9  # bytes (README.md)
_LEAST_MEMORY: Final = 2e9  # bytes; the stages of a default run need 1 GB each
_CGROUPS: Final = (
    (Path("/sys/fs/cgroup"), "memory.max", "memory.current", "inactive_file"),
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""Folder, files of limit and use, and the line of memory.stat with the cached files that the kernel gives up.

The first entry is cgroups version 2, the other one version 1.
"""
_QUERY: Final = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]


def check_disks(paths: Paths) -> Iterator[Finding]:
    """Check the free space of each disk that a run writes."""
    folders = {"artifacts": paths.root, "BENTOML_HOME": get_store_folder(), "TMPDIR": Path(tempfile.gettempdir())}
    with suppress(SeodangError):  # another check reports it
        folders["DVC cache"] = get_cache_folder(paths.root)
    disks: dict[int, list[str]] = {}
    for name, folder in folders.items():
        disks.setdefault(find_existing_parent(folder).stat().st_dev, []).append(name)
    for names in disks.values():
        yield _check_disk(find_existing_parent(folders[names[0]]), ", ".join(names))


def _check_disk(folder: Path, names: str) -> Finding:
    free = shutil.disk_usage(folder).free
    text = _("{free:.1f} GB free at {folder} ({names})", free=free / _GIGABYTE, folder=folder, names=names)
    if free >= _USUAL_DISK:
        return Finding(_("disk"), "ok", text)
    advice = _("a default run needs {needed:.0f} GB", needed=_USUAL_DISK / _GIGABYTE)
    # It only lists; what may go is the user's decision.
    command = "dvc gc --workspace --dry; du -h -d 2 . | sort -h | tail"
    return Finding(_("disk"), "error" if free < _LEAST_DISK else "warning", f"{text}; {advice}", command)


def check_memory() -> Iterator[Finding]:
    """Check the memory of the machine or of its container, and what is free of it."""
    import psutil

    memory = psutil.virtual_memory()
    containers = list(_iter_containers())
    total = min([memory.total, *(limit for limit, _free in containers)])
    free = min([memory.available, *(free for _limit, free in containers)])
    text = _("{free:.1f} of {total:.1f} GB free", free=free / _GIGABYTE, total=total / _GIGABYTE)
    if free < _LEAST_MEMORY:
        text += "; " + _("a stage may be killed")
        yield Finding(_("memory"), "warning", text, "ps aux --sort=-rss | head; seodang plan")
    elif total < _USUAL_MEMORY * 0.9:  # the kernel keeps a part of what is installed
        text += "; " + _("a default run is made for {usual:.0f} GB", usual=_USUAL_MEMORY / _GIGABYTE)
        yield Finding(_("memory"), "warning", text, "seodang plan")
    else:
        yield Finding(_("memory"), "ok", text)


def _iter_containers() -> Iterator[tuple[int, int]]:
    """Yield the limit of the container's memory and what is free of it, in bytes."""
    for folder, limit_file, use_file, cached in _CGROUPS:
        try:
            limit = int((folder / limit_file).read_text("ascii"))
            used = int((folder / use_file).read_text("ascii"))
            lines = dict(line.split(" ", 1) for line in (folder / "memory.stat").read_text("ascii").splitlines())
            yield limit, max(limit - used + int(lines.get(cached, 0)), 0)
        except (OSError, ValueError):  # none, or "max"
            continue


def check_gpu(paths: Paths) -> Iterator[Finding]:
    """Check whether there is a GPU, whether torch can use it, and whether train.device asks for one."""
    cards = _list_cards()
    torch = _get_torch_version()
    if cards and torch.endswith("+cpu"):
        text = _("{cards}, but torch {torch} is built for the CPU only", cards=", ".join(cards), torch=torch)
        wanted = f"torch=={torch.partition('+')[0]}"
        # the second command adds the CUDA libraries; without the first one, pip is content with the build for the CPU
        install = "python -m pip install"
        command = f"{install} --force-reinstall --no-deps {wanted} && {install} {wanted}"
        yield Finding(_("GPU"), "warning", text, command)
    elif cards:
        yield Finding(_("GPU"), "ok", ", ".join(cards))
    elif _get_device(paths) == "cuda":
        text = _("train.device is cuda, but no NVIDIA driver answers; set it to auto, or see what the driver says")
        yield Finding(_("GPU"), "error", text, "nvidia-smi")
    else:
        yield Finding(_("GPU"), "ok", _("none; the default run needs none"))


def _list_cards() -> list[str]:
    """Return name and memory of the NVIDIA cards; [] without a driver that answers in ten seconds."""
    try:
        done = subprocess.run(_QUERY, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]


def _get_torch_version() -> str:
    try:
        return version("torch")
    except PackageNotFoundError:
        return ""


def _get_device(paths: Paths) -> str:
    try:
        return load_params(paths.params).train.device
    except SeodangError:  # another check reports it
        return "auto"
