"""Types of fields that bodies of all routes share."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from seodang.i18n import _


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


Text = Annotated[str, AfterValidator(_check_encodable)]
FilledText = Annotated[Text, AfterValidator(_check_not_blank), Field(json_schema_extra={"pattern": r"\S"})]


class OpenObject(BaseModel):
    """An object of OpenAI's interface: types are not converted, and unknown fields are tolerated."""

    model_config = ConfigDict(extra="allow", strict=True)
