"""The rule of the best variant."""

from seodang.evaluation.aggregate import compute_mean, select_best_row


def make_row(accuracy=None, chrf=None, loss=None):
    return {"accuracy": accuracy, "chrf": chrf, "loss": loss}


def test_accuracy_decides_then_chrf_then_loss_and_the_first_of_equals():
    assert select_best_row({"a": make_row(0.5, 90.0, 0.1), "b": make_row(0.6, 10.0, 9.0)}) == "b"
    assert select_best_row({"a": make_row(0.5, 10.0, 0.1), "b": make_row(0.5, 20.0, 9.0)}) == "b"
    assert select_best_row({"a": make_row(0.5, 10.0, 0.2), "b": make_row(0.5, 10.0, 0.1)}) == "b"
    assert select_best_row({"a": make_row(), "b": make_row()}) == "a"


def test_a_mean_leaves_out_missing_values():
    assert compute_mean([1.0, None, False]) == 0.5
    assert compute_mean([None]) is None
