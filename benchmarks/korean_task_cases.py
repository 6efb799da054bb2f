"""Korean tasks beside those of lm-evaluation-harness, for benchmarks/korean_tasks.py.

The items are invented, in the shape of the data; only KoBEST's are its own.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Row = dict[str, Any]
_NOUNS = ("사과", "지하철", "계약서", "한글", "바다", "세금", "김치", "도서관", "배추", "헌법")
_LETTERS = "ABCDE"
_ANSWER_TEXTS = (" ", "\n", "　", "")  # around questions, which the harness strips


@dataclass(frozen=True, slots=True)
class Case:
    """A task of ours, the task of the harness that it follows, and the data of both."""

    task: str
    definition: str
    """YAML file below lm_eval/tasks."""
    files: dict[str, list[Row]]
    """Rows by file, as in the data folder."""
    split: str = "test"
    """Of the harness's task that is scored."""
    harness_rows: list[Row] | None = None
    """Rows of the harness where the loader of the data set changes them; None: those of the files."""
    features: dict[str, str] = field(default_factory=dict)
    """Types of columns that the loader of the data set sets."""


def write_file(path: Path, rows: list[Row]) -> None:
    """Write rows in the format of the file's suffix: csv, tsv, json (a list) or jsonl; csatqa_eval.json has lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in (".csv", ".tsv"):
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writeheader()
        writer.writerows(rows)
        path.write_text(text.getvalue(), "utf-8", newline="")
    elif path.suffix == ".json" and "csatqa" not in path.name:
        path.write_text(json.dumps(rows, ensure_ascii=False, indent=1), "utf-8")
    else:
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")


def _question(number: int) -> str:
    noun = _NOUNS[number % len(_NOUNS)]
    text = f"다음 가운데 {noun}에 관한 설명으로 옳은 것은? ({number}번, “{noun}”, 50% 이상)"
    return text.replace(", ", ",\n") if number % 3 == 2 else text


def _option(number: int, letter: str) -> str:
    return f"{_NOUNS[(number + ord(letter)) % len(_NOUNS)]} {number + ord(letter) % 7}개, 그리고 나머지"


def _list_options(number: int, letters: str) -> Row:
    return {letter: _option(number, letter) for letter in letters}


def _build_kmmlu_rows(count: int, subject: str) -> list[Row]:
    return [
        {
            "question": f"{_ANSWER_TEXTS[number % 4]}{subject}: {_question(number)}{_ANSWER_TEXTS[(number + 1) % 4]}",
            "answer": number % 4 + 1,
            **_list_options(number, "ABCD"),
            "Category": subject,
            "Human Accuracy": 0.25 + number % 3 / 4,
        }
        for number in range(count)
    ]


def _build_kmmlu_cases(count: int) -> list[Case]:
    cases = []
    for name, folder, hub in (
        ("kmmlu", "default", "KMMLU"),
        ("kmmlu_direct", "direct", "KMMLU"),
        ("kmmlu_hard", "hard", "KMMLU-HARD"),
        ("kmmlu_direct_hard", "direct_hard", "KMMLU-HARD"),
    ):
        files = {
            f"HAERAE-HUB/{hub}/data/{subject}-test.csv": _build_kmmlu_rows(count, subject)
            for subject in ("Accounting", "Criminal-Law")
        }
        yaml = name if name != "kmmlu_direct_hard" else "kmmlu_direct_hard"
        cases.append(Case(name, f"kmmlu/{folder}/{yaml}_accounting.yaml", files))
    return cases


def _build_haerae_cases(count: int) -> list[Case]:
    rows = [
        {
            "query": f"{_question(number)}\n"
            + "\n".join(f"({letter}) {_option(number, letter)}" for letter in _LETTERS)
            + "\n정답:",
            "answer": f"({_LETTERS[number % 5]})",
        }
        for number in range(count)
    ]
    names = {
        "general_knowledge": ("general_knowledge", "gk"),
        "history": ("history", "hi"),
        "loan_word": ("loan_words", "lw"),
        "rare_word": ("rare_words", "rw"),
        "standard_nomenclature": ("standard_nomenclature", "sn"),
    }
    return [
        Case(f"haerae_{name}", f"haerae/haerae_{short}.yaml", {f"HAERAE-HUB/HAE_RAE_BENCH_1.1/data/{file}.tsv": rows})
        for name, (file, short) in names.items()
    ]


_CLICK_IDS = (
    "KIIP_economy_{n}", "Kedu_economy_{n}", "CSAT_geography_22_{n}", "KIIP_geography_{n}", "KHB_{n}_1",
    "PSE_history_{n}", "KIIP_popular_{n}", "Kedu_popular_{n}", "KIIP_law_{n}", "PSAT_{n}", "KIIP_politics_{n}",
    "Kedu_politics_{n}", "KIIP_society_{n}", "Kedu_society_{n}", "KIIP_tradition_{n}", "Kedu_tradition_{n}",
    "CSAT_korean_22_{n}", "CSAT_korean_23_{n}", "CSAT_korean_23_4{n}", "TK_2016_{n}", "TK_2016_1{n}",
    "CSAT_korean_15_1{n}", "CSAT_korean_15_{n}", "Kedu_1_{n}", "Kedu_16_{n}", "PSE_korean_{n}",
)  # fmt: skip


def _build_click_rows(count: int) -> list[Row]:
    rows = []
    for number in range(count):
        for position, pattern in enumerate(_CLICK_IDS):
            id = pattern.format(n=1 + number % 9)
            letters = _LETTERS if "CSAT" in id else _LETTERS[:4]
            choices = [f"{_option(number + position, letter)} {letter}" for letter in letters]
            talk = "대화의 빈칸에 알맞은 것은? " if number % 2 else ""
            rows.append(
                {
                    "id": id,
                    "paragraph": f"{_NOUNS[position % 10]}에 관한 글이다.\n두 줄이다."
                    if (number + position) % 2
                    else "",
                    "question": talk + _question(number + position),
                    "choices": choices,
                    "answer": choices[(number + position) % len(choices)],
                }
            )
    return rows


def _build_click_cases(count: int) -> list[Case]:
    rows = _build_click_rows(count)
    files = {"EunsuKim/CLIcK/Dataset/Culture/Korean Economy/Economy_KIIP.json": rows}
    cultures = ("economy", "geography", "history", "kpop", "law", "politics", "society", "tradition")
    names = [f"cul_{name}" for name in cultures] + ["lang_text", "lang_grammar", "lang_function"]
    return [
        Case(f"click_{name}", f"click/click_{name.split('_')[0]}/click_{name}.yaml", files, split="train")
        for name in names
    ]


def _build_hrm8k_cases(count: int) -> list[Case]:
    answers = [18.0, 3.5, -4.0, 1024.0, 0.5, 7.0, 100000.0, 2.25]
    rows = [
        {
            "question": f"{_ANSWER_TEXTS[number % 4]}{_NOUNS[number % 10]} {number + 3}개를 둘이 나누면 한 사람은 몇 개인가? $x^2$"
            f"{_ANSWER_TEXTS[(number + 2) % 4]}",
            "answer": answers[number % len(answers)],
            "original": f"Share {number + 3} apples.",
        }
        for number in range(count)
    ]
    files = {"gsm8k": "gsm8k", "ksm": "ksm", "math": "math_do", "mmmlu": "mmmlu", "omni_math": "omni-math_do"}
    return [
        Case(f"hrm8k_{name}", f"hrm8k/default/hrm8k_{name}.yaml", {f"HAERAE-HUB/HRM8K/HRM8K/{file}_test.csv": rows})
        for name, file in files.items()
    ]


_KBL_KNOWLEDGE = {
    "common_legal_mistake_qa": ("kbl_legal_common_legal_mistake_qa", "ABC", "common_legal_mistake_qa"),
    "common_legal_mistake_qa_reasoning": (
        "kbl_legal_common_legal_mistake_qa_reasoning", "ABC", "common_legal_mistake_qa_reasoning",
    ),
    "legal_concept_qa": ("kbl_legal_concept_qa", "ABCDE", "legal_concept_qa"),
    "offense_component_qa": ("kbl_offense_component_qa", "AB", "offense_component_qa"),
    "query_and_statute_matching_qa": ("kbl_query_and_statute_matching_qa", "ABCDE", "query_statute_matching_qa"),
    "statute_hallucination_qa": ("kbl_statute_hallucination_qa", "ABCD", "statute_hallucination_qa"),
    "statute_number_and_content_matching_qa": (
        "kbl_statute_matching_qa_number_and_content_matching_qa", "ABCDE", "statute_number_and_content_matching_qa",
    ),
}  # fmt: skip
_CASE_COLUMNS = ("appellant", "fact", "claim", "judicial_opinion")
_KBL_REASONING = {
    "case_relevance_qa_p": (
        "kbl_case_relevance_qa_p",
        "case_relevance_qa_p",
        [f"{side}_case_{part}" for side in ("query", "retrieved") for part in _CASE_COLUMNS],
    ),
    "case_relevance_qa_q": (
        "kbl_case_relevance_qa_q",
        "case_relevance_qa_q",
        ["query", *(f"retrieved_case_{part}" for part in _CASE_COLUMNS)],
    ),
    "causal_reasoning_qa": (
        "kbl_causal_reasoning_qa",
        "causal_reasoning",
        ["facts_charged", "defendant_claim", "facts_accepted", "cause", "effect"],
    ),
    "statement_consistency_qa": (
        "kbl_logical_contradiction_qa",
        "statement_consistency_qa",
        ["statement1", "statement2"],
    ),
}


def _build_kbl_rows(count: int, letters: str, label: str, columns: list[str]) -> list[Row]:
    return [
        {
            "question": _question(number),
            **{column: f"{column}의 {_NOUNS[(number + len(column)) % 10]}에 관한 서술 {number}" for column in columns},
            **_list_options(number, letters),
            label: letters[number % len(letters)],
        }
        for number in range(count)
    ]


def _build_kbl_cases(count: int) -> list[Case]:
    cases = []
    for name, (file, letters, yaml) in _KBL_KNOWLEDGE.items():
        rows = _build_kbl_rows(count, letters, "label", [])
        cases.append(
            Case(f"kbl_{name}", f"kbl/knowledge/kbl_{yaml}_em.yaml", {f"lbox/kbl/knowledge/{file}_v0.1.json": rows})
        )
    for name, (file, yaml, columns) in _KBL_REASONING.items():
        rows = _build_kbl_rows(count, "AB", "label", columns)
        cases.append(
            Case(f"kbl_{name}", f"kbl/reasoning/kbl_{yaml}_em.yaml", {f"lbox/kbl/reasoning/{file}_v0.1.json": rows})
        )
    for domain in ("civil", "criminal", "public", "responsibility"):
        letters = "ABCD" if domain == "responsibility" else "ABCDE"
        files = {
            f"lbox/kbl/bar_exam/{domain}/{domain}{year}.json": _build_kbl_rows(count, letters, "gt", [])
            for year in (2012, 2013)
        }
        cases.append(Case(f"kbl_bar_exam_{domain}", f"kbl/bar_exam/{domain}/kbl_bar_exam_em_{domain}_2012.yaml", files))
    return cases


def _build_csatqa_cases(count: int) -> list[Case]:
    categories = ("GR", "LI", "RCH", "RCS", "RCSS", "WR")
    rows = [
        {
            "test_name": "모의 평가",
            "question_number": number,
            "context": None if number % 3 == 0 else f"{_NOUNS[number % 10]}에 관한 글.\n{_question(number)}",
            "question": _question(number),
            "gold": number % 5 + 1,
            **{f"option#{position}": _option(number, _LETTERS[position - 1]) for position in range(1, 6)},
            "Category": category,
            "Human_Peformance": 50.5,
        }
        for number in range(count)
        for category in categories
    ]
    return [
        Case(
            f"csatqa_{category.lower()}",
            f"csatqa/csatqa_{category.lower()}.yaml",
            {"HAERAE-HUB/csatqa/data/csatqa_eval.json": rows},
            harness_rows=[row for row in rows if row["Category"] == category],
        )
        for category in categories
    ]


_KOBEST: dict[str, tuple[str, Callable[[Row], Row]]] = {
    "boolq": (
        "BoolQ",
        lambda row: {
            "paragraph": row["Text"], "question": row["Question"], "label": int(row["Answer"].lower() == "true"),
        },
    ),
    "copa": (
        "COPA",
        lambda row: {
            "premise": row["sentence"], "question": row["question"], "alternative_1": row["1"],
            "alternative_2": row["2"], "label": int(row["Answer"]) - 1,
        },
    ),
    "hellaswag": (
        "HellaSwag",
        lambda row: {
            "context": row["context"], "label": int(row["label"]),
            **{f"ending_{number}": row[f"choice{number}"] for number in range(1, 5)},
        },
    ),
    "sentineg": ("SentiNeg", lambda row: {"sentence": row["Text"], "label": int(row["Label"])}),
    "wic": (
        "WiC",
        lambda row: {
            "word": row["Target"], "context_1": row["SENTENCE1"], "context_2": row["SENTENCE2"],
            "label": int(row["ANSWER"].lower() == "true"),
        },
    ),
}  # fmt: skip


def _build_kobest_cases(folder: Path, count: int) -> list[Case]:
    """Return the tasks of KoBEST with the first rows of its own files; the harness gets the columns of the hub."""
    cases = []
    for name, (file, convert) in _KOBEST.items():
        parts = {}
        for part in ("dev", "train"):
            with (folder / f"{file}_{part}.tsv").open(encoding="utf-8-sig", newline="") as stream:
                parts[part] = list(csv.DictReader(stream, delimiter="\t"))[:count]
        cases.append(
            Case(
                f"kobest_{name}",
                f"kobest/kobest_{name}.yaml",
                {f"kobest/{file}_{part}.tsv": rows for part, rows in parts.items()},
                harness_rows=[convert(row) for row in parts["dev"]],
            )
        )
    return cases


def build_cases(count: int, kobest: Path | None, kobest_count: int) -> list[Case]:
    """Return all tasks with their data.

    Args:
        count: Invented items of each file.
        kobest: Folder of KoBEST's own files; None leaves its tasks out.
        kobest_count: Rows of each of its files.
    """
    return [
        *_build_kmmlu_cases(count),
        *_build_haerae_cases(count),
        *_build_click_cases(count),
        *_build_hrm8k_cases(count),
        *_build_kbl_cases(count),
        *_build_csatqa_cases(count),
        *(_build_kobest_cases(kobest, kobest_count) if kobest else []),
    ]
