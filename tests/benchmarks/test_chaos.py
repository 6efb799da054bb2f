"""What chaos.py draws, follows and compares. Run: pytest tests/benchmarks/test_chaos.py"""

import json
import random
import subprocess
import sys

import psutil
from tests.constants import ROOT

from seodang.stages import STAGES

sys.path.insert(0, str(ROOT / "benchmarks"))
import chaos_kills
import chaos_processes
import chaos_results
import chaos_rounds

_STAGE = "import sys; print(flush=True); sys.stdin.readline()"


def test_the_kills_of_a_seed_are_the_same_and_reach_every_stage_and_command():
    rounds = chaos_rounds.plan_rounds(20)
    assert [(command.name, number) for command, number in rounds] == [
        ("seodang run", 12),
        ("flow", 5),
        ("dvc repro", 3),
    ]
    numbers = [number for _command, number in rounds]
    kills = chaos_kills.draw_kills(random.Random(18), STAGES, numbers)
    assert kills == chaos_kills.draw_kills(random.Random(18), STAGES, numbers)
    assert [len(each) for each in kills] == numbers
    assert {kill.stage for kill in kills[0]} == set(STAGES)
    for each in kills:
        assert [kill.stage for kill in each] == sorted({kill.stage for kill in each}, key=STAGES.index)
    assert all(kill.victim != "the stage" for each in kills for kill in each if kill.moment == "while DVC saves")


def test_a_watch_sees_the_stage_at_work_and_that_dvc_saves_after_it():
    shell = f"{sys.executable} -c '{_STAGE}' stage train; echo saves; read _line"
    with subprocess.Popen(
        [sys.executable, "-c", f"import subprocess; subprocess.run(['bash', '-c', {shell!r}])"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as dvc:
        watch = chaos_processes.StageWatch(psutil.Process(), STAGES)
        watch.look()
        dvc.stdout.readline()
        watch.look()
        assert (watch.stage, watch.worker.is_running(), watch.dvc.pid) == ("train", True, dvc.pid)
        kill = chaos_kills.Kill("train", "while DVC saves", 0.0, "DVC")
        costs = {"train": chaos_processes.StageCost(1.0, 1.0)}
        assert not chaos_kills.is_due(kill, watch, costs)
        dvc.stdin.write("\n")
        dvc.stdin.flush()
        assert dvc.stdout.readline() == "saves\n"
        watch.look()
        assert (watch.stage, watch.worker, watch.dvc.pid) == ("train", None, dvc.pid)
        assert chaos_kills.is_due(kill, watch, costs)
        assert chaos_kills.strike(kill, psutil.Process(), watch) == "while DVC saves, 0%"
        assert dvc.wait() == -9


def test_times_do_not_count_as_differences_and_anything_else_does(tmp_path):
    def digest(seconds: float, loss: float) -> dict[str, str]:
        (tmp_path / "artifacts").mkdir(exist_ok=True)
        (tmp_path / "dvc.lock").write_text(json.dumps({"stages": {"train": {"outs": [{"path": "artifacts"}]}}}))
        card = f"| dvc.lock | `{round(seconds):064}` |\n| loss | {loss} |\n"
        (tmp_path / "artifacts" / "README.md").write_text(card)
        report = {
            "seconds": seconds,
            "dvc_lock_sha256": str(seconds),
            "rows": [{"tokens_per_second": seconds, "loss": loss}],
        }
        (tmp_path / "artifacts" / "report.json").write_text(json.dumps(report))
        return chaos_results.digest_project(tmp_path)

    assert chaos_results.compare(digest(1.0, 2.0), digest(3.0, 2.0)) == []
    files = ["artifacts/README.md", "artifacts/report.json"]
    assert chaos_results.compare(digest(1.0, 2.0), digest(1.0, 2.5)) == files
    assert chaos_results.compare({}, digest(1.0, 2.0)) == files
