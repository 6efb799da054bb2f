"""Constants that modules of tests read at import, for parameters of tests; everything else is a fixture."""

from pathlib import Path

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
