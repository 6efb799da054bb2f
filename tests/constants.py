"""Constants that modules of tests read at import, as parameters or data; everything else is a fixture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

ROOT = Path(__file__).resolve().parents[1]
LEARNED_POSITIONS = ("gpt2", "opt")  # with a table of positions; make_other_model creates them, too
ARCHITECTURES = ("bloom", "mamba", "mpt")  # without position embeddings; make_other_model creates them
# Requests that the packaged tiny model answers correctly: instruction, input, output.
KOREAN = ("다음 문장의 감정을 분석해 주세요", "이 영화는 너무 지루해", "부정")
ENGLISH = ("Say hello", "", "Good morning")
SENTIMENT_TABLE = {
    "label_column": "label",
    "labels": {"0": "부정", "1": "긍정"},
    "input": "{document}",
    "instructions": ["긍정인가요, 부정인가요?"],
}
"""A template that makes instructions of a labelled table."""
ITEM_SCORE: Final[Mapping[str, Any]] = {
    "variant": "tuned",
    "shots": 0,
    "item": "1",
    "group": "",
    "task": "films",
    "language": "ko",
    "split": "test",
    "kind": "choice",
    "primary_metric": "accuracy",
    "reference": "예",
    "prompt_tokens": 9,
    **dict.fromkeys(
        ("accuracy", "prediction", "loss", "answer", "exact_match", "chrf", "eos_rate", "labels", "grades")
    ),
    "extra_metrics": {},
    "weights": {},
}
"""Fields of an ItemScore of the tuned model on an item of a choice task, without a score."""
