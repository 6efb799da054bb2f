"""Write .dvc/plots_page.html: the page of `dvc plots show` with Vega inside, so that it needs no network.

    python tools/write_plots_page.py    # downloads three packages with npm

DVC's own page loads Vega from a CDN. `plots.html_template` in .dvc/config names this one. The packages are under the
BSD-3-Clause licence of the University of Washington Interactive Data Lab, which goes into the page.
"""

from __future__ import annotations

import json
import subprocess
import tarfile
import tempfile
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / ".dvc" / "plots_page.html"
PACKAGES = {"vega": "5.33.1", "vega-lite": "5.23.0", "vega-embed": "6.29.0"}
LICENCE_OF_ALL = "vega-embed"  # the text of the licence; the package vega has no such file
TEMPLATE = """<!DOCTYPE html>
<html>
<head>
    <meta charset="utf-8">
    {{refresh_tag}}
    <title>DVC plots</title>
{scripts}
    <style>table {{ border-spacing: 15px; }}</style>
</head>
<body>
    {{plot_divs}}
</body>
</html>
"""


def main() -> None:
    """Download the packages and write the page."""
    with tempfile.TemporaryDirectory() as folder:
        scripts = "\n".join(_read_script(name, version, Path(folder)) for name, version in PACKAGES.items())
    PAGE.write_text(TEMPLATE.format(scripts=scripts), "utf-8")


def _read_script(name: str, version: str, folder: Path) -> str:
    """Return a script element with the package's code below its licence."""
    subprocess.run(["npm", "pack", "--silent", f"{name}@{version}"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    with tarfile.open(folder / f"{name}-{version}.tgz") as archive:
        code = _read_member(archive, f"package/build/{name}.min.js")
        assert json.loads(_read_member(archive, "package/package.json"))["license"] == "BSD-3-Clause"
        licence = (
            _read_member(archive, "package/LICENSE") if name == LICENCE_OF_ALL else f"Licence: as {LICENCE_OF_ALL}"
        )
    code = code.partition("//# sourceMappingURL")[0].replace("</script", "<\\/script")
    return f"<script>\n/*! {name} {version}\n{licence}*/\n{code}</script>"


def _read_member(archive: tarfile.TarFile, name: str) -> str:
    file = archive.extractfile(name)
    assert file is not None
    return file.read().decode("utf-8")


if __name__ == "__main__":
    main()
