from enum import Enum
from typing import Any

class TextChoices(str, Enum):  # type: ignore[misc]
    """What Django makes of `NAME = "value", "Label"`, which mypy can't see by itself. Everything else is Any."""

    values: list[str]
    labels: list[str]
    choices: list[tuple[str, str]]

    def __new__(cls, value: str, label: str = ...) -> TextChoices: ...
    @property
    def value(self) -> str: ...
    @property
    def label(self) -> str: ...

def __getattr__(name: str) -> Any: ...
