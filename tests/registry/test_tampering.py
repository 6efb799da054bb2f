"""Files, tags and branches that were changed by hand between the verdict and the promotion: each has a clear answer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from seodang.cli.main import main
from seodang.paths import Paths
from seodang.registry import promotion
from seodang.registry.champion import read_champion
from seodang.registry.fetching import fetch_promoted_run
from seodang.registry.history import read_history


@pytest.fixture(scope="module")
def promoted_twice(tmp_path_factory: pytest.TempPathFactory, make_repository, run_pipeline) -> Path:
    """A repository with two champions, and a third model that the gate promoted."""
    paths = make_repository(tmp_path_factory.mktemp("tampering") / "project")
    for model in ("one", "two"):
        run_pipeline(paths, model)
        promotion.promote(paths, model, None)
    run_pipeline(paths, "three")
    return paths.root


@pytest.fixture
def paths(promoted_twice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setattr(promotion, "make_servable", lambda champion, paths: champion.bento_tag)
    root = Path(shutil.copytree(promoted_twice, tmp_path / "project", symlinks=True))
    monkeypatch.chdir(root)
    return Paths(root)


@pytest.fixture
def refuse(paths, capsys, read_state):
    """Returns a function that promotes, and returns the message; nothing may have changed."""

    def promote(code: int = 2, *words: str) -> str:
        before = read_state(paths)
        assert main(["registry", *(words or ["promote"])]) == code
        assert read_state(paths) == before
        return capsys.readouterr().err

    return promote


def test_an_edited_verdict_is_out_of_date(paths, refuse, run_pipeline, run_in, commit_all):
    run_pipeline(paths, "bad", accuracy=0.1, verdict="reject")
    forge_verdict(paths)
    run_in(paths.root, "dvc", "repro", "--single-item", "package")
    commit_all(paths, "forged")
    assert "ledger has the verdict reject" in refuse(3)


def test_an_edited_verdict_that_dvc_has_committed_is_not_that_of_the_ledger(
    paths, refuse, run_pipeline, run_in, commit_all
):
    run_pipeline(paths, "bad", accuracy=0.1, verdict="reject")
    forge_verdict(paths)
    run_in(paths.root, "dvc", "repro", "--single-item", "package")
    run_in(paths.root, "dvc", "commit", "-f")
    commit_all(paths, "forged")
    assert "ledger has the verdict reject" in refuse(3)


def forge_verdict(paths: Paths) -> None:
    verdict = json.loads(paths.verdict.read_text("utf-8"))
    paths.verdict.write_text(json.dumps({**verdict, "verdict": "promote"}), "utf-8")


def test_a_ledger_whose_file_was_deleted_and_committed_still_has_the_verdict(paths, run_in, commit_all):
    shutil.rmtree(paths.ledger)
    commit_all(paths, "Delete the ledger")
    assert main(["registry", "promote"]) == 0


def test_a_verdict_without_its_judgement_is_refused(paths, refuse, commit_all):
    for file in paths.ledger.glob("*"):
        file.write_text(file.read_text("utf-8").splitlines()[0] + "\n", "utf-8")
    shutil.rmtree(paths.root / ".git" / "refs" / "dvc", ignore_errors=True)
    verdict = json.loads(paths.verdict.read_text("utf-8"))
    paths.verdict.write_text(json.dumps({**verdict, "judgement": "0" * 64}), "utf-8")
    assert "has no such judgement" in refuse(3)


def test_scores_that_were_edited_after_the_evaluation_are_out_of_date(paths, refuse):
    scores = paths.root / "artifacts" / "evaluate" / "scores.jsonl"
    scores.unlink()  # a link into DVC's cache
    scores.write_text("{}\n")
    assert "evaluate: artifacts/evaluate/scores.jsonl modified" in refuse()


def test_a_clone_without_tags_is_told_to_fetch_them(paths, refuse, run_in, capsys):
    tags = run_in(paths.root, "git", "tag").stdout.split()
    run_in(paths.root, "git", "tag", "-d", *tags)
    assert "this clone lacks the tags or the commits of v0.1.0, v0.2.0; run: git fetch --tags" in refuse()
    assert "git fetch --tags" in refuse(2, "rollback", "--message", "x", "--yes")
    assert main(["registry", "list"]) == 0
    output = capsys.readouterr().out
    assert "v0.2.0" in output
    assert "no tag" in output


def test_a_version_number_is_not_given_to_other_weights_when_its_tag_is_gone(paths, refuse, run_in):
    run_in(paths.root, "git", "tag", "-d", "seodang@v0.2.0")
    assert "lacks the tags or the commits of v0.2.0" in refuse()


@pytest.mark.parametrize("words", [[], ["--annotate", "--message", "moved"]])
def test_a_tag_that_was_moved_is_named_with_its_commit(paths, refuse, run_in, capsys, words):
    run_in(paths.root, "git", "tag", "--force", *words, "seodang@v0.1.0")
    message = refuse()
    assert "the tag seodang@v0.1.0 names commit" in message
    assert read_history(paths.history)[0].revision[:12] in message
    assert main(["registry", "list"]) == 0
    assert "the tag seodang@v0.1.0 was moved" in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["--annotate", "--message", "by hand"]])
def test_a_version_tag_made_by_hand_takes_no_number_twice(paths, run_in, words):
    run_in(paths.root, "git", "tag", *words, "seodang@v9.0.0", "HEAD~1")
    assert main(["registry", "promote"]) == 0
    assert read_champion(paths.champion).version == "v9.1.0"


def test_a_champion_of_another_branch_is_not_replaced_unseen(paths, refuse, run_in, run_pipeline):
    run_in(paths.root, "git", "checkout", "-q", "-b", "feature", "HEAD~2")
    run_pipeline(paths, "four")
    message = refuse()
    assert "the champion of the git tags is v0.2.0, which the record of this branch does not have" in message
    assert "merge that one and run: dvc repro" in message


def test_a_shallow_clone_is_told_to_fetch_the_rest(paths, tmp_path, run_in, monkeypatch, capsys):
    run_in(paths.root, "git", "clone", "-q", "--depth", "1", f"file://{paths.root}", str(tmp_path / "clone"))
    monkeypatch.chdir(tmp_path / "clone")
    run_in(Path.cwd(), "git", "config", "user.name", "A")
    run_in(Path.cwd(), "git", "config", "user.email", "a@example.org")
    assert main(["registry", "rollback", "--message", "x", "--yes"]) == 2
    assert "git fetch --tags --unshallow" in capsys.readouterr().err


def test_another_branch_with_the_same_champion_may_promote(paths, run_in):
    run_in(paths.root, "git", "checkout", "-q", "-b", "feature")
    assert main(["registry", "promote"]) == 0


def test_an_edited_copy_of_the_exam_of_a_champion_is_fetched_again(paths):
    champion = read_champion(paths.champion)
    first = fetch_promoted_run(champion, paths)
    [scores] = paths.champions.glob("*.run/scores.jsonl")
    scores.chmod(0o644)
    scores.write_text(scores.read_text("utf-8").replace("30.0", "3.0"), "utf-8")
    assert fetch_promoted_run(champion, paths) == first
