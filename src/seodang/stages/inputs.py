"""Stage `inputs`: write the checksums of the inputs that DVC does not see into inputs.lock.

DVC looks at the paths that dvc.yaml names. It does not look behind a linked folder below them, at a file that
.dvcignore names, or at a path elsewhere that params.yaml names. This stage runs each time (`always_changed`), and
`base`, `ingest`, `prepare` and `evaluate` depend on their own part of inputs.lock. So a change of such an input runs
them again.
Of a file in a store such as s3:// it holds the version that the store reports without a download. Sources by http(s)
and others with `sha256` are pinned: a changed file is an error of `ingest`, whenever that runs.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from seodang.config import AlignParams, EvaluateParams, IngestParams, ModelParams, PackageParams, ScratchParams
from seodang.config.yaml_file import read_yaml
from seodang.errors import SeodangError, SourceError
from seodang.evaluation.tasks.files import list_files, list_names
from seodang.evaluation.tasks.spec import FileData, load_specs
from seodang.i18n import _
from seodang.ingest.fetch.files import is_auxiliary_file, redact_url
from seodang.ingest.fetch.locate import resolve_paths
from seodang.ingest.preferences import add_preference_sources
from seodang.io.jsonl import read_json, write_json
from seodang.io.names import find_path
from seodang.licences.refusal import require_permission
from seodang.licences.verdict import list_parts
from seodang.paths import Paths
from seodang.stages import Report
from seodang.stages.experiments import check_experiment, find_workspace, format_names

logger = logging.getLogger(__name__)

STAGES_WITH_INPUTS: Final = ("base", "ingest", "prepare", "evaluate")
# Local files are watched by their checksums; http(s) needs sha256, and hf names a commit.
_PINNED_SCHEMES: Final = ("file://", "http://", "https://", "hf://")


def run(
    *,
    model: ModelParams,
    ingest: IngestParams,
    evaluate: EvaluateParams,
    package: PackageParams,
    align: AlignParams,
    paths: Paths,
) -> Report:
    """Write inputs.lock: for each stage the checksum of every input that DVC does not see.

    Raises:
        LicenceRefused: If licences of base or sources forbid the declared use; before anything is downloaded.
        SourceError: If an experiment in a folder of its own lacks inputs that neither git nor DVC tracks.
    """
    all_sources = add_preference_sources(ingest, align)
    parts = list_parts(model.licence, [source.model_dump() for source in all_sources.sources])
    require_permission(package.intended_use, package.name, parts, _("nothing is downloaded or trained"))
    inputs = list_inputs(model, all_sources, evaluate, paths)
    if (workspace := find_workspace(paths.root)) is not None:
        check_experiment(inputs, list_inputs(model, all_sources, evaluate, Paths(workspace)), workspace, paths.root)
    dependencies = read_dependencies(paths)
    report = {
        stage: compute_checksums(_select_unseen(inputs[stage], dependencies.get(stage, []), paths.root), paths)
        for stage in STAGES_WITH_INPUTS
    }
    report["ingest"] |= _read_store_versions(all_sources, paths)
    write_json(paths.inputs_lock, report)
    if names := [name for checksums in report.values() for name in checksums]:
        logger.info(
            _(
                "inputs that DVC does not see, watched by their checksums in {file}: {names}",
                file=paths.inputs_lock.name,
                names=format_names(names),
            )
        )
    return report


def list_inputs(
    model: ModelParams, ingest: IngestParams, evaluate: EvaluateParams, paths: Paths
) -> dict[str, dict[str, Path]]:
    """Return the local files that each stage reads besides artifacts, by name; missing ones are left out.

    The stage that reads a file reports what is wrong with it.
    """
    return {
        "base": dict(_iter_model_files(model, paths.root)),
        "ingest": dict(iter_source_files(ingest, paths.root)),
        "prepare": dict(_iter_task_files(evaluate, paths)),  # preference records are compared with their items
        "evaluate": dict(_iter_task_files(evaluate, paths)),
    }


def _iter_model_files(model: ModelParams, root: Path) -> Iterator[tuple[str, Path]]:
    folder = find_path(root / str(model.path))
    if model.source in ("bundled", "path") and model.path is not None and folder.is_dir():
        for path in sorted(folder.iterdir()):
            yield _get_name(path, model.path, root), path
    if model.source == "scratch" and model.scratch is not None:
        for text in _list_texts(model.scratch):
            yield _get_name(root / text, text, root), root / text


def _list_texts(scratch: ScratchParams) -> list[str]:
    """Return the files that the primer base is pretrained on."""
    if (episodes := scratch.episodes) is None:
        return scratch.texts
    nouns = f"{episodes.wordnet}/data.noun" if episodes.wordnet else None
    return [*scratch.texts, *filter(None, (episodes.reviews, episodes.valences, nouns))]


def iter_source_files(ingest: IngestParams, root: Path) -> Iterator[tuple[str, Path]]:
    """Yield the local files of all sources with their names."""
    for source in ingest.sources:
        if source.path is None or ("://" in source.path and not source.path.startswith("file://")):
            continue
        text = unquote(urlsplit(source.path).path) if source.path.startswith("file://") else source.path
        for path in sorted(path for path in resolve_paths(text, root) if not is_auxiliary_file(path.name)):
            yield _get_name(path, text, root), path


def _iter_task_files(evaluate: EvaluateParams, paths: Paths) -> Iterator[tuple[str, Path]]:
    try:
        specs = load_specs(paths.tasks, evaluate.tasks) if evaluate.tasks else []
    except SeodangError:  # `evaluate` reports it
        return
    for spec in specs:
        file = paths.tasks / f"{spec.name}.yaml"
        yield _get_name(file, "tasks", paths.root), file
        if not isinstance(spec.data, FileData):
            continue
        folders = ((evaluate.data_folder or "tasks/data"), "tasks/data")
        for name in list_names(spec.data):
            found = next((text for text in folders if list_files(paths.root / text, name)), None)
            for path in list_files(paths.root / found, name) if found else []:
                yield _get_name(path, found or "", paths.root), path


def _get_name(path: Path, text: str, root: Path) -> str:
    """Return the name of a file in inputs.lock: relative to the project, unless params.yaml has an absolute path."""
    inside = path.is_relative_to(root)
    return path.as_posix() if Path(text).is_absolute() and not inside else Path(os.path.relpath(path, root)).as_posix()


def read_dependencies(paths: Paths) -> dict[str, list[Path]]:
    """Return the dependencies that dvc.yaml declares, by stage."""
    stages: Mapping[str, Any] = read_yaml(paths.dvc_yaml).get("stages", {})
    return {
        name: [paths.root / (text if isinstance(text, str) else next(iter(text))) for text in stage.get("deps", [])]
        for name, stage in stages.items()
    }


def _select_unseen(inputs: Mapping[str, Path], dependencies: Iterable[Path], root: Path) -> dict[str, Path]:
    """Return the inputs that no dependency covers as DVC reads it."""
    from dvc.fs import localfs
    from dvc.ignore import DvcIgnoreFilter

    ignored = DvcIgnoreFilter(localfs, str(root)).is_ignored_file
    seen = list(dependencies)
    return {
        name: path
        for name, path in inputs.items()
        if path.is_file() and (ignored(str(path)) or not any(_is_seen_below(path, dependency) for dependency in seen))
    }


def _is_seen_below(path: Path, dependency: Path) -> bool:
    """Return whether DVC finds a file below a dependency: it follows linked files, but no linked folder below it."""
    if path == dependency:
        return True
    if dependency not in path.parents:
        return False
    folders = [parent for parent in path.parents if dependency in parent.parents]
    return not any(folder.is_symlink() for folder in folders)


def compute_checksums(files: Mapping[str, Path], paths: Paths) -> dict[str, str]:
    """Return the md5 of each file by name; DVC's database keeps those of files that did not change."""
    from dvc.fs import localfs
    from dvc_data.hashfile.hash import hash_file
    from dvc_data.hashfile.state import State

    if not files:
        return {}
    state = State(root_dir=str(paths.root), tmp_dir=str(paths.checksums))
    try:
        return {
            name: str(hash_file(str(path.resolve()), localfs, "md5", state=state)[1].value)
            for name, path in sorted(files.items())
        }
    finally:
        state.close()


def _read_store_versions(ingest: IngestParams, paths: Paths) -> dict[str, str]:
    """Return the versions of unpinned files in stores; a store that does not answer keeps its last version."""
    from seodang.ingest.fetch.fsspec_stores import read_remote_versions

    versions: dict[str, str] = {}
    for url in (source.path for source in ingest.sources if source.path and source.sha256 is None):
        if "://" not in url or url.startswith(_PINNED_SCHEMES):
            continue
        try:
            versions |= read_remote_versions(url)
        except SourceError as error:
            logger.warning(_("{error}; a change of these files would not be noticed", error=error))
            versions |= _read_last_versions(redact_url(url), paths)
    return versions


def _read_last_versions(display_url: str, paths: Paths) -> dict[str, str]:
    last: dict[str, str] = read_json(paths.inputs_lock)["ingest"] if paths.inputs_lock.is_file() else {}
    start = next((display_url[:index] for index, letter in enumerate(display_url) if letter in "*?["), display_url)
    return {name: version for name, version in last.items() if name.startswith(start)}
