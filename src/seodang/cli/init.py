"""`seodang init [FOLDER] [--data FILE...]`: look at the data, freeze a test file, and write params.yaml."""

from __future__ import annotations

import difflib
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seodang.cli.terminal import print_lines
from seodang.errors import ParamsError, SourceError
from seodang.i18n import _, ngettext
from seodang.paths import Paths

if TYPE_CHECKING:
    from seodang.setup.data_files import DataFile
    from seodang.setup.proposal import Lengths


def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help=_("A clone of the repository."))] = Path(),
    data: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help=_("Data file; repeatable. By default the files in data/."))
    ] = None,
    test: Annotated[
        Path | None, typer.Option(metavar="FILE", help=_("Test file; by default some records are split off."))
    ] = None,
    profile: Annotated[
        str | None, typer.Option(metavar="NAME", help=_("Profile of the base model; by default one for this machine."))
    ] = None,
    force: Annotated[bool, typer.Option("--force", help=_("Replace a params.yaml that was changed."))] = False,
    dvc: Annotated[bool, typer.Option(help=_("Track the data files with DVC."))] = True,
    licence: Annotated[
        str | None, typer.Option(metavar="NAME", help=_("Licence of the data, such as CC-BY-4.0."))
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help=_("Ask nothing."))] = False,
) -> int:
    """Write params.yaml for the data files, and print the next commands.

    In a terminal it asks for the licence and the base model where no option gives them.

    Raises:
        ParamsError: If the folder is no clone, or params.yaml would be overwritten.
        SourceError: If a data file cannot be read.
    """
    from seodang.setup.data_files import build_local_file, read_data_file

    root = folder.resolve()
    _check_project(root, folder)
    paths = [path.resolve() for path in data or []] or _find_data(root)
    if test is not None and len(paths) != 1:
        raise ParamsError(_("--test belongs to one data file; name it with --data"))
    files = [read_data_file(build_local_file(path, path.name)) for path in paths]
    names = [file.name for file in files]
    if duplicates := sorted({name for name in names if names.count(name) > 1}):
        raise ParamsError(_("two files give the source name {names}; rename one", names=", ".join(duplicates)))
    test_file = read_data_file(build_local_file(test.resolve(), test.name)) if test else None
    answers = _ask(profile, licence, is_asking=not yes and sys.stdin.isatty() and sys.stdout.isatty())
    _propose(root, files, test_file, answers, force=force, dvc=dvc)
    return 0


@dataclass(frozen=True, slots=True)
class _Answers:
    """What the data do not show."""

    profile: str
    licence: str
    """Empty: unknown."""


def _ask(profile: str | None, licence: str | None, *, is_asking: bool) -> _Answers:
    """Return the options; in a terminal, ask for those that are not given."""
    if licence is None:
        question = _("licence of the data, such as CC-BY-4.0 (empty: unknown)")
        licence = typer.prompt(question, default="", show_default=False) if is_asking else ""
    if profile is None:
        profile = _choose_profile()
        if is_asking:
            profile = typer.prompt(_("profile of the base model (seodang profile list)"), default=profile)
    return _Answers(profile, licence.strip())


def _check_project(root: Path, folder: Path) -> None:
    if not (Paths(root).dvc_yaml.is_file() and (root / "src" / "seodang").is_dir()):
        raise ParamsError(
            _(
                "{folder} is no clone of Seodang: the stages in dvc.yaml depend on its code (src/seodang), so a project is a"
                " clone; git clone the repository, and run seodang init in it",
                folder=folder,
            )
        )


def _find_data(root: Path) -> list[Path]:
    """Return the data files in data/, without those that an earlier init wrote."""
    from seodang.ingest.fetch.local import find_local_files

    found = [file.path.resolve() for file in find_local_files("data", root)] if (root / "data").is_dir() else []
    own = [path for path in found if not path.name.endswith((".train.jsonl", ".test.jsonl"))]
    if not own:
        raise SourceError(_("no data file in data/; name one: seodang init --data FILE"))
    return own


def _propose(
    root: Path, files: Sequence[DataFile], test: DataFile | None, answers: _Answers, *, force: bool, dvc: bool
) -> None:
    from seodang.config.load import parse_params, read_defaults, resolve_params
    from seodang.setup.frozen_split import compute_minimum_items, split_test_records
    from seodang.setup.proposal import build_params, render_params

    wanted = read_defaults()["gate"]["minimum_items"]
    sources: list[dict[str, Any]] = []
    written: dict[Path, list[dict[str, Any]]] = {}
    counts: list[int] = []
    for file in files:
        train, tested = (file.objects, test.objects) if test else split_test_records(file, wanted)
        for records, role in ((train, "train"), (tested, "test")):
            path = root / "data" / f"{file.name}.{role}.jsonl"
            written[path] = records
            entry = file.build_entry(path.relative_to(root).as_posix(), role)
            sources.append({**entry, "licence": answers.licence} if answers.licence else entry)
        counts.append(len(tested))
        print_lines(_describe_file(file, len(train), len(tested)))
    minimum = compute_minimum_items(min(counts), wanted)
    if minimum < wanted:
        print_lines([_("gate.minimum_items: {minimum}, as the data allow no more", minimum=minimum)])
    lengths = _measure_lengths(files, root, answers.profile)
    content = build_params(answers.profile, Paths(root).profiles, sources, lengths, minimum)
    parse_params(resolve_params(content), "params.yaml")
    _write(root, render_params(content), written, force=force)
    is_tracked = dvc and _track(root, list(written))
    checks = [file.build_check_command(f"data/{file.name}.train.jsonl") for file in files]
    _print_next(root, list(written), checks, is_tracked=is_tracked)


