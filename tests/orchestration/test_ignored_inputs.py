"""Records in data/, which git ignores, are part of a run with include_changes, such as one after a changed source."""

from __future__ import annotations

from pathlib import Path

import pytest

from seodang.orchestration.ignored_inputs import compute_digest
from seodang.orchestration.parameters import RunParameters
from seodang.orchestration.runs import open_run

ROW = '{"instruction": "질문", "output": "답"}\n'


@pytest.fixture
def project_with_data(project: Path, git, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project with records that git ignores, and records that a .dvc file in git stands for."""
    monkeypatch.setenv("BENTOML_HOME", str(project / ".seodang" / "bentoml"))
    (project / "data" / "more").mkdir(parents=True)
    (project / "data" / ".gitignore").write_text("*\n!*/\n!.gitignore\n!*.dvc\n")
    for name in ("mine.jsonl", "more/yours.jsonl", "tracked.jsonl"):
        (project / "data" / name).write_text(ROW, "utf-8")
    (project / "data" / "tracked.jsonl.dvc").write_text("outs: []\n")
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "data")
    return project


def test_ignored_records_are_copied_into_the_worktree_of_a_run_with_changes(project_with_data, git):
    with open_run(RunParameters(include_changes=True), project_with_data, "1") as run:
        assert run.carried == ("data/mine.jsonl", "data/more/yours.jsonl")  # DVC brings the tracked one
        assert (run.worktree.root / "data" / "more" / "yours.jsonl").read_text("utf-8") == ROW
        (project_with_data / "data" / "mine.jsonl").write_text("changed during the run")
        assert (run.worktree.root / "data" / "mine.jsonl").read_text("utf-8") == ROW
        assert git(run.worktree.root, "status", "--porcelain", "--", "data") == ""


def test_a_run_of_a_commit_has_no_ignored_records(project_with_data):
    with open_run(RunParameters(), project_with_data, "1") as run:
        assert run.carried == ()
        assert not (run.worktree.root / "data" / "mine.jsonl").exists()


def test_a_run_on_other_records_does_not_resume_from_the_checkpoints_of_this_one(project_with_data):
    def run(run_id: str) -> bool:
        with open_run(RunParameters(include_changes=True), project_with_data, run_id) as opened:
            (opened.worktree.paths.training / "key" / "checkpoint-5").mkdir(parents=True, exist_ok=True)
            return opened.resumes

    assert [run("1"), run("2")] == [False, True]
    (project_with_data / "data" / "mine.jsonl").write_text(ROW + ROW, "utf-8")
    assert not run("3")


def test_the_digest_depends_on_names_and_contents(tmp_path: Path):
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("1")
    digests = [compute_digest(tmp_path, names) for names in ([], ["a"], ["b"], ["a", "b"])]
    assert len(set(digests)) == 4
    assert digests[0] == ""
