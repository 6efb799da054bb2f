"""Stage `align`: off by default."""

import subprocess
import sys

from seodang.config.load import parse_params
from seodang.config.profiles import read_starter
from seodang.io.jsonl import read_json
from seodang.paths import Paths
from seodang.stages import align as stage


def test_the_stage_is_off_by_default_and_writes_only_a_report_and_empty_folders(tmp_path):
    params, paths = parse_params(read_starter(), "test"), Paths(tmp_path)
    stage.run(prompt=params.prompt, train=params.train, align=params.align, paths=paths)
    assert read_json(paths.align_report)["method"] == "none"
    files = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()}
    assert files == {"artifacts/align/report.json", "artifacts/align/live/metrics.json"}
    assert paths.aligned_adapter.is_dir()


def test_the_stage_that_is_off_imports_no_torch():
    code = "import sys, seodang.stages.align; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
