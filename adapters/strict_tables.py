"""What all protocol tables have in common: every key is known, and one that is not is told with the key that was probably meant."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from contracts.mistake_words import said
from contracts.near_names import meant


class Strict(BaseModel):
    """A table whose keys are all known."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @model_validator(mode="wrap")
    @classmethod
    def _tell_near_misses(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            found = error.errors(include_url=False)
            if not any(_is_own_key(problem) for problem in found):
                raise
            keys = {field.alias or name for name, field in cls.model_fields.items()}
            raise ValidationError.from_exception_data(
                error.title, [_told(problem, keys) for problem in found]
            ) from None


def _is_own_key(problem: ErrorDetails) -> bool:
    return problem["type"] == "extra_forbidden" and len(problem["loc"]) == 1


def _told(problem: ErrorDetails, keys: set[str]) -> InitErrorDetails:
    message = "no such key" + meant(str(problem["loc"][0]), keys) if _is_own_key(problem) else said(problem)
    return told(message, problem["loc"], problem["input"])


def told(message: str, at: tuple[str | int, ...], given: Any) -> InitErrorDetails:
    """A problem in words of our own, for ``ValidationError.from_exception_data``."""
    return InitErrorDetails(type=PydanticCustomError("table", "{said}", {"said": message}), loc=at, input=given)
