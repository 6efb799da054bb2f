"""The fingerprint of a prompt format: weights and service must have the same one."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from seodang.config import PromptFormat
from seodang.prompting.chat_frame import ChatTemplate
from seodang.prompting.renderer import render_answer, render_prompt
from seodang.records import Turn

_PROBES: tuple[dict[str, Any], ...] = (
    {"instruction": "가나다 ABC?", "input": ""},
    {"instruction": "가나다 ABC?", "input": "라마바 DEF."},
    {
        "instruction": "가?",
        "input": "",
        "system": "나.",
        "turns": (Turn(role="user", content="다?"), Turn(role="assistant", content="라.")),
    },
)


def compute_fingerprint(format: PromptFormat, tokenizer: ChatTemplate | None = None) -> str:
    """Return the sha256 of the prompts that the renderer builds from fixed requests.

    It is stored with the weights. A service refuses to start if its renderer has another fingerprint.
    """
    rendered = [
        [(segment.text, segment.control) for segment in render_prompt(**probe, format=format, tokenizer=tokenizer)]
        for probe in _PROBES
    ]
    text = json.dumps([format, render_answer("x", format, tokenizer), rendered], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
