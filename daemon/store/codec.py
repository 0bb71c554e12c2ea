"""Values as exact, compact, versioned bytes: what a decision saw is read back to the last bit.

JSON with tagged values, compressed, and behind it the arrays as they lie in memory (numbers from a market hardly
compress, and a decision must not wait for the attempt). Floats keep every bit (NaN payloads and -0.0 too), decimals
every digit, times every microsecond (in UTC). Dataclasses and enums are named by module and class, and only those
of our own packages are read back, so stored bytes cannot call anything else.

A field that a later version added is read with its default; anything else that does not fit raises `CodecError`.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import math
import struct
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
import orjson

VERSION = 1
HEAD = struct.Struct(">BII")
"""Version, checksum of all that follows the head, length of the compressed JSON; then this JSON, then the arrays."""
PACKAGES = frozenset({"daemon", "exchanges", "risk"})
PLAIN = (str, bool, type(None))
WIDEST_INTEGER = 2**53
LARGEST = 256 * 1024 * 1024
DTYPES = frozenset({"<f8", "<i8", "|b1"})
Arrays = list[bytes] | None
"""Where the arrays of a value go, one behind the other; None writes them into the JSON."""


class CodecError(ValueError):
    """A value that cannot be written, or bytes that cannot be read; the message says which."""


def encode(value: object) -> bytes:
    """Return a value as bytes. Equal values give equal bytes.

    Raises:
        CodecError: the value holds something that the format does not know.
    """
    arrays: list[bytes] = []
    text = zlib.compress(_dump(_pack(value, arrays)), 6)
    body = b"".join([text, *arrays])
    return HEAD.pack(VERSION, zlib.crc32(body), len(text)) + body


def decode(data: bytes) -> Any:
    """Return the value that `encode` was given.

    Raises:
        CodecError: the bytes are damaged, or from a version that this one cannot read.
    """
    if len(data) < HEAD.size:
        raise CodecError("damaged: too short")
    version, checksum, length = HEAD.unpack_from(data)
    if version != VERSION:
        raise CodecError(f"format {version} is not known here, only {VERSION}")
    body = memoryview(data)[HEAD.size :]
    if zlib.crc32(body) != checksum:
        raise CodecError("damaged: the checksum does not fit")
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(body[:length], LARGEST)
    except zlib.error as error:
        raise CodecError(f"damaged: {error}") from None
    if not inflater.eof:
        raise CodecError("larger than any snapshot")
    return _load(text, body[length:])


def digest(data: bytes) -> str:
    """Return 32 hex digits that name these bytes."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def dumps(value: object) -> bytes:
    """Return a value as tagged JSON, arrays included, readable in SQL."""
    return _dump(_pack(value, None))


def loads(text: bytes | str) -> Any:
    """Return the value that `dumps` was given."""
    return _load(text, memoryview(b""))


def _dump(packed: object) -> bytes:
    try:
        return orjson.dumps(packed)
    except orjson.JSONEncodeError as error:
        raise CodecError(f"cannot be written: {error}") from None


def _load(text: bytes | str, arrays: memoryview) -> Any:
    try:
        return _unpack(orjson.loads(text), arrays)
    except orjson.JSONDecodeError as error:
        raise CodecError(f"damaged: {error}") from None
    except (KeyError, IndexError, TypeError, ValueError, InvalidOperation, struct.error) as error:
        raise CodecError(f"cannot be read: {error}") from error


def _pack(value: Any, arrays: Arrays) -> Any:
    kind = type(value)
    if kind in PLAIN:
        return value
    packer = PACKERS.get(kind)
    if packer is None:
        packer = next((packer for base, packer in RARE_PACKERS if isinstance(value, base)), None)
    if packer is not None:
        return packer(value, arrays)
    if dataclasses.is_dataclass(value):
        fields = {field.name: _pack(getattr(value, field.name), arrays) for field in dataclasses.fields(value)}
        return {"~class": _name(kind), "is": fields}
    raise CodecError(f"{kind.__name__} is not known to the format")


def _pack_float(value: float, _arrays: Arrays) -> Any:
    # JSON has no NaN and no infinity; orjson's shortest form gives every finite float back bit by bit.
    return value if value - value == 0 else {"~float": struct.pack(">d", value).hex()}


def _pack_time(value: datetime, _arrays: Arrays) -> Any:
    if value.tzinfo is None:
        raise CodecError(f"{value!r} has no time zone")
    return {"~time": value.astimezone(UTC).isoformat()}


def _pack_mapping(value: Mapping[Any, Any], arrays: Arrays) -> Any:
    if all(type(name) is str and not name.startswith("~") for name in value):
        return {name: _pack(item, arrays) for name, item in value.items()}
    return {"~map": [[_pack(name, arrays), _pack(item, arrays)] for name, item in value.items()]}


def _pack_array(value: np.ndarray[Any, Any], arrays: Arrays) -> Any:
    dtype = value.dtype.newbyteorder("<").str
    if dtype not in DTYPES:
        raise CodecError(f"an array of {value.dtype} is not known to the format")
    raw = np.ascontiguousarray(value, dtype=dtype).tobytes()
    place: str | int
    if arrays is None:
        place = base64.b64encode(raw).decode()
    else:
        place = sum(map(len, arrays))
        arrays.append(raw)
    return {"~array": place, "type": dtype, "shape": list(value.shape)}


