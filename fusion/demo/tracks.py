"""The strip below the player: which sensor was alive when, and how many objects were found."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from fusion.demo.recorder import Frame
from fusion.demo.schedule import Phase


def tracks_html(sensors: Sequence[str], phases: Sequence[Phase], frames: Sequence[Frame]) -> str:
    """Rows of name and bar on one time axis, a keyframe an equal share of the width."""
    spans = [(phase, sum(1 for f in frames if f.phase == i)) for i, phase in enumerate(phases)]
    spans = [(phase, count) for phase, count in spans if count]
    titles = "".join(f'<span class="title" style="flex:{count}">{escape(phase.title)}</span>' for phase, count in spans)
    rows = [f'<div class="name"></div><div class="bar">{titles}</div>']
    for sensor in sensors:
        bar = "".join(_span(sensor in phase.state.lost, count) for phase, count in _merged(spans, sensor))
        rows.append(f'<div class="name">{escape(sensor)}</div><div class="bar">{bar}</div>')
    most = max(1, *(max(f.found.objects, f.found.false_alarms) for f in frames))
    names = ('<span class="key objects">objects</span><span class="key found">found</span><span class="key alarms">false alarms</span>'
             f'<span>scale: 0 to {most}</span>')
    rows.append(f'<div class="plot-name">{names}</div><div class="plot">{_plot(frames, most)}</div>')
    return "\n".join(rows)


def _merged(spans: Sequence[tuple[Phase, int]], sensor: str) -> list[tuple[Phase, int]]:
    """Neighbouring stretches in which the sensor fares alike, as one."""
    merged: list[tuple[Phase, int]] = []
    for phase, count in spans:
        if merged and (sensor in merged[-1][0].state.lost) == (sensor in phase.state.lost):
            merged[-1] = (merged[-1][0], merged[-1][1] + count)
        else:
            merged.append((phase, count))
    return merged


def _span(lost: bool, count: int) -> str:
    return f'<span class="dead" style="flex:{count}">lost</span>' if lost else f'<span class="ok" style="flex:{count}" title="alive"></span>'


def _plot(frames: Sequence[Frame], most: int) -> str:
    """An SVG stretched over the row: one unit across a keyframe, one unit up an object."""
    found, objects, alarms = ([getattr(f.found, name) for f in frames] for name in ("found", "objects", "false_alarms"))
    area = f"M0 {most} {_steps(found, most)} L{len(frames)} {most} Z"
    label = (f"Objects found: {sum(found)} of {sum(objects)} over the drive as shown, with {sum(alarms)} false alarms")
    return (f'<svg viewBox="0 0 {len(frames)} {most}" preserveAspectRatio="none" role="img" aria-label="{label}">'
            f'<path class="found" d="{area}"/><path class="objects" d="M{_steps(objects, most)[1:]}"/>'
            f'<path class="alarms" d="M{_steps(alarms, most)[1:]}"/></svg>')


def _steps(values: Sequence[int], most: int) -> str:
    """`Lx y` points of a step line, first point first."""
    return " ".join(f"L{i} {most - v} L{i + 1} {most - v}" for i, v in enumerate(values))
