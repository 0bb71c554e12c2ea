"""Values as exact, compact, versioned bytes: what a decision saw is read back to the last bit.

JSON with tagged values, compressed. Floats and float64 arrays keep every bit (NaN payloads and -0.0 too),
decimals every digit, times every microsecond (in UTC). Dataclasses and enums are named by module and class,
and only those of our own packages are read back, so stored bytes cannot call anything else.

A field that a later version added is read with its default; anything else that does not fit raises
`CodecError`.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
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

VERSION = b"\x01"
PACKAGES = frozenset({"daemon", "exchanges", "risk"})
PLAIN = (str, bool, type(None))
WIDEST_INTEGER = 2**53
LARGEST = 256 * 1024 * 1024
DTYPES = frozenset({"<f8", "<i8", "|b1"})


class CodecError(ValueError):
    """A value that cannot be written, or bytes that cannot be read; the message says which."""


def encode(value: object) -> bytes:
    """Return a value as bytes: a version, then compressed JSON. Equal values give equal bytes.

    Raises:
        CodecError: the value holds something that the format does not know.
    """
    return VERSION + zlib.compress(dumps(value), 6)


def decode(data: bytes) -> Any:
    """Return the value that `encode` was given.

    Raises:
        CodecError: the bytes are damaged, or from a version that this one cannot read.
    """
    if data[:1] != VERSION:
        raise CodecError(f"format {data[:1].hex() or 'none'} is not known here, only {VERSION.hex()}")
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(data[1:], LARGEST)
    except zlib.error as error:
        raise CodecError(f"damaged: {error}") from None
    if not inflater.eof or inflater.unused_data:
        raise CodecError("damaged: too short, too long or larger than any snapshot")
    return loads(text)


def digest(data: bytes) -> str:
    """Return 32 hex digits that name these bytes."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def dumps(value: object) -> bytes:
    """Return a value as tagged JSON, readable in SQL."""
    try:
        return orjson.dumps(_pack(value))
    except (orjson.JSONEncodeError, RecursionError) as error:
        raise CodecError(f"cannot be written: {error}") from None


def loads(text: bytes | str) -> Any:
    """Return the value that `dumps` was given."""
    try:
        return _unpack(orjson.loads(text))
    except orjson.JSONDecodeError as error:
        raise CodecError(f"damaged: {error}") from None
    except (KeyError, IndexError, TypeError, ValueError, InvalidOperation, struct.error) as error:
        raise CodecError(f"cannot be read: {error}") from error


def _pack(value: Any) -> Any:
    kind = type(value)
    if kind in PLAIN:
        return value
    packer = PACKERS.get(kind)
    if packer is None:
        packer = next((packer for base, packer in RARE_PACKERS if isinstance(value, base)), None)
    if packer is not None:
        return packer(value)
    if dataclasses.is_dataclass(value):
        fields = {field.name: _pack(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"~class": _name(kind), "is": fields}
    raise CodecError(f"{kind.__name__} is not known to the format")


def _pack_float(value: float) -> Any:
    # JSON has no NaN and no infinity; orjson's shortest form gives every finite float back bit by bit.
    return value if value - value == 0 else {"~float": struct.pack(">d", value).hex()}


def _pack_time(value: datetime) -> Any:
    if value.tzinfo is None:
        raise CodecError(f"{value!r} has no time zone")
    return {"~time": value.astimezone(UTC).isoformat()}


def _pack_mapping(value: Mapping[Any, Any]) -> Any:
    if all(type(name) is str and not name.startswith("~") for name in value):
        return {name: _pack(item) for name, item in value.items()}
    return {"~map": [[_pack(name), _pack(item)] for name, item in value.items()]}


def _pack_array(value: np.ndarray[Any, Any]) -> Any:
    dtype = value.dtype.newbyteorder("<").str
    if dtype not in DTYPES:
        raise CodecError(f"an array of {value.dtype} is not known to the format")
    raw = np.ascontiguousarray(value, dtype=dtype).tobytes()
    return {"~array": base64.b85encode(raw).decode(), "type": dtype, "shape": list(value.shape)}


PACKERS: Mapping[type, Callable[[Any], Any]] = {
    float: _pack_float,
    int: lambda value: value if abs(value) < WIDEST_INTEGER else {"~int": str(value)},
    Decimal: lambda value: {"~dec": str(value)},
    dict: _pack_mapping,
    list: lambda value: [_pack(item) for item in value],
    tuple: lambda value: {"~tuple": [_pack(item) for item in value]},
    bytes: lambda value: {"~bytes": base64.b85encode(value).decode()},
    datetime: _pack_time,
    timedelta: lambda value: {"~delta": [value.days, value.seconds, value.microseconds]},
}
RARE_PACKERS: Sequence[tuple[type, Callable[[Any], Any]]] = (
    (Enum, lambda value: {"~enum": _name(type(value)), "is": _pack(value.value)}),
    (np.ndarray, _pack_array),
    (np.generic, lambda value: _pack(value.item())),
    (Set, lambda value: {"~set": sorted(map(_pack, value), key=orjson.dumps)}),
    (Mapping, _pack_mapping),
)


def _unpack(value: Any) -> Any:
    if isinstance(value, list):
        return [_unpack(item) for item in value]
    if not isinstance(value, dict):
        return value
    tag = next(iter(value), "")
    if not tag.startswith("~"):
        return {name: _unpack(item) for name, item in value.items()}
    if tag not in UNPACKERS:
        raise CodecError(f"tag {tag} is not known here")
    return UNPACKERS[tag](value)


def _unpack_array(value: Mapping[str, Any]) -> Any:
    if value["type"] not in DTYPES:
        raise CodecError(f"an array of {value['type']} is not known to the format")
    array = np.frombuffer(base64.b85decode(value["~array"]), dtype=value["type"]).reshape(value["shape"]).copy()
    array.flags.writeable = False
    return array


def _unpack_class(value: Mapping[str, Any]) -> Any:
    kind = _find(value["~class"])
    if not dataclasses.is_dataclass(kind):
        raise CodecError(f"{value['~class']} is no dataclass")
    known = {field.name: field for field in dataclasses.fields(kind)}
    given = value["is"]
    if unknown := given.keys() - known.keys():
        raise CodecError(f"{value['~class']} has no {', '.join(sorted(unknown))}: written by another version")
    instance = kind.__new__(kind)
    for name, field in known.items():
        object.__setattr__(instance, name, _unpack(given[name]) if name in given else _default(kind, field))
    return instance


def _default(kind: type, field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    raise CodecError(f"{kind.__name__} lacks {field.name}: written by another version")


def _unpack_enum(value: Mapping[str, Any]) -> Any:
    kind = _find(value["~enum"])
    if not issubclass(kind, Enum):
        raise CodecError(f"{value['~enum']} is no enum")
    return kind(_unpack(value["is"]))


UNPACKERS = {
    "~float": lambda value: struct.unpack(">d", bytes.fromhex(value["~float"]))[0],
    "~int": lambda value: int(value["~int"]),
    "~dec": lambda value: Decimal(value["~dec"]),
    "~tuple": lambda value: tuple(_unpack(item) for item in value["~tuple"]),
    "~set": lambda value: frozenset(_unpack(item) for item in value["~set"]),
    "~map": lambda value: {_unpack(name): _unpack(item) for name, item in value["~map"]},
    "~time": lambda value: datetime.fromisoformat(value["~time"]),
    "~delta": lambda value: timedelta(*value["~delta"]),
    "~bytes": lambda value: base64.b85decode(value["~bytes"]),
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
