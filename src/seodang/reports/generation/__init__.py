"""The page of generated records: what was kept and why the rest was not, novelty, diversity beside the seed tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from seodang.config.recipe import GenerateParams
from seodang.io.atomic import write_atomically
from seodang.io.jsonl import read_json, read_rows, write_json
from seodang.reports.generation.contents import build_contents
from seodang.reports.generation.render import render_page
from seodang.synthesis.recipes.instructions import read_instructions

PAGE_NAME: Final = "index.html"
DIVERSITY_NAME: Final = "diversity.json"


def write_generation_page(params: GenerateParams, folder: Path, root: Path) -> Path:
    """Write index.html and diversity.json beside the records of a run, and return the path of the page.

    Args:
        params: The recipe file of the run.
        folder: Its output: manifest.json, records.jsonl.
        root: Folder of the project.

    Raises:
        ArtifactError: If the output is missing or damaged.
        SourceError: If what the recipe started from cannot be read.
    """
    manifest = read_json(folder / "manifest.json")
    rows = list(read_rows(folder / "records.jsonl"))
    contents = build_contents(manifest, rows, read_instructions(params.recipe, root))
    write_json(folder / DIVERSITY_NAME, contents.to_json())
    page = folder / PAGE_NAME
    write_atomically(page, [render_page(contents)])
    return page
