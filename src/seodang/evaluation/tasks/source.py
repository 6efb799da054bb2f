"""Where the data of a task file come from, and the commands that fetch them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from seodang.config import Section

Revision = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
UnverifiedFact = Literal["revision", "files", "columns", "licence", "items"]


class TaskSource(Section):
    """Source of the data of a task file. The data are not bundled; the user fetches them and accepts their licence."""

    hub: str | None
    """Data set on the Hugging Face hub, owner/name; data.file then begins with it. null: the data are elsewhere."""
    revision: Revision | None
    """Commit of the data set or of the repository; null: not verified, the newest one is fetched."""
    urls: dict[str, str]
    """Address of each file outside the hub, by its name in data.file or data.few_shot_file."""
    page: str
    """Page about the data."""
    licence: str | None
    """As the page states it; null: the page states none."""
    items: PositiveInt | None
    """Items that the complete file has; null: not known."""
    definition: str | None
    """Task of another evaluation that the prompt follows, with the version; null: the prompt is our own."""
    unverified: list[UnverifiedFact]
    """Facts that no readable source confirms."""

    def iter_fetch_commands(self, files: Iterable[str], folder: str) -> Iterator[str]:
        """Yield the commands that put files into a data folder.

        Args:
            files: Names as in data.file; `*` stands for any text.
            folder: The data folder.
        """
        for file in files:
            if self.hub is not None:
                revision = ["--revision", self.revision] if self.revision else []
                include = ["--include", file.removeprefix(f"{self.hub}/")]
                target = ["--local-dir", f"{folder}/{self.hub}"]
                yield shlex.join(["hf", "download", self.hub, "--repo-type", "dataset", *revision, *include, *target])
            elif file in self.urls:
                yield shlex.join(["curl", "-fL", "--create-dirs", "-o", f"{folder}/{file}", self.urls[file]])
