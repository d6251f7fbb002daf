"""How many parts a request has, told before it is decoded: bytes are a poor measure of what a message costs.

An empty element of a list is two bytes on the wire, and 250 bytes and 3 us in Python: 4 MB of them held up the process for
five seconds and took half a gigabyte. Bodies too small to do harm are not looked at.
"""

from functools import cache
from typing import Final

from protobuf import DescMessage

RECORDS_MAX: Final = 350_000
"""More than the fullest request that the rules of the messages allow: 1,000 entries of 64 postings with 4 fields each."""
LOOKED_AT_BYTES: Final = 256 * 1024

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_SHIFT_MAX: Final = 63
_FIXED_BYTES: Final = {_FIXED64: 8, _FIXED32: 4}
_JSON_SEPARATORS: Final = (b",", b"{", b"[")


def has_too_many_binary(data: bytes | bytearray, message: DescMessage) -> bool:
    """Whether a binary message has more than `RECORDS_MAX` fields, those of the messages in it included.

    What is malformed is left for the decoder to refuse.
    """
    if len(data) <= LOOKED_AT_BYTES:
        return False
    count = 0
    waiting = [(0, len(data), message)]
    try:
        while waiting:
            position, end, described = waiting.pop()
            inner = _messages_in(described)
            while position < end:
                count += 1
                if count > RECORDS_MAX:
                    return True
                tag, position = _varint(data, position)
                wire_type = tag & 7
                if wire_type == _LENGTH:
                    length, position = _varint(data, position)
                    if (found := inner.get(tag >> 3)) is not None:
                        waiting.append((position, min(position + length, end), found))
                    position += length
                elif wire_type == _VARINT:
                    _, position = _varint(data, position)
                else:
                    position += _FIXED_BYTES[wire_type]
    except (IndexError, KeyError):
        return False
    return False


def has_too_many_json(data: bytes | bytearray) -> bool:
    """Whether a JSON text has more than `RECORDS_MAX` separators, those in its strings included."""
    return len(data) > LOOKED_AT_BYTES and sum(data.count(each) for each in _JSON_SEPARATORS) > RECORDS_MAX


@cache
def _messages_in(message: DescMessage) -> dict[int, DescMessage]:
    """The fields of a message that hold messages, or lists or maps of them, by number."""
    return {field.number: held for field in message.fields if (held := _held(field.value)) is not None}


def _held(value: object) -> DescMessage | None:
    for name in ("message", "element"):
        held = getattr(value, name, None)
        if isinstance(held, DescMessage):
            return held
    return None


def _varint(data: bytes | bytearray, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > _SHIFT_MAX:
            raise IndexError("a number of more than 64 bits")
