"""`seodang profile list | show | use`: named sets of parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seodang.cli.terminal import print_lines, print_table
from seodang.i18n import _
from seodang.paths import Paths


def create_app() -> typer.Typer:
    """Return the group of commands."""
    app = typer.Typer(help=_("List, show or use a profile: a named set of parameters."))
    app.command("list", help=_("List the profiles."))(list_profiles)
    app.command("show", help=_("Print the params.yaml of a profile."))(show_profile)
    app.command("use", help=_("Replace params.yaml by the one of a profile."))(use_profile)
    return app


def list_profiles() -> int:
    """Print each profile with its title."""
    from seodang.config import profiles

    folder = Paths(Path.cwd()).profiles
    print_table(("", ""), [(name, profiles.read_title(name, folder)) for name in profiles.list_profiles(folder)])
    return 0


def show_profile(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help=_("A name in profiles/, or the path of a custom overlay."))
    ],
) -> int:
    """Print the text of params.yaml for a profile."""
    from seodang.config.profiles import render_profile

    print(render_profile(name, Paths(Path.cwd()).profiles), end="")
    return 0


def use_profile(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help=_("A name in profiles/, or the path of a custom overlay."))
    ],
) -> int:
    """Replace params.yaml by the one of a profile; git shows what changed."""
    from seodang.config.profiles import render_profile
    from seodang.io.atomic import write_atomically

    paths = Paths(Path.cwd())
    write_atomically(paths.params, [render_profile(name, paths.profiles)])
    print_lines([_("params.yaml now holds profile {name}; see: git diff params.yaml; run: dvc repro", name=name)])
    return 0
