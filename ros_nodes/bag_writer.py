"""A data root as an MCAP bag."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from fusion.errors import UserError
from ros_nodes.player_codec import rosbags_codec
from ros_nodes.player_events import RootSource
from ros_nodes.player_root import Recording

_FORMAT = 8  # of the bag's metadata.yaml; readers of ROS 2 Humble to Jazzy know it


def write_bag(dataroot: Path, version: str, scenes: Sequence[str] | None, out: Path, *, transport: str = "compressed", sweeps: bool = True,
              warn: Callable[[str], object] = print) -> dict[str, int]:
    """Write scenes of a data root to a new bag; each message is stored at its own stamp's time.

    Args:
        dataroot: folder in nuScenes' format.
        version: folder of its tables.
        scenes: names; None for all.
        out: the bag's folder; must not exist, and appears only when it is complete.
        transport: "compressed" stores the image files' own bytes; "raw" stores pixels.
        sweeps: whether to include the images and clouds between keyframes.
        warn: takes one line for each file that cannot be stored.

    Returns:
        Topic -> number of messages.

    Raises:
        UserError: `out` exists, the root cannot be read, or two scenes overlap in time.
    """
    from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    if out.exists():
        raise UserError(f"{out}: exists already; choose a new folder for the bag")
    order = _by_time(Recording(dataroot, version, scenes, sweeps=sweeps))
    recording = Recording(dataroot, version, order, sweeps=sweeps)
    store = get_typestore(Stores.ROS2_JAZZY)
    source = RootSource(recording, rosbags_codec(store), transport=transport, warn=warn)
    never = QosTime(2**31 - 1, 2**32 - 1)
    count: dict[str, int] = {}
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".bag-") as folder:
        with Writer(Path(folder) / out.name, version=_FORMAT, storage_plugin=StoragePlugin.MCAP) as writer:
            connections = {}
            for topic in source.topics:
                durability = QosDurability.TRANSIENT_LOCAL if topic.latched else QosDurability.VOLATILE
                profile = Qos(QosHistory.KEEP_LAST, 1 if topic.latched else 10, QosReliability.RELIABLE, durability, never, never,
                              QosLiveliness.AUTOMATIC, never, False)
                connections[topic.name] = writer.add_connection(topic.name, topic.kind, typestore=store, offered_qos_profiles=[profile])
            for event in source.events():
                writer.write(connections[event.topic], event.clock_ns, event.data)
                count[event.topic] = count.get(event.topic, 0) + 1
        (Path(folder) / out.name).rename(out)
    return count


def _by_time(recording: Recording) -> list[str]:
    """Names of the scenes in the order of time, in which a bag is read; UserError where two overlap."""
    spans = sorted((scene.readings[0].stamp_ns, scene.readings[-1].stamp_ns, scene.name) for scene in recording.scenes())
    if not spans:
        raise UserError("the chosen scenes hold no camera or LiDAR readings; nothing to write")
    for (_, end, before), (start, _, after) in pairwise(spans):
        if start <= end:
            raise UserError(f"scenes {before} and {after}: overlap in time, so that one bag would mix them; write a bag for each")
    return [name for _, _, name in spans]
