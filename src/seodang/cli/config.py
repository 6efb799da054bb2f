"""`seodang config show | migrate | schema`: the resolved parameters, old files, and the schema for editors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from seodang.cli.terminal import print_lines, print_table
from seodang.i18n import _
from seodang.paths import Paths


def create_app() -> typer.Typer:
    """Return the group of commands."""
    app = typer.Typer(help=_("Print parameters or their schema, or update files with old parameter names."))
    app.command("show", help=_("Print every parameter with its value, defaults included."))(show)
    app.command("migrate", help=_("Rewrite files with old parameter names; comments stay."))(migrate_files)
    app.command("schema", help=_("Print the JSON schema of params.yaml, for editors."))(schema)
    return app


def show(
    prefix: Annotated[str, typer.Argument(metavar="PREFIX", help=_("Only parameters below it, such as train."))] = "",
    origin: Annotated[bool, typer.Option("--origin", help=_("Print where each value comes from (file:line)."))] = False,
    as_json: Annotated[bool, typer.Option("--json", help=_("Print one JSON object."))] = False,
) -> int:
    """Print the resolved parameters: params.yaml laid over defaults.yaml.

    Raises:
        ParamsError: If params.yaml cannot be used; exit code 2.
    """
    from seodang.config.load import load_params
    from seodang.config.origin import list_parameters

    path = Paths(Path.cwd()).params
    load_params(path)  # all errors at once
    rows = [row for row in list_parameters(path) if not prefix or f"{row[0]}.".startswith(f"{prefix}.")]
    if as_json:
        print(
            json.dumps({name: [value, place] if origin else value for name, value, place in rows}, ensure_ascii=False)
        )
        return 0
    cells = [(name, _format_value(value), place if origin else "") for name, value, place in rows]
    print_table(("", "", ""), cells)
    return 0


def _format_value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value


def migrate_files(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE", help=_("Parameter, task, study or rules files; by default params.yaml.")),
    ] = None,
) -> int:
    """Rewrite files with old parameter names in place.

    Raises:
        ParamsError: If a file is not readable YAML; exit code 2. Files before it are rewritten.
    """
    for path in files or [Paths(Path.cwd()).params]:
        changes = _migrate_file(path)
        print_lines([f"{path}: {change}" for change in changes] or [_("{path}: no old names", path=path)])
    return 0


def _migrate_file(path: Path) -> list[str]:
    import io

    from ruamel.yaml import YAML

    from seodang.config.migration import migrate, select_renames
    from seodang.config.yaml_file import read_yaml
    from seodang.io.atomic import write_atomically

    yaml = YAML()
    yaml.width = 200
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    read_yaml(path)  # a file that is not readable is described there
    content = yaml.load(path.read_text("utf-8-sig"))
    changes = migrate(content, select_renames(content))
    if changes:
        text = io.StringIO()
        yaml.dump(content, text)
        write_atomically(path, [text.getvalue()])
    return changes


def schema() -> int:
    """Print the JSON schema."""
    from seodang.config.schema import render_schema

    print(render_schema(), end="")
    return 0
