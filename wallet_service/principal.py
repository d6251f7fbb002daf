"""Who is calling: the outcome of authentication, handed to every operation that scopes its work by tenant."""

import uuid
from dataclasses import dataclass
from enum import IntEnum


class Role(IntEnum):
    """What a key may do; a higher role includes the lower ones.

    VIEWER, EDITOR and ADMIN act inside one organization. OPERATOR runs the platform and acts for any organization.
    """

    VIEWER = 1
    EDITOR = 2
    ADMIN = 3
    OPERATOR = 4


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated key. `org_id` and `org_slug` are None for a platform key and only for one."""

    key_id: uuid.UUID
    org_id: uuid.UUID | None
    org_slug: str | None
    role: Role

    def __post_init__(self) -> None:
        if (self.org_id is None) != (self.org_slug is None):
            raise ValueError("a principal has both an organization id and slug, or neither")
        if self.org_id is None and self.role is not Role.OPERATOR:
            raise ValueError("only an operator has no organization")
