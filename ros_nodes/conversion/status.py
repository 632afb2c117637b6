"""What the sensors do and what an answer rests on, as diagnostics."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ros_nodes.conversion.factories import Make
from ros_nodes.conversion.frames import header_msg

OK, WARN, ERROR, STALE = 0, 1, 2, 3
"""Levels of a `diagnostic_msgs/DiagnosticStatus`."""

_LEVEL = {"ok": OK, "late": WARN, "frozen": ERROR, "missing": ERROR, "invalid": ERROR, "uncalibrated": ERROR}
_USED = "sensors used"


def status_msg(make: Make, *, name: str, level: int, message: str, values: Mapping[str, object], hardware_id: str = "") -> Any:
    """`diagnostic_msgs/DiagnosticStatus`; floats are written with six digits, unknown ones (NaN, None) as "unknown"."""
    return make("diagnostic_msgs/msg/DiagnosticStatus", {
        "level": level, "name": name, "message": message, "hardware_id": hardware_id,
        "values": [make("diagnostic_msgs/msg/KeyValue", {"key": key, "value": _text(value)}) for key, value in values.items()]})


def diagnostics_msg(make: Make, reports: Mapping[str, Any], *, stamp_ns: int, node: str, extra: Sequence[Any] = ()) -> Any:
    """`diagnostic_msgs/DiagnosticArray` with one status per sensor, named `<node>: <sensor>`.

    Args:
        make: see `Make`.
        reports: sensor -> `fusion.sensors.health.SensorReport`.
        stamp_ns: of the report.
        node: name of the node.
        extra: further statuses, as from `status_msg`.
    """
    statuses = [_sensor_status(make, f"{node}: {name}", name, report) for name, report in reports.items()]
    return make("diagnostic_msgs/msg/DiagnosticArray", {"header": header_msg(make, stamp_ns, ""), "status": [*statuses, *extra]})


def _sensor_status(make: Make, name: str, sensor: str, report: Any) -> Any:
    state = str(getattr(report.state, "value", report.state))
    values = {"state": state, "rate_hz": report.rate_hz, "age_s": report.age_s, "skew_s": report.skew_s, "latency_ms": report.latency_ms,
              "latency_worst_ms": report.latency_worst_ms, "received": report.received, "dropped": report.dropped}
    return status_msg(make, name=name, level=_LEVEL.get(state, ERROR), message=f"{state}: {report.reason}" if report.reason else state,
                      values=values, hardware_id=sensor)


def sensors_used_msg(make: Make, *, stamp_ns: int, used: Sequence[str], missing: Mapping[str, str], skew_ns: Mapping[str, int],
                     stages_ms: Mapping[str, float], node: str, frame_id: str = "") -> Any:
    """`diagnostic_msgs/DiagnosticArray` with an answer's stamp: the sensors that it rests on, and what it took.

    Args:
        make: see `Make`.
        stamp_ns: of the answer; matches it with the detections.
        used: sensors that the answer rests on.
        missing: other sensors -> why they are not in it.
        skew_ns: sensor -> its stamp minus the answer's.
        stages_ms: stage -> milliseconds.
        node: name of the node.
        frame_id: of the detections.
    """
    level = ERROR if not used else WARN if missing else OK
    rests = f"rests on {len(used)} of {len(used) + len(missing)} sensors"
    statuses = [
        status_msg(make, name=f"{node}: {_USED}", level=level, message=rests,
                   values={name: f"used, skew {1e-6 * skew_ns.get(name, 0):.3f} ms" for name in used} | dict(missing)),
        status_msg(make, name=f"{node}: stages", level=OK, message="milliseconds of each stage", values=stages_ms),
    ]
    return make("diagnostic_msgs/msg/DiagnosticArray", {"header": header_msg(make, stamp_ns, frame_id), "status": statuses})


def sensors_used_from_msg(message: Any) -> tuple[str, ...]:
    """Names of the sensors that an answer rests on, from the message that `sensors_used_msg` made."""
    return tuple(str(value.key) for status in message.status if status.name.endswith(f": {_USED}")
                 for value in status.values if value.value.startswith("used"))


def sensor_states_from_msg(message: Any, node: str) -> dict[str, str]:
    """Sensor -> state, from the message that `diagnostics_msg` made; empty for another node's."""
    states: dict[str, str] = {}
    for status in message.status:
        prefix, _, sensor = str(status.name).rpartition(": ")
        if prefix == node and (state := str(status.message).partition(":")[0]) in _LEVEL:
            states[sensor] = state
    return states


def _text(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "unknown"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
