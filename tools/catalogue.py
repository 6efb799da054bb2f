"""Keep the message catalogue: extract messages from the code, check the translations, compile them.

    python tools/catalogue.py update [ROOM ...]    add new messages to locale/<language>/<room>.po, remove unused ones
    python tools/catalogue.py check                list errors (exit code 1): messages that are untranslated, unused,
                                                   have other placeholders, or a count and no plural (plural_forms.py)
    python tools/catalogue.py compile              write locale/<language>/LC_MESSAGES/seodang.mo

Each room of the package has a file of its own. In code, `_("text")`, `ngettext("singular", "plural", count)` and
`Message("text")`, also with `plural="plural"`, are found; in templates `{{ _("text") }}` and `{{ ngettext("singular",
"plural", count) }}`.
"""

from __future__ import annotations

import ast
import io
import re
import string
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from plural_forms import check_plurals

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "seodang"
LOCALE = PACKAGE / "locale"
LANGUAGES = ("ko",)
KEYWORDS = {"_": (1,), "_svg": (1,), "_attr": (1,), "Message": (1,), "N_": (1,), "ngettext": (1, 2)}
MessageId = str | tuple[str, str]  # as in Babel: the English text, or its singular and plural


def extract_messages() -> dict[str, dict[MessageId, list[tuple[str, int]]]]:
    """Return the messages of each room with the places (file, line) that use them."""
    rooms: dict[str, dict[MessageId, list[tuple[str, int]]]] = defaultdict(lambda: defaultdict(list))
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


def _extract_file(path: Path) -> list[tuple[int, MessageId]]:
    if path.suffix == ".py":
        return list(_extract_python(path))
    with path.open("rb") as file:
        found = extract("jinja2.ext:babel_extract", file, KEYWORDS, options={"silent": "false"})
        return [(line, message) for line, message, _, _ in found if isinstance(message, str | tuple)]


def _extract_python(path: Path) -> list[tuple[int, MessageId]]:
    """Return the message of each call of a keyword; an f-string there is an error, as it can't be translated."""
    messages: list[tuple[int, MessageId]] = []
    tree = ast.parse(path.read_text("utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "seodang.i18n"]
    keywords = {alias.asname or alias.name for node in imports for alias in node.names} & set(KEYWORDS)
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in keywords):
            continue
        forms = [*node.args[: len(KEYWORDS[node.func.id])], *(kw.value for kw in node.keywords if kw.arg == "plural")]
        if any(isinstance(form, ast.JoinedStr) for form in forms):
            raise SystemExit(
                f"{path}:{node.lineno}: an f-string cannot be translated; use {{placeholders}} and keywords"
            )
        texts = [form.value for form in forms if isinstance(form, ast.Constant) and isinstance(form.value, str)]
        if texts:
            messages.append((node.lineno, (texts[0], texts[1]) if len(texts) == 2 else texts[0]))
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
            if message.id and is_translated(message.string)
        }
        for path in folder.glob("*.po"):
            if not only and path.stem not in rooms:
                path.unlink()
        for room, messages in sorted(rooms.items()):
            catalogue = Catalog(locale=language, project="seodang", charset="utf-8")
            for message in sorted(messages, key=_get_singular):
                files = sorted({file for file, _ in messages[message]})
                catalogue.add(message, known.get(message), locations=[(file, None) for file in files])
            with (folder / f"{room}.po").open("wb") as file:
                write_po(file, catalogue, width=120, omit_header=True, sort_output=True)


def check() -> list[str]:
    """Return what is wrong with the catalogue, a line each."""
    rooms = extract_messages()
    problems = list(check_plurals(sorted({message for room in rooms.values() for message in room}, key=_get_singular)))
    for language in LANGUAGES:
        for room in sorted({*rooms, *(path.stem for path in (LOCALE / language).glob("*.po"))}):
            used = set(rooms.get(room, ()))
            problems += [f"{language}/{room}.po: {problem}" for problem in _check_room(language, room, used)]
    return problems


def _check_room(language: str, room: str, used: set[MessageId]) -> Iterator[str]:
    catalogue = {message.id: message.string for message in read_catalogue(language, room) if message.id}
    for message in sorted(used, key=_get_singular):
        if not is_translated(catalogue.get(message)):
            yield f"untranslated: {message!r}"
    for message in sorted(set(catalogue) - used, key=_get_singular):
        yield f"unused: {message!r}"
    for message, translation in catalogue.items():
        original = message if isinstance(message, str) else message[1]  # a singular may say "one" without placeholder
        texts = [translation] if isinstance(translation, str) else translation
        if any(text and _placeholders(text) != _placeholders(original) for text in texts):
            yield f"other placeholders than in English: {message!r}"


def is_translated(translation: str | Sequence[str] | None) -> bool:
    """Return whether a message has a text, and one with plural forms has all of them."""
    return bool(translation) and all(translation)


def _get_singular(message: MessageId) -> str:
    return message if isinstance(message, str) else message[0]


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
            if message.id and is_translated(message.string):
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
