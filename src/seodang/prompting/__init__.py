"""Prompts: training, evaluation and service build the same prompt from a request."""

from seodang.prompting.chat_frame import ChatTemplate, build_template_error, supports_system
from seodang.prompting.fingerprint import compute_fingerprint
from seodang.prompting.renderer import Renderer, find_answer_prefix, render_answer, render_prompt, render_record
from seodang.prompting.segment import Segment
from seodang.prompting.templates import PROMPT_TEMPLATES, PromptTemplate, TemplateTexts

__all__ = [
    "PROMPT_TEMPLATES",
    "ChatTemplate",
    "PromptTemplate",
    "Renderer",
    "Segment",
    "TemplateTexts",
    "build_template_error",
    "compute_fingerprint",
    "find_answer_prefix",
    "render_answer",
    "render_prompt",
    "render_record",
    "supports_system",
]
