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
from ros_nodes.player_sensors import PlayedSensor
from ros_nodes.player_topics import CLOUD, COMPRESSED, IMAGE

FaultName = Literal["drop", "freeze", "delay", "corrupt", "wrong_size", "wrong_encoding", "wrong_step", "nan_points", "no_info", "intrinsics",
                    "decalibrate", "flood", "tf_delay", "tf_missing", "clock_back"]

FAULTS: dict[FaultName, str] = {
    "drop": "nothing of the sensor is sent",
    "freeze": "images or clouds repeat the last one before, with new stamps",
    "delay": "everything of the sensor comes `ms` later, with its own stamp",
    "corrupt": "images and clouds are cut in half (`mode: truncate`) or overwritten with noise (`mode: noise`)",
    "wrong_size": "images have half their size, against their calibration; clouds claim twice their points",
    "wrong_encoding": "images name the encoding or format `encoding`; the fields of clouds have names that nobody reads",
    "wrong_step": "raw images and clouds claim twice the bytes for each row or point",
    "nan_points": "no point of a cloud has a position: all are NaN",
    "no_info": "no camera_info",
    "intrinsics": "camera_info claims focal lengths `factor` times as long",
    "decalibrate": "the sensor is turned by `yaw_deg` about the vehicle's upward axis (z of its parent frame) in /tf_static",
    "flood": "every message is sent `times` times, `spacing_ms` apart, with advancing stamps and slightly different content",
    "tf_delay": "/tf comes `ms` later",
    "tf_missing": "no /tf; with a sensor: its transform is not in /tf_static",
    "clock_back": "the clock and all stamps jump back by `seconds`, and forward again at `to_s`",
}
"""Name -> what it does."""

CONCERNS: dict[str, tuple[str, ...]] = {
    "no_info": (IMAGE, COMPRESSED), "intrinsics": (IMAGE, COMPRESSED), "wrong_step": (IMAGE, CLOUD), "nan_points": (CLOUD,)}
"""Faults of those sensors alone that send one of these types."""

_WITHOUT_SENSOR = ("tf_delay", "clock_back")
_PARAMETERS: dict[str, tuple[str, ...]] = {
    "delay": ("ms",), "corrupt": ("mode",), "wrong_encoding": ("encoding",), "intrinsics": ("factor",), "decalibrate": ("yaw_deg",),
    "flood": ("times", "spacing_ms"), "tf_delay": ("ms",), "clock_back": ("seconds",)}
_REQUIRED = ("ms", "yaw_deg", "factor", "seconds")
_COMMON = ("fault", "from_s", "to_s")
ALL = "all"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One line of a script.

    Attributes:
        fault: what happens, see `FAULTS`.
        sensors: names as the recording has them; empty where the fault concerns none in particular.
        from_s, to_s: when, in seconds of play at rate 1 since the start, over scenes and loops; `to_s` is not in it.
        ms, seconds, yaw_deg, factor, times, spacing_ms, mode, encoding: see `FAULTS`; an empty encoding stands for one that does not fit.
    """

    fault: FaultName
    sensors: tuple[str, ...] = ()
    from_s: float = 0.0
    to_s: float = math.inf
    ms: float = 0.0
    seconds: float = 0.0
    yaw_deg: float = 0.0
    factor: float = 1.0
    times: int = 3
    spacing_ms: float = 15.0
    mode: str = "truncate"
    encoding: str = ""

    def active(self, play_ns: int) -> bool:
        """Whether it is in force at a time of play."""
        from_ns, to_ns = self.bounds_ns
        return from_ns <= play_ns and (to_ns is None or play_ns < to_ns)

    @property
    def bounds_ns(self) -> tuple[int, int | None]:
        """From and to when in whole nanoseconds, as times of play are; None: to the end."""
        return round(self.from_s * 1e9), None if math.isinf(self.to_s) else round(self.to_s * 1e9)


def load_faults(path: str | Path, sensors: Mapping[str, PlayedSensor]) -> tuple[Fault, ...]:
    """Read a script: a YAML list such as `- {sensor: CAM_FRONT, fault: delay, ms: 150, from_s: 2, to_s: 6}`.

    Args:
        path: the file.
        sensors: of the recording; `sensor` is the name of one in any case, one of its topics, a list of these, or `all`.

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


def parse_fault(record: object, sensors: Mapping[str, PlayedSensor], where: str) -> Fault:
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


def _sensors(fault: str, given: object, sensors: Mapping[str, PlayedSensor], where: str) -> tuple[str, ...]:
    known = {name: sensor for name, sensor in sensors.items() if fault not in CONCERNS or sensor.sends(CONCERNS[fault])}
    if given is None and fault in (*_WITHOUT_SENSOR, "tf_missing"):
        return ()
    if not known:
        raise UserError(f"{where}: the recording has no sensor that it could concern")
    if given is None:
        raise UserError(f"{where}: sensor is missing; expected one of {', '.join(known)}, or all")
    if given == ALL:
        return tuple(known)
    by_word: dict[str, list[str]] = {}  # a name in lower case, or a topic as it is -> sensors
    for name, sensor in known.items():
        for word in dict.fromkeys((name.lower(), *sensor.topics)):
            by_word.setdefault(word, []).append(name)
    found: list[str] = []
    for word in map(str, given if isinstance(given, list) else [given]):
        found += by_word.get(word) or by_word[_one_of(word.lower(), [name.lower() for name in known], f"{where}: sensor")]
    return tuple(dict.fromkeys(found))


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
    positive = key in ("ms", "seconds", "spacing_ms", "factor")
    if not number or cast(float, value) < least or (positive and not 0 < cast(float, value) < math.inf) or (key != "to_s" and value == math.inf):
        raise UserError(f"{where}: {key} {value!r}; expected a {'positive ' if positive else ''}number{' >= 0' if key == 'from_s' else ''}")
    return float(cast(float, value))


def _one_of(value: object, known: Sequence[str], where: str) -> str:
    if value not in known:
        close = difflib.get_close_matches(str(value), known, n=1)
        raise UserError(f"{where} {value!r}: unknown; " + (f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(known)}"))
    return str(value)
