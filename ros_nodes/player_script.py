"""A fault script at work on the stream of messages."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from ros_nodes.conversion import Transform, tf_msg, transform_from_msg
from ros_nodes.faults import Fault
from ros_nodes.player_codec import STAMPED, Codec, restamped, stamp_of
from ros_nodes.player_damage import DAMAGE, damaged, varied
from ros_nodes.player_events import Event
from ros_nodes.player_sensors import PlayedSensor
from ros_nodes.player_topics import CAMERA_INFO, READINGS, SCENE_TOPIC, TF, is_static

_FLOODED = (*READINGS, CAMERA_INFO)


class FaultScript:
    """Applies faults to messages on their way out. With no faults the messages pass untouched, except that /tf_static is always complete.

    Args:
        faults: the script.
        codec: reads and writes messages.
        sensors: of the recording.
    """

    def __init__(self, faults: Sequence[Fault], codec: Codec, sensors: Mapping[str, PlayedSensor]) -> None:
        self._faults, self._codec = tuple(faults), codec
        self._owners: dict[str, set[str]] = {}  # topic -> sensors
        self._carried: dict[str, set[str]] = {}  # frame -> sensors
        for name, sensor in sensors.items():
            self._carried.setdefault(sensor.frame, set()).add(name)
            for topic in sensor.topics:
                self._owners.setdefault(topic, set()).add(name)
        self._static: dict[str, dict[str, Transform]] = {}  # topic -> child frame -> transform
        self._frozen: dict[str, Event] = {}
        self._offset_ns = 0
        self._order = 0

    def apply(self, events: Iterable[Event]) -> Iterator[Event]:
        """The messages as they are to be sent, in the order of `play_ns`; `clock_ns` is what the clock shows then."""
        waiting: list[tuple[int, int, Event]] = []
        boundaries = sorted({at_ns for fault in self._faults if self._touches_static(fault) for at_ns in fault.bounds_ns if at_ns})
        for event in events:
            while boundaries and boundaries[0] <= event.play_ns:
                at_ns = boundaries.pop(0)
                yield from self._due(waiting, at_ns)
                for topic in self._static:
                    self._push(waiting, self._static_event(topic, at_ns))
            yield from self._due(waiting, event.play_ns, before=True)
            self._offset_ns = event.clock_ns - event.play_ns
            for outgoing in self._treat(event):
                self._push(waiting, outgoing)
            yield from self._due(waiting, event.play_ns)
        yield from self._due(waiting, None)

    def _push(self, waiting: list[tuple[int, int, Event]], event: Event) -> None:
        self._order += 1
        heapq.heappush(waiting, (event.play_ns, self._order, event))

    def _due(self, waiting: list[tuple[int, int, Event]], until_ns: int | None, *, before: bool = False) -> Iterator[Event]:
        """What has to go out until a time of play (before it), all for None."""
        while waiting and (until_ns is None or waiting[0][0] < until_ns or (waiting[0][0] == until_ns and not before)):
            event = heapq.heappop(waiting)[2]
            yield replace(event, clock_ns=event.play_ns + self._offset_ns - self._back_ns(event.play_ns))

    def _active(self, play_ns: int, *names: str) -> list[Fault]:
        return [fault for fault in self._faults if fault.fault in names and fault.active(play_ns)]

    def _back_ns(self, play_ns: int) -> int:
        return sum(round(fault.seconds * 1e9) for fault in self._active(play_ns, "clock_back"))

    def _treat(self, event: Event) -> Iterable[Event]:
        if event.topic == SCENE_TOPIC:
            self._static.clear()
        if is_static(event.topic, event.kind):
            return self._follow_static(event)
        if not self._faults:
            return [event]
        outgoing = self._transforms(event) if event.kind == TF else self._sensor(event)
        back_ns = self._back_ns(event.play_ns)
        return [self._moved(out, -back_ns) for out in outgoing] if back_ns else outgoing

    # --- transforms

    @staticmethod
    def _touches_static(fault: Fault) -> bool:
        return fault.fault == "decalibrate" or (fault.fault == "tf_missing" and bool(fault.sensors))

    def _follow_static(self, event: Event) -> list[Event]:
        """Several publishers may each have sent a part; one publisher that keeps its last message must send the whole."""
        for message in self._codec.decode(TF, event.data).transforms:
            transform = transform_from_msg(message)
            self._static.setdefault(event.topic, {})[transform.child] = transform
        return [self._static_event(event.topic, event.play_ns)]

    def _static_event(self, topic: str, play_ns: int) -> Event:
        missing = {name for fault in self._active(play_ns, "tf_missing") for name in fault.sensors}
        stamp_ns = play_ns + self._offset_ns - self._back_ns(play_ns)
        sent = [replace(self._turned(transform, play_ns), stamp_ns=stamp_ns) for child, transform in self._static[topic].items()
                if not missing & self._at(child)]
        return Event(play_ns, stamp_ns, topic, TF, self._codec.encode(TF, tf_msg(self._codec.make, sent)))

    def _at(self, frame: str) -> set[str]:
        """The sensors in a frame."""
        return self._carried.get(frame.lstrip("/"), set())

    def _turned(self, transform: Transform, play_ns: int) -> Transform:
        carried = self._at(transform.child)
        yaw = math.radians(sum(fault.yaw_deg for fault in self._active(play_ns, "decalibrate") if carried & set(fault.sensors)))
        if not yaw:
            return transform
        c, s = math.cos(yaw / 2), math.sin(yaw / 2)
        w, x, y, z = transform.rotation_wxyz
        return replace(transform, rotation_wxyz=(c * w - s * z, c * x - s * y, c * y + s * x, c * z + s * w))

    def _transforms(self, event: Event) -> list[Event]:
        if any(not fault.sensors for fault in self._active(event.play_ns, "tf_missing")):
            return []
        delay_ns = sum(round(fault.ms * 1e6) for fault in self._active(event.play_ns, "tf_delay"))
        floods = self._active(event.play_ns, "flood")
        copies = [event, *(self._moved(self._shifted(event, shift), shift) for fault in floods[:1] for shift in _shifts(fault))]
        return [self._shifted(copy, delay_ns) for copy in copies] if delay_ns else copies

    # --- sensors

    def _sensor(self, event: Event) -> list[Event]:
        owners = self._owners.get(event.topic, set())
        faults = [fault for fault in self._faults if owners & set(fault.sensors)]
        if not faults:
            return [event]
        reading = event.kind in READINGS
        active = [fault for fault in faults if fault.active(event.play_ns)]
        kinds = {fault.fault for fault in active}
        if reading and any(fault.fault == "freeze" for fault in faults):
            event = self._freeze(event, "freeze" in kinds)
        if "drop" in kinds or ("no_info" in kinds and event.kind == CAMERA_INFO):
            return []
        for fault in active:
            if event.kind in DAMAGE.get(fault.fault, ()):
                event = replace(event, data=damaged(fault, event.kind, event.data, self._codec))
        outgoing = [event]
        for fault in active:
            if fault.fault == "flood" and event.kind in _FLOODED:
                outgoing += [self._copy(event, number, shift) for number, shift in enumerate(_shifts(fault), 1)]
        delay_ns = sum(round(fault.ms * 1e6) for fault in active if fault.fault == "delay")
        return [self._shifted(out, delay_ns) for out in outgoing] if delay_ns else outgoing

    def _freeze(self, event: Event, active: bool) -> Event:
        if not active or event.topic not in self._frozen:
            self._frozen[event.topic] = event
            return event
        return replace(event, data=restamped(self._frozen[event.topic].data, stamp_of(event.data)))

    def _copy(self, event: Event, number: int, shift_ns: int) -> Event:
        data = varied(event.kind, event.data, number, self._codec) if event.kind in READINGS else event.data
        return self._moved(self._shifted(replace(event, data=data), shift_ns), shift_ns)

    @staticmethod
    def _shifted(event: Event, by_ns: int) -> Event:
        """Sent later."""
        return replace(event, play_ns=event.play_ns + by_ns)

    def _moved(self, event: Event, by_ns: int) -> Event:
        """With another stamp."""
        if event.kind in STAMPED:
            return replace(event, data=restamped(event.data, stamp_of(event.data) + by_ns))
        if event.kind != TF:
            return event
        transforms = [transform_from_msg(message) for message in self._codec.decode(TF, event.data).transforms]
        moved = [replace(transform, stamp_ns=transform.stamp_ns + by_ns) for transform in transforms]
        return replace(event, data=self._codec.encode(TF, tf_msg(self._codec.make, moved)))


def _shifts(fault: Fault) -> list[int]:
    return [round(number * fault.spacing_ms * 1e6) for number in range(1, fault.times)]
