"""Fields of OpenAI's, vLLM's and transformers' requests that are known here and not supported.

A field that would change the answer, or what is returned with it, is refused unless its value changes nothing. Fields
that only describe the request or its client, such as `user`, are tolerated like unknown ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from seodang.service.http.api_error import build_unsupported_error

Neutral = tuple[Any, ...]
"""Values of a field that change nothing, beside null."""
_COMMON: Final[Mapping[str, Neutral]] = {
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "modalities": (["text"],),
    "audio": (),
    "prediction": (),
    "web_search_options": (),
    "reasoning_effort": ("none",),
    "verbosity": (),
    "service_tier": ("auto", "default"),
    "store": (False,),
    "moderation": (),
    "suffix": ("",),
    "best_of": (1,),
    "top_k": (-1, 0),
    "min_p": (0,),
    "min_tokens": (0,),
    "length_penalty": (1,),
    "use_beam_search": (False,),
    "stop_token_ids": ([],),
    "include_stop_str_in_output": (False,),
    "bad_words": ([],),
    "allowed_token_ids": (),
    "logits_processors": ([],),
    "skip_special_tokens": (True,),
    "prompt_logprobs": (),
    "logprob_token_ids": ([],),
    "return_tokens_as_token_ids": (False,),
    "return_token_ids": (False,),
    "return_token_offsets": (False,),
    "return_prompt_text": (False,),
    "prompt_embeds": ([],),
    "truncate_prompt_tokens": (),
    "guided_json_object": (False,),
    "guided_whitespace_pattern": (),
    "structural_tag": (),
    "thinking_token_budget": (-1,),
    "repetition_detection": (),
    "repetition_penalty": (1,),
    "watermarking": (False,),
    "priority": (0,),
    "cache_salt": (),
    "kv_transfer_params": ({},),
    "ec_transfer_params": ({},),
    "vllm_xargs": ({},),
    "generation_config": (),
}
CHAT_FIELDS: Final[Mapping[str, Neutral]] = {
    **_COMMON,
    "prompt": (),
    "echo": (False,),
    "documents": ([],),
    "chat_template": (),
    "chat_template_kwargs": ({},),
    "add_special_tokens": (False,),
}
TEXT_FIELDS: Final[Mapping[str, Neutral]] = {
    **_COMMON,
    "messages": (),
    "top_logprobs": (0,),
    "add_special_tokens": (True,),
}
TOKENIZE_FIELDS: Final[Mapping[str, Neutral]] = {"return_token_strs": (False,)}
STREAM_FIELDS: Final[Mapping[str, Neutral]] = {"include_obfuscation": (False,)}


def check_supported(request: BaseModel, fields: Mapping[str, Neutral], place: str = "") -> None:
    """Raise an error if a request uses a field that is known but not supported; unknown fields are tolerated.

    Args:
        request: With its unknown fields.
        fields: Known fields without support, and their neutral values.
        place: Of the object in the body, for the error, such as `stream_options.`.

    Raises:
        ApiError: It names the field.
    """
    for name, value in (request.model_extra or {}).items():
        neutral = fields.get(name)
        if value is not None and neutral is not None and not _is_neutral(value, neutral):
            raise build_unsupported_error(f"{place}{name}")


def _is_neutral(value: Any, neutral: Neutral) -> bool:
    return any(value == other and isinstance(value, bool) == isinstance(other, bool) for other in neutral)
