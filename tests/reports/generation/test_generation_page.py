"""The page of generated records: figures that can be counted by hand, and hostile texts that stay texts."""

from __future__ import annotations

import pytest

from seodang.errors import ArtifactError
from seodang.io.jsonl import read_json, write_json, write_rows
from seodang.reports.generation import write_generation_page
from seodang.reports.generation.contents import compare_diversity
from seodang.reports.generation.render import HEIGHT, WIDTH, build_bars

HOSTILE = "<script>alert(1)</script>"
SEEDS = ["Write a poem about rain.", "Write a letter to a friend.", "수도를 말하세요."]
GENERATED = ["Write a poem about snow.", "Explain the rule of three.", "Explain the rule of three."]


@pytest.fixture
def write_page(tmp_path, make_recipe_params):
    """Writes the page of a run with these records; `changes` replaces parts of its manifest."""

    def write_page(kind, rows, *, figures=None, reasons=None, settings=None, **changes):
        params = make_recipe_params(kind, **(settings or {}))
        write_rows(tmp_path / "seeds.jsonl", [{"instruction": text, "output": "x"} for text in SEEDS])
        write_rows(tmp_path / "out/records.jsonl", rows)
        manifest = {
            "settings": params.model_dump(mode="json"),
            "complete": True,
            "calls": {"asked": 4, "kept": 2, "rejected": 1, "failed": 1, "not_asked": 0},
            "rows": {"kept": len(rows), "rejected": 0, "reasons": reasons or {}},
            "spent": {"is_budget_exceeded": False},
            "beyond_reserved": {"calls": 0, "reserved_tokens": 0, "used_tokens": 0},
            "figures": figures or {},
        }
        write_json(tmp_path / "out/manifest.json", {**manifest, **changes})
        return write_generation_page(params, tmp_path / "out", tmp_path).read_text("utf-8")

    return write_page


def test_diversity_counts_distinct_instructions_verbs_and_pairs_of_each_side():
    (english,) = compare_diversity(SEEDS, GENERATED)
    assert (english.start.instructions, english.generated.instructions) == (2, 2)
    assert english.start.pairs == {("write", "poem"), ("write", "letter")}
    assert english.generated.pairs == {("write", "poem"), ("explain", "rule")}
    assert (english.new_verbs, english.new_pairs) == (1, 1)
    assert english.generated.pairs_per_hundred == 100.0


def test_a_korean_instruction_is_compared_with_korean_ones_only():
    korean, english = compare_diversity(SEEDS, [*GENERATED, "속담의 뜻을 설명하세요."])
    assert korean.language == "ko"
    assert (korean.start.instructions, korean.generated.pairs) == (1, {("설명하다", "뜻")})
    assert english.language == "en"


def test_the_highest_bar_of_a_histogram_fills_the_figure():
    bars = build_bars([0, 2, 4, 0])
    assert [bar.count for bar in bars] == [0, 2, 4, 0]
    assert bars[1].height == pytest.approx(bars[2].height / 2)
    assert bars[3].x + bars[3].width < WIDTH
    assert bars[2].y > 0
    assert bars[2].y + bars[2].height < HEIGHT
    assert (bars[2].low, bars[2].high) == (0.5, 0.75)


def test_the_page_of_a_run_shows_reasons_novelty_and_diversity_in_both_languages(write_page, tmp_path, run_recipe):
    rows = [{"instruction": text, "input": "", "output": HOSTILE, "provenance": {}} for text in GENERATED]
    novelty = {
        "max_rouge_l": 0.7, "judged": 5, "kept": 3, "all": [0] * 10 + [3] + [0] * 8 + [2], "kept_to_seeds": [0] * 5 + [3] + [0] * 14,
        "median_to_seeds": 0.27, "closest": [{"instruction": HOSTILE, "like": "Write a poem.", "rouge_l": 0.55}],
    }  # fmt: skip
    page = write_page(
        "self-instruct",
        rows,
        figures={"novelty": novelty, "tasks_asked": 68, "tasks_parsed": 60},
        reasons={"not_novel": 2, "refusal": 1, "made_up": 1},
        settings={"seeds": "seeds.jsonl", "language": "en"},
    )
    assert HOSTILE not in page
    assert "the instruction is too similar to a known one (ROUGE-L)" in page
    assert "지시문이 이미 있는 것과 너무 비슷합니다(ROUGE-L)" in page
    assert "<code>made_up</code>" in page
    assert "were not kept: 2 of 5." in page
    assert "시드 과제" in page
    diversity = read_json(tmp_path / "out/diversity.json")
    assert diversity["languages"]["en"]["new_pairs"] == 1
    assert diversity["languages"]["en"]["generated"]["top"][0]["verb"] == "explain"
    assert diversity["novelty"]["judged"] == 5


@pytest.mark.parametrize(
    ("kind", "settings", "label"),
    [
        ("answer", {"prompts": "seeds.jsonl"}, "prompts"),
        ("translate", {"tasks": "seeds.jsonl"}, "tasks before translation"),
        ("preference", {"prompts": "seeds.jsonl"}, "prompts"),
    ],
)
def test_each_recipe_has_a_page_also_without_a_record(write_page, kind, settings, label):
    page = write_page(kind, [], settings=settings, complete=False)
    assert "The run is not complete" in page
    assert "There is no generated record." in page
    row = {"instruction": SEEDS[0], "input": "", "chosen": "a", "rejected": "b"}
    assert label in write_page(kind, [row], settings=settings)


def test_a_budget_that_was_exceeded_is_said_on_the_page(write_page):
    beyond = {"calls": 2, "reserved_tokens": 300, "used_tokens": 4000}
    page = write_page("answer", [], settings={"prompts": "seeds.jsonl"}, beyond_reserved=beyond)
    assert "2 calls used more tokens than were reserved for them: 4,000, reserved 300" in page
    assert "The budget is exceeded." not in page
    spent = {"is_budget_exceeded": True}
    page = write_page("answer", [], settings={"prompts": "seeds.jsonl"}, beyond_reserved=beyond, spent=spent)
    assert "The budget is exceeded." in page
    assert "예산을 넘었습니다." in page


def test_a_missing_output_is_an_error_that_names_the_file(make_recipe_params, tmp_path):
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        write_generation_page(make_recipe_params("answer"), tmp_path, tmp_path)
