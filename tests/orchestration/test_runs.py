from contextlib import suppress
from pathlib import Path

from seodang.orchestration.parameters import PipelineParameters, StudyParameters
from seodang.orchestration.runs import open_run
from seodang.orchestration.unfinished import forget_unfinished


def run_study(project: Path, run_id: str, study: str, note: str, *, stops: bool) -> list[str]:
    """Write a note into the folder of a study, as the run of one; return the notes that were there before."""
    with suppress(KeyboardInterrupt), open_run(StudyParameters(study=study), project, run_id) as run:
        folder = run.worktree.paths.get_study_folder(Path(study).stem)
        found = sorted(path.name for path in folder.glob("*"))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / note).touch()
        if stops:
            raise KeyboardInterrupt
        forget_unfinished(run.worktree.folder)
    return found


def test_a_study_that_was_stopped_resumes_from_its_folder(project):
    assert run_study(project, "one", "primer.yaml", "model", stops=True) == []
    assert run_study(project, "two", "primer.yaml", "scores", stops=True) == ["model"]
    assert run_study(project, "three", "primer.yaml", "report", stops=False) == ["model", "scores"]
    assert run_study(project, "four", "primer.yaml", "model", stops=False) == []


def test_a_result_that_dvc_has_not_stored_yet_goes_to_the_next_run(project):
    with suppress(KeyboardInterrupt), open_run(PipelineParameters(), project, "one") as run:
        (run.worktree.paths.finished / "train").mkdir(parents=True)
        raise KeyboardInterrupt
    with open_run(PipelineParameters(), project, "two") as run:
        assert (run.worktree.paths.finished / "train").is_dir()
        forget_unfinished(run.worktree.folder)


def test_another_run_leaves_the_work_of_a_study_where_it_is(project):
    run_study(project, "one", "primer.yaml", "model", stops=True)
    assert run_study(project, "two", "other.yaml", "other", stops=False) == []
    with open_run(PipelineParameters(), project, "three") as run:
        assert not run.resumes
        forget_unfinished(run.worktree.folder)
    assert run_study(project, "four", "primer.yaml", "report", stops=False) == ["model"]


def test_an_earlier_report_that_the_commit_holds_is_replaced_by_the_folder_of_the_stopped_study(project, git):
    report = project / "artifacts" / "study" / "primer" / "report"
    report.parent.mkdir(parents=True)
    report.write_text("of an earlier run")
    git(project, "add", "--force", str(report))
    git(project, "commit", "-q", "-m", "report")
    run_study(project, "one", "primer.yaml", "model", stops=True)
    assert run_study(project, "two", "primer.yaml", "scores", stops=False) == ["model", "report"]
    assert report.read_text() == "of an earlier run"
