"""The log of the service and of its libraries. Run: pytest tests/service/test_json_log.py"""

from __future__ import annotations

import json
import logging
import logging.config
import warnings
from collections.abc import Callable, Iterator

import pytest

from seodang.service.telemetry.json_log import JsonFormatter, set_up_json_log

NAMES = ("seodang", "bentoml", "circus", "uvicorn", "uvicorn.error", "a_library", "py.warnings")


@pytest.fixture
def log(capsys) -> Iterator[Callable[[], str]]:
    """Returns what the log has written, by loggers as in a new process; they are as before afterwards."""
    root, *named = loggers = [logging.getLogger(), *map(logging.getLogger, NAMES)]
    before = [(logger, logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    logging.captureWarnings(False)
    root.handlers[:] = [handler for handler in root.handlers if not isinstance(handler.formatter, JsonFormatter)]
    for logger in named:
        logger.disabled, logger.propagate = False, True
        logger.handlers.clear()
        logger.setLevel(logging.NOTSET)
    yield lambda: capsys.readouterr().err
    logging.captureWarnings(False)
    for logger, handlers, level, propagate in before:
        logger.handlers[:], logger.level, logger.propagate = handlers, level, propagate
        logger.manager._clear_cache()


def read_entries(log: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.splitlines()]


def test_lines_of_bentoml_and_other_libraries_are_json_objects(log):
    from bentoml._internal.log import SERVER_LOGGING_CONFIG

    logging.config.dictConfig(SERVER_LOGGING_CONFIG | {"disable_existing_loggers": False})
    library = logging.getLogger("a_library")
    library.addHandler(logging.StreamHandler())
    library.propagate = False
    set_up_json_log()
    set_up_json_log()
    logging.getLogger("bentoml.serve").info('Starting "한"\nforged')
    logging.getLogger("uvicorn.error").warning("refused")
    library.warning("a warning")
    logging.getLogger("seodang.service").info("done")
    warnings.warn("old name", UserWarning, stacklevel=1)
    entries = read_entries(log())
    assert [entry["logger"] for entry in entries] == [
        *("bentoml.serve", "uvicorn.error", "a_library", "seodang.service", "py.warnings")
    ]
    assert entries[0]["message"] == 'Starting "한"\nforged'


def test_an_error_that_a_library_logs_has_class_and_place_without_its_text(log):
    set_up_json_log()
    try:
        raise ValueError("비밀")
    except ValueError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application\n")
    written = log()
    (entry,) = read_entries(written)
    assert entry["error"] == "ValueError"
    assert entry["trace"]
    assert "\\ube44" not in written


def test_handlers_that_do_not_write_to_the_terminal_stay(log):
    handler = logging.NullHandler()
    logger = logging.getLogger("a_library")
    logger.addHandler(handler)
    set_up_json_log()
    assert handler in logger.handlers
    assert sum(isinstance(each.formatter, JsonFormatter) for each in logging.getLogger().handlers) == 1
