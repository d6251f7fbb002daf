"""Where Citus puts an organization, worked out as it does: the hash of the id, and the shard in whose range it falls."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final
from uuid import UUID

_WORD: Final = 0xFFFFFFFF
_HALF: Final = 0x80000000
_START: Final = (0x9E3779B9 + 16 + 3923095) & _WORD


def uuid_hash(value: UUID) -> int:
    """PostgreSQL's function of the same name: a signed number of 32 bits."""
    first, second, third, fourth = (int.from_bytes(value.bytes[i : i + 4], "little") for i in range(0, 16, 4))
    a, b, c = (_START + first) & _WORD, (_START + second) & _WORD, (_START + third) & _WORD
    for turn_a, turn_b, turn_c in ((4, 6, 8), (16, 19, 4)):
        a = ((a - c) ^ _turned(c, turn_a)) & _WORD
        c = (c + b) & _WORD
        b = ((b - a) ^ _turned(a, turn_b)) & _WORD
        a = (a + c) & _WORD
        c = ((c - b) ^ _turned(b, turn_c)) & _WORD
        b = (b + a) & _WORD
    a = (a + fourth) & _WORD
    c = ((c ^ b) - _turned(b, 14)) & _WORD
    a = ((a ^ c) - _turned(c, 11)) & _WORD
    b = ((b ^ a) - _turned(a, 25)) & _WORD
    c = ((c ^ b) - _turned(b, 16)) & _WORD
    a = ((a ^ c) - _turned(c, 4)) & _WORD
    b = ((b ^ a) - _turned(a, 14)) & _WORD
    c = ((c ^ b) - _turned(b, 24)) & _WORD
    return c - 2 * _HALF if c >= _HALF else c


def shard_index(hashed: int, firsts: Sequence[int]) -> int:
    """Which of the shards, told by the first hash of each, ascending, has this one."""
    return bisect_right(firsts, hashed) - 1


def _turned(word: int, count: int) -> int:
    """Rotated to the left."""
    return (word << count | word >> (32 - count)) & _WORD
