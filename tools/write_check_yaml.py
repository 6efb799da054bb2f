"""Write what `seodang check` goes by where there is no params.yaml: the sections of profiles/tiny.yaml that it needs.

Run it after these have changed; a contract test fails when the copy in the package is behind.
"""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "src" / "seodang" / "validation" / "check.yaml"
_HEAD = "# Written by tools/write_check_yaml.py from profiles/tiny.yaml: what `seodang check` goes by in a folder without params.yaml.\n"


def content() -> str:
    """Return the file's text."""
    profile = yaml.safe_load((ROOT / "profiles" / "tiny.yaml").read_text("utf-8"))
    sections = {
        "max_field_characters": profile["ingest"]["max_field_characters"],
        "expectations": profile["expectations"],
    }
    return _HEAD + yaml.safe_dump(sections, allow_unicode=True, sort_keys=False, width=200)


if __name__ == "__main__":
    sys.exit(TARGET.write_text(content(), "utf-8") == 0)
