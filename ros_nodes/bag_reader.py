"""An MCAP bag as messages to play."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fusion.errors import UserError
from ros_nodes.player_codec import frame_id_of
from ros_nodes.player_events import SCENE_GAP_NS, Event
from ros_nodes.player_sensors import group_topics
from ros_nodes.player_topics import CAMERA_INFO, CLOCK, READINGS, SCENE_TOPIC, Topic, is_static

if TYPE_CHECKING:
    from rosbags.rosbag2 import Reader


@contextmanager
def open_bag(path: str | Path) -> Iterator[Reader]:
    """A rosbags reader of a bag's folder or of one .mcap file; UserError where it cannot be read, now or in the block."""
    try:
        from rosbags.rosbag2 import Reader
        from rosbags.rosbag2.errors import ReaderError
    except ImportError as error:
        raise UserError(f"rosbags is not importable ({error}); bags need it: pip install rosbags") from None
    if not Path(path).exists():
        raise UserError(f"{path}: no such bag; expected a bag's folder or an .mcap file")
    try:
        reader = Reader(path)
        reader.open()
    except Exception as error:  # damaged files end in any of a dozen exceptions
        raise UserError(f"{path}: not readable as a ROS 2 bag ({type(error).__name__}: {error})") from None
    try:
        yield reader
    except ReaderError as error:
        raise UserError(f"{path}: damaged bag ({error})") from None
    finally:
        reader.close()


class BagSource:
    """Plays a bag's messages as they are, at the times at which they were recorded; a recorded /clock is left out.

    Args:
        path: the bag's folder or an .mcap file.

    Raises:
        UserError: it is not there, cannot be read, or holds nothing.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        topics: dict[str, Topic] = {}
        with open_bag(self._path) as reader:
            from rosbags.interfaces import ConnectionExtRosbag2, QosDurability

            for connection in reader.connections:
                if connection.msgtype == CLOCK:
                    continue
                assert isinstance(connection.ext, ConnectionExtRosbag2)
                latched = is_static(connection.topic, connection.msgtype) or any(
                    profile.durability is QosDurability.TRANSIENT_LOCAL for profile in connection.ext.offered_qos_profiles)
                topics.setdefault(connection.topic, Topic(name=connection.topic, kind=connection.msgtype, latched=latched))
            if not reader.message_count or not topics:
                raise UserError(f"{self._path}: the bag holds no messages to play")
            self.sensors = group_topics({topic.name: topic.kind for topic in topics.values()}, first_frames(reader))
        self.topics = tuple(topics.values())

    def events(self) -> Iterator[Event]:
        """All messages; the hours between two scenes are cut short."""
        with open_bag(self._path) as reader:
            wanted = [connection for connection in reader.connections if connection.msgtype != CLOCK]
            start_ns: int | None = None  # the bag's time at which play_ns is 0
            last_ns = 0
            for connection, time_ns, data in reader.messages(connections=wanted):
                if start_ns is None:
                    start_ns = time_ns
                elif connection.topic == SCENE_TOPIC:
                    start_ns = time_ns - last_ns - SCENE_GAP_NS
                last_ns = max(last_ns, time_ns - start_ns)
                yield Event(last_ns, time_ns, connection.topic, connection.msgtype, bytes(data))


def first_frames(reader: Reader) -> dict[str, str]:
    """Topic -> frame id of its first message, of images, clouds and calibrations; no more is read than it takes."""
    wanted = [connection for connection in reader.connections if connection.msgtype in (*READINGS, CAMERA_INFO) and connection.msgcount]
    missing, frames = {connection.topic for connection in wanted}, {}
    for connection, _, data in reader.messages(connections=wanted) if wanted else ():
        if connection.topic in missing:
            missing.discard(connection.topic)
            frames[connection.topic] = frame_id_of(data)
            if not missing:
                break
    return frames
