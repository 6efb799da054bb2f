"""Write into dvc.yaml what the code knows better: the code that each stage depends on, and the plots.

DVC doesn't follow imports. A stage depends on its rooms as folders; of other rooms it depends on the subfolders and
modules that it imports. `EXEMPT` lists what is left out and why. A contract test fails when dvc.yaml is behind.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import grimp
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from seodang.config.load import DEFAULTS
from seodang.paths import Paths
from seodang.stages import list_parameters, list_sections, load_stage
from seodang.stages.inputs import STAGES_WITH_INPUTS
from seodang.training.curves import TRAIN_LOSS, VALIDATION_LOSS, Curve, get_curves_folder

ROOT = Path(__file__).resolve().parent.parent
SOURCE = "src/seodang"
# The rooms whose every change may change what the stage writes.
ROOMS: dict[str, tuple[str, ...]] = {
    "inputs": (),
    "base": ("models", "primer_base", "primer", "prompting"),
    "ingest": ("ingest", "primer"),
    "validate": ("validation", "prompting"),
    "prepare": ("preparation",),
    "preflight": ("preflight", "evaluation", "models", "prompting", "licences"),
    "train": ("training", "models", "prompting"),
    "align": ("alignment", "training", "models", "prompting"),
    "evaluate": ("evaluation", "inference", "models", "prompting"),
    "gate": ("gate",),
    "report": ("reports", "html", "locale", "licences"),
    "package": ("packaging", "service", "models", "prompting", "licences"),
}
ALWAYS_CHANGED = ("inputs",)  # stages that run each time, whatever their code
# Left out of every stage's dependencies: room or module -> why. `dvc repro --force STAGE` runs a stage all the same.
EXEMPT = {
    "errors": "messages and exit codes; a stage that failed wrote nothing",
    "paths": "a moved artifact changes the stage's outputs in dvc.yaml",
    "io": "reads and writes files; their content is decided elsewhere",
    "i18n": "words of messages",
    "hangul": "arithmetic of Unicode, the names of letters and digits, and the loading of the analyzer: they do not change",
    "stages": "the dispatcher calls a stage and decides nothing",
    "html": "page parts; only `report` renders pages",
    "config": "a stage depends on the files of its own sections and what they import, and on the values through params",
}
EXEMPT_OF_STAGE = {
    ("prepare", "ingest"): "reads the data of task files; the data themselves are a dependency",
    ("preflight", "gate"): "what decides runs again in stage gate; preflight only looks ahead",
    ("preflight", "inference"): "encodes texts as `models` does",
    ("preflight", "validation"): "reads its report and its quarantine, which are dependencies",
    ("preflight", "ingest"): "reads the data of task files; the data themselves are a dependency",
    ("package", "gate"): "reads verdict.json, which is a dependency",
    ("package", "html"): "escapes text of the model card, and is the look of the service's page",
    ("report", "gate"): "verdict.json is a dependency: when the gate decides otherwise, the pages are rendered again",
}


def list_code_dependencies(stage: str, graph: grimp.ImportGraph) -> list[str]:
    """Return the folders and files of code that a stage depends on, its own module first."""
    own = [f"{SOURCE}/stages/{stage}.py", *(f"{SOURCE}/{room}" for room in ROOMS[stage])]
    if stage in ALWAYS_CHANGED:
        return own
    modules = find_imported_modules(stage, graph)
    sections = [f"{SOURCE}/config/{name}.py" for name in list_sections(load_stage(stage))]
    others = {_get_dependency(module) for module in modules if not is_exempt(stage, module) and not _is_in(module, own)}
    return [*own, *sorted(path for path in sections if (ROOT / path).exists()), *sorted(others)]


def find_imported_modules(stage: str, graph: grimp.ImportGraph) -> set[str]:
    """Return the modules of the package that a stage imports, directly or not, without itself.

    Modules that only the parameters of other sections import do not count: the stage does not read these sections.
    """
    own = {f"seodang.config.{name}" for name in list_sections(load_stage(stage))}
    visited, pending = set[str](), {f"seodang.stages.{stage}"}
    while pending:
        module = pending.pop()
        visited.add(module)
        if not module.startswith("seodang.config") or module in own:
            imported = graph.find_modules_directly_imported_by(module)
            pending |= {name for name in imported if name.startswith("seodang.")} - visited
        elif module == "seodang.config":
            pending |= own - visited
    return visited - {f"seodang.stages.{stage}"}


def is_exempt(stage: str, module: str) -> bool:
    """Return whether a module is left out of the stage's dependencies, with its reason in this file."""
    room = module.split(".")[1]
    return stage in ALWAYS_CHANGED or room in EXEMPT or (stage, room) in EXEMPT_OF_STAGE