def _measure_lengths(files: Sequence[DataFile], root: Path, profile: str) -> Lengths:
    """Return the lengths of the records in tokens, and print them with the tokenizer that counted them.

    It is the model's own, or that of the bundled base if the model's is not on this machine.
    """
    from seodang.config.profiles import BASE, load_profile
    from seodang.models.tokenizer_files import find_tokenizer_file
    from seodang.setup.proposal import measure_lengths

    paths = Paths(root)
    params = load_profile(profile, paths.profiles)
    own = find_tokenizer_file(params.model, paths)
    used = own or find_tokenizer_file(load_profile(BASE, paths.profiles).model, paths)
    assert used is not None  # the bundled base lies in the repository
    lengths = measure_lengths([row for file in files for row in file.rows], used, params.prompt.format)
    lines = [
        _(
            "base model: profile {profile}; train.max_length {length}, evaluate.max_new_tokens {answer} (99 % of the"
            " records)",
            profile=profile,
            length=lengths.record,
            answer=lengths.answer,
        )
    ]
    if own is None:
        lines.append(
            _(
                "  the lengths are counted with the tokenizer of the bundled base, as that of {model} is not on this"
                " machine; to use it, run dvc repro base, and then this command with --force",
                model=params.model.name,
            )
        )
    print_lines(lines)
    return lengths


def _describe_file(file: DataFile, train: int, tested: int) -> list[str]:
    """Return how a file is read, its task, its metric, and its split."""
    labels = file.labels
    task = (
        _("classification ({labels}), metric accuracy", labels=", ".join(labels[:8]))
        if labels
        else _("free text, metric chrF")
    )
    dropped = len(file.objects) - train - tested
    lines = [
        f"{file.file.location}: {file.rows[0]['format']}, {task}",
        _("  train {train:,}, frozen test set {test:,} (role: test)", train=train, test=tested),
    ]
    if file.columns:
        lines.append(f"  {', '.join(f'{field}: {key}' for field, key in file.columns.items())}")
    if dropped > 0:
        lines.append(
            ngettext("  {count} unreadable row was left out", "  {count} unreadable rows were left out", dropped)
        )
    return lines


def _choose_profile() -> str:
    import psutil
    import torch

    from seodang.setup.proposal import choose_profile

    gpu = float(torch.cuda.get_device_properties(0).total_memory) if torch.cuda.is_available() else None
    return choose_profile(gpu, float(psutil.virtual_memory().total))


def _write(root: Path, text: str, written: dict[Path, list[dict[str, Any]]], *, force: bool) -> None:
    """Write params.yaml and the data files; a changed params.yaml is replaced only by force."""
    from seodang.config.profiles import STARTER
    from seodang.io.atomic import write_atomically

    path = Paths(root).params
    old = path.read_text("utf-8") if path.is_file() else ""
    if old and old not in {text, STARTER.read_text("utf-8")} and not force:
        sys.stdout.writelines(
            difflib.unified_diff(old.splitlines(True), text.splitlines(True), "params.yaml", "params.yaml (new)")
        )
        raise ParamsError(_("params.yaml exists and differs, as shown; replace it with --force"))
    for file, records in written.items():
        write_atomically(file, (json.dumps(record, ensure_ascii=False) + "\n" for record in records))
    write_atomically(path, [text])


def _track(root: Path, paths: Sequence[Path]) -> bool:
    """Track the files with DVC, so that they also reach experiments, queues and other worktrees."""
    if not shutil.which("dvc"):
        return False
    names = [path.relative_to(root).as_posix() for path in paths]
    return subprocess.run(["dvc", "add", "--quiet", *names], cwd=root, check=False).returncode == 0


def _print_next(root: Path, paths: Sequence[Path], checks: Sequence[str], *, is_tracked: bool) -> None:
    """Print the commands that follow: track the data, check them, run."""
    names = " ".join(path.relative_to(root).as_posix() for path in paths)
    pointers = " ".join(f"{path.relative_to(root).as_posix()}.dvc" for path in paths)
    tracking = f"git add params.yaml {pointers}" if is_tracked else f"dvc add {names}"
    commands = [tracking, *checks, "seodang run"]
    print_lines([_("params.yaml is written. Next:"), *(f"  {command}" for command in commands)])
