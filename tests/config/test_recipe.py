import pytest

from seodang.config.recipe import load_recipe
from seodang.errors import ParamsError

RECIPE = """\
output: generated/answers
seed: 1
teacher:
  url: http://127.0.0.1:8000/v1/
  model: tiny
  licence: apache-2.0
  key_env: null
  is_idempotent: false
  structured_output: true
limits:
  concurrency: 4
  requests_per_minute: null
  tokens_per_minute: null
  timeout_seconds: 60
  attempts: 3
  failures_in_a_row: 5
budget: {tokens: 1000, money: null}
prices: null
recipe:
  kind: answer
"""


@pytest.fixture
def load(tmp_path):
    """Loads a recipe file with some texts replaced by others."""

    def load(**changes):
        text = RECIPE
        for old, new in changes.values():
            assert old in text
            text = text.replace(old, new)
        file = tmp_path / "recipe.yaml"
        file.write_text(text, "utf-8")
        return load_recipe(file)

    return load


def read_errors(load, *changes):
    with pytest.raises(ParamsError) as caught:
        load(**dict(zip("abcdef", changes, strict=False)))
    return str(caught.value)


def test_all_errors_of_a_recipe_file_come_at_once_with_line_and_field(load):
    message = read_errors(
        load,
        ("concurrency: 4", "concurrency: 0"),
        ("  failures_in_a_row: 5\n", ""),
        ("is_idempotent: false", "is_idempotent: no"),
    )
    assert "line 8: teacher.is_idempotent: must be true or false (got 'no'); write false" in message
    assert "line 11: limits.concurrency: must be 1 or greater (got 0)" in message
    assert "line 10: limits.failures_in_a_row: is missing" in message
    assert "recipe.yaml" in message


def test_a_key_in_place_of_its_variable_is_not_shown(load):
    message = read_errors(load, ("key_env: null", "key_env: sk-secret123"))
    assert "line 7: teacher.key_env: must match the pattern" in message
    assert "secret123" not in message


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("http://127.0.0.1:8000/v1/", "127.0.0.1:8000", "line 4: teacher.url: must be an address that begins with"),
        ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:port/v1", "line 4: teacher.url: must be an address"),
        ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:99999/v1", "line 4: teacher.url: must be an address"),
        ("http://127.0.0.1:8000/v1/", "'http://[::1/v1'", "line 4: teacher.url: must be an address"),
        ("http://127.0.0.1:8000/v1/", "http://my host/v1", "line 4: teacher.url: must be an address"),
        ("http://127.0.0.1:8000/v1/", "' http://host/v1'", "line 4: teacher.url: must be an address"),
        ("http://127.0.0.1:8000/v1/", "http://me:pw@host/v1", "must not contain a user, a password"),
        ("generated/answers", "data/answers", "line 1: output: must not be in data/"),
        ("generated/answers", "generated/../data/answers", "line 1: output: must not be in data/"),
    ],
)
def test_a_value_that_cannot_work_is_refused_with_its_reason(load, old, new, expected):
    assert expected in (message := read_errors(load, (old, new)))
    assert "me:pw" not in message


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        ("budget: {tokens: 1000, money: 2.0}", "budget.money needs prices"),
        ("budget: {tokens: null, money: null}", "budget needs a limit"),
    ],
)
def test_a_budget_has_a_limit_that_can_be_computed(load, budget, expected):
    changes = [("budget: {tokens: 1000, money: null}", budget), ("  kind: answer", "  kind: answer\n" + ANSWER)]
    assert expected in read_errors(load, *changes)


ANSWER = "  prompts: data/prompts.jsonl\n  limit: null\n  tasks_per_call: 1\n  max_tokens: 20\n  temperature: 0.7\n"


def test_a_complete_recipe_file_is_parsed_and_its_address_has_no_slash_at_the_end(load):
    params = load(a=("  kind: answer", "  kind: answer\n" + ANSWER))
    assert params.teacher.url == "http://127.0.0.1:8000/v1"
    assert params.recipe.kind == "answer"


def test_an_unknown_kind_names_the_known_ones_and_a_field_of_a_kind_has_the_place_that_the_file_gives_it(load):
    message = read_errors(load, ("  kind: answer", "  kind: answers"))
    assert "recipe: 'kind' must be one of 'self-instruct', 'translate'" in message
    assert "(got 'answers')" in message
    message = read_errors(load, ("  kind: answer", "  kind: answer\n" + ANSWER.replace("limit: null", "limit: -1")))
    assert "recipe.limit: must be greater than 0 (got -1)" in message


TASKS = (
    "  language: ko\n  seeds: primer\n  tasks: 9\n  max_calls: 9\n  calls_per_round: 2\n  tasks_per_call: 20\n"
    "  examples_per_call: 3\n  max_rouge_l: 0.7\n  min_words: 3\n  max_words: 150\n  max_tokens: 20\n  temperature: 0.7\n"
)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("tasks_per_call: 20", "tasks_per_call: 3", "examples_per_call 3 must be less than tasks_per_call 3"),
        ("max_words: 150", "max_words: 2", "min_words 3 must not be greater than max_words 2"),
    ],
)
def test_settings_with_which_calls_are_paid_for_and_nothing_can_be_kept_are_refused(load, old, new, expected):
    load(a=("  kind: answer", "  kind: self-instruct\n" + TASKS))
    assert expected in read_errors(load, ("  kind: answer", "  kind: self-instruct\n" + TASKS.replace(old, new)))
