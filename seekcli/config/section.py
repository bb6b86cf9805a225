"""What every section of a config is: frozen, checked at birth, strict about types."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator


class Section(BaseModel):
    # strict: `true` is no 1 and "3" no 3.
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False, strict=True)

    @field_validator("*", mode="before")
    @classmethod
    def no_nul(cls, value: Any) -> Any:
        """The system ends a path at such a character."""
        if isinstance(value, str) and "\0" in value:
            raise ValueError("text cannot hold the character NUL")
        return value
