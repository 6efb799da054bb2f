"""The table on the licence pages is that of the package. Otherwise run: python tools/write_licence_table.py"""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_page_has_the_licences_of_the_package(language):
    spec = importlib.util.spec_from_file_location("write_licence_table", ROOT / "tools" / "write_licence_table.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    text = tool.PAGES[language].read_text("utf-8")
    assert tool.write_page(text, language) == text
    assert "Llama 3.1 Community License" in text
