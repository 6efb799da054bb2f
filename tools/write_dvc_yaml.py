"""Write into dvc.yaml what the code knows better: each stage's code dependencies, the curves of training, metrics.

DVC doesn't follow imports. Run it after an import has changed; a contract test
fails when dvc.yaml is behind. A folder `templates` belongs to the package that it lies in.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import grimp
from ruamel.yaml import YAML

from seodang.paths import Paths
from seodang.training.curves import EVERY_RUN, TRAIN_LOSS, VALIDATION_LOSS, Curve, folder_of

ROOT = Path(__file__).resolve().parent.parent
# The dispatcher imports a stage by name; cli and dispatcher themselves decide nothing.
_IGNORED = {"seodang.cli.main", "seodang.__main__"}
_SERVICE = "seodang.service.app"  # no stage imports it, but `package` ships it


def code_of(stage: str, graph: grimp.ImportGraph) -> list[str]:
    """Return the source files that a stage imports, directly or not, its own first."""
    module = f"seodang.stages.{stage}"
    roots = {module} | ({_SERVICE} if stage == "package" else set())
    modules = roots.union(*(graph.find_upstream_modules(root) for root in roots)) - _IGNORED
    files = [_file(name) for name in sorted(modules) if name.startswith("seodang")]
    return [file for file in files if (ROOT / file).stat().st_size > 0]


def templates_of(code: list[str]) -> list[str]:
    """Return the folders of templates beside the source files."""
    folders = sorted({Path(file).parent / "templates" for file in code})
    return [str(folder) for folder in folders if (ROOT / folder).is_dir()]


def curve_plots() -> list[dict[str, Any]]:
    """Return the plots of stage `train`: one for each curve that every run logs."""
    return [
        {
            _curve_file(curve): {"x": "step", "title": f"{curve.en} / {curve.ko}", "x_label": "updates"}
            | ({"y_label": curve.unit} if curve.unit else {})
        }
        for curve in EVERY_RUN
    ]


def loss_plot() -> dict[str, Any]:
    """Return the plot that lays both losses over one another."""
    losses = {_curve_file(curve): curve.name for curve in (TRAIN_LOSS, VALIDATION_LOSS)}
    return {
        "loss": {"x": "step", "y": losses, "title": "Loss / 손실", "x_label": "updates", "y_label": TRAIN_LOSS.unit}
    }


def shots_plot() -> dict[str, Any]:
    """Return the plot of the base over the number of exemplars, with the tuned model's line."""
    table = str(Paths(Path()).shots_table)
    return {
        "exemplars": {
            "x": "shots",
            "y": {table: ["base", "tuned"]},
            "title": "Base by exemplars / 예시 수에 따른 베이스",
            "x_label": "exemplars",
            "y_label": "accuracy",
        }
    }


def _name(output: str | dict[str, Any]) -> str:
    """Return an output without options: git ignores artifacts/, so only DVC's cache holds an experiment's metrics for `dvc exp show`."""
    return output if isinstance(output, str) else next(iter(output))


def _curve_file(curve: Curve) -> str:
    return str(folder_of(Paths(Path()).live) / f"{curve.name}.tsv")


def _file(module: str) -> str:
    path = Path("src", *module.split("."))
    return f"{path}/__init__.py" if (ROOT / path).is_dir() else f"{path}.py"


def main() -> int:
    """Rewrite dvc.yaml in place, comments kept."""
    yaml = YAML()
    yaml.width = 200
    yaml.indent(mapping=2, sequence=4, offset=2)
    file = ROOT / "dvc.yaml"
    content = yaml.load(file.read_text("utf-8"))
    graph = grimp.build_graph("seodang")
    for name, stage in content["stages"].items():
        others = [dep for dep in stage["deps"] if not str(dep).endswith((".py", "/templates"))]
        code = code_of(name, graph)
        stage["deps"] = others + templates_of(code) + code
        if "metrics" in stage:
            stage["metrics"] = [_name(metric) for metric in stage["metrics"]]
    content["stages"]["train"]["plots"] = curve_plots()
    content["plots"] = [loss_plot(), shots_plot()]
    with file.open("w", encoding="utf-8") as output:
        yaml.dump(content, output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
