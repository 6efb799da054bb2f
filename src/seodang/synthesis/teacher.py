"""One request to the teacher, and what the endpoint does not support."""

from __future__ import annotations

import asyncio
import logging
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import httpx

from seodang.config.recipe import TeacherParams
from seodang.i18n import _
from seodang.records import replace_surrogates
from seodang.synthesis.budget import Tokens
from seodang.synthesis.calls import Call, Refusal, Reply
from seodang.synthesis.responses import (
    AllCallsRefused,
    CallRefused,
    FieldRefused,
    Response,
    TemporaryError,
    parse_response,
    shorten,
)

logger = logging.getLogger(__name__)

_CONNECT_SECONDS: Final = 15.0
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_MAX_BYTES: Final = 32_000_000  # of a response
_UNSENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Teacher:
    """A client of an OpenAI-compatible endpoint."""

    def __init__(self, params: TeacherParams, key: str, timeout: float, connections: int) -> None:
        """Prepare the client; nothing is sent.

        Args:
            params: The endpoint.
            key: Of the API; "" for none.
            timeout: Seconds for one reply.
            connections: At most, at a time.
        """
        self._params = params
        self._key = key
        self._timeout = timeout
        self.refused_fields: set[str] = set()
        """Optional fields that the endpoint refused; they are left out from then on."""
        parts = urlsplit(params.url)
        is_local = parts.hostname in _LOOPBACK
        if key and parts.scheme == "http" and not is_local:
            logger.warning(
                _("the key is sent unencrypted to {url}; use https outside a network of your own", url=params.url)
            )
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS)),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            headers={"Authorization": f"Bearer {key}"} if key else {},
            trust_env=not is_local,  # a proxy cannot reach this machine's loopback
        )

    async def ask(self, call: Call, bound: Tokens) -> Reply | Refusal:
        """Return the answer to a call, from one attempt; a field that the endpoint refuses is left out.

        Raises:
            TemporaryError: If a further attempt may succeed.
            CallRefused: If the endpoint refuses this call.
            AllCallsRefused: If it refuses every call.
        """
        while True:
            asked = self._build_body(call)
            try:
                return parse_response(await self._post(call, asked), call, bound)
            except FieldRefused as error:
                name = str(error)
                if name not in asked:
                    raise CallRefused(f"{name} is refused") from error
                self._leave_out(name)
            except (TemporaryError, CallRefused, AllCallsRefused) as error:
                error.args = (self._hide_key(str(error)),)
                raise

    def _leave_out(self, name: str) -> None:
        if name not in self.refused_fields:
            logger.warning(_("the teacher does not support {name}; it is left out from now on", name=name))
        self.refused_fields.add(name)

    def _build_body(self, call: Call) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._params.model,
            "messages": [
                {"role": message.role, "content": replace_surrogates(message.content)} for message in call.messages
            ],
            "max_tokens": call.max_tokens,
            "temperature": call.temperature,
        }
        if call.seed is not None:
            body["seed"] = call.seed
        if call.schema is not None and self._params.structured_output:
            schema = {"name": "reply", "schema": dict(call.schema), "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        if "max_tokens" in self.refused_fields:
            body["max_completion_tokens"] = body["max_tokens"]
        return {name: value for name, value in body.items() if name not in self.refused_fields}

    async def _post(self, call: Call, body: dict[str, Any]) -> Response:
        url = f"{self._params.url}/chat/completions"
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._client.stream("POST", url, json=body, headers={"Idempotency-Key": call.key}) as response,
            ):
                content = await _read_body(response)
        except httpx.InvalidURL as error:
            raise AllCallsRefused(_describe(error)) from error
        except _UNSENT as error:
            raise TemporaryError(_describe(error), is_unpaid=True) from error
        except (httpx.TransportError, httpx.DecodingError, TimeoutError) as error:
            raise TemporaryError(_describe(error), is_unpaid=False) from error
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Response(status=response.status_code, headers=headers, body=content)

    def _hide_key(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()


async def _read_body(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _MAX_BYTES:
            raise TemporaryError(f"a response of more than {_MAX_BYTES} bytes", is_unpaid=False)
    return bytes(body)


def _describe(error: Exception) -> str:
    """Return an error of the connection; not all of them have a message."""
    return shorten(f"{type(error).__name__}: {error}") if str(error) else type(error).__name__
