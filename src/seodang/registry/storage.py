"""Whether a version would survive this machine."""

from __future__ import annotations

from pathlib import Path


def check_remote(root: Path) -> list[str]:
    """Return advice if DVC has no default remote here: then the cache of this machine holds the only copy."""
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        if repo.config["core"].get("remote"):
            return []
    return [
        "  # DVC 원격 저장소가 없어 가중치가 이 컴퓨터의 캐시에만 있습니다 / no DVC remote: the weights lie in this machine's cache only (dvc remote add -d NAME URL)"
    ]
