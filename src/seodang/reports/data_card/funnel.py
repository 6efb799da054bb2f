"""From raw to train: what the three reports say about where every row went, as a whole and by source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from seodang.preparation.splitting import SPLITS

LEFT_OUT: Final = ("exact_duplicate", "near_duplicate", "leak", "undesirable", "weight", "cap", "replay")
_MIXING: Final = ("undesirable", "weight", "cap", "replay")


@dataclass(frozen=True, slots=True)
class SourceFlow:
    """Rows of one source (or of all) at each step."""

    name: str
    read: int
    written: int
    accepted: int
    left_out: dict[str, int]  # by LEFT_OUT
    splits: dict[str, int]  # by SPLITS; train counts each copy that a weight above 1 makes

    @property
    def held_out(self) -> int:
        """Records kept for evaluation."""
        return sum(self.splits[name] for name in SPLITS[1:])

    @property
    def mixed_out(self) -> int:
        """Records that mixing left out."""
        return sum(self.left_out[name] for name in _MIXING)

    @property
    def duplicates(self) -> int:
        """Exact and near duplicates."""
        return self.left_out["exact_duplicate"] + self.left_out["near_duplicate"]

    @property
    def distinct_train(self) -> int:
        """Records of train without the copies that a weight above 1 makes."""
        return max(0, self.accepted - sum(self.left_out.values()) - self.held_out)

    @property
    def copies(self) -> int:
        """Further copies in train, by a weight above 1."""
        return max(0, self.splits["train"] - self.distinct_train)


@dataclass(frozen=True, slots=True)
class Step:
    """One bar of the funnel."""

    ko: str
    en: str
    kept: int
    lost: int  # against the step before
    reason_ko: str
    reason_en: str


def build_flows(manifest: dict[str, Any], validated: dict[str, Any], prepared: dict[str, Any]) -> list[SourceFlow]:
    """Return the flow of each source, in the manifest's order. A source that a report lacks has zeros there."""
    result = []
    for entry in manifest["sources"]:
        after = prepared["by_source"].get(entry["name"], {})
        accepted = validated["by_source"].get(entry["name"], {}).get("accepted", after.get("accepted", 0))
        result.append(
            SourceFlow(
                name=entry["name"],
                read=entry["rows_read"],
                written=entry["rows_written"],
                accepted=accepted,
                left_out={name: after.get(name, 0) for name in LEFT_OUT},
                splits={name: after.get(name, 0) for name in SPLITS},
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
    )


def build_steps(all_sources: SourceFlow) -> list[Step]:
    """Return the bars from what was read to what is trained on; each says what the step before had more.

    The held-out splits are no loss; they leave at the last step, so that train stands at the funnel's end.
    """
    flow = all_sources
    unique = flow.accepted - flow.duplicates
    clean = unique - flow.left_out["leak"]
    mixed = clean - flow.mixed_out
    return [
        Step("읽음", "read", flow.read, 0, "", ""),
        Step("가져옴", "ingested", flow.written, flow.read - flow.written, "가져오지 않음", "not ingested"),
        Step("통과", "accepted", flow.accepted, flow.written - flow.accepted, "격리", "quarantined"),
        Step("중복 없음", "unique", unique, flow.duplicates, "중복", "duplicates"),
        Step("누출 없음", "no leaks", clean, flow.left_out["leak"], "평가 문항 누출", "evaluation leaks"),
        Step("고름", "mixed", mixed, flow.mixed_out, "가중치·상한 따위", "weight, caps"),
        Step("학습", "train", flow.distinct_train, flow.held_out, "평가용으로 둠", "held out to evaluate"),
    ]
