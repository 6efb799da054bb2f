"""The pages of the documentation, for parameters of tests."""

from pathlib import Path

from tests.constants import ROOT

_OTHER_PAGES = (
    "README.md",
    "README.ko.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "benchmarks/README.md",
    "data/README.md",
    "models/primer-base/README.md",
)


def list_pages() -> list[Path]:
    """Return the Markdown pages of the repository that users read."""
    return sorted([*(ROOT / name for name in _OTHER_PAGES), *(ROOT / "docs").rglob("*.md")])
