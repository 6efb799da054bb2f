"""Settings of all tests, and the fixtures that several rooms use."""

import os

os.environ["SEODANG_LANG"] = "en"  # here, so that the processes that tests start speak English too

pytest_plugins = [
    "tests.fixtures.base_stage",
    "tests.fixtures.card",
    "tests.fixtures.champions",
    "tests.fixtures.models",
    "tests.fixtures.permissions",
    "tests.fixtures.pipeline",
    "tests.fixtures.records",
    "tests.fixtures.rows",
    "tests.fixtures.servers",
    "tests.fixtures.serving",
    "tests.fixtures.tasks",
    "tests.fixtures.training",
    "tests.fixtures.user_data",
    "tests.fixtures.validator",
]
