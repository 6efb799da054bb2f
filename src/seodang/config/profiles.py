"""Named sets of parameters: overlays on the starter file, written into params.yaml where git shows them."""

from __future__ import annotations

import io
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import SingleQuotedScalarString

from seodang.config import Params
from seodang.config.load import check_names, merge_overlay, parse_params, resolve_params
from seodang.config.migration import PARAMS_RENAMES
from seodang.config.yaml_file import read_yaml
from seodang.errors import ParamsError
from seodang.i18n import _

BASE: Final = "tiny"  # the embedded run: the starter file as it is
EXTENDS: Final = "extends"  # key in an overlay: the profile that it builds on
STARTER: Final = Path(__file__).with_name("starter.yaml")
_SCHEMA_LINE: Final = "# yaml-language-server:"


def read_starter() -> dict[str, Any]:
    """Return all parameters of the embedded run."""
    return resolve_params(read_yaml(STARTER))


def list_profiles(folder: Path) -> list[str]:
    """Return the names of the shipped profiles."""
    return [BASE, *sorted(file.stem for file in folder.glob("*.yaml"))]


def read_title(name: str, folder: Path) -> str:
    """Return the first line of a profile's heading."""
    file = STARTER if name == BASE else _find_file(name, folder)
    lines = [line for line in read_heading(file).splitlines() if not line.startswith(_SCHEMA_LINE)]
    return lines[-1 if name == BASE else 0].lstrip("# ") if lines else ""


def resolve_overlay(name: str, folder: Path) -> dict[str, Any]:
    """Return the overlay of a name or path, merged with those that it extends.

    Raises:
        ParamsError: If there is no such profile, a name in it is old, or the profiles extend one another in a circle.
    """
    overlay: dict[str, Any] = {}
    chain: list[str] = []
    while name != BASE:
        if name in chain:
            raise ParamsError(_("profiles extend one another in a circle: {chain}", chain=" -> ".join([*chain, name])))
        chain.append(name)
        file = _find_file(name, folder)
        parent = read_yaml(file)
        check_names(parent, PARAMS_RENAMES, file)
        name = str(parent.pop(EXTENDS, BASE))
        overlay = merge_overlay(parent, overlay)
    return overlay


def load_profile(name: str, folder: Path) -> Params:
    """Return the parameters of a profile, by name or path, without using it.

    Raises:
        ParamsError: If there is no such profile, or a value in it cannot be used.
    """
    content = merge_overlay(read_yaml(STARTER), resolve_overlay(name, folder))
    return parse_params(resolve_params(content), f"profile {name}")


def render_profile(name: str, folder: Path) -> str:
    """Return the text of params.yaml for a profile: the starter file with the overlay's values, comments kept.

    Raises:
        ParamsError: If there is no such profile, or a value in it cannot be used.
    """
    overlay = resolve_overlay(name, folder)
    load_profile(name, folder)
    if not overlay:
        return STARTER.read_text("utf-8")
    yaml = YAML()
    yaml.width = 200
    yaml.indent(mapping=2, sequence=4, offset=2)
    content = yaml.load(STARTER.read_text("utf-8"))
    _apply(content, overlay)
    text = io.StringIO()
    yaml.dump(content, text)
    heading = read_heading(STARTER)
    schema = "".join(line for line in heading.splitlines(keepends=True) if line.startswith(_SCHEMA_LINE))
    return schema + read_heading(_find_file(name, folder)) + text.getvalue().removeprefix(heading)


def read_heading(file: Path) -> str:
    """Return the comment lines at the top of a profile: title, hardware, what it does."""
    lines = file.read_text("utf-8", errors="replace").splitlines(keepends=True)  # in a list; its user sees the error
    return "".join(itertools.takewhile(lambda line: line.startswith("#"), lines))


def _find_file(name: str, folder: Path) -> Path:
    shipped = folder / f"{name}.yaml"
    if shipped.exists():
        return shipped
    if Path(name).is_file():
        return Path(name)
    names = ", ".join(list_profiles(folder))
    raise ParamsError(
        _("there is no profile {name!r} and no such file; the profiles are {names}", name=name, names=names)
    )


def _apply(content: Any, overlay: Mapping[str, Any]) -> None:
    for key, value in overlay.items():
        if isinstance(value, dict) and isinstance(content.get(key), dict):
            _apply(content[key], value)
        else:
            content[key] = _format_lists(value)


def _format_lists(value: Any) -> Any:
    """Return a value whose lists stand on one line, and whose mappings in lists do so too."""
    if isinstance(value, dict):
        return {key: _format_lists(item) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    quoted = [_quote_flow_text(item) for item in value]
    formatted = CommentedSeq(CommentedMap(item) if isinstance(item, dict) else item for item in quoted)
    for item in formatted:
        if isinstance(item, CommentedMap):
            item.fa.set_flow_style()
    if not any(isinstance(item, CommentedMap) for item in formatted):
        formatted.fa.set_flow_style()
    return formatted


def _quote_flow_text(value: Any) -> Any:
    """Return a value whose texts with a question mark or colon are quoted, keys included.

    ruamel writes such a text plain within brackets, where libyaml, the reader of DVC and of `read_yaml`, refuses it.
    """
    if isinstance(value, dict):
        return {_quote_flow_text(key): _quote_flow_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_quote_flow_text(item) for item in value]
    is_ambiguous = isinstance(value, str) and not {"?", ":"}.isdisjoint(value)
    return SingleQuotedScalarString(value) if is_ambiguous else value
