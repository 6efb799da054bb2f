"""The key of a run follows from everything that decides its weights; a checkpoint counts if it is complete."""

import pytest

from seodang.config import PromptParams
from seodang.training.checkpointing import compute_run_key, delete_other_runs, find_latest_checkpoint, mark_complete

PROMPT = PromptParams(format="koalpaca")


@pytest.fixture(scope="module")
def compute_key(build_train_params):
    def compute_key(**changes):
        return compute_run_key(
            build_train_params(**changes), PROMPT, {"train": "a", "base": "b"}, world_size=1, threads=1
        )

    return compute_key


def test_everything_that_decides_the_weights_changes_the_key(build_train_params, compute_key):
    inputs = {"train": "a", "base": "b"}
    keys = {
        compute_key(),
        compute_key(learning_rate=1e-4),
        compute_key(seed=2),
        compute_key(batch_size=5),
        compute_run_key(build_train_params(), PROMPT, {**inputs, "base": "c"}, world_size=1, threads=1),
    }
    keys |= {
        compute_run_key(build_train_params(), PromptParams(format="alpaca"), inputs, world_size=1, threads=1),
        compute_run_key(build_train_params(), PROMPT, inputs, world_size=2, threads=1),
        compute_run_key(build_train_params(), PROMPT, inputs, world_size=1, threads=2),
    }
    assert len(keys) == 8


def test_parameters_of_logs_and_reports_do_not_change_the_key(compute_key):
    assert (
        compute_key() == compute_key(logging_steps=7) == compute_key(report_to=["mlflow"]) == compute_key(save_steps=3)
    )


def checkpoint(run, number, *, complete=True):
    folder = run / f"checkpoint-{number}"
    folder.mkdir(parents=True)
    (folder / "optimizer.pt").write_bytes(b"state %d" % number)
    if complete:
        mark_complete(folder)
    return folder


def test_the_newest_is_by_number_not_by_name(tmp_path):
    checkpoint(tmp_path, 9)
    assert find_latest_checkpoint(tmp_path) is not None
    assert find_latest_checkpoint(tmp_path) == tmp_path / "checkpoint-9"
    assert checkpoint(tmp_path, 10) == find_latest_checkpoint(tmp_path)


def test_an_incomplete_one_is_skipped_and_deleted(tmp_path, caplog):
    before, newest = checkpoint(tmp_path, 5), checkpoint(tmp_path, 10, complete=False)
    assert find_latest_checkpoint(tmp_path) == before
    assert "checkpoint-10 is not used: it is incomplete" in caplog.text
    assert not newest.exists()


def test_a_file_that_changed_or_vanished_is_noticed(tmp_path):
    (checkpoint(tmp_path, 5) / "optimizer.pt").unlink()
    (checkpoint(tmp_path, 10) / "optimizer.pt").write_bytes(b"other")
    (checkpoint(tmp_path, 15) / "complete.json").write_text("{")
    assert find_latest_checkpoint(tmp_path) is None


def test_a_run_that_never_began_has_no_checkpoint(tmp_path):
    assert find_latest_checkpoint(tmp_path / "nowhere") is None


def test_runs_of_other_parameters_are_forgotten(tmp_path):
    for name in ("mine", "other"):
        checkpoint(tmp_path / name, 1)
    delete_other_runs(tmp_path, "mine")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
