"""Serve one of several packaged models under uvicorn alone. Run: python serve_tagged.py MODELS PORT TAG

MODELS is a JSON file with the folder of each tag.
"""

import json
import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    models, port, tag = sys.argv[1:]
    script = Path(__file__).parents[1] / "service" / "run_app.py"
    sys.argv = [str(script), json.loads(Path(models).read_text("utf-8"))[tag], port, tag]
    runpy.run_path(str(script), run_name="__main__")