PACKERS: Mapping[type, Callable[[Any, Arrays], Any]] = {
    float: _pack_float,
    int: lambda value, _: value if abs(value) < WIDEST_INTEGER else {"~int": str(value)},
    Decimal: lambda value, _: {"~dec": str(value)},
    dict: _pack_mapping,
    list: lambda value, arrays: [_pack(item, arrays) for item in value],
    tuple: lambda value, arrays: {"~tuple": [_pack(item, arrays) for item in value]},
    bytes: lambda value, _: {"~bytes": base64.b64encode(value).decode()},
    datetime: _pack_time,
    timedelta: lambda value, _: {"~delta": [value.days, value.seconds, value.microseconds]},
}
RARE_PACKERS: Sequence[tuple[type, Callable[[Any, Arrays], Any]]] = (
    (Enum, lambda value, arrays: {"~enum": _name(type(value)), "is": _pack(value.value, arrays)}),
    (np.ndarray, _pack_array),
    (np.generic, lambda value, arrays: _pack(value.item(), arrays)),
    (Set, lambda value, _: {"~set": sorted((_pack(item, None) for item in value), key=orjson.dumps)}),
    (Mapping, _pack_mapping),
)


def _unpack(value: Any, arrays: memoryview) -> Any:
    if isinstance(value, list):
        return [_unpack(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    tag = next(iter(value), "")
    if not tag.startswith("~"):
        return {name: _unpack(item, arrays) for name, item in value.items()}
    if tag not in UNPACKERS:
        raise CodecError(f"tag {tag} is not known here")
    return UNPACKERS[tag](value, arrays)


def _unpack_array(value: Mapping[str, Any], arrays: memoryview) -> Any:
    if value["type"] not in DTYPES:
        raise CodecError(f"an array of {value['type']} is not known to the format")
    place, dtype, shape = value["~array"], np.dtype(value["type"]), value["shape"]
    size = math.prod(shape) * dtype.itemsize
    raw = base64.b64decode(place, validate=True) if isinstance(place, str) else arrays[place : place + size]
    array = np.frombuffer(raw, dtype).reshape(shape).copy()
    array.flags.writeable = False
    return array


def _unpack_class(value: Mapping[str, Any], arrays: memoryview) -> Any:
    kind = _find(value["~class"])
    if not dataclasses.is_dataclass(kind):
        raise CodecError(f"{value['~class']} is no dataclass")
    known = {field.name: field for field in dataclasses.fields(kind)}
    given = value["is"]
    if unknown := given.keys() - known.keys():
        raise CodecError(f"{value['~class']} has no {', '.join(sorted(unknown))}: written by another version")
    instance = kind.__new__(kind)
    for name, field in known.items():
        object.__setattr__(instance, name, _unpack(given[name], arrays) if name in given else _default(kind, field))
    return instance


def _default(kind: type, field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    raise CodecError(f"{kind.__name__} lacks {field.name}: written by another version")


def _unpack_enum(value: Mapping[str, Any], arrays: memoryview) -> Any:
    kind = _find(value["~enum"])
    if not issubclass(kind, Enum):
        raise CodecError(f"{value['~enum']} is no enum")
    return kind(_unpack(value["is"], arrays))


UNPACKERS: Mapping[str, Callable[[Mapping[str, Any], memoryview], Any]] = {
    "~float": lambda value, _: struct.unpack(">d", bytes.fromhex(value["~float"]))[0],
    "~int": lambda value, _: int(value["~int"]),
    "~dec": lambda value, _: Decimal(value["~dec"]),
    "~tuple": lambda value, arrays: tuple(_unpack(item, arrays) for item in value["~tuple"]),
    "~set": lambda value, arrays: frozenset(_unpack(item, arrays) for item in value["~set"]),
    "~map": lambda value, arrays: {_unpack(name, arrays): _unpack(item, arrays) for name, item in value["~map"]},
    "~time": lambda value, _: datetime.fromisoformat(value["~time"]),
    "~delta": lambda value, _: timedelta(*value["~delta"]),
    "~bytes": lambda value, _: base64.b64decode(value["~bytes"], validate=True),
    "~array": _unpack_array,
    "~enum": _unpack_enum,
    "~class": _unpack_class,
}


def _name(kind: type) -> str:
    if kind.__module__.partition(".")[0] not in PACKAGES:
        raise CodecError(f"{kind.__module__}.{kind.__qualname__} is not known to the format")
    return f"{kind.__module__}:{kind.__qualname__}"


@cache
def _find(name: str) -> type:
    module, _, qualified = name.partition(":")
    if module.partition(".")[0] not in PACKAGES:
        raise CodecError(f"{name} is none of our own")
    try:
        found: Any = sys.modules.get(module) or import_module(module)
        for part in qualified.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        raise CodecError(f"{name} does not exist in this version") from None
    if not isinstance(found, type):
        raise CodecError(f"{name} is no class")
    return found
