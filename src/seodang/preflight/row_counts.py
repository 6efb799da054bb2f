"""What became of the rows of each source, from the file to the records that training learns. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from seodang.i18n import N_, _
from seodang.validation.token_counts import TOO_MANY_TOKENS

LOST_SHARE: Final = 0.2
"""Share of a source's rows; a warning names the cause when more are lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRows:
    """Rows of one source. All but `quarantined` and `learned` count records, each of them once."""

    source: str
    read: int
    """After the source's limit."""
    quarantined: int
    """By rules other than the length."""
    too_long: int
    """Longer than train.max_length."""
    duplicates: int
    leaks: int
    """Removed because a test record has the same question."""
    mixed_out: int
    """Left out by weight, cap or replay ratio, or as an undesirable preference."""
    held_out: int
    """In the splits validation, test and unseen."""
    learned: int
    """Lines of the training split that training reads; a weight above 1 repeats records."""

    @property
    def lost(self) -> int:
        """Return the rows that are neither learned nor held out, and that no parameter of the mix left out."""
        return self.quarantined + self.too_long + self.duplicates + self.leaks


def count_rows(
    manifest: Mapping[str, Any],
    validation: Mapping[str, Any],
    preparation: Mapping[str, Any],
    too_long: Mapping[str, int],
) -> list[SourceRows]:
    """Return the rows of each source.

    Args:
        manifest: Report of stage ingest.
        validation: Report of stage validate.
        preparation: Report of stage prepare.
        too_long: Records of the training split by source that exceed train.max_length.
    """
    return [
        _count_source(
            source,
            validation["by_source"].get(source["name"], {}),
            preparation["by_source"].get(source["name"], {}),
            too_long.get(source["name"], 0),
        )
        for source in manifest["sources"]
    ]


def _count_source(
    source: Mapping[str, Any], validated: Mapping[str, Any], prepared: Mapping[str, int], too_long: int
) -> SourceRows:
    rejected_as_too_long = validated.get("rules", {}).get(TOO_MANY_TOKENS, 0)
    return SourceRows(
        source=source["name"],
        read=source["rows_written"],
        quarantined=validated.get("quarantined", 0) - rejected_as_too_long,
        too_long=rejected_as_too_long + too_long,
        duplicates=prepared.get("exact_duplicate", 0) + prepared.get("near_duplicate", 0),
        leaks=prepared.get("leak", 0),
        mixed_out=sum(prepared.get(reason, 0) for reason in ("undesirable", "weight", "cap", "replay")),
        held_out=sum(prepared.get(split, 0) for split in ("validation", "test", "unseen")),
        learned=prepared.get("train", 0) - too_long,
    )


_REMEDIES: Final = {
    "quarantined": N_("rules reject them: artifacts/validate/data_docs names each rule with its remedy"),
    "too_long": N_("they are longer than train.max_length; {longest} would read them all"),
    "duplicates": N_("they repeat other records (artifacts/prepare/duplicates.jsonl); remove them, or accept it"),
    "leaks": N_("they ask what a test record asks (artifacts/prepare/leaks.jsonl); remove the repeated questions"),
}


def build_loss_warnings(rows: Iterable[SourceRows], longest: int | None) -> list[str]:
    """Return a warning for each source that lost more than LOST_SHARE of its rows, with the main causes.

    Args:
        rows: Of all sources.
        longest: Tokens of the longest record; None where it is not known.
    """
    return [_build_warning(source, longest) for source in rows if source.lost > LOST_SHARE * source.read]


def _build_warning(source: SourceRows, longest: int | None) -> str:
    counts = {name: getattr(source, name) for name in _REMEDIES}
    causes = [
        f"{count:,}: {_(_REMEDIES[name], longest=longest or '?')}"
        for name, count in sorted(counts.items(), key=lambda pair: -pair[1])
        if count > LOST_SHARE / 4 * source.read
    ]
    return _(
        "source {source}: {lost:,} of {read:,} rows ({share:.0%}) are lost. {causes}",
        source=source.source,
        lost=source.lost,
        read=source.read,
        share=source.lost / source.read,
        causes="; ".join(causes),
    )