def _is_in(module: str, places: list[str]) -> bool:
    return any(get_module_path(module) == path or get_module_path(module).startswith(f"{path}/") for path in places)


def _get_dependency(module: str) -> str:
    """Return the subfolder of a foreign room, or the module's file where it lies in the room itself."""
    parts = module.split(".")
    return f"{SOURCE}/{parts[1]}/{parts[2]}" if len(parts) > 3 else get_module_path(module)


def list_params(stage: str) -> list[Any]:
    """Return the parameters of a stage in params.yaml and in the defaults below it, and its part of inputs.lock."""
    sections = list_parameters(load_stage(stage))
    inputs = [{Paths(Path()).inputs_lock.name: [stage]}] if stage in STAGES_WITH_INPUTS else []
    entry = CommentedSeq([*sections, {str(DEFAULTS.relative_to(ROOT)): sections}, *inputs])
    entry.fa.set_flow_style()
    return entry


def build_curve_plots() -> list[dict[str, Any]]:
    """Return the plots of stage `train`: the folder of the curves that every run logs."""
    return [{str(get_curves_folder(Paths(Path()).dvclive)): _write_in_one_line(x="step", x_label="optimizer steps")}]


def build_loss_plot() -> dict[str, Any]:
    """Return the plot that lays both losses over one another."""
    losses = _write_in_one_line(**{_format_curve_file(curve): curve.name for curve in (TRAIN_LOSS, VALIDATION_LOSS)})
    return {
        "loss": _write_in_one_line(x="step", y=losses, title="Loss", x_label="optimizer steps", y_label=TRAIN_LOSS.unit)
    }


def build_shots_plot() -> dict[str, Any]:
    """Return the plot of the base over the number of few-shot examples, with the tuned model's line."""
    table = str(Paths(Path()).shots_table)
    return {
        "few_shot": _write_in_one_line(
            x="shots",
            y=_write_in_one_line(**{table: ["base", "tuned"]}),
            title="Base by few-shot examples",
            x_label="few-shot examples",
            y_label="accuracy (chrF without choice tasks)",
        )
    }


def _name(output: str | dict[str, Any]) -> str:
    """Return an output without options: DVC's cache holds an experiment's metrics, because git ignores artifacts/."""
    return output if isinstance(output, str) else next(iter(output))


def _write_in_one_line(**values: Any) -> CommentedMap:
    mapping = CommentedMap(values)
    mapping.fa.set_flow_style()
    return mapping


def _format_curve_file(curve: Curve) -> str:
    return str(get_curves_folder(Paths(Path()).dvclive) / f"{curve.name}.tsv")


def get_module_path(module: str) -> str:
    """Return the file of a module, as dvc.yaml names it."""
    path = Path("src", *module.split("."))
    return f"{path}/__init__.py" if (ROOT / path).is_dir() else f"{path}.py"


def main() -> int:
    """Rewrite dvc.yaml in place, comments kept."""
    yaml = YAML()
    yaml.width = 320
    yaml.indent(mapping=2, sequence=4, offset=2)
    file = ROOT / "dvc.yaml"
    content = yaml.load(file.read_text("utf-8"))
    graph = grimp.build_graph("seodang", cache_dir=None)
    for name, stage in content["stages"].items():
        others = [dep for dep in stage["deps"] if not str(dep).startswith(SOURCE)]
        stage["deps"] = others + list_code_dependencies(name, graph)
        stage["params"] = list_params(name)
        if "metrics" in stage:
            stage["metrics"] = [_name(metric) for metric in stage["metrics"]]
    content["stages"]["train"]["plots"] = build_curve_plots()
    content["plots"] = [build_loss_plot(), build_shots_plot()]
    with file.open("w", encoding="utf-8") as output:
        yaml.dump(content, output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
