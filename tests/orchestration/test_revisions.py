import pytest

from seodang.errors import WorkspaceError
from seodang.orchestration.revisions import list_changes, resolve_revision


def test_a_branch_is_its_commit(project, git):
    commit = git(project, "rev-parse", "HEAD")
    revision = resolve_revision(project, "main")
    assert (revision.commit, revision.tree) == (commit, commit)


def test_uncommitted_and_new_files_are_taken_along_without_a_change_of_the_working_tree(project, git):
    (project / "words.txt").write_text("둘\n", "utf-8")
    (project / "new.txt").write_text("new")
    (project / ".seodang").mkdir()
    (project / ".seodang" / "ignored.txt").write_text("ignored")
    before = git(project, "status", "--porcelain")
    revision = resolve_revision(project, "HEAD", include_changes=True)
    assert git(project, "show", f"{revision.tree}:words.txt") == "둘"
    assert "new.txt" in git(project, "ls-tree", "-r", "--name-only", revision.tree).split()
    assert ".seodang" not in git(project, "ls-tree", "-r", "--name-only", revision.tree)
    assert revision.commit == git(project, "rev-parse", "HEAD")
    assert git(project, "status", "--porcelain") == before
    assert list_changes(project) == ["words.txt", "new.txt"]


def test_changed_files_have_the_names_that_their_user_gave_them(project, git):
    git(project, "mv", "words.txt", "새 이름.txt")
    (project / "데이터 1.jsonl").write_text("{}")
    assert sorted(list_changes(project)) == ["데이터 1.jsonl", "새 이름.txt"]


def test_an_experiment_belongs_to_the_commit_that_it_was_run_on(project, git):
    baseline = git(project, "rev-parse", "HEAD")
    commit = git(project, "commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "experiment")
    git(project, "update-ref", f"refs/exps/{baseline[:2]}/{baseline[2:]}/first-run", commit)
    revision = resolve_revision(project, "first-run")
    assert (revision.commit, revision.tree) == (baseline, commit)


@pytest.mark.parametrize("name", ["no-such-branch", "--help", "a b", "*"])
def test_an_unknown_revision_is_named(project, name):
    with pytest.raises(WorkspaceError, match="there is no commit, branch, tag or experiment"):
        resolve_revision(project, name)


def test_a_repository_without_a_commit_names_the_command(tmp_path, git):
    git(tmp_path, "init", "-q")
    with pytest.raises(WorkspaceError, match=r"git add \. && git commit"):
        resolve_revision(tmp_path, "HEAD")


def test_a_folder_without_git_names_the_command(tmp_path):
    with pytest.raises(WorkspaceError, match="git init"):
        resolve_revision(tmp_path, "HEAD")
