"""Read the columns of a file as the dataset_info.json of LLaMA-Factory beside it describes them.

An entry names a file or a folder of files and its formatting (alpaca or sharegpt). It also names the columns and tags
that differ from the usual ones. Its keys are renamed, so that the formats of this package apply.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from seodang.errors import SourceError
from seodang.i18n import _
from seodang.ingest.formats.sample import RawRecord

logger = logging.getLogger(__name__)

_FILE_NAME: Final = "dataset_info.json"
_MAX_FOLDERS: Final = 3  # folders above a file in which the description is searched
# Column of LLaMA-Factory -> key of the formats here.
_ALPACA: Final = {"prompt": "instruction", "query": "input", "response": "output"}
_SHAREGPT: Final = {"messages": "conversations"}
_COMMON: Final = {
    name: name for name in ("system", "tools", "history", "chosen", "rejected", "kto_tag", "images", "videos", "audios")
}
_TAGS: Final = {
    "user_tag": ("human", "user"),
    "assistant_tag": ("gpt", "assistant"),
    "observation_tag": ("observation", "tool"),
    "function_tag": ("function_call", "tool_call"),
    "system_tag": ("system", "system"),
}


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """The columns of one file."""

    names: dict[str, str]  # key in the file -> key of the formats
    is_ranking: bool = False
    role_key: str = "from"
    content_key: str = "value"
    roles: dict[str, str] = field(default_factory=dict)  # role in the file -> known role

    def rename(self, record: RawRecord) -> RawRecord:
        """Return a record with known keys, and with known roles and keys in its messages."""
        new_names = {*self.names.values()}
        renamed: dict[str, Any] = {key: value for key, value in record.items() if key not in {*self.names, *new_names}}
        renamed |= {new: self._rename_messages(record[old]) for old, new in self.names.items() if old in record}
        answers = renamed.get("output")
        if self.is_ranking and "chosen" not in renamed and isinstance(answers, list) and len(answers) == 2:
            renamed |= {"chosen": answers[0], "rejected": answers[1]}
            del renamed["output"]
        return renamed

    def _rename_messages(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._rename_messages(item) if isinstance(item, Mapping) else item for item in value]
        if not isinstance(value, Mapping) or self.role_key not in value:
            return value
        rest = {key: inner for key, inner in value.items() if key not in (self.role_key, self.content_key)}
        role = value[self.role_key]
        return {"role": self.roles.get(role, role), "content": value.get(self.content_key), **rest}


def find_column_mapping(path: Path) -> ColumnMapping | None:
    """Return the columns of a file that a dataset_info.json in its folder, or in one above, describes; else None.

    Raises:
        SourceError: If the description names columns in a way that LLaMA-Factory does not read.

    """
    for folder in path.resolve().parents[:_MAX_FOLDERS]:
        description = folder / _FILE_NAME
        if description.is_file():
            entries = [(name, entry) for name, entry in _iter_entries(description) if _describes(entry, folder, path)]
            if not entries:
                return None
            name, entry = max(entries, key=lambda item: len(item[1].get("columns") or {}))
            if len(entries) > 1:
                logger.warning(
                    _(
                        "{path}: {description} describes it in {names}; the columns of {name} are used",
                        path=path.name,
                        description=_FILE_NAME,
                        names=", ".join(name for name, _entry in entries),
                        name=name,
                    )
                )
            return _build_mapping(entry, name)
    return None


def _iter_entries(description: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield name and entry of each local data set; nothing for a description of the datasets library."""
    try:
        content = json.loads(description.read_text("utf-8"))
    except (OSError, ValueError):
        return
    for name, entry in content.items() if isinstance(content, dict) else ():
        if isinstance(entry, dict) and isinstance(entry.get("file_name"), str):
            yield name, entry


def _describes(entry: Mapping[str, Any], folder: Path, path: Path) -> bool:
    target = (folder / entry["file_name"]).resolve()
    return target == path.resolve() or target in path.resolve().parents


def _build_mapping(entry: Mapping[str, Any], name: str) -> ColumnMapping:
    columns, tags = entry.get("columns") or {}, entry.get("tags") or {}
    formatting = entry.get("formatting", "alpaca")
    known = _COMMON | (_ALPACA if formatting == "alpaca" else _SHAREGPT)
    unknown = sorted({*columns} - {*known})
    if formatting not in {"alpaca", "sharegpt", "openai"} or unknown:
        raise SourceError(
            _(
                "{description}, {name}: {problem} is not known; correct it, or name the keys with format: columns",
                description=_FILE_NAME,
                name=name,
                problem=", ".join(unknown) if unknown else f"formatting {formatting}",
            )
        )
    usual = _ALPACA if formatting == "alpaca" else _SHAREGPT
    names = {old: known[column] for column, old in (usual | columns).items() if isinstance(old, str)}
    has_roles = formatting == "openai"
    return ColumnMapping(
        names,
        is_ranking=bool(entry.get("ranking")),
        role_key=tags.get("role_tag", "role" if has_roles else "from"),
        content_key=tags.get("content_tag", "content" if has_roles else "value"),
        roles={tags.get(tag, usual_tag): role for tag, (usual_tag, role) in _TAGS.items()},
    )
