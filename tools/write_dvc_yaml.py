"""Write the code dependencies of each stage into dvc.yaml, from the real import tree.

DVC doesn't follow imports. Run it after an import has changed; a contract test
fails when dvc.yaml is behind.
"""

from __future__ import annotations

import sys
from pathlib import Path

import grimp
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
# The dispatcher imports a stage by name; cli and dispatcher themselves decide nothing.
_IGNORED = {"seodang.cli", "seodang.__main__"}
_SERVICE = "seodang.service.app"  # no stage imports it, but `package` ships it


def code_of(stage: str, graph: grimp.ImportGraph) -> list[str]:
    """Return the source files that a stage imports, directly or not, its own first."""
    module = f"seodang.stages.{stage}"
    roots = {module} | ({_SERVICE} if stage == "package" else set())
    modules = roots.union(*(graph.find_upstream_modules(root) for root in roots)) - _IGNORED
    files = [_file(name) for name in sorted(modules) if name.startswith("seodang")]
    return [file for file in files if (ROOT / file).stat().st_size > 0]


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
        others = [dep for dep in stage["deps"] if not str(dep).endswith(".py")]
        stage["deps"] = others + code_of(name, graph)
    with file.open("w", encoding="utf-8") as output:
        yaml.dump(content, output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
