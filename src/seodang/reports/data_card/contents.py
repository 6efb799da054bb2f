"""The content of the data card, from the reports of the stages and the files beside them. It knows no markup."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from seodang.config.prepare import CardParams
from seodang.i18n import Message, _
from seodang.ingest.rows import TEXTS
from seodang.io.jsonl import read_json, read_rows
from seodang.io.model_parts import list_sources
from seodang.io.progress import track_progress
from seodang.licences import LicenceSummary, summarize_licences
from seodang.licences.permissions import Permissions, build_permissions
from seodang.licences.verdict import Part, list_parts
from seodang.paths import Paths
from seodang.preparation.splitting import SPLITS
from seodang.reports.data_card.funnel import SourceFlow, Step, build_flows, build_steps, sum_flows
from seodang.reports.data_card.korean_answers import KoreanAnswers, SourceAnswers
from seodang.reports.data_card.layout import Histogram, build_histogram
from seodang.reports.data_card.overlaps import Heads, Overlaps, collect_overlaps, read_heads, read_optional_rows
from seodang.reports.data_card.preferences import Preferences, read_preferences, select_record_lines
from seodang.reports.data_card.quarantine import Reason, add_examples, build_reasons, select_reason_texts
from seodang.reports.data_card.redaction import Text, format_head
from seodang.reports.data_card.statistics import Labels, Statistics, compute_statistics
from seodang.reports.data_card.verbs import RootFigure, build_root_figure

_MAX_TASKS: Final = 40
_MAX_LABELS: Final = 8
_MAX_FILES: Final = 8
OTHERS: Final = Message("others")


@dataclass(frozen=True, slots=True)
class Balance:
    """The answers of one task in one language, most frequent first."""

    task: str
    language: str
    per_item: bool  # each item has its own choices; the labels are positions of the answer among them
    labels: tuple[tuple[Text, int], ...]  # label, records
    records: int


@dataclass(frozen=True, slots=True)
class Source:
    """A source of records."""

    name: str
    kind: str
    format: str
    licence: str
    rows: int
    files: tuple[dict[str, Any], ...]
    more_files: int  # number of files that are not in `files`
    generated: tuple[dict[str, Any], ...]  # teacher, licence, recipe, rows, dates of the records that a teacher wrote


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The content of the card, for the templates."""

    all: SourceFlow
    flows: list[SourceFlow]
    steps: list[Step]
    statistics: Statistics
    histograms: dict[str, dict[str, Histogram]]  # language -> field -> histogram
    languages: dict[str, dict[str, int]]  # split -> language -> records
    tasks: list[tuple[Text, dict[str, int]]]  # task, split -> records; most frequent task first
    balances: list[Balance]
    reasons: list[Reason]
    warnings: list[Reason]
    repairs: list[Reason]
    problems: list[Reason]  # warnings about the entire data set; a rejected data set has no card
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
    permissions: Permissions
    roots: list[RootFigure]
    korean: list[SourceAnswers]  # of train; empty without Korean answers or the analyzer
    preferences: Preferences | None  # None while align.method is none
    checksums: dict[str, str]  # file name -> sha256


def gather_contents(paths: Paths, card: CardParams, seed: int) -> Contents:
    """Return the content of the card; each file is read once, as a stream.

    Raises:
        ArtifactError: If a report is missing or damaged; the message names the stage to run.

    """
    manifest, validated, prepared = (
        read_json(path) for path in (paths.ingest_report, paths.validate_report, paths.prepare_report)
    )
    # A source without rows, such as an empty folder, imposes no licence.
    manifest["sources"] = [entry for entry in manifest["sources"] if entry["rows_written"]]
    answers = KoreanAnswers(card.examples, seed)
    statistics = compute_statistics(answers.watch(_read_train(paths)), instructions=card.instructions, seed=seed)
    preflight = read_json(paths.preflight_report) if paths.preflight_report.exists() else {}
    flows = build_flows(manifest, validated, prepared, preflight)
    all_sources = sum_flows(flows)
    sources = [_build_source(entry) for entry in list_sources(manifest)]
    licences = summarize_licences(source.licence for source in sources)
    overlap_samples = collect_overlaps(
        read_optional_rows(paths.duplicates), read_optional_rows(paths.leaks), examples=card.examples, seed=seed
    )
    return Contents(
        all=all_sources,
        flows=flows,
        steps=build_steps(all_sources),
        statistics=statistics,
        histograms=_build_histograms(statistics),
        languages=_order_splits(prepared["languages"]),
        tasks=_rank_tasks(prepared["tasks"]),
        balances=[
            _build_balance(task, language, labels) for (task, language), labels in sorted(statistics.labels.items())
        ],
        **_build_validation(validated, manifest, paths, card, seed),
        duplicates=prepared["duplicates"],
        leaks=prepared["leaks"],
        overlaps=overlap_samples,
        heads=read_heads(paths.accepted_records, overlap_samples.collect_ids()),
        sources=sources,
        licences=licences,
        non_commercial=[source for source in sources if source.licence.strip() in licences.non_commercial],
        permissions=_build_permissions(preflight, manifest),
        roots=_build_root_figures(statistics),
        korean=answers.measure(),
        preferences=read_preferences(validated, prepared, paths),
        checksums={
            "records.jsonl": manifest["records_sha256"],
            **{f"{name}.jsonl": value for name, value in _order_splits(prepared["sha256"]).items()},
        },
    )


