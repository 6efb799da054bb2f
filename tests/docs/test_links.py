from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
import yaml
from tests.constants import ROOT
from tests.docs.pages import list_pages
from tools.mkdocs_hooks import on_page_markdown

from seodang.config.migration import PARAMS_RENAMES, migrate, select_renames

PAGES = list_pages()
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
TRANSLATED = [page for page in PAGES if page.name.endswith(".ko.md")]
# The list of renames itself, which names the old parameters.
WITH_OLD_NAMES = {"CHANGELOG.md"}


@pytest.mark.parametrize("name", NAMES)
def test_every_relative_link_leads_to_a_file_and_a_heading(name, list_anchors, list_links):
    page = ROOT / name
    broken = []
    for link in list_links(page):
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or (anchor and path.suffix == ".md" and anchor not in list_anchors(path)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", TRANSLATED, ids=lambda page: page.name)
def test_a_korean_page_and_its_english_page_link_to_each_other(page, list_links):
    english = page.with_name(page.name.replace(".ko.md", ".md"))
    assert page.name in list_links(english)
    assert english.name in list_links(page)


def test_the_index_and_the_navigation_have_every_page(list_links):
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"index.md", "index.ko.md"}
    english = {name for name in pages if not name.endswith(".ko.md")}
    assert english == {link for link in list_links(ROOT / "docs" / "index.md") if "/" not in link} - {"index.ko.md"}
    navigation = (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:")[2]
    listed = [page for section in yaml.safe_load(navigation) for entries in section.values() for page in entries]
    assert set(listed) == english | {"index.md"}
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in WITH_OLD_NAMES])
def test_no_page_uses_an_old_parameter_name(name):
    text = (ROOT / name).read_text("utf-8")
    assert [old for old in list_old_names() if re.search(rf"(?<![\w.]){re.escape(old)}(?![\w.]*\w)", text)] == []


@pytest.mark.parametrize("name", NAMES)
def test_no_yaml_block_of_a_page_needs_migration(name):
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / name).read_text("utf-8"), re.DOTALL)
    contents = [yaml.safe_load(block) for block in blocks]
    changes = [
        change
        for content in contents
        if isinstance(content, dict)
        for change in migrate(content, select_renames(content))
    ]
    assert changes == []


@pytest.mark.parametrize("name", NAMES)
def test_every_path_of_the_source_that_a_page_names_exists(name):
    text = (ROOT / name).read_text("utf-8")
    paths = re.findall(r"`((?:src|tests|tools|benchmarks|flows|profiles|studies|docs)/[\w./-]+)`", text)
    assert [path for path in paths if not (ROOT / path).exists()] == []


def list_old_names() -> list[str]:
    """Return the old names that no other word of the documentation equals: dotted, or with an underscore."""
    names = set()
    new_names = {rename.new for rename in PARAMS_RENAMES}
    for rename in PARAMS_RENAMES:
        if rename.old == rename.new or rename.old in new_names:
            continue
        names.add(f"{rename.section}.{rename.old}".replace("[]", ""))
        if "_" in rename.old:
            names.add(rename.old)
    return sorted(names)


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Exit codes of `seodang`", "exit-codes-of-seodang"),
        ("`seodang`의 종료 코드", "seodang의-종료-코드"),
        ("Models: [hub](x.md)", "models-hub"),
    ],
)
def test_an_anchor_is_the_heading_in_lower_case_with_dashes(heading, anchor, make_anchor):
    assert make_anchor(heading) == anchor


def test_the_readme_pages_are_short():
    for name in ("README.md", "README.ko.md"):
        assert len((ROOT / name).read_text("utf-8").splitlines()) < 120


def test_a_korean_page_links_to_the_section_of_an_english_page_on_the_site():
    page = SimpleNamespace(file=SimpleNamespace(src_uri="gate.ko.md"))
    text = "[영어판](first-task.md#run), [판정](verdict.ko.md#읽기), [색인](index.md)"
    expected = '<a href="../../first-task/#run">영어판</a>, [판정](verdict.ko.md#읽기), [색인](index.md)'
    assert on_page_markdown(text, page) == expected
