"""A canary that falls: an event for Prefect, whose automation rolls back, and the rollback without one.

Prefect is not imported here: `seodang` does its work without it, and an event is one request to its server.
"""

from __future__ import annotations

import base64
import logging
import os
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import requests

from seodang.errors import ReleaseError, describe_error
from seodang.i18n import _
from seodang.paths import Paths
from seodang.registry.champion import read_champion
from seodang.release.journal import get_time, hold_service
from seodang.release.router import Role, Router
from seodang.release.versions import roll_back_champion

logger = logging.getLogger(__name__)

EVENT: Final = "seodang.canary.fell"  # prefect.yaml has a deployment that runs on it
_URL: Final = "PREFECT_API_URL"
_TIMEOUT: Final = 10.0  # seconds
_POLL_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Fall:
    """A canary whose new version is worse."""

    canary: str
    """Unique id."""
    worse: str
    """Version that fell."""
    version: str
    """Version to go back to."""
    reason: str
    """English, because the registry stores it in git; with the figures of the comparison."""


@dataclass(frozen=True, slots=True)
class GuardedTraffic:
    """The router of a canary; it gives no share to a version that somebody has rolled back meanwhile."""

    router: Router
    paths: Paths
    candidate: str
    """Tag of the model of the new version."""

    def set_share(self, share: float) -> None:
        """Send a share of new requests to the candidate.

        Raises:
            ReleaseError: If the candidate is not the champion any more, or the router does not answer.
        """
        if share == 0:  # at once, whoever else works
            self.router.set_share(0.0)
            return
        with hold_service(self.paths, lambda _holder: None):
            champion = read_champion(self.paths.champion)
            if champion is None or champion.model_tag != self.candidate:
                raise ReleaseError(_("the new version was rolled back meanwhile; the old one answers"))
            self.router.set_share(share)

    def is_up(self, role: Role) -> bool:
        """Return whether the health checks of a server succeed."""
        return self.router.is_up(role)


def require_api_url() -> str:
    """Return the address of Prefect's API.

    Raises:
        ReleaseError: If the environment names none.
    """
    url = os.environ.get(_URL, "").rstrip("/")
    if not url:
        raise ReleaseError(_("--event needs the address of the Prefect server: set {variable}", variable=_URL))
    return url


def roll_back_by_automation(paths: Paths, fall: Fall, seconds: float) -> bool:
    """Send the event of a fall and wait until the automation has rolled back; without it, roll back here.

    Args:
        paths: Of the project.
        fall: What fell.
        seconds: For the automation.

    Returns:
        Whether the automation rolled back.
    """
    url = require_api_url()
    try:
        send_event(url, build_event(paths.root.resolve().name, fall))
    except requests.RequestException as error:
        logger.warning(
            _(
                "the Prefect server {url} got no event ({error}); rolling back here",
                url=url,
                error=describe_error(error),
            )
        )
    else:
        if _wait_for(lambda: _is_champion(paths, fall.version), seconds):
            return True
        logger.warning(_("no automation rolled back within {seconds:g} s; rolling back here", seconds=seconds))
    with hold_service(paths, lambda _holder: None):  # the automation may have begun just now
        roll_back_champion(paths, fall.version, fall.reason)
    return False


def build_event(project: str, fall: Fall) -> dict[str, Any]:
    """Return the event; that of a canary has the same id each time, so that a repeated one is recognized."""
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{EVENT} {fall.canary}")),
        "event": EVENT,
        "occurred": get_time(),
        "resource": {"prefect.resource.id": f"seodang.project.{project}", "prefect.resource.name": project},
        "payload": {"canary": fall.canary, "worse": fall.worse, "to": fall.version, "message": fall.reason},
    }


def send_event(url: str, event: Mapping[str, Any]) -> None:
    """Send an event to Prefect's API.

    Raises:
        requests.RequestException: If the server does not accept it.
    """
    response = requests.post(f"{url}/events", json=[event], headers=build_credentials(), timeout=_TIMEOUT)
    response.raise_for_status()


def build_credentials() -> dict[str, str]:
    """Return the header with the credentials that Prefect's own settings name; {} without any."""
    if key := os.environ.get("PREFECT_API_KEY"):
        return {"Authorization": f"Bearer {key}"}
    if password := os.environ.get("PREFECT_API_AUTH_STRING"):
        return {"Authorization": f"Basic {base64.b64encode(password.encode()).decode()}"}
    return {}


def _is_champion(paths: Paths, version: str) -> bool:
    champion = read_champion(paths.champion)
    return champion is not None and champion.version == version


def _wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
