"""Messages as bytes: by rclpy where it runs, by rosbags where bags are all there is."""

from __future__ import annotations

import array
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ros_nodes.conversion import Make, message_class, rclpy_make, rosbags_make
from ros_nodes.player_topics import CAMERA_INFO, CLOCK, CLOUD, COMPRESSED, HEADER, IMAGE

STAMPED = (IMAGE, COMPRESSED, CAMERA_INFO, CLOUD, HEADER, CLOCK, "vision_msgs/msg/Detection3DArray", "diagnostic_msgs/msg/DiagnosticArray")
"""Types that begin with their stamp, so that it can be read and changed in the bytes."""

_ENCAPSULATION = 4  # CDR's own header; its second byte tells the byte order


@dataclass(frozen=True, kw_only=True)
class Codec:
    """How messages are made, written as CDR bytes and read back.

    Attributes:
        make: see `ros_nodes.conversion.Make`.
        encode: type, message -> CDR bytes.
        decode: type, CDR bytes -> message.
        blob: bytes -> what a uint8[] field of a message takes.
    """

    make: Make
    encode: Callable[[str, Any], bytes]
    decode: Callable[[str, bytes], Any]
    blob: Callable[[bytes], Any]


def rclpy_codec() -> Codec:
    """The codec of rclpy's generated classes."""
    from rclpy.serialization import deserialize_message, serialize_message

    return Codec(make=rclpy_make, encode=lambda kind, message: bytes(serialize_message(message)),
                 decode=lambda kind, data: deserialize_message(data, message_class(kind)), blob=lambda content: array.array("B", content))


def rosbags_codec(store: Any = None) -> Codec:
    """The codec of a rosbags typestore; ROS 2 Jazzy's where None."""
    if store is None:
        from rosbags.typesys import Stores, get_typestore

        store = get_typestore(Stores.ROS2_JAZZY)
    return Codec(make=rosbags_make(store), encode=lambda kind, message: bytes(store.serialize_cdr(message, kind)),
                 decode=lambda kind, data: store.deserialize_cdr(data, kind), blob=lambda content: np.frombuffer(content, np.uint8))


def stamp_of(data: bytes) -> int:
    """Nanoseconds of the stamp that the bytes of a `STAMPED` message begin with."""
    sec, nanosec = struct.unpack_from("<iI" if data[1] & 1 else ">iI", data, _ENCAPSULATION)
    return int(sec) * 1_000_000_000 + int(nanosec)


def frame_id_of(data: bytes) -> str:
    """The frame id that follows the stamp in the bytes of a message that begins with a header."""
    length = struct.unpack_from("<I" if data[1] & 1 else ">I", data, _ENCAPSULATION + 8)[0]
    start = _ENCAPSULATION + 12
    return bytes(data[start:start + length - 1]).decode(errors="replace").lstrip("/") if length else ""


def restamped(data: bytes, stamp_ns: int) -> bytes:
    """The bytes of a `STAMPED` message with another stamp."""
    stamp = struct.pack("<iI" if data[1] & 1 else ">iI", *divmod(stamp_ns, 1_000_000_000))
    return b"".join((data[:_ENCAPSULATION], stamp, data[_ENCAPSULATION + len(stamp):]))
