"""A model behind a service: Seodang's own, or another one with OpenAI's interface."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from typing import Any, Final
from urllib.parse import quote, urlsplit

import requests
from requests.auth import AuthBase

from seodang.cli.api_key import check_key
from seodang.cli.chat_models import ChatOptions, ChatPart, Message
from seodang.errors import SeodangError, ServiceUnreachable
from seodang.i18n import _
from seodang.service.http.api_keys import is_loopback

_TIMEOUT: Final = (10.0, 600.0)  # seconds: to connect, between two parts of an answer
_MAX_REASON: Final = 300


class RemoteModel:
    """Sends conversations to /v1/chat/completions and reads the stream."""

    def __init__(self, url: str, model: str, key: str) -> None:
        """Look the model up.

        Args:
            url: Address of the service, with or without /v1.
            model: Its name; empty for the first one that the service lists.
            key: Of the service; empty for none.

        Raises:
            SeodangError: If the address is none, or the service refuses the key or has no such model.
            ServiceUnreachable: If the service does not answer.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SeodangError(_("--url {url} is no address of a service, such as http://127.0.0.1:3000", url=url))
        self._url = url.rstrip("/").removesuffix("/v1")
        check_key(key)
        self._has_key = bool(key)
        self._http = requests.Session()
        self._http.trust_env = not is_loopback(parts.hostname)  # a proxy cannot reach this machine's loopback
        self._http.auth = _KeyHeader(key)  # else the password of a .netrc would take its place
        described = self._find_model(model)
        self.name = str(described["id"])
        self._is_seodang = described.get("owned_by") == "seodang"
        self.keeps_turns = not self._is_seodang or self._read_format() == "chat"

    def answer(self, messages: Sequence[Message], options: ChatOptions) -> Generator[ChatPart]:
        """Yield the answer as it comes; see ChatModel.answer()."""
        body = {"model": self.name, "messages": self._adapt(messages), **options.to_json(), "stream": True}
        with self._send("POST", "/v1/chat/completions", body) as response:
            try:
                for line in response.iter_lines():
                    data = line.removeprefix(b"data:").strip()
                    if not line.startswith(b"data:") or not data:
                        continue
                    if data == b"[DONE]":
                        return
                    yield from self._read_chunk(json.loads(data))
            except (requests.RequestException, ValueError) as error:
                raise self._build_broken_error() from error
        raise self._build_broken_error()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _find_model(self, model: str) -> Any:
        listed = self._get("/v1/models").get("data") or []
        if not model:
            if not listed:
                raise SeodangError(_("{url} serves no model", url=self._url))
            return listed[0]
        names = [str(item["id"]) for item in listed]
        if model in names:
            return listed[names.index(model)]
        try:
            return self._get(f"/v1/models/{quote(model, safe='')}")  # it may have another name
        except SeodangError as error:
            if isinstance(error, ServiceUnreachable):
                raise
            raise SeodangError(
                _(
                    "{url} does not serve {model}; choose one with --model: {names}",
                    url=self._url,
                    model=model,
                    names=", ".join(names),
                )
            ) from error

    def _read_format(self) -> str:
        lineage = self._get(f"/lineage?model={quote(self.name, safe='')}")
        return str((lineage.get("prompt") or {}).get("format"))

    def _adapt(self, messages: Sequence[Message]) -> list[Message]:
        """Return the messages as the service reads them; only Seodang's knows an input of its own."""
        if self._is_seodang:
            return list(messages)
        return [
            {"role": message["role"], "content": "\n\n".join(filter(None, (message["content"], message.get("input"))))}
            for message in messages
        ]

    def _read_chunk(self, chunk: Any) -> Generator[ChatPart]:
        if error := chunk.get("error"):
            raise SeodangError(_("the answer broke off: {reason}", reason=_shorten(error.get("message"))))
        for choice in chunk.get("choices") or []:
            text = (choice.get("delta") or {}).get("content") or ""
            yield ChatPart(text, choice.get("finish_reason") == "length")

    def _get(self, path: str) -> Any:
        try:
            return self._send("GET", path).json()
        except ValueError as error:
            raise SeodangError(
                _("at {url} there is something else than a model service; check the address", url=self._url)
            ) from error

    def _send(self, method: str, path: str, body: Any = None) -> requests.Response:
        try:
            response = self._http.request(
                method, self._url + path, json=body, timeout=_TIMEOUT, stream=body is not None
            )
        except (requests.RequestException, UnicodeError) as error:
            raise ServiceUnreachable(
                _(
                    "{url} does not answer ({reason}); check that the service runs (seodang serve) and its port",
                    url=self._url,
                    reason=type(error).__name__,
                )
            ) from error
        if response.ok:
            return response
        with response:
            raise self._build_error(response)

    def _build_error(self, response: requests.Response) -> SeodangError:
        if response.status_code == requests.codes.unauthorized:
            if self._has_key:
                return SeodangError(_("{url} does not know the key in SEODANG_API_KEY; check it", url=self._url))
            return SeodangError(_("{url} needs a key: set SEODANG_API_KEY", url=self._url))
        reason = _read_reason(response)
        if response.status_code in (429, 503):
            return ServiceUnreachable(_("{url} is busy ({reason}); try again later", url=self._url, reason=reason))
        return SeodangError(_("{url} refuses the request: {reason}", url=self._url, reason=reason))

    def _build_broken_error(self) -> SeodangError:
        return ServiceUnreachable(
            _("the connection to {url} ended before the answer was complete; ask again", url=self._url)
        )


class _KeyHeader(AuthBase):
    """Adds the key to each request."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Return the request with the key, if there is one."""
        if self._key:
            request.headers["Authorization"] = f"Bearer {self._key}"
        return request


def _read_reason(response: requests.Response) -> str:
    """Return the message of an error, or its status, in one line."""
    try:
        reason = str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        reason = f"HTTP {response.status_code}"
    return _shorten(reason)


def _shorten(text: Any) -> str:
    return " ".join(str(text).split())[:_MAX_REASON]
