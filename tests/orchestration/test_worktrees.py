import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
import yaml
from tests.constants import ROOT

from seodang.config.yaml_file import read_yaml
from seodang.errors import WorkspaceError
from seodang.io.folder_lock import hold_folder
from seodang.orchestration import unfinished, worktrees
from seodang.orchestration.results import save_experiment
from seodang.orchestration.revisions import resolve_revision
from seodang.orchestration.unfinished import adopt_unfinished, forget_unfinished
from seodang.orchestration.worktrees import get_run_name, open_worktree, remove_dead_worktrees

KILLED = """
import sys, time
from pathlib import Path
from seodang.orchestration.revisions import resolve_revision
from seodang.orchestration.unfinished import adopt_unfinished
from seodang.orchestration.worktrees import open_worktree
project = Path(sys.argv[1])
with open_worktree(project, "killed", resolve_revision(project, "HEAD")) as worktree:
    adopt_unfinished(project, worktree.folder, worktree.root, worktree.revision.tree)
    checkpoint = worktree.paths.training / "key" / "checkpoint-5"
    checkpoint.mkdir(parents=True)
    print("open", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def head(project):
    return resolve_revision(project, "HEAD")


def test_two_runs_side_by_side_leave_two_experiments_and_the_working_tree_as_it_was(project, head, git, dvc):
    (project / "words.txt").write_text("uncommitted")
    before = git(project, "status", "--porcelain")
    with open_worktree(project, "one", head) as one, open_worktree(project, "two", head) as two:
        for worktree, rank in ((one, 3), (two, 5)):
            params = read_yaml(worktree.paths.params)
            params["train"]["rank"] = rank
            worktree.paths.params.write_text(yaml.safe_dump(params, allow_unicode=True), "utf-8")
        for worktree in (one, two):
            dvc(worktree.root, "repro")
        for worktree in (two, one):
            save_experiment(worktree)
        assert (one.root / "verdict.txt").read_text("utf-8") == "3\n하나\n"
        assert (two.root / "verdict.txt").read_text("utf-8") == "5\n하나\n"
        assert (get_run_name(two.root), get_run_name(project)) == ("two", None)
    assert git(project, "status", "--porcelain") == before
    assert not list((project / ".seodang" / "runs").glob("*/"))
    assert len(git(project, "worktree", "list").splitlines()) == 1
    shown = dvc(project, "exp", "show", "--csv")
    assert "one" in shown
    assert "two" in shown
    assert git(project, "show", f"{_find(git, project, 'two')}:verdict.txt") == "5\n하나"
    dvc(project, "repro")  # the cache is shared, and nobody changed what it holds
    assert (project / "rank.txt").read_text() == "16\n"


def _find(git, project, name):
    return git(project, "for-each-ref", "--format=%(refname)", f"refs/exps/*/*/{name}")


@pytest.mark.slow
def test_results_of_one_run_are_in_the_cache_for_the_next(project, head, dvc):
    with open_worktree(project, "one", head) as worktree:
        dvc(worktree.root, "repro")
    with open_worktree(project, "two", head) as worktree:
        assert "Running stage 'prepare'" not in dvc(worktree.root, "repro", "prepare")


@pytest.mark.slow
def test_an_experiment_can_be_applied(project, head, git, dvc):
    with open_worktree(project, "one", head) as worktree:
        (worktree.root / "words.txt").write_text("changed\n")
        dvc(worktree.root, "repro")
        save_experiment(worktree)
    dvc(project, "exp", "apply", "one")
    assert (project / "words.txt").read_text() == "changed\n"
    assert (project / "rank.txt").read_text() == "16\n"
    assert ".seodang" not in git(project, "ls-tree", "-r", "--name-only", _find(git, project, "one"))


def test_a_killed_run_is_removed_by_the_next_which_resumes_from_its_checkpoints(project, head, git):
    env = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}"}
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(project)], env=env, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "open\n"
        assert remove_dead_worktrees(project) == []
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert (project / ".seodang" / "runs" / "killed" / "tree").is_dir()
    with open_worktree(project, "next", head) as worktree:
        assert not (project / ".seodang" / "runs" / "killed").exists()
        assert "runs/killed" not in git(project, "worktree", "list")
        assert adopt_unfinished(project, worktree.folder, worktree.root, head.tree)
        assert (worktree.paths.training / "key" / "checkpoint-5").is_dir()
        forget_unfinished(worktree.folder)
    assert not list((project / ".seodang" / "unfinished").iterdir())


def test_a_note_that_a_kill_cut_off_does_not_stop_the_next_run(project, head):
    dead = project / ".seodang" / "runs" / "dead"
    dead.mkdir(parents=True)
    (dead / "unfinished.json").write_text("")
    with open_worktree(project, "next", head):
        assert not dead.exists()


@pytest.fixture
def record_locks(monkeypatch):
    """Records when a function of a module runs, and when the lock of its folder is taken and given back."""

    def record(module, name):
        events = []

        @contextmanager
        def hold(folder):
            with hold_folder(folder):
                events.append("held")
                yield
                events.append("free")

        def call(*words):
            events.append(name)
            return original(*words)

        original = getattr(module, name)
        monkeypatch.setattr(module, "hold_folder", hold)
        monkeypatch.setattr(module, name, call)
        return events

    return record


def test_dead_runs_are_looked_for_while_no_run_is_being_opened(project, record_locks):
    """A run that is being opened has a folder and no lock yet."""
    (project / ".seodang" / "runs" / "dead").mkdir(parents=True)
    events = record_locks(worktrees, "_remove")
    assert remove_dead_worktrees(project) == ["dead"]
    assert events == ["held", "_remove", "free"]


def test_what_a_stopped_run_left_goes_to_one_of_two_equal_runs(project, head, record_locks):
    with open_worktree(project, "stopped", head) as worktree:
        adopt_unfinished(project, worktree.folder, worktree.root, head.tree)
        (worktree.paths.training / "key").mkdir(parents=True)
    events = record_locks(unfinished, "move")
    with open_worktree(project, "one", head) as one, open_worktree(project, "two", head) as two:
        assert [adopt_unfinished(project, each.folder, each.root, head.tree) for each in (one, two)] == [True, False]
    assert events[:5] == ["held", "move", "free", "held", "free"]


def test_a_run_with_other_parameters_does_not_get_the_checkpoints(project, head):
    with open_worktree(project, "stopped", head) as worktree:
        adopt_unfinished(project, worktree.folder, worktree.root, head.tree)
        (worktree.paths.training / "key").mkdir(parents=True)
    with open_worktree(project, "other", head) as worktree:
        with worktree.paths.params.open("a") as file:
            file.write("# other\n")
        assert not adopt_unfinished(project, worktree.folder, worktree.root, head.tree)


def test_a_process_that_inherited_the_lock_keeps_the_worktree(project, head):
    with open_worktree(project, "one", head) as worktree:
        child = subprocess.Popen(["sleep", "60"], pass_fds=[worktree.lock])
        os.dup2(os.open(os.devnull, os.O_RDONLY), worktree.lock)  # as if this process were gone
        try:
            assert remove_dead_worktrees(project) == []
        finally:
            child.kill()
            child.wait()
        assert remove_dead_worktrees(project) == ["one"]


def test_a_second_run_of_the_same_name_is_refused(project, head):
    with open_worktree(project, "one", head), pytest.raises(WorkspaceError, match="run one is at work"):
        open_worktree(project, "one", head).__enter__()


@pytest.mark.slow
def test_the_worktree_uses_the_remotes_of_the_project(project, head, dvc, tmp_path):
    dvc(project, "remote", "add", "--local", "-d", "storage", "../storage")
    with open_worktree(project, "one", head) as worktree:
        dvc(worktree.root, "repro")
        dvc(worktree.root, "push")
    assert list((tmp_path / "storage").rglob("*"))


def test_a_commit_without_dvc_is_named(tmp_path, git):
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "empty")
    with (
        pytest.raises(WorkspaceError, match="is no DVC project"),
        open_worktree(tmp_path, "one", resolve_revision(tmp_path, "HEAD")),
    ):
        pass


def test_a_project_in_a_folder_of_its_repository_is_found_in_the_worktree(tmp_path, repository, git):
    git(tmp_path, "init", "-q")
    project = tmp_path / "models" / "seodang"
    shutil.copytree(repository, project, ignore=shutil.ignore_patterns(".git"))
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "start")
    with open_worktree(project, "one", resolve_revision(project, "HEAD")) as worktree:
        assert worktree.root.parts[-3:] == ("tree", "models", "seodang")
        assert worktree.paths.params.is_file()


def test_an_output_without_a_cache_comes_along_if_dvc_lock_names_it(project, head, git, dvc):
    """Else the gate would judge in each run, although nothing has changed."""
    dvc(project, "repro")
    (project / "verdict.txt").unlink()
    with open_worktree(project, "missing", head) as worktree:
        assert not (worktree.root / "verdict.txt").exists()
    dvc(project, "repro")
    with open_worktree(project, "same", head) as worktree:
        dvc(worktree.root, "checkout")
        assert "didn't change" in dvc(worktree.root, "repro", "--single-item", "gate")
    (project / "verdict.txt").write_text("another one\n")
    with open_worktree(project, "edited", head) as worktree:
        assert not (worktree.root / "verdict.txt").exists()
