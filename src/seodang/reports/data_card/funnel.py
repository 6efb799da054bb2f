"""The path of the rows from the source files to train, in total and by source, from the reports of three stages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from seodang.i18n import N_
from seodang.preparation.splitting import SPLITS

LEFT_OUT_LABELS: Final = {
    "exact_duplicate": N_("exact duplicates"),
    "near_duplicate": N_("near duplicates"),
    "leak": N_("leaks"),
    "undesirable": N_("undesirable"),
    "weight": N_("weight"),
    "cap": N_("cap"),
    "replay": N_("replay"),
}
LEFT_OUT: Final = tuple(LEFT_OUT_LABELS)
_MIXING: Final = ("undesirable", "weight", "cap", "replay")


@dataclass(frozen=True, slots=True)
class SourceFlow:
    """Rows of one source (or of all) at each step."""

    name: str
    read: int
    written: int
    accepted: int
    left_out: dict[str, int]  # by LEFT_OUT
    splits: dict[str, int]  # by SPLITS; train includes the copies of a weight above 1
    too_long: int | None  # records of train over train.max_length; None: stage preflight has not counted them
    learned: int | None  # records of train that training reads

    @property
    def held_out(self) -> int:
        """Records kept for evaluation."""
        return sum(self.splits[name] for name in SPLITS[1:])

    @property
    def removed_by_mixing(self) -> int:
        """Records that mixing left out."""
        return sum(self.left_out[name] for name in _MIXING)

    @property
    def duplicates(self) -> int:
        """Exact and near duplicates."""
        return self.left_out["exact_duplicate"] + self.left_out["near_duplicate"]

    @property
    def distinct_train(self) -> int:
        """Records of train without the copies of a weight above 1."""
        return max(0, self.accepted - sum(self.left_out.values()) - self.held_out)

    @property
    def copies(self) -> int:
        """Additional copies in train, from a weight above 1."""
        return max(0, self.splits["train"] - self.distinct_train)


@dataclass(frozen=True, slots=True)
class Step:
    """One bar of the funnel."""

    name: str
    kept: int
    lost: int  # compared with the step before
    reason: str


def build_flows(
    manifest: dict[str, Any], validated: dict[str, Any], prepared: dict[str, Any], preflight: dict[str, Any]
) -> list[SourceFlow]:
    """Return the flow of each source in the order of the manifest; counts that a report lacks are 0."""
    result = []
    rows = {row["source"]: row for row in preflight.get("rows", [])}
    for entry in manifest["sources"]:
        counts = prepared["by_source"].get(entry["name"], {})
        accepted = validated["by_source"].get(entry["name"], {}).get("accepted", counts.get("accepted", 0))
        result.append(
            SourceFlow(
                name=entry["name"],
                read=entry["rows_read"],
                written=entry["rows_written"],
                accepted=accepted,
                left_out={name: counts.get(name, 0) for name in LEFT_OUT},
                splits={name: counts.get(name, 0) for name in SPLITS},
                too_long=rows.get(entry["name"], {}).get("too_long"),
                learned=rows.get(entry["name"], {}).get("learned"),
            )
        )
    return result


def sum_flows(sources: list[SourceFlow]) -> SourceFlow:
    """Return the sum of all sources."""
    return SourceFlow(
        name="",
        read=sum(source.read for source in sources),
        written=sum(source.written for source in sources),
        accepted=sum(source.accepted for source in sources),
        left_out={name: sum(source.left_out[name] for source in sources) for name in LEFT_OUT},
        splits={name: sum(source.splits[name] for source in sources) for name in SPLITS},
        too_long=_sum_known(source.too_long for source in sources),
        learned=_sum_known(source.learned for source in sources),
    )


def _sum_known(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def build_steps(all_sources: SourceFlow) -> list[Step]:
    """Return the bars of the funnel, from the rows that were read to the records of train.

    The held-out splits leave at the last step, so train is the end of the funnel; they are not lost.
    """
    flow = all_sources
    unique = flow.accepted - flow.duplicates
    clean = unique - flow.left_out["leak"]
    mixed = clean - flow.removed_by_mixing
    return [
        Step(N_("read"), flow.read, 0, ""),
        Step(N_("ingested"), flow.written, flow.read - flow.written, N_("not ingested")),
        Step(N_("accepted"), flow.accepted, flow.written - flow.accepted, N_("quarantined")),
        Step(N_("unique"), unique, flow.duplicates, N_("duplicates")),
        Step(N_("no leaks"), clean, flow.left_out["leak"], N_("evaluation leaks")),
        Step(N_("mixed"), mixed, flow.removed_by_mixing, N_("weight, cap or replay")),
        Step(N_("train"), flow.distinct_train, flow.held_out, N_("held out for evaluation")),
    ]
