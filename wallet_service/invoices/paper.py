"""The paper that documents are set on."""

from enum import StrEnum


class Paper(StrEnum):
    """The values are those of the contract and of the settings."""

    A4 = "a4"
    LETTER = "letter"
