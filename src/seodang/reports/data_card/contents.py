"""All that the card tells, gathered from the reports and the files beside them; nothing of how it looks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from seodang.config.prepare import CardParams
from seodang.ingest.rows import TEXTS
from seodang.io.jsonl import read_json, read_rows
from seodang.io.progress import progress
from seodang.licences import LicenceSummary, licence_summary
from seodang.paths import Paths
from seodang.preparation.splitting import SPLITS
from seodang.reports.data_card.funnel import SourceFlow, Step, flows, steps, total
from seodang.reports.data_card.layout import Histogram, histogram
from seodang.reports.data_card.overlaps import Heads, Overlaps, heads, lines, overlaps
from seodang.reports.data_card.quarantine import Reason, reasons, with_examples
from seodang.reports.data_card.redaction import head
from seodang.reports.data_card.statistics import Labels, Survey, survey
from seodang.reports.data_card.verbs import RootFigure, root_figure

_TASKS: Final = 40
_LABELS: Final = 8
_FILES: Final = 8
OTHERS: Final = "기타 · others"


@dataclass(frozen=True, slots=True)
class Balance:
    """The answers of one task in one language, the commonest first."""

    task: str
    language: str
    per_item: bool  # each item has choices of its own: what is counted is the place of the right one
    labels: tuple[tuple[str, int], ...]
    records: int


@dataclass(frozen=True, slots=True)
class Source:
    """Where records come from."""

    name: str
    kind: str
    format: str
    licence: str
    rows: int
    files: tuple[dict[str, Any], ...]
    more_files: int  # that are not listed


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What the templates show."""

    all: SourceFlow
    flows: list[SourceFlow]
    steps: list[Step]
    survey: Survey
    histograms: dict[str, dict[str, Histogram]]  # language -> text -> histogram
    languages: dict[str, dict[str, int]]  # split -> language -> records
    tasks: list[tuple[str, dict[str, int]]]  # task, split -> records; the commonest of all splits first
    balances: list[Balance]
    reasons: list[Reason]
    warnings: list[Reason]
    repairs: list[Reason]
    faults: list[Reason]  # warnings about the data set as a whole; what rejects it leaves no card
    quarantined: int
    warned: int
    repaired: int
    duplicates: dict[str, int]  # clusters, largest, removed
    leaks: dict[str, Any]  # items, records, by_kind
    overlaps: Overlaps
    heads: Heads
    sources: list[Source]
    licences: LicenceSummary
    non_commercial: list[Source]
    roots: list[RootFigure]
    checksums: dict[str, str]  # what -> sha256


def gather(paths: Paths, card: CardParams, seed: int) -> Contents:
    """Read all reports, and stream the files beside them once each.

    Raises:
        ArtefactError: If a report is missing or damaged; the message names the stage to run.

    """
    manifest, validated, prepared = (
        read_json(path) for path in (paths.ingest_report, paths.validate_report, paths.prepare_report)
    )
    manifest["sources"] = [
        entry for entry in manifest["sources"] if entry["rows_written"]
    ]  # a folder without files asks for nothing
    found = survey(_train(paths), instructions=card.instructions, seed=seed)
    flow = flows(manifest, validated, prepared)
    whole = total(flow)
    sources = [_source(entry) for entry in manifest["sources"]]
    licences = licence_summary(source.licence for source in sources)
    shared = overlaps(lines(paths.duplicates), lines(paths.leaks), examples=card.examples, seed=seed)
    return Contents(
        all=whole,
        flows=flow,
        steps=steps(whole),
        survey=found,
        histograms=_histograms(found),
        languages=_splits(prepared["languages"]),
        tasks=_tasks(prepared["tasks"]),
        balances=[_balance(task, language, labels) for (task, language), labels in sorted(found.labels.items())],
        **_validation(validated, paths, card, seed),
        duplicates=prepared["duplicates"],
        leaks=prepared["leaks"],
        overlaps=shared,
        heads=heads(paths.accepted, shared.ids()),
        sources=sources,
        licences=licences,
        non_commercial=[source for source in sources if source.licence.strip() in licences.non_commercial],
        roots=_roots(found),
        checksums={
            "records.jsonl": manifest["records_sha256"],
            **{f"{name}.jsonl": value for name, value in _splits(prepared["sha256"]).items()},
        },
    )


