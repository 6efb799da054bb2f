"""Write the parameters of a run into the params.yaml of its worktree: profile, data source, overrides."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from seodang.config.load import load_params, resolve_params
from seodang.config.profiles import render_profile
from seodang.config.yaml_file import read_yaml
from seodang.errors import ParamsError
from seodang.i18n import _
from seodang.io.atomic import write_atomically
from seodang.orchestration.parameters import COMMITTED, RunParameters
from seodang.paths import Paths

_OWN_SOURCE: Final = "own"
_NAME: Final = re.compile(r"^([A-Za-z_]\w*(?:\.\w+)*)=")


def apply_parameters(run: RunParameters, project: Path, paths: Paths) -> dict[str, tuple[Any, Any]]:
    """Change params.yaml in a worktree as a run asks; return the changed values: old and new, by name.

    Args:
        run: Profile, data source and overrides.
        project: Folder of the project, which a relative data path starts from.
        paths: Of the worktree.

    Raises:
        ParamsError: With every error of the resulting parameters, or if an override cannot be used.
    """
    before = _flatten(resolve_params(read_yaml(paths.params)))
    if run.profile != COMMITTED:
        write_atomically(paths.params, [render_profile(run.profile, paths.profiles)])
    if run.data:
        _set_data_source(run.data, project, paths)
    if run.overrides:
        apply_overrides(run.overrides, paths.params)
    try:
        load_params(paths.params)
    except ParamsError as error:  # the worktree is gone when its user reads this
        raise ParamsError(str(error).replace(f"{paths.root}/", "")) from error
    after = _flatten(resolve_params(read_yaml(paths.params)))
    names = sorted(before.keys() | after.keys())
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}


def apply_overrides(overrides: Sequence[str], params_file: Path) -> None:
    """Apply overrides to a params.yaml as `dvc exp run --set-param` does.

    A value that only defaults.yaml has can be overridden, too; for DVC alone it would need a leading "+".

    Raises:
        ParamsError: If an override has wrong syntax, an unknown name, or several values.
    """
    from dvc.exceptions import InvalidArgumentError
    from dvc.utils.hydra import apply_overrides as apply_in_dvc
    from dvc.utils.hydra import to_hydra_overrides
    from hydra.errors import OverrideParseException

    names = _flatten(resolve_params(read_yaml(params_file)), with_sections=True)
    for text in overrides:
        try:
            (parsed,) = to_hydra_overrides([text])
        except OverrideParseException as error:
            raise ParamsError(
                _("{override!r} is no override; write for example: train.learning_rate=1e-4", override=text)
            ) from error
        if parsed.is_sweep_override():
            raise ParamsError(
                _("{override!r} has several values, and a run has one; start a run for each of them", override=text)
            )
        match = _NAME.match(text)
        try:
            apply_in_dvc(str(params_file), [f"++{text}" if match and match[1] in names else text])
        except InvalidArgumentError as error:
            raise ParamsError(
                _("{override!r} names no parameter; list them: seodang config show", override=text)
            ) from error


def _set_data_source(data: str, project: Path, paths: Paths) -> None:
    """Let the source `own` read another file, folder or URL; add this source if there is none."""
    path = data if "://" in data else str((project / data).resolve())
    sources = read_yaml(paths.params).get("ingest", {}).get("sources") or []
    index = next((index for index, source in enumerate(sources) if source.get("name") == _OWN_SOURCE), None)
    changed = [dict(source) for source in sources]
    if index is None:
        changed.append({"name": _OWN_SOURCE, "path": path})
    else:
        changed[index] = {**changed[index], "path": path}
    _write_value(paths.params, ("ingest", "sources"), changed)


def _write_value(file: Path, keys: tuple[str, str], value: object) -> None:
    from dvc.utils.serialize import modify_yaml

    with modify_yaml(str(file)) as content:
        content.setdefault(keys[0], {})[keys[1]] = value


def _flatten(values: Mapping[str, Any], prefix: str = "", *, with_sections: bool = False) -> dict[str, Any]:
    """Return nested values by dotted name; lists are values, except those of things with a name, such as sources."""
    flat: dict[str, Any] = {}
    for name, entry in values.items():
        value = _index_by_name(entry)
        if isinstance(value, Mapping) and value:
            if with_sections:
                flat[f"{prefix}{name}"] = value
            flat |= _flatten(value, f"{prefix}{name}.", with_sections=with_sections)
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _index_by_name(value: object) -> object:
    """Return a list of things with names as a mapping, and any other value as it is."""
    if not isinstance(value, list) or not all(isinstance(item, Mapping) and item.get("name") for item in value):
        return value
    return {str(item["name"]): item for item in value}
