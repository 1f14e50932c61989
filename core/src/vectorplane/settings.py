"""Settings from the environment, the same way for every process: one class of fields, one clear
message.

A wrong value ends a start with the variable's name and what is wrong with it, never with a
traceback, and never with
the value itself: it may be a secret.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import SecretStr, ValidationError
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as _SourceError


class SettingsError(Exception):
    """The process cannot start like this. The message names the variables and is all that a person
    needs to see."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable, as the generated documentation shows it."""

    name: str
    default: str
    description: str


class EnvSettings(BaseSettings):
    """Fields are variables: `max_results_k` is `MAX_RESULTS_K`. An empty variable counts as not
    set."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_ignore_empty=True,
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    @classmethod
    def load(cls, env_file: str | None = ".env") -> Self:
        """From the environment, over the lines of `env_file` where there is one."""
        try:
            return cls(_env_file=env_file)
        except ValidationError as error:
            raise SettingsError(explain(error)) from None
        except _SourceError as error:
            raise SettingsError(str(error)) from None

    @classmethod
    def variables(cls) -> Iterator[Variable]:
        for name, field in cls.model_fields.items():
            yield Variable(
                name=name.upper(),
                default=_shown(field.get_default(call_default_factory=False)),
                description=field.description or "",
            )


def explain(error: ValidationError) -> str:
    """One line per wrong variable, without what stood in it."""
    lines = []
    for item in error.errors(include_url=False, include_input=False, include_context=False):
        name = str(item["loc"][0]).upper() if item["loc"] else ""
        message = item["msg"].removeprefix("Value error, ")
        lines.append(f"{name}: {message}" if name else message)
    return "\n".join(lines)


def _shown(default: Any) -> str:
    if default is None or default is PydanticUndefined or default == ():
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    return "" if isinstance(default, SecretStr) else str(default)