def _train(paths: Paths) -> Iterator[dict[str, Any]]:
    return progress(read_rows(paths.split("train")), "데이터 카드 · data card", file=paths.split("train"))


def _validation(validated: dict[str, Any], paths: Paths, card: CardParams, seed: int) -> dict[str, Any]:
    """Return what the validation's report and quarantine say."""
    rules = validated["rules"]
    return {
        "reasons": with_examples(
            reasons(validated["by_rule"], rules), lines(paths.quarantine), examples=card.examples, seed=seed
        ),
        "warnings": reasons(validated["warnings"], rules),
        "repairs": reasons(validated["repairs"], rules),
        "faults": [
            Reason(
                f"{measure['id']} ({measure['of']})",
                1,
                *(measure[name] for name in ("reason_ko", "reason_en", "fix_ko", "fix_en")),
            )
            for measure in validated["data_set"]
        ],
        "quarantined": validated["quarantined"],
        "warned": validated["warned"],
        "repaired": validated["repaired"],
    }


def _histograms(found: Survey) -> dict[str, dict[str, Histogram]]:
    longest = max(chain.from_iterable(found.lengths.values()), default=0)
    languages = sorted({language for language, _ in found.lengths}, reverse=True)  # ko before en
    return {
        language: {name: histogram(found.lengths[language, name], longest) for name in TEXTS} for language in languages
    }


def _splits(by_split: Mapping[str, Any]) -> dict[str, Any]:
    return {name: by_split[name] for name in SPLITS if name in by_split}


def _tasks(by_split: dict[str, dict[str, int]]) -> list[tuple[str, dict[str, int]]]:
    """Return the commonest tasks with their records in each split, and the sum of the others."""
    names = {name for tasks in by_split.values() for name in tasks}
    rows: list[tuple[str, dict[str, int]]] = [
        (name, {split: by_split.get(split, {}).get(name, 0) for split in SPLITS}) for name in names
    ]
    rows.sort(key=lambda row: (-row[1]["train"], -sum(row[1].values()), row[0]))
    rest = rows[_TASKS:]
    return rows[:_TASKS] + (
        [(f"{OTHERS} ({len(rest):,})", {split: sum(row[1][split] for row in rest) for split in SPLITS})] if rest else []
    )


def _balance(task: str, language: str, labels: Labels) -> Balance:
    if labels.per_item:
        named = [
            (f"{place}번째 · choice {place}" if place else OTHERS, count) for place, count in labels.positions.items()
        ]
    else:
        named = [(head(label, 40), count) for label, count in labels.counts.items()]
    named.sort(key=lambda item: (-item[1], item[0]))
    rest = sum(count for _, count in named[_LABELS:])
    return Balance(
        task,
        language,
        labels.per_item,
        tuple(named[:_LABELS] + ([(OTHERS, rest)] if rest else [])),
        labels.positions.total(),
    )


def _source(entry: dict[str, Any]) -> Source:
    files = [
        {"path": file["path"], "sha256": file["sha256"], "bytes": file["bytes"], "url": file.get("url") or ""}
        for file in entry["files"]
    ]
    return Source(
        name=entry["name"],
        kind=entry["kind"],
        format=entry.get("format") or "",
        licence=entry["licence"] or "",
        rows=entry["rows_written"],
        files=tuple(files[:_FILES]),
        more_files=len(files[_FILES:]),
    )


def _roots(found: Survey) -> list[RootFigure]:
    """Return the figure of each language that has instructions, Korean first."""
    figures = (
        root_figure(language, found.instructions[language].items())
        for language in ("ko", "en")
        if language in found.instructions
    )
    return [figure for figure in figures if figure]
