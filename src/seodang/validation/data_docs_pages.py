"""Build the pages of Great Expectations' Data Docs with our templates, which need no network."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from seodang import html
from seodang.i18n import get_language

if TYPE_CHECKING:
    from great_expectations.render.view import DefaultJinjaPageView

SITE_NAME: Final = "seodang"
_SITE_BUILDER: Final = "great_expectations.render.renderer.site_builder"
_TEMPLATES: Final = (Path(__file__).with_name("data_docs"), Path(html.__file__).parent / "templates")


def build_site_config(folder: Path) -> dict[str, Any]:
    """Return the configuration of a site in a folder."""
    page = {"module_name": __name__, "class_name": create_offline_page.__name__}
    return {
        "class_name": "SiteBuilder",
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder.resolve())},
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder", "view": page},
        "site_section_builders": {"expectations": {"view": page}, "validations": {"view": page}},
        "show_how_to_buttons": False,
    }


@contextmanager
def raise_page_errors() -> Iterator[None]:
    """Raise errors of the system while pages are written: Great Expectations only logs them, with a traceback.

    Without it, the Data Docs of a full disk lack pages, and the stage succeeds.
    """
    logger = logging.getLogger(_SITE_BUILDER)
    logger.addFilter(_raise_system_error)
    try:
        yield
    finally:
        logger.removeFilter(_raise_system_error)


def _raise_system_error(_record: logging.LogRecord) -> bool:
    """Raise the error that is logged if it is one of the system; the logger passes on what a filter raises."""
    error = sys.exc_info()[1]
    if isinstance(error, OSError):
        raise error
    return True


def create_offline_page() -> DefaultJinjaPageView:
    """Return the page of Great Expectations with our templates in front of its own.

    Its templates load scripts, styles and a picture from eight hosts. Without a network the first page stays empty, and
    with a network the hosts can count the readers.
    """
    from great_expectations.render.view import DefaultJinjaPageView
    from jinja2 import ChoiceLoader, FileSystemLoader

    view = DefaultJinjaPageView()
    view.env.loader = ChoiceLoader([FileSystemLoader(_TEMPLATES), view.env.loader])
    view.env.globals.update(_=html.mark_up, page_language=get_language())
    return view
