"""Types of fields that bodies of all routes share."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from seodang.i18n import _
from seodang.service.http.api_error import UNION_TAG


def _check_not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", _("must not be blank"))
    return text


def _check_encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise PydanticCustomError("not_text", _("has a lone surrogate, which is not a character")) from error
    return text


def _read_whole(value: Any) -> Any:
    """Return 4 for 4.0: JSON has one kind of numbers, and clients that keep all of them as floats write 4.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_read_whole)
"""Stands behind the bounds of an integer: pydantic would compare the bounds before it as floats."""
ENCODABLE = AfterValidator(_check_encodable)
"""Stands behind the bounds of a text's length: before them, pydantic would count items in place of characters."""
Text = Annotated[str, ENCODABLE]
NonEmptyText = Annotated[str, Field(min_length=1), ENCODABLE]
FilledText = Annotated[Text, AfterValidator(_check_not_blank), Field(json_schema_extra={"pattern": r"\S"})]


# A union tries all its types, and its error has the name of the first one in its place. These two choose the type by
# the value instead, so that the error is that of the value.
TEXT = Tag(f"{UNION_TAG}text")
LIST = Tag(f"{UNION_TAG}list")
OBJECT = Tag(f"{UNION_TAG}object")


def _find_list(value: Any) -> str:
    return LIST.tag if isinstance(value, list) else TEXT.tag


def _find_object(value: Any) -> str:
    return TEXT.tag if isinstance(value, str) else OBJECT.tag


TEXT_OR_LIST = Discriminator(_find_list)
TEXT_OR_OBJECT = Discriminator(_find_object)


class OpenObject(BaseModel):
    """An object of OpenAI's interface: types are not converted, and unknown fields are tolerated."""

    model_config = ConfigDict(extra="allow", strict=True)
