"""The smoke test of a running service: real requests, the shape of their answers, and the version that answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from seodang.errors import ServiceUnreachable, UnfitForService
from seodang.i18n import _
from seodang.release.versions import RunningService

_MAX_TOKENS: Final = 16  # the shape of an answer, not its quality: a gate has judged that
_FINISH_REASONS: Final = ("stop", "length")


def run_smoke_test(service: RunningService, prompts: Sequence[str]) -> None:
    """Send each prompt to the service and check the answers.

    Args:
        service: Ready.
        prompts: Instructions; the first one is also sent to the chat route.

    Raises:
        UnfitForService: If there is no answer, or it has an error, no text, or not the fields that clients read.
    """
    body: dict[str, Any]
    for prompt in prompts:
        body = {"instruction": prompt, "max_new_tokens": _MAX_TOKENS}
        answer = _send(service, "/generate", body)
        _check(service, "/generate", answer, answer.get("output"), answer.get("finish_reason"))
    body = {"messages": [{"role": "user", "content": prompts[0]}], "max_tokens": _MAX_TOKENS}
    answer = _send(service, "/v1/chat/completions", body)
    try:
        choice = answer["choices"][0]
        text, reason = choice["message"]["content"], choice["finish_reason"]
    except (LookupError, TypeError) as error:
        raise _build_error(service, "/v1/chat/completions", f"no message ({error!r})") from error
    _check(service, "/v1/chat/completions", answer, text, reason)


def check_version(service: RunningService, tag: str, adapter_sha256: str | None = None) -> None:
    """Check that a running service answers with a model of the registry.

    Args:
        service: Ready.
        tag: Of the model.
        adapter_sha256: Of the registry; compared if the service knows its adapter.

    Raises:
        ServiceUnreachable: If it does not answer.
        UnfitForService: If it answers with another model.
    """
    found = service.ask_version()
    adapter = None if adapter_sha256 is None else service.ask_adapter()
    if found != tag or adapter not in (None, adapter_sha256):
        raise UnfitForService(
            _(
                "the service on port {port} has {found}, and the registry's champion is {tag}; see its log",
                port=service.port,
                found=found if found != tag else f"{found} (adapter {adapter})",
                tag=tag,
            ),
            f"the service answers with {found}, not with {tag}",
        )


def _send(service: RunningService, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    try:
        status, answer = service.post(path, body)
    except ServiceUnreachable as error:  # it was ready, and its first request ended it, or takes minutes
        raise _build_error(service, path, "no answer") from error
    if status != 200 or not isinstance(answer, dict):
        raise _build_error(service, path, f"status {status}")
    return answer


def _check(service: RunningService, path: str, answer: Mapping[str, Any], text: object, reason: object) -> None:
    usage = answer.get("usage")
    tokens = usage.get("completion_tokens") if isinstance(usage, dict) else None
    if not isinstance(text, str) or not text.strip():
        raise _build_error(service, path, "no text")
    if reason not in _FINISH_REASONS:
        raise _build_error(service, path, f"finish_reason {reason!r}")
    if not isinstance(tokens, int) or tokens < 1:
        raise _build_error(service, path, f"completion_tokens {tokens!r}")
    if not isinstance(answer.get("model"), str):
        raise _build_error(service, path, "no model")


def _build_error(service: RunningService, path: str, problem: str) -> UnfitForService:
    return UnfitForService(
        _(
            "the service on port {port} fails its smoke test: POST {path}: {problem}",
            port=service.port,
            path=path,
            problem=problem,
        ),
        f"the smoke test failed: POST {path}: {problem}",
    )