def _read_train(paths: Paths) -> Iterator[dict[str, Any]]:
    return track_progress(read_rows(paths.get_split_path("train")), _("data card"), file=paths.get_split_path("train"))


def _build_validation(
    validated: dict[str, Any], manifest: dict[str, Any], paths: Paths, card: CardParams, seed: int
) -> dict[str, Any]:
    """Return the fields of Contents that come from the report of `validate` and from the quarantine."""
    rules = validated["rules"]
    return {
        "reasons": add_examples(
            build_reasons(validated["by_rule"], rules),
            select_record_lines(read_optional_rows(paths.quarantine), manifest),
            examples=card.examples,
            seed=seed,
        ),
        "warnings": build_reasons(validated["warnings"], rules),
        "repairs": build_reasons(validated["repairs"], rules),
        "problems": [
            Reason(f"{metric['id']} ({metric['of']})", 1, select_reason_texts(metric))
            for metric in validated["dataset"]
        ],
        "quarantined": validated["quarantined"],
        "warned": validated["warned"],
        "repaired": validated["repaired"],
    }


def _build_histograms(statistics: Statistics) -> dict[str, dict[str, Histogram]]:
    longest = max(chain.from_iterable(statistics.lengths.values()), default=0)
    languages = sorted({language for language, _ in statistics.lengths}, reverse=True)  # ko before en
    return {
        language: {name: build_histogram(statistics.lengths[language, name], longest) for name in TEXTS}
        for language in languages
    }


def _order_splits(by_split: Mapping[str, Any]) -> dict[str, Any]:
    return {name: by_split[name] for name in SPLITS if name in by_split}


def _rank_tasks(by_split: dict[str, dict[str, int]]) -> list[tuple[Text, dict[str, int]]]:
    """Return the most frequent tasks with their records in each split, and the sum of the others."""
    names = {name for tasks in by_split.values() for name in tasks}
    rows: list[tuple[str, dict[str, int]]] = [
        (name, {split: by_split.get(split, {}).get(name, 0) for split in SPLITS}) for name in names
    ]
    rows.sort(key=lambda row: (-row[1]["train"], -sum(row[1].values()), row[0]))
    ranking: list[tuple[Text, dict[str, int]]] = [*rows[:_MAX_TASKS]]
    if rest := rows[_MAX_TASKS:]:
        total: dict[str, int] = {split: sum(counts[split] for _name, counts in rest) for split in SPLITS}
        ranking.append((Message("others ({count:,})", {"count": len(rest)}), total))
    return ranking


def _build_balance(task: str, language: str, labels: Labels) -> Balance:
    counts: list[tuple[Text, int]] = (
        [(_format_position(position), count) for position, count in labels.positions.items()]
        if labels.per_item
        else [(format_head(label, 40), count) for label, count in labels.counts.items()]
    )
    counts.sort(key=lambda item: (-item[1], item[0] if isinstance(item[0], str) else item[0].translate("en")))
    rest = sum(count for _label, count in counts[_MAX_LABELS:])
    top_counts = counts[:_MAX_LABELS] + ([(OTHERS, rest)] if rest else [])
    return Balance(task, language, labels.per_item, tuple(top_counts), labels.positions.total())


def _format_position(position: int) -> Message:
    return Message("choice {position}", {"position": position}) if position else OTHERS


def _build_source(entry: dict[str, Any]) -> Source:
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
        files=tuple(files[:_MAX_FILES]),
        more_files=len(files[_MAX_FILES:]),
        generated=tuple(entry.get("generated", ())),
    )


def _build_permissions(preflight: Mapping[str, Any], manifest: Mapping[str, Any]) -> Permissions:
    """Return what the licences allow; before stage preflight has run, without the base and the declared use."""
    if "parts" in preflight:
        return build_permissions([Part(**part) for part in preflight["parts"]], preflight["licences"]["use"])
    return build_permissions([part for part in list_parts("", list_sources(manifest)) if part.kind != "base"], None)


def _build_root_figures(statistics: Statistics) -> list[RootFigure]:
    """Return the figure of each language that has instructions, Korean first."""
    figures = (
        build_root_figure(language, statistics.instructions[language].items())
        for language in ("ko", "en")
        if language in statistics.instructions
    )
    return [figure for figure in figures if figure]
