"""What the script of the playground says. The page holds every text in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from seodang.i18n import N_

TEXTS: Final[Mapping[str, str]] = {
    # Progress
    "answering": N_("The model is answering …"),
    "complete": N_("The answer is complete."),
    "stopped": N_("Stopped."),
    "none": N_("nothing"),
    "empty": N_("(an empty answer)"),
    "figures": N_("Tokens: {tokens} · time: {seconds} s"),
    "time": N_("Time: {seconds} s"),
    "cut": N_("The answer reached the maximum number of tokens."),
    "reuse": N_("Use again"),
    "copied": N_("Copied."),
    "not-copied": N_("The browser does not allow copying here; select the command and copy it."),
    # Fields
    "instruction-missing": N_("Write an instruction first."),
    "options-missing": N_("Write at least two different answers to choose from, each in its own line."),
    "option-wrong": N_("An option of the request is outside its range; the marked field names it."),
    # The service
    "key-needed": N_("This service needs an API key. It stays in this browser tab only."),
    "key-wrong": N_("The service does not know this API key. Check it, or ask whoever runs the service for one."),
    "unreachable": N_("The service does not answer. Check that it runs (seodang serve), then try again."),
    "no-keys": N_(
        "The service has no API keys, so it answers its own machine only. Set SEODANG_API_KEYS where it runs."
    ),
    "not-served": N_("This model is no longer served. Reload the page to see the present models."),
    "too-long": N_("The text is longer than the model can read. Shorten it, or start a new conversation."),
    "too-large": N_("The request is too large for the service. Shorten the text."),
    "busy": N_("The service is busy. Wait a moment and send the request again."),
    "rate-limit": N_(
        "The limit of this API key is reached, {limit} per minute. Send the request again in {seconds} s."
    ),
    "rate-limit-of-all": N_(
        "The limit that all clients without a key share is reached, {limit} per minute. Send the request again in"
        " {seconds} s."
    ),
    "concurrent": N_(
        "The limit of requests at the same time is reached. Send the request again when one of them has ended."
    ),
    "engine-stopped": N_("The engine of the service has stopped. The service must start again; try again later."),
    "too-slow": N_("The answer takes too long. Ask for fewer tokens."),
    "host": N_(
        "The service answers under the names of its own machine only. Open the page at 127.0.0.1, or add this name to"
        " SEODANG_ALLOWED_HOSTS where the service runs."
    ),
    "stopping": N_("The service is stopping or too slow at present. Send the request again later."),
    "failed": N_("The service failed. Send the request again; the log of the service names the cause."),
    "broken-off": N_("The connection ended before the answer was complete. Send the request again."),
    "refused": N_("The service does not accept this request: {message}"),
    # Model and lineage
    "promote": N_("promoted"),
    "reject": N_("rejected"),
    "inconclusive": N_("inconclusive"),
    "verdict": N_("Verdict"),
    "base": N_("Base"),
    "licence": N_("Licence"),
    "context": N_("Context"),
    "tokens": N_("tokens: {tokens}"),
    "bento": N_("Bento"),
    "format": N_("Prompt format"),
    "commit": N_("Git commit"),
    "fingerprint": N_("Fingerprint of the prompts"),
    "sources": N_("Data"),
    "non-commercial": N_("Not for commercial use: research and non-commercial use only, by the licence {licences}."),
    "share-alike": N_("Share alike: what you derive from the model must have the licence {licences}."),
    "unknown": N_("A source of the data states no licence. Find it out before you use the model."),
    "no-verdict": N_("This model has no verdict."),
}
"""Text by the name that the script uses."""
