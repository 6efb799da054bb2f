"""The data card: what a data set is, where it comes from, and what became of every row.

`write_data_card` reads what ingest, validate and prepare have written, and writes one page (index.html) and one
Markdown file (README.md, with the front matter of a Hugging Face dataset card and its figures beside it).
The same artefacts give the same bytes.

Root verbs and objects (Alpaca's figure) count every different instruction once, so that a template which
stands before a thousand inputs does not make the figure; at most `card.instructions` of each language, chosen by hash.

How right they are, read by hand on instructions that no rule was written for (100 of Stanford Alpaca, 100 of KoAlpaca
v1.0): English verb 100 %, object 98 %; Korean verb 100 %, object 97 %. A sample before the last mends gave English 99 %
and 96 %, Korean 99 % and 99 %. "No object" counts as right where there is none ("Explain why ...", "...에 대해 설명하세요").
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from seodang.config.prepare import CardParams
from seodang.io.atomic import write_atomically
from seodang.paths import Paths
from seodang.reports.data_card.contents import gather_contents
from seodang.reports.data_card.render import render_figures, render_markdown, render_page

__all__ = ["write_data_card"]


def write_data_card(paths: Paths, card: CardParams, seed: int) -> None:
    """Write artifacts/report/data_card from the reports of the three data stages; it is complete or as it was before.

    Args:
        paths: Where the artefacts lie.
        card: How much is sampled and shown.
        seed: Of the samples.

    Raises:
        ArtefactError: If a report or split is missing or damaged; the message names the stage to run.

    """
    contents = gather_contents(paths, card, seed)
    files = {"index.html": render_page(contents), "README.md": render_markdown(contents), **render_figures(contents)}
    _replace_folder(paths.data_card, files)


def _replace_folder(folder: Path, files: dict[str, str]) -> None:
    """Write the files beside `folder`, then let the new folder take its place."""
    staging, old = (folder.with_name(f".{folder.name}.{os.getpid()}.{name}") for name in ("part", "old"))
    try:
        for name, text in files.items():
            write_atomically(staging / name, [text])
        if folder.exists():
            folder.rename(old)
        staging.rename(folder)
    finally:
        for leftover in (staging, old):
            shutil.rmtree(leftover, ignore_errors=True)
