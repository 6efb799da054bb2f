"""Keep the message catalogue: extract messages from the code, check the translations, compile them.

    python tools/catalogue.py update [ROOM ...]    add new messages to locale/<language>/<room>.po, remove unused ones
    python tools/catalogue.py check                list messages that are untranslated, unused or have other placeholders (exit code 1)
    python tools/catalogue.py compile              write locale/<language>/LC_MESSAGES/seodang.mo

Each room of the package has a file of its own. `_("text")`, `Message("text")` and, in templates, `{{ _("text") }}` are found.
"""

from __future__ import annotations

import ast
import io
import re
import string
import sys
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "seodang"
LOCALE = PACKAGE / "locale"
LANGUAGES = ("ko",)
KEYWORDS = {"_": (1,), "_svg": (1,), "_attr": (1,), "Message": (1,), "N_": (1,)}


def extract_messages() -> dict[str, dict[str, list[tuple[str, int]]]]:
    """Return the messages of each room with the places (file, line) that use them."""
    rooms: dict[str, dict[str, list[tuple[str, int]]]] = defaultdict(lambda: defaultdict(list))
    for folder, prefix in ((PACKAGE, ""), (ROOT / "flows", "flows")):
        for path in sorted(folder.rglob("*")):
            if path.suffix not in {".py", ".j2"}:
                continue
            room = prefix or _room_of(path)
            for line, message in _extract_file(path):
                rooms[room][message].append((path.relative_to(ROOT).as_posix(), line))
    return rooms


def _room_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else "package"


def _extract_file(path: Path) -> list[tuple[int, str]]:
    if path.suffix == ".py":
        return list(_extract_python(path))
    with path.open("rb") as file:
        found = extract("jinja2.ext:babel_extract", file, KEYWORDS, options={"silent": "false"})
        return [(line, message) for line, message, _, _ in found if isinstance(message, str)]


def _extract_python(path: Path) -> list[tuple[int, str]]:
    """Return the first argument of each call of a keyword; an f-string there is an error, as it can't be translated."""
    messages = []
    tree = ast.parse(path.read_text("utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "seodang.i18n"]
    keywords = {alias.asname or alias.name for node in imports for alias in node.names} & set(KEYWORDS)
    for node in ast.walk(tree):
        if not (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in keywords and node.args
        ):
            continue
        text = node.args[0]
        if isinstance(text, ast.JoinedStr):
            raise SystemExit(
                f"{path}:{node.lineno}: an f-string cannot be translated; use {{placeholders}} and keywords"
            )
        if isinstance(text, ast.Constant) and isinstance(text.value, str):
            messages.append((node.lineno, text.value))
    return messages


def read_catalogue(language: str, room: str) -> Catalog:
    """Return the translations of a room; an empty catalogue where it has none yet."""
    path = LOCALE / language / f"{room}.po"
    if not path.exists():
        return Catalog(locale=language, project="seodang", charset="utf-8")
    with path.open("rb") as file:
        return read_po(file, locale=language)


def update(only: Sequence[str] = ()) -> None:
    """Add new messages to the catalogues of all rooms or of some, and remove those that no code uses."""
    rooms = {room: messages for room, messages in extract_messages().items() if not only or room in only}
    for language in LANGUAGES:
        folder = LOCALE / language
        folder.mkdir(parents=True, exist_ok=True)
        known = {
            message.id: message.string
            for path in sorted(folder.glob("*.po"))
            for message in read_catalogue(language, path.stem)
            if message.id and message.string
        }
        for path in folder.glob("*.po"):
            if not only and path.stem not in rooms:
                path.unlink()
        for room, messages in sorted(rooms.items()):
            catalogue = Catalog(locale=language, project="seodang", charset="utf-8")
            for message in sorted(messages):
                files = sorted({file for file, _ in messages[message]})
                catalogue.add(message, known.get(message, ""), locations=[(file, None) for file in files])
            with (folder / f"{room}.po").open("wb") as file:
                write_po(file, catalogue, width=120, omit_header=True, sort_output=True)


def check() -> list[str]:
    """Return what is wrong with the catalogue, a line each."""
    rooms = extract_messages()
    problems = []
    for language in LANGUAGES:
        for room in sorted({*rooms, *(path.stem for path in (LOCALE / language).glob("*.po"))}):
            catalogue = {message.id: message.string for message in read_catalogue(language, room) if message.id}
            used = set(rooms.get(room, ()))
            problems += [
                f"{language}/{room}.po: untranslated: {message!r}"
                for message in sorted(used)
                if not catalogue.get(message)
            ]
            problems += [f"{language}/{room}.po: unused: {message!r}" for message in sorted(set(catalogue) - used)]
            problems += [
                f"{language}/{room}.po: other placeholders than in English: {message!r}"
                for message, translation in catalogue.items()
                if translation and _placeholders(message) != _placeholders(translation)
            ]
    return problems


def _placeholders(text: str) -> set[str]:
    try:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}
    except ValueError:  # a brace that is no placeholder, in a message without values
        return set(re.findall(r"\{(\w+)", text))


def compile_catalogue(language: str) -> bytes:
    """Return the .mo file of a language: the translations of all rooms."""
    merged = Catalog(locale=language, project="seodang", charset="utf-8", fuzzy=False)
    for path in sorted((LOCALE / language).glob("*.po")):
        for message in read_catalogue(language, path.stem):
            if message.id and message.string:
                merged.add(message.id, message.string)
    merged.creation_date = merged.revision_date = datetime(2026, 1, 1, tzinfo=UTC)  # the same bytes each time
    output = io.BytesIO()
    write_mo(output, merged)
    return output.getvalue()


def main(arguments: list[str]) -> int:
    """Run a command and return the exit code."""
    match arguments:
        case ["update", *rooms]:
            update(rooms)
        case ["compile"]:
            for language in LANGUAGES:
                target = LOCALE / language / "LC_MESSAGES" / "seodang.mo"
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(compile_catalogue(language))
        case ["check"]:
            problems = check()
            print("\n".join(problems) or "every message is translated and used")
            return 1 if problems else 0
        case _:
            print(__doc__)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
