r"""Equality of mathematical answers, as HRM8K decides it. Pure.

An answer is the last \boxed{...}, else the last $...$, else what follows the last "=", else the last number. LaTeX that
means the same is equal. The rules are those of lm-evaluation-harness (tasks/hrm8k/default/utils.py), and of the MATH
data set before it, with their limits: a negative reference loses its sign outside of \boxed{}.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_BOX = "\\boxed"
_DOLLARS = re.compile(r"\$(.*)\$")
_NUMBER = re.compile(r"(?:\$)?\d+(?:\.\d+)?(?![\w\d])")
_REPLACEMENTS = (
    ("\n", ""),
    ("\\!", ""),
    ("\\\\", "\\"),
    ("tfrac", "frac"),
    ("dfrac", "frac"),
    ("\\left", ""),
    ("\\right", ""),
    ("^{\\circ}", ""),
    ("^\\circ", ""),
    ("\\$", ""),
)
_MAX_NAME_LENGTH = 2  # characters before "=" that are the name of a variable


def is_equal_math_answer(answer: str, reference: str) -> bool:
    """Return whether the last result in an answer equals the reference.

    Two texts without any result are equal: the rule compares nothing with nothing.
    """
    candidate, expected = extract_result(answer), extract_result(normalize_number(reference))
    if candidate is None or expected is None:
        return candidate is expected
    try:
        return normalize_number(normalize_latex(candidate)) == normalize_latex(expected)
    except ValueError:  # LaTeX that the rules cannot read is compared as it is
        return candidate == expected


def normalize_number(text: str) -> str:
    """Return a number without superfluous zeros; another text without outer blanks."""
    text = text.strip()
    try:
        number = float(text)
        return str(int(number)) if number.is_integer() else str(number)
    except (ValueError, OverflowError):
        return text


def extract_result(text: str) -> str | None:
    """Return the last result of a text; None where it has none."""
    if _BOX in text:
        return _extract_box(text)
    matches = _DOLLARS.findall(text)
    return (_take_right_side(matches[-1]) if matches else "") or _extract_plain(text)


def _extract_box(text: str) -> str | None:
    start = text.rfind(_BOX)
    depth = 0
    for end in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        if text[end] == "}" and depth == 0:
            box = text[start : end + 1]
            return _take_right_side(box[len(_BOX) + 1 : -1]) if box.startswith(f"{_BOX}{{") else None
    return None


def _extract_plain(text: str) -> str | None:
    if "=" in text:
        return _take_right_side(text).rstrip(".").split("\\n")[0]
    numbers = _NUMBER.findall(text)
    return numbers[-1] if numbers else None


def _take_right_side(text: str) -> str:
    """Return what follows the last "="; the text itself without one."""
    return text.split("=")[-1].lstrip(" ") if "=" in text else text


def normalize_latex(text: str) -> str:
    """Return a formula in one of its spellings.

    Raises:
        ValueError: If a unit, a root or a fraction is incomplete.
    """
    for old, new in _REPLACEMENTS:
        text = text.replace(old, new)
    text = _remove_unit(text).replace("\\%", "").replace(" .", " 0.").replace("{.", "{0.")
    if not text:
        return text
    text = _remove_name(f"0{text}" if text[0] == "." else text)
    text = _map_parts(text, "\\sqrt", _brace_root).replace(" ", "")
    text = _brace_fractions(text)
    return "\\frac{1}{2}" if text == "0.5" else _build_fraction(text)


def _remove_unit(text: str) -> str:
    parts = text.split("\\text{ ")
    if len(parts) > 2:
        raise ValueError("several units")
    return parts[0]


def _remove_name(text: str) -> str:
    parts = text.split("=")
    return parts[1] if len(parts) == 2 and len(parts[0]) <= _MAX_NAME_LENGTH else text


def _map_parts(text: str, command: str, change: Callable[[str], str]) -> str:
    """Return a text in which `change` rewrote what follows each LaTeX command."""
    first, *parts = text.split(command)
    return first + "".join(command + change(part) for part in parts)


def _brace_root(part: str) -> str:
    if not part:
        raise ValueError("a root without a number")
    return part if part[0] == "{" else f"{{{part[0]}}}{part[1:]}"


def _brace_fractions(text: str) -> str:
    """Return a text in which both parts of every fraction have braces; unchanged where one has a single character."""
    parts = text.split("\\frac")[1:]
    for part in parts:
        if not part:
            raise ValueError("a fraction without numbers")
        if part[0] != "{" and len(part) < 2:
            return text
    return _map_parts(text, "\\frac", _brace_fraction)


def _brace_fraction(part: str) -> str:
    if part[0] == "{":
        return part
    denominator = part[1] if part[1] == "{" else f"{{{part[1]}}}"
    return f"{{{part[0]}}}{denominator}{part[2:]}"


def _build_fraction(text: str) -> str:
    parts = text.split("/")
    try:
        numbers = [int(part) for part in parts]
    except ValueError:
        return text
    is_fraction = len(parts) == 2 and text == "{}/{}".format(*numbers)
    return "\\frac{{{}}}{{{}}}".format(*numbers) if is_fraction else text
