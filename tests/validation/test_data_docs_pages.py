"""A page of the Data Docs that cannot be written ends the stage."""

from __future__ import annotations

import errno
import logging
import os

import pytest

from seodang.validation.data_docs_pages import raise_page_errors

_SITE_BUILDER = "great_expectations.render.renderer.site_builder"


def log_as_great_expectations(error: Exception) -> None:
    try:
        raise error
    except Exception as caught:
        logging.getLogger(_SITE_BUILDER).error("a long text with a traceback: %s", caught)


def test_an_error_of_the_system_is_raised_and_not_logged(caplog):
    with pytest.raises(OSError, match="No space left"), raise_page_errors():
        log_as_great_expectations(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert caplog.text == ""


def test_any_other_error_is_still_logged(caplog):
    with raise_page_errors():
        log_as_great_expectations(ValueError("no such page"))
    log_as_great_expectations(OSError(errno.ENOSPC, "full"))  # outside the block, Great Expectations logs as before
    assert "no such page" in caplog.text
