"""What licences allow: their kinds by name, the table of their rules, and the verdict on a declared use.

This is no legal advice.
"""

from __future__ import annotations

from seodang.licences.names import LicenceSummary, find_hub_licence, summarize_licences

__all__ = ["LicenceSummary", "find_hub_licence", "summarize_licences"]
