"""What would stop a run after hours is reported before it starts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from seodang.errors import RegistryError, WorkspaceError
from seodang.paths import Paths
from seodang.registry.git import get_head
from seodang.stages.workspace import check_workspace, check_writable

# Only root can give a folder to another user, so the owner of one folder is replaced where it is read.
_CHECK = """
import os, sys
from pathlib import Path
from seodang.errors import WorkspaceError
from seodang.io import os_errors
read_owner = os_errors.get_owner_number
os_errors.get_owner_number = lambda path: -1 if path.name == os.environ["FOREIGN_FOLDER"] else read_owner(path)
from seodang.paths import Paths
from seodang.stages.workspace import check_workspace, check_writable
try:
    paths = Paths(Path.cwd())
    check_writable(sys.argv[1], paths) if len(sys.argv) > 1 else check_workspace(paths)
except WorkspaceError as error:
    sys.exit(str(error))
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project with git, DVC and artifacts."""
    root = tmp_path / "project"
    for folder in (".git", ".dvc/tmp", "artifacts/ingest", ".seodang/training"):
        (root / folder).mkdir(parents=True)
    (root / ".dvc" / "config").write_text("")
    (root / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "bentoml"))
    return root


@pytest.fixture
def find_problems(without_privileges) -> Callable[..., str]:
    """Returns the message to a user without root's power, "" if there is none; `foreign` is another user's folder."""

    def find_problems(root: Path, *stage: str, foreign: str = "") -> str:
        command = without_privileges([sys.executable, "-c", _CHECK, *stage])
        environment = {**os.environ, "FOREIGN_FOLDER": foreign}
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == bool(done.stderr), done.stderr
        return done.stderr

    return find_problems


def test_a_project_that_can_run_has_no_problem(project, find_problems):
    assert find_problems(project) == ""
    assert find_problems(project, "ingest") == ""


@pytest.mark.parametrize("name", ["artifacts", "artifacts/ingest", ".seodang", ".seodang/training", ".dvc/tmp", "."])
def test_a_folder_that_may_not_be_written_is_named_before_the_run(project, find_problems, name):
    (project / name).chmod(0o555)
    message = find_problems(project)
    (project / name).chmod(0o755)
    assert f"the run would fail when it does: {name} (" in message
    assert f"change that: chmod -R u+rwX {name};" in message  # the folder is this user's own


def test_folders_of_another_user_are_taken_over(project, find_problems):
    """As after a run with sudo."""
    (project / "artifacts" / "ingest").chmod(0o555)
    (project / ".seodang").chmod(0o555)
    message = find_problems(project, foreign="ingest")
    assert "change that: sudo chown -R $(id -un) artifacts/ingest && chmod -R u+rwX .seodang;" in message


@pytest.mark.parametrize("name", ["files/md5", "files/md5/a0", "runs/d4"])
@pytest.mark.parametrize("is_shared", [False, True])
def test_a_cache_of_dvc_that_may_not_be_written_is_named_before_training(
    project, find_problems, tmp_path, name, is_shared
):
    """DVC stores the adapter there after the training."""
    cache = tmp_path / "shared" if is_shared else project / ".dvc" / "cache"
    if is_shared:
        (project / ".dvc" / "config").write_text(f"[cache]\n    dir = {cache}\n")
    (cache / name).mkdir(parents=True)
    (cache / name).chmod(0o555)
    messages = [find_problems(project), find_problems(project, "train"), find_problems(project, "ingest")]
    (cache / name).chmod(0o755)
    assert [name in message for message in messages] == [True, True, False]


def test_a_ledger_that_may_not_be_written_is_named_before_training(project, find_problems):
    (project / "registry" / "ledger").mkdir(parents=True)
    (project / "registry" / "ledger").chmod(0o555)
    messages = [find_problems(project, stage) for stage in ("train", "gate", "ingest")]
    (project / "registry" / "ledger").chmod(0o755)
    assert ["registry/ledger" in message for message in messages] == [True, True, False]


def test_a_read_only_file_system_is_said_without_a_command_that_cannot_help(project, monkeypatch):
    state = os.statvfs(project)
    fields = [getattr(state, name) for name in state.__match_args__] + [state.f_fsid]
    fields[8] |= os.ST_RDONLY
    monkeypatch.setattr(os, "statvfs", lambda _path: os.statvfs_result(fields))
    monkeypatch.setattr(os, "access", lambda *_arguments: False)
    with pytest.raises(
        WorkspaceError, match=r"on a read-only file system, .*; work in a copy on a writable disk"
    ) as caught:
        check_writable("ingest", Paths(project))
    assert "chmod" not in str(caught.value)


@pytest.mark.parametrize("name", ["dvc.yaml", "dvc.lock", "inputs.lock"])
def test_a_merge_conflict_is_said_with_its_line_before_the_run(project, name):
    (project / name).write_text("schema: '2.0'\n<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> other\n")
    with pytest.raises(WorkspaceError, match=rf"{name}, line 2: git left a merge conflict here; .*--ours {name}"):
        check_workspace(Paths(project))


def test_a_damaged_repository_is_said_before_the_run(project):
    (project / ".git").rmdir()
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    check_workspace(Paths(project))
    (project / ".git" / "index").write_bytes(b"xxxx")
    with pytest.raises(WorkspaceError, match=r"git's repository is damaged .*; see what git says: git status"):
        check_workspace(Paths(project))


def test_damaged_settings_of_dvc_are_said(project):
    (project / ".dvc" / "config").write_text("[core\nx")
    with pytest.raises(WorkspaceError, match=r"DVC cannot read its settings .*restore it: git checkout \.dvc/config"):
        check_workspace(Paths(project))


def test_a_file_that_may_not_be_written_is_named(project, find_problems):
    (project / "dvc.lock").chmod(0o444)
    assert "dvc.lock" in find_problems(project)


def test_a_stage_checks_its_own_folder_and_training_checks_all(project, find_problems):
    (project / "artifacts" / "package").mkdir()
    (project / "artifacts" / "package").chmod(0o555)
    assert find_problems(project, "ingest") == ""
    assert "artifacts/package" in find_problems(project, "train")


def test_files_that_dvc_protects_are_no_problem(project, find_problems):
    file = project / "artifacts" / "ingest" / "records.jsonl"
    file.write_text("")
    file.chmod(0o444)
    assert find_problems(project) == ""


@pytest.mark.parametrize("name", ["", "models", "bentos"])
def test_a_bentoml_store_that_may_not_be_written_is_told_before_training(project, find_problems, tmp_path, name):
    folder = tmp_path / "bentoml" / name
    folder.mkdir(parents=True)
    folder.chmod(0o555)
    for message in (find_problems(project), find_problems(project, "train"), find_problems(project, "package")):
        assert "export BENTOML_HOME=FOLDER" in message
    assert find_problems(project, "ingest") == ""
    folder.chmod(0o755)


def test_a_bentoml_store_that_is_a_file_is_told(project, tmp_path):
    (tmp_path / "bentoml").write_text("")
    with pytest.raises(WorkspaceError, match="export BENTOML_HOME=FOLDER"):
        check_writable("train", Paths(project))


def test_an_unknown_home_folder_is_told(project, monkeypatch):
    """As in a container whose user has no entry in /etc/passwd."""

    def fail(_: object) -> None:
        raise KeyError

    monkeypatch.delenv("BENTOML_HOME")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", fail)
    with pytest.raises(WorkspaceError, match="set HOME, or choose BentoML's folder"):
        check_writable("train", Paths(project))


def test_a_folder_without_git_is_told_with_both_ways_out(project):
    (project / ".git").rmdir()
    with pytest.raises(WorkspaceError) as caught:
        check_workspace(Paths(project))
    assert "git init && git add . && git commit -m start" in str(caught.value)
    assert "dvc config --local core.no_scm true" in str(caught.value)
    (project / ".dvc" / "config.local").write_text("[core]\n    no_scm = true\n")
    check_workspace(Paths(project))


def test_a_project_below_the_repository_or_in_a_worktree_has_git(project):
    (project / ".git").rename(project.parent / ".git")
    check_workspace(Paths(project))
    (project.parent / ".git").rmdir()
    (project / ".git").write_text("gitdir: elsewhere\n")
    check_workspace(Paths(project))


def test_a_folder_without_dvc_is_told(project):
    shutil.rmtree(project / ".dvc")
    with pytest.raises(WorkspaceError, match="is no DVC project"):
        check_workspace(Paths(project))


@pytest.mark.parametrize("name", ["rwlock", "exps/rwlock"])
def test_a_damaged_lock_of_dvc_is_repaired_before_the_run(project, name):
    (project / ".dvc" / "tmp" / "exps").mkdir(exist_ok=True)
    (project / ".dvc" / "tmp" / name).write_text("")
    check_workspace(Paths(project))
    assert not (project / ".dvc" / "tmp" / name).exists()


def test_all_problems_are_told_at_once(project, monkeypatch):
    (project / ".git").rmdir()
    (project / "inputs.lock").write_text("<<<<<<< HEAD\n")
    (project.parent / "bentoml").write_text("")
    with pytest.raises(WorkspaceError) as caught:
        check_workspace(Paths(project))
    assert len(str(caught.value).splitlines()) == 3


def test_a_repository_of_another_user_is_not_told_as_none(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SUDO_UID", raising=False)
    root = tmp_path / "repository"
    author = ["-c", "user.name=t", "-c", "user.email=t@l"]
    for words in (["init", "-q", str(root)], ["-C", str(root), *author, "commit", "-q", "--allow-empty", "-m", "a"]):
        subprocess.run(["git", *words], check=True)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own switch; only root could change the owner
    with pytest.raises(RegistryError) as caught:
        get_head(root)
    assert f"git config --global --add safe.directory {root}" in str(caught.value)
    assert "git init" not in str(caught.value)
    subprocess.run(["git", "config", "--global", "--add", "safe.directory", str(root)], check=True)
    assert len(get_head(root)) == 40


def test_a_file_where_a_folder_is_needed_is_moved_away_as_the_advice_says(project):
    (project / ".seodang" / "training").rmdir()
    (project / ".seodang").rmdir()
    (project / ".seodang").write_text("x")
    with pytest.raises(WorkspaceError) as raised:
        check_writable("ingest", Paths(project))
    assert (
        str(raised.value) == ".seodang is a file, but a folder is needed there; move it away: mv .seodang .seodang.old"
    )
    (project / ".seodang").rename(project / ".seodang.old")
    check_writable("ingest", Paths(project))
