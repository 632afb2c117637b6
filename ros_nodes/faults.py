"""Fault scripts: what to do to which sensor, from when to when."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import yaml

from fusion.errors import UserError
from ros_nodes.player_topics import frame_of

FaultName = Literal["drop", "freeze", "delay", "corrupt", "wrong_size", "wrong_encoding", "no_info", "decalibrate", "flood", "tf_delay",
                    "tf_missing", "clock_back"]

FAULTS: dict[FaultName, str] = {
    "drop": "nothing of the sensor is sent",
    "freeze": "images or clouds repeat the last one before, with new stamps",
    "delay": "everything of the sensor comes `ms` later, with its own stamp",
    "corrupt": "images and clouds are cut in half (`mode: truncate`) or overwritten with noise (`mode: noise`)",
    "wrong_size": "images have half their size, against their calibration; clouds claim twice their points",
    "wrong_encoding": "images name the encoding or format `encoding`; the fields of clouds have names that nobody reads",
    "no_info": "no camera_info",
    "decalibrate": "the sensor is turned by `yaw_deg` about the vehicle's upward axis in /tf_static",
    "flood": "every message is sent `times` times, `spacing_ms` apart, with advancing stamps and slightly different content",
    "tf_delay": "/tf comes `ms` later",
    "tf_missing": "no /tf; with a sensor: its transform is not in /tf_static",
    "clock_back": "the clock and all stamps jump back by `seconds`, and forward again at `to_s`",
}
"""Name -> what it does."""

_WITHOUT_SENSOR = ("tf_delay", "clock_back")
_PARAMETERS: dict[str, tuple[str, ...]] = {"delay": ("ms",), "corrupt": ("mode",), "wrong_encoding": ("encoding",), "decalibrate": ("yaw_deg",),
                                           "flood": ("times", "spacing_ms"), "tf_delay": ("ms",), "clock_back": ("seconds",)}
_REQUIRED = ("ms", "yaw_deg", "seconds")
_COMMON = ("fault", "from_s", "to_s")
ALL = "all"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One line of a script.

    Attributes:
        fault: what happens, see `FAULTS`.
        sensors: names in lower case; empty where the fault concerns none in particular.
        from_s, to_s: when, in seconds of play at rate 1 since the start, over scenes and loops; `to_s` is not in it.
        ms, seconds, yaw_deg, times, spacing_ms, mode, encoding: see `FAULTS`; an empty encoding stands for one that does not fit.
    """

    fault: FaultName
    sensors: tuple[str, ...] = ()
    from_s: float = 0.0
    to_s: float = math.inf
    ms: float = 0.0
    seconds: float = 0.0
    yaw_deg: float = 0.0
    times: int = 3
    spacing_ms: float = 15.0
    mode: str = "truncate"
    encoding: str = ""

    def active(self, play_ns: int) -> bool:
        """Whether it is in force at a time of play."""
        return self.from_s * 1e9 <= play_ns < self.to_s * 1e9


def load_faults(path: str | Path, sensors: Mapping[str, str]) -> tuple[Fault, ...]:
    """Read a script: a YAML list such as `- {sensor: CAM_FRONT, fault: delay, ms: 150, from_s: 2, to_s: 6}`.

    Args:
        path: the file.
        sensors: of the recording, name -> "camera" or "lidar"; `sensor` is one of them in any case, a list of them, or `all`.

    Raises:
        UserError: an unreadable file, an unknown fault, sensor or key, or an impossible value.
    """
    try:
        records = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); expected a YAML list of faults") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not readable as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(records, list):
        raise UserError(f"{path}: expected a list of faults, got {type(records).__name__}")
    return tuple(parse_fault(record, sensors, f"{path}: fault {number}") for number, record in enumerate(records, 1))


def parse_fault(record: object, sensors: Mapping[str, str], where: str) -> Fault:
    """One entry of a script; UserError starting with `where` for anything that is not right."""
    if not isinstance(record, dict) or "fault" not in record:
        raise UserError(f"{where}: expected a mapping with `fault`, got {record!r}")
    name = _one_of(record["fault"], list(FAULTS), f"{where}: fault")
    where = f"{where} ({name})"
    own = _PARAMETERS.get(name, ())
    allowed = [*_COMMON, *own, *(() if name in _WITHOUT_SENSOR else ("sensor",))]
    for key in record:
        _one_of(key, allowed, f"{where}: key")
    for key in own:
        if key in _REQUIRED and key not in record:
            raise UserError(f"{where}: {key} is missing")
    values: dict[str, Any] = {key: _value(key, record[key], where) for key in record if key not in ("fault", "sensor")}
    fault = Fault(fault=cast(FaultName, name), sensors=_sensors(name, record.get("sensor"), sensors, where), **values)
    if not fault.from_s < fault.to_s:
        raise UserError(f"{where}: from_s {fault.from_s:g} and to_s {fault.to_s:g}; expected from_s before to_s")
    return fault


def _sensors(fault: str, given: object, sensors: Mapping[str, str], where: str) -> tuple[str, ...]:
    known = {frame_of(name): kind for name, kind in sensors.items() if fault != "no_info" or kind == "camera"}
    if given is None:
        if fault in (*_WITHOUT_SENSOR, "tf_missing"):
            return ()
        raise UserError(f"{where}: sensor is missing; expected one of {', '.join(known)}, or all")
    if given == ALL:
        return tuple(known)
    names = given if isinstance(given, list) else [given]
    return tuple(dict.fromkeys(_one_of(frame_of(str(name)), list(known), f"{where}: sensor") for name in names))


def _value(key: str, value: object, where: str) -> object:
    if key == "mode":
        return _one_of(value, ["truncate", "noise"], f"{where}: mode")
    if key == "encoding":
        return str(value)
    number = isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
    if key == "times":
        if not number or not isinstance(value, int) or not 2 <= value <= 100:
            raise UserError(f"{where}: times {value!r}; expected a whole number from 2 to 100")
        return value
    least = {"from_s": 0.0, "yaw_deg": -math.inf}.get(key, 0.0)
    positive = key in ("ms", "seconds", "spacing_ms")
    if not number or cast(float, value) < least or (positive and not 0 < cast(float, value) < math.inf) or (key != "to_s" and value == math.inf):
        raise UserError(f"{where}: {key} {value!r}; expected a {'positive ' if positive else ''}number{' >= 0' if key == 'from_s' else ''}")
    return float(cast(float, value))


def _one_of(value: object, known: Sequence[str], where: str) -> str:
    if value not in known:
        close = difflib.get_close_matches(str(value), known, n=1)
        raise UserError(f"{where} {value!r}: unknown; " + (f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(known)}"))
    return str(value)
