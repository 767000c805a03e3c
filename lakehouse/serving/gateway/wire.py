"""Protocol Buffers as they are on the wire, as far as Flight SQL needs them: varints, byte strings, and `Any`.

Format: https://protobuf.dev/programming-guides/encoding. A message is read as field number -> values in order; fields
that nobody asks for are skipped, as the format demands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

Fields = Mapping[int, Sequence[int | bytes]]
TYPE_PREFIX = "type.googleapis.com/arrow.flight.protocol.sql."

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10


class MalformedMessage(ValueError):
    """Bytes that are no message."""


def read_message(message: bytes) -> Fields:
    """The fields of a message. Raises MalformedMessage."""
    found: dict[int, list[int | bytes]] = {}
    for number, value in _fields(message):
        found.setdefault(number, []).append(value)
    return found


def text_of(fields: Fields, number: int) -> str | None:
    """A string field, None where it is not set. Raises MalformedMessage for another kind of field, or no UTF-8."""
    try:
        found = bytes_of(fields, number)
        return None if found is None else found.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedMessage("a string is not UTF-8") from None


def texts_of(fields: Fields, number: int) -> tuple[str, ...]:
    """A repeated string field."""
    return tuple(text_of({number: (value,)}, number) or "" for value in fields.get(number, ()))


def bytes_of(fields: Fields, number: int) -> bytes | None:
    """A bytes or message field; the last one where it comes several times."""
    values = fields.get(number, ())
    if not values:
        return None
    if not isinstance(values[-1], bytes):
        raise MalformedMessage(f"field {number} is a number")
    return values[-1]


def number_of(fields: Fields, number: int) -> int | None:
    """A varint field, unsigned."""
    values = fields.get(number, ())
    if values and not isinstance(values[-1], int):
        raise MalformedMessage(f"field {number} is no number")
    return int(values[-1]) if values else None


def numbers_of(fields: Fields, number: int) -> tuple[int, ...]:
    """A repeated varint field, packed or not."""
    found: list[int] = []
    for value in fields.get(number, ()):
        if isinstance(value, int):
            found.append(value)
            continue
        position = 0
        while position < len(value):
            one, position = _varint(value, position)
            found.append(one)
    return tuple(found)


def write_message(fields: Mapping[int, int | bytes | str | None]) -> bytes:
    """A message of these fields; those that are None are left out."""
    written = bytearray()
    for number, value in fields.items():
        if value is None:
            continue
        if isinstance(value, int):
            written += _written_varint(number << 3 | _VARINT) + _written_varint(value & (2**64 - 1))
        else:
            content = value.encode("utf-8") if isinstance(value, str) else value
            written += _written_varint(number << 3 | _BYTES) + _written_varint(len(content)) + content
    return bytes(written)


def pack(name: str, message: bytes) -> bytes:
    """A Flight SQL message in a `google.protobuf.Any`."""
    return write_message({1: TYPE_PREFIX + name, 2: message})


def unpack(packed: bytes) -> tuple[str, Fields]:
    """The name and fields of a Flight SQL message in an `Any`. Raises MalformedMessage."""
    fields = read_message(packed)
    url = text_of(fields, 1) or ""
    if not url.startswith(TYPE_PREFIX):
        raise MalformedMessage("this is no message of Flight SQL")
    return url.removeprefix(TYPE_PREFIX), read_message(bytes_of(fields, 2) or b"")


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        if kind == _BYTES:
            length, position = _varint(message, position)
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
        else:
            raise MalformedMessage(f"wire type {kind}")
        if number == 0 or position + length > len(message):
            raise MalformedMessage("a field ends beyond its message")
        yield number, message[position : position + length]
        position += length


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = 0
    for index in range(_LONGEST_VARINT):
        if position + index >= len(message):
            raise MalformedMessage("a number ends beyond its message")
        byte = message[position + index]
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, position + index + 1
    raise MalformedMessage("a number has more than ten bytes")


def _written_varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)
