"""ROS parameters of the player -> checked settings -> the messages to play."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fusion.errors import UserError
from ros_nodes.bag_reader import BagSource
from ros_nodes.faults import load_faults
from ros_nodes.parameter_checks import BUILT_IN, choice, flag, number, suggest, text, texts
from ros_nodes.player_codec import Codec
from ros_nodes.player_events import Event, RootSource, Source, repeated
from ros_nodes.player_root import Recording
from ros_nodes.player_script import FaultScript
from ros_nodes.player_topics import TRANSPORTS

PARAMETERS: Mapping[str, tuple[Any, str]] = {
    "dataroot": ("", "folder of a data set in nuScenes' format, recorded or simulated"),
    "version": ("v1.0-mini", "folder of its tables"),
    "scenes": ("", "names of scenes, comma-separated or a list; empty: all"),
    "sweeps": (True, "play the images and clouds between keyframes too, at their own rates, where their files are"),
    "bag": ("", "folder of an MCAP bag, or an .mcap file, to play instead of a data set; its messages are sent as they were recorded"),
    "rate": (1.0, "2 plays twice as fast; the stamps stay"),
    "loop": (False, "play again and again; time jumps back at each start"),
    "transport": ("raw", "of a data set's images: raw (sensor_msgs/Image) or compressed (CompressedImage, the files' own bytes)"),
    "faults": ("", "path of a fault script"),
    "clock": (True, "publish /clock"),
    "start_paused": (False, "wait for ~/resume"),
    "wait_for_subscribers": (10.0, "seconds to wait at most until every topic of a sensor has a subscriber"),
}
"""Name -> default and description."""


@dataclass(frozen=True, kw_only=True)
class PlayerSettings:
    """What the player was asked to do, see `PARAMETERS`."""

    dataroot: str
    version: str
    scenes: tuple[str, ...] | None
    sweeps: bool
    bag: str
    rate: float
    loop: bool
    transport: str
    faults: str
    clock: bool
    start_paused: bool
    wait_for_subscribers_s: float


def read_settings(values: Mapping[str, Any]) -> PlayerSettings:
    """Check the values of `PARAMETERS`; UserError naming the one that is impossible, or a parameter that there is not."""
    for name in values:
        if name not in PARAMETERS and not name.startswith(BUILT_IN):
            raise UserError(f"parameter {name!r}: unknown{suggest(name, PARAMETERS)}")
    values = {name: default for name, (default, _) in PARAMETERS.items()} | {name: value for name, value in values.items() if value is not None}
    scenes = values["scenes"]
    names = texts("scenes", scenes.split(",") if isinstance(scenes, str) else scenes, "a text or a list of texts")
    settings = PlayerSettings(
        dataroot=text("dataroot", values["dataroot"], empty=True), version=text("version", values["version"]), scenes=names or None,
        sweeps=flag("sweeps", values["sweeps"]), bag=text("bag", values["bag"], empty=True),
        rate=number("rate", values["rate"], above=0, most=100), loop=flag("loop", values["loop"]),
        transport=choice("transport", values["transport"], TRANSPORTS), faults=text("faults", values["faults"], empty=True),
        clock=flag("clock", values["clock"]), start_paused=flag("start_paused", values["start_paused"]),
        wait_for_subscribers_s=number("wait_for_subscribers", values["wait_for_subscribers"], least=0))
    if bool(settings.dataroot) == bool(settings.bag):
        raise UserError(f"dataroot {settings.dataroot!r} and bag {settings.bag!r}: expected exactly one of them")
    return settings


def open_source(settings: PlayerSettings, codec: Codec, warn: Callable[[str], object]) -> Source:
    """What is to be played; UserError where it cannot be."""
    if settings.bag:
        return BagSource(settings.bag)
    recording = Recording(settings.dataroot, settings.version, settings.scenes, sweeps=settings.sweeps)
    return RootSource(recording, codec, transport=settings.transport, warn=warn)


def messages(settings: PlayerSettings, source: Source, codec: Codec) -> Iterator[Event]:
    """The messages with the script's faults; the script is read now, and UserError raised for what is wrong in it."""
    faults = load_faults(settings.faults, source.sensors) if settings.faults else ()
    return FaultScript(faults, codec, source.sensors).apply(repeated(source) if settings.loop else source.events())
