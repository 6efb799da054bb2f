"""Settings of all tests, and the fixtures that several rooms use."""

import os

import pytest

os.environ["SEODANG_LANG"] = "en"  # here, so that the processes that tests start speak English too

pytest_plugins = [
    "tests.fixtures.base_stage",
    "tests.fixtures.browser",
    "tests.fixtures.card",
    "tests.fixtures.champions",
    "tests.fixtures.clients",
    "tests.fixtures.models",
    "tests.fixtures.permissions",
    "tests.fixtures.pipeline",
    "tests.fixtures.recipes",
    "tests.fixtures.records",
    "tests.fixtures.repository",
    "tests.fixtures.rows",
    "tests.fixtures.servers",
    "tests.fixtures.serving",
    "tests.fixtures.tasks",
    "tests.fixtures.training",
    "tests.fixtures.user_data",
    "tests.fixtures.validator",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--soak", action="store_true", help="also run the tests marked soak, which take minutes to an hour"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests marked soak, and put files with slow tests first.

    A selection of its own, such as `-m "not slow"`, replaces that of the Makefile, which also leaves out soak tests. A
    file with slow tests that starts last would leave the other test processes idle.
    """
    if not config.getoption("--soak"):
        soaks = [item for item in items if item.get_closest_marker("soak")]
        config.hook.pytest_deselected(items=soaks)
        items[:] = [item for item in items if item not in soaks]
    ranks = {}
    for item in items:
        rank = 0 if item.get_closest_marker("smoke") else 1 if item.get_closest_marker("slow") else 2
        ranks[item.path] = min(rank, ranks.get(item.path, rank))
    items.sort(key=lambda item: ranks[item.path])
