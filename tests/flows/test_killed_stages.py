import signal

import pytest
from flows.killed_stages import describe_kill, find_signal


@pytest.mark.parametrize("code", [-9, 137])
def test_the_exit_codes_of_python_and_of_a_shell_name_the_signal(code):
    assert find_signal(code) is signal.SIGKILL


@pytest.mark.parametrize("code", [None, 0, 1, 2, 127, 128, 255])
def test_an_exit_code_without_a_signal_names_none(code):
    assert find_signal(code) is None


def test_a_killed_training_is_explained_and_says_what_to_do():
    text = describe_kill("train", signal.SIGKILL)
    assert "probably because the memory ran out" in text
    assert "train.tokens_per_micro_batch" in text


def test_another_signal_is_named():
    assert "SIGSEGV (11)" in describe_kill("evaluate", signal.SIGSEGV)


def test_the_reason_is_there_in_korean(monkeypatch):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    assert "메모리가 부족했을 가능성" in describe_kill("evaluate", signal.SIGKILL)
