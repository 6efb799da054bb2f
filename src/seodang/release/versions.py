"""The versions that services answer with, asked of the running services, and their place in the registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import requests

from seodang.errors import ReleaseError, ServiceUnreachable, describe_error
from seodang.i18n import _
from seodang.paths import Paths
from seodang.registry.champion import read_champion_file
from seodang.registry.history import read_history
from seodang.registry.promotion import rollback

_TIMEOUT: Final = 10.0  # seconds
_ANSWER_TIMEOUT: Final = 300.0  # seconds; a cold model may take its time
_PROBE_SECONDS: Final = 60.0
_UNUSABLE: Final = frozenset({401, 403, 404})
_BUSY: Final = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class RunningService:
    """A service on this machine."""

    port: int
    key: str = ""
    """Of its API; empty for none."""

    def ask_version(self) -> str:
        """Return the tag of the packaged model that the service answers with.

        Raises:
            ServiceUnreachable: If it does not answer; exit code 75.
            ReleaseError: If it refuses the key, or is no such service.
        """
        try:
            response = self._get("/v1/models")
            response.raise_for_status()
            return str(response.json()["data"][0]["id"])
        except (requests.ConnectionError, requests.Timeout) as error:
            raise ServiceUnreachable(_("no service answers on port {port}", port=self.port)) from error
        except requests.HTTPError as error:
            raise self._build_error(_("status {status}", status=error.response.status_code)) from error
        except (requests.RequestException, ValueError, LookupError, TypeError) as error:  # another program's content
            raise self._build_error(describe_error(error)) from error

    def _build_error(self, problem: str) -> ReleaseError:
        return ReleaseError(
            _("the service on port {port} does not list its models: {error}", port=self.port, error=problem)
        )

    def ask_adapter(self) -> str | None:
        """Return the sha256 of the adapter of the packaged model; None if its lineage does not have it.

        Raises:
            ServiceUnreachable: If it does not answer; exit code 75.
        """
        try:
            response = self._get("/lineage")
            content = response.json() if response.ok else None
        except (requests.ConnectionError, requests.Timeout) as error:
            raise ServiceUnreachable(_("no service answers on port {port}", port=self.port)) from error
        except (requests.RequestException, ValueError):
            return None
        adapter = content.get("adapter_sha256") if isinstance(content, dict) else None
        return None if adapter is None else str(adapter)

    def post(
        self,
        path: str,
        body: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
        seconds: float = _ANSWER_TIMEOUT,
    ) -> tuple[int, Any]:
        """Return the status and the content of an answer; None for content that is no JSON.

        Args:
            path: Of the route.
            body: Of the request.
            headers: Beside that of the key.
            seconds: For the answer.

        Raises:
            ServiceUnreachable: If it does not answer, or not in time; exit code 75.
        """
        try:
            with requests.Session() as session:
                session.trust_env = False
                response = session.post(
                    f"http://127.0.0.1:{self.port}{path}",
                    json=body,
                    headers=self._build_headers() | dict(headers or {}),
                    timeout=seconds,
                )
        except requests.RequestException as error:
            raise ServiceUnreachable(_("no service answers on port {port}", port=self.port)) from error
        try:
            return response.status_code, response.json()
        except ValueError:  # no JSON
            return response.status_code, None

    def read_metrics(self) -> str:
        """Return its metrics; "" if it does not answer, which the router counts."""
        try:
            response = self._get("/metrics")
            return response.text if response.ok else ""
        except requests.RequestException:
            return ""

    def ask_probe(self, instruction: str, input: str) -> str | None:
        """Return the answer to a probe, which the service counts apart from the requests of users.

        Returns:
            None if the service takes no request now; "" if it fails or does not answer in time, which is no right
            answer.

        Raises:
            ReleaseError: If it refuses the key, or has no such route.
        """
        body, header = {"instruction": instruction, "input": input}, {"X-Seodang-Probe": "1"}
        try:
            status, content = self.post("/generate", body, header, _PROBE_SECONDS)
        except ServiceUnreachable as error:
            return "" if isinstance(error.__cause__, requests.ReadTimeout) else None
        if status in _BUSY:
            return None
        if status in _UNUSABLE:
            raise ReleaseError(
                _("the service on port {port} refuses a probe with the status {status}", port=self.port, status=status)
            )
        return str(content.get("output", "")) if status == 200 and isinstance(content, dict) else ""

    def _get(self, path: str) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False  # a proxy cannot reach this machine's loopback
            return session.get(f"http://127.0.0.1:{self.port}{path}", headers=self._build_headers(), timeout=_TIMEOUT)

    def _build_headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}


def check_champion(paths: Paths, reference: str, candidate: str) -> str:
    """Return the registered version of the reference; the candidate must be champion, so that a rollback undoes it.

    Args:
        paths: Of the project.
        reference: Tag of the model that answers today.
        candidate: Tag of the new one.

    Raises:
        ReleaseError: If the registry has other versions.
    """
    champion = read_champion_file(paths.champion).champion
    if champion is None or champion.model_tag != candidate:
        raise ReleaseError(
            _(
                "the new service answers with {candidate}, and the champion is {champion}; promote it first, then"
                " serve the champion: seodang registry promote",
                candidate=candidate,
                champion=champion.model_tag if champion else _("none"),
            )
        )
    versions = [event.version for event in read_history(paths.history) if event.model_tag == reference]
    if not versions or reference == candidate:
        raise ReleaseError(
            _(
                "the old service answers with {reference}, which is no earlier version of the registry; serve one:"
                " seodang registry list",
                reference=reference,
            )
        )
    return versions[-1]


def roll_back_champion(paths: Paths, version: str, reason: str) -> None:
    """Make a version champion again with a reason; nothing changes if it is champion already.

    Raises:
        SeodangError: If the registry refuses.
    """
    champion = read_champion_file(paths.champion).champion
    if champion is None or champion.version != version:
        rollback(paths, reason, version)
