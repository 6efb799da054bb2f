"""Named sets of parameters: overlays on profiles/tiny.yaml, written into params.yaml where git shows them."""

from __future__ import annotations

import io
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from seodang.config.load import merge_overlay, parse_params, read_yaml
from seodang.errors import ParamsError
from seodang.io.atomic import write_atomically
from seodang.paths import Paths

BASE = "tiny"  # the complete one; all others say only what differs
EXTENDS = "extends"  # key in an overlay: the profile that it lies on
_NAME_WIDTH = 18


def run_command(action: str, name: str | None, paths: Paths) -> int:
    """List the profiles, print the parameters of one, or write one into params.yaml."""
    folder = paths.root / "profiles"
    if action == "list":
        for file in sorted(folder.glob("*.yaml")):
            print(f"{file.stem:{_NAME_WIDTH}}{_read_title(file)}")
        return 0
    if name is None:
        raise ParamsError(
            f"seodang profile {action} needs a name ({', '.join(list_names(folder))}) or the path of an overlay"
        )
    overlay = resolve_overlay(name, folder)
    text = render_profile(folder / f"{BASE}.yaml", overlay, read_heading(_find_file(name, folder)))
    parse_params(YAML(typ="safe").load(text), f"profile {name}")
    if action == "show":
        print(text, end="")
        return 0
    write_atomically(paths.params, [text])
    print(f"params.yaml now holds profile {name}; see: git diff params.yaml; run: dvc repro")
    return 0


def list_names(folder: Path) -> list[str]:
    """Return the names of the profiles that are shipped."""
    return sorted(file.stem for file in folder.glob("*.yaml"))


def resolve_overlay(name: str, folder: Path) -> dict[str, Any]:
    """Return the overlay of a name or path, together with those that it extends.

    Raises:
        ParamsError: If there is no such profile, or the extensions go in a circle.
    """
    overlay: dict[str, Any] = {}
    chain: list[str] = []
    while name != BASE:
        if name in chain:
            raise ParamsError(f"profiles extend one another in a circle: {' -> '.join([*chain, name])}")
        chain.append(name)
        parent = read_yaml(_find_file(name, folder))
        name = str(parent.pop(EXTENDS, BASE))
        overlay = merge_overlay(parent, overlay)
    return overlay


def _find_file(name: str, folder: Path) -> Path:
    bundled = folder / f"{name}.yaml"
    if bundled.exists():
        return bundled
    if Path(name).is_file():
        return Path(name)
    raise ParamsError(
        f"there is no profile {name!r} and no such file; the profiles are {', '.join(list_names(folder))}"
    )


def render_profile(base: Path, overlay: Mapping[str, Any], title: str = "") -> str:
    """Return the base profile's text with the overlay's values, remarks kept.

    Args:
        base: The complete profile.
        overlay: What differs from it.
        title: The overlay's own heading, in place of the base's; empty keeps that one.
    """
    yaml = YAML()
    yaml.width = 200
    yaml.indent(mapping=2, sequence=4, offset=2)
    content = yaml.load(base.read_text("utf-8"))
    _apply(content, overlay)
    text = io.StringIO()
    yaml.dump(content, text)
    return title + text.getvalue().removeprefix(read_heading(base)) if title else text.getvalue()


def read_heading(file: Path) -> str:
    """Return the remarks that a profile begins with: title, hardware, what it does."""
    return "".join(
        itertools.takewhile(lambda line: line.startswith("#"), file.read_text("utf-8").splitlines(keepends=True))
    )


def _apply(content: Any, overlay: Mapping[str, Any]) -> None:
    for key, value in overlay.items():
        if isinstance(value, dict) and isinstance(content.get(key), dict):
            _apply(content[key], value)
        else:
            content[key] = value


def _read_title(file: Path) -> str:
    return read_heading(file).partition("\n")[0].lstrip("# ")
