import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
SCRIPTS = sorted(path for path in FOLDER.glob("*.py") if "__main__" in path.read_text("utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_script_starts_and_has_the_options_that_it_documents(script):
    completed = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True, check=False)

    assert completed.returncode == 0, completed.stderr
    description, options = completed.stdout.split("\noptions:\n")
    documented = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", description))
    assert documented <= set(re.findall(r"--[a-z][a-z-]*", options))


def test_readme_lists_every_script():
    named = set(re.findall(r"^\| `(\w+\.py)", (FOLDER / "README.md").read_text("utf-8"), re.MULTILINE))

    assert named == {script.name for script in SCRIPTS}
