"""Making messages: one call for rclpy's classes, one for rosbags' classes, the same fields for both."""

from __future__ import annotations

import array
import importlib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np

from fusion.errors import UserError

Make = Callable[[str, Mapping[str, Any]], Any]
"""`make("sensor_msgs/msg/Image", {"height": 2, ...})` -> a message. Fields that are not given keep their default.

Numbers may be NumPy's; arrays of numbers may be anything with the buffer protocol or a sequence; nested messages come from the same `make`.
"""


@cache
def message_class(name: str) -> Any:
    """The generated Python class of a message type such as "sensor_msgs/msg/Image", or of a service such as "std_srvs/srv/Trigger".

    Raises:
        UserError: the package of the type is not installed, or has no such message.
    """
    try:
        package, folder, kind = name.split("/")
        return getattr(importlib.import_module(f"{package}.{folder}"), kind)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"{name}: message type not importable ({error}); install {package} and source its setup") from None


def message_available(name: str) -> bool:
    """Whether the class of a message type can be imported, such as "vision_msgs/msg/Detection3DArray"."""
    try:
        message_class(name)
    except UserError:
        return False
    return True


@cache
def _rclpy_kinds(name: str) -> dict[str, str]:
    return {field: str(kind) for field, kind in message_class(name).get_fields_and_field_types().items()}


def rclpy_make(name: str, fields: Mapping[str, Any]) -> Any:
    """A message of rclpy's generated classes (see `Make`); rclpy itself is not imported.

    Raises:
        UserError: the type's package is not installed.
        AttributeError: the type has no such field.
    """
    kinds = _rclpy_kinds(name)
    message = message_class(name)()
    for field, value in fields.items():
        kind = kinds.get(field, "")
        if kind in ("sequence<uint8>", "sequence<octet>") and not isinstance(value, bytes | array.array):
            value = np.ascontiguousarray(value, np.uint8).tobytes()  # the setter takes bytes at once, an ndarray element by element
        elif kind == "octet" and not isinstance(value, bytes):
            value = bytes([value])
        setattr(message, field, value)
    return message


def rosbags_make(store: Any) -> Make:
    """A `Make` for the classes of a rosbags typestore, which has all types of its ROS distribution built in.

    Args:
        store: `rosbags.typesys.get_typestore(...)`.
    """
    def make(name: str, fields: Mapping[str, Any]) -> Any:
        kinds = dict(store.fielddefs[name][1])
        strange = [field for field in fields if field not in kinds]
        if strange:
            raise AttributeError(f"{name}: no field {strange[0]!r}; expected one of {sorted(kinds)}")
        values = {field: _fit(kind, fields[field]) if field in fields else _default(kind, make) for field, kind in kinds.items()}
        return store.types[name](**values)

    return make


_BASE, _NAME, _ARRAY = 1, 2, 3  # rosbags' Nodetype: a base type, a message, an array of fixed length, else a sequence


def _dtype(base: str) -> str | None:
    """NumPy's name of a base type; None for strings."""
    return None if base in ("string", "wstring") else {"byte": "uint8", "char": "uint8", "octet": "uint8"}.get(base, base)


def _fit(kind: Any, value: Any) -> Any:
    """The value as rosbags' serialiser wants it: arrays of numbers are NumPy's, of their own dtype."""
    node, detail = kind
    if node in (_BASE, _NAME):
        return value
    (inner, base), _ = detail
    dtype = _dtype(base[0]) if inner == _BASE else None
    if dtype is None:
        return list(value)
    return np.frombuffer(value, dtype) if isinstance(value, bytes | bytearray | memoryview) else np.asarray(value, dtype)


def _default(kind: Any, make: Make) -> Any:
    node, detail = kind
    if node == _BASE:
        return {"string": "", "wstring": "", "bool": False}.get(detail[0], 0.0 if detail[0].startswith("float") else 0)
    if node == _NAME:
        return make(detail, {})
    count = detail[1] if node == _ARRAY else 0
    (inner, base), _ = detail
    dtype = _dtype(base[0]) if inner == _BASE else None
    return [_default(detail[0], make) for _ in range(count)] if dtype is None else np.zeros(count, dtype)
