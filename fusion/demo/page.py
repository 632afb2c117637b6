"""The demo's page: one HTML file that needs nothing but itself."""

from __future__ import annotations

import base64
import json
from html import escape
from pathlib import Path
from string import Template

from fusion.demo.recorder import BEV_PX, Frame
from fusion.demo.schedule import Phase
from fusion.demo.story import Story
from fusion.demo.tables import scores_html, timing_html
from fusion.demo.tracks import tracks_html
from fusion.hardware import hardware
from fusion.types import DETECTION_CLASSES
from fusion.viz.camera_mosaic import camera_grid
from fusion.viz.draw_boxes import class_color

ASSETS = Path(__file__).resolve().parent / "assets"


def page_html(story: Story) -> str:
    """The whole page as text."""
    first = story.frames[0]
    cameras, lidar = list(first.cameras), story.drive.source.sensors()[-1]
    asset = {name: (ASSETS / name).read_text(encoding="utf-8") for name in ("page.html", "style.css", "player.js")}
    return Template(asset["page.html"]).substitute(
        style=asset["style.css"], script=asset["player.js"], title=escape(story.headline()), headline=escape(story.headline()),
        lead=escape(f"{story.drive.origin[0].upper()}{story.drive.origin[1:]}. {story.explanation()}"), notice=_notice(story),
        columns=len(camera_grid(tuple(cameras))[0]), tiles="\n".join(_tile(name, first) for name in cameras),
        first_bev=_data_uri(first.bev), bev_px=BEV_PX, lidar=escape(lidar),
        first_bev_class=" lost" if lidar in story.phases[first.phase].state.lost else "",
        first_phase=escape(_phase_title(story.phases[first.phase])),
        first_found=first.found.found, first_objects=first.found.objects, first_alarms=first.found.false_alarms,
        first_used=escape(_used(first, story)), last=len(story.frames) - 1, frames_count=len(story.frames),
        tracks=tracks_html(story.drive.source.sensors(), story.phases, story.frames), legend=_legend(), score_note=escape(_score_note(story)),
        scores=scores_html(story), hardware=escape(_hardware(story)), timing=timing_html(story.scores), made=_made(story), next=_next(story),
        data=_data(story),
    )


def _data(story: Story) -> str:
    """What the player shows, as JSON that cannot end the script element it stands in."""
    frames = [{"time": round(f.time_s, 3), "phase": f.phase, "bev": _base64(f.bev), "used": _used(f, story), "found": f.found.found,
               "objects": f.found.objects, "alarms": f.found.false_alarms,
               "cameras": [None if image is None else _base64(image) for image in f.cameras.values()]} for f in story.frames]
    phases = [{"title": _phase_title(p), "lost": list(p.state.lost)} for p in story.phases]
    return json.dumps({"frames": frames, "phases": phases, "lidar": story.drive.source.sensors()[-1]}).replace("<", "\\u003c")


def _tile(name: str, frame: Frame) -> str:
    image = frame.cameras[name]
    source = "" if image is None else f' src="{_data_uri(image)}"'
    return (f'<figure data-camera="{escape(name)}"{"" if image is not None else " class=lost"}><img{source} alt="{escape(name)} with boxes">'
            f'<div class="gone">{escape(name)} lost<small>no image reaches the model</small></div></figure>')


def _notice(story: Story) -> str:
    if story.scores[0].answers.boxes and max(s.mean_ap for s in story.scores) < 0.01:
        return '<p class="notice">These weights detect next to nothing here: either they are untrained, or the data differ from all they know.</p>'
    return ""


def _phase_title(phase: Phase) -> str:
    return phase.title[0].upper() + phase.title[1:] + (f" ({', '.join(phase.state.lost)} lost)" if phase.state.lost else "")


def _used(frame: Frame, story: Story) -> str:
    cameras = [name for name in frame.used if name in frame.cameras]
    others = [name for name in frame.used if name not in frame.cameras]
    total = len(frame.cameras)
    parts = [f"{len(cameras)} of {total} cameras"] if cameras else []
    return " and ".join([*parts, *others]) or "no sensor"


def _legend() -> str:
    items = [f'<span><i style="background:rgb{class_color(name)}"></i>{name.replace("_", " ")}</span>' for name in DETECTION_CLASSES]
    return "".join([*items, '<span><i class="dash"></i>ground truth that counts</span>'])


def _score_note(story: Story) -> str:
    counts = story.scores[0].evaluation.ground_truth
    absent = [name.replace("_", " ") for name, count in counts.items() if not count]
    racked = story.found["both"].objects - sum(counts.values())
    note = f"The official count leaves out {racked} cycles that stand in racks. " if racked > 0 else ""
    if not absent:
        return f"{note}AP is the mean of the four distance thresholds."
    return (f"{note}No object that counts of: {', '.join(absent)}. The official means count such a class as AP 0 and full errors, so they are lower "
            "on one short drive than on a data set.")


def _hardware(story: Story) -> str:
    facts = hardware()
    where = facts["gpu"] or f"{facts['cpu']}, {facts['cpus']} cores"
    return (f"Measured while this page was made, on {where} ({facts['torch_threads']} threads, {facts['instructions']}, torch {facts['torch']}), "
            "reading files and drawing not counted.")


def _made(story: Story) -> str:
    items = [("this page", story.command)] + ([("its drive", story.drive.command)] if story.drive.command else [])
    items += [("the scores, again", f"python tools/score_states.py --model {story.model} --dataroot {story.drive.dataroot} "
                                    f"--version {story.drive.version} --scenes {story.drive.scene} --out out/states")]
    listed = "".join(f"<dt>{escape(name)}</dt><dd><pre>{escape(command)}</pre></dd>" for name, command in items)
    took = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in story.took_s.items())
    return (f'<dl class="made">{listed}</dl><p>Weights: <code>{escape(story.model)}</code>. {escape(story.drive.origin[0].upper())}'
            f"{escape(story.drive.origin[1:])}. It took: {took}.</p>")


def _next(story: Story) -> str:
    where = f"--dataroot {story.drive.dataroot} --version {story.drive.version} --scenes {story.drive.scene} --model {story.model}"
    dead = ",".join(next(p.state.lost for p in story.phases if p.state.name == "camera_and_lidar_lost"))
    items = [("another world, at night", f"bevduet demo --seed {23 if story.seed != 23 else 404} --weather night"),
             ("the same on real data (Mini of nuscenes.org)", "bevduet demo --dataroot data/nuscenes --version v1.0-mini --scene scene-0103"),
             ("kill the sensors you choose", f"bevduet perceive {where} --drop {dead} --out out/broken"),
             ("make a data set and train on it", "bevduet simulate --out data/sim --scenes 50 --seed 1 --image-scale 0.25\n"
                                                 "bevduet train --config nano --dataroot data/sim --version v1.0-sim --out runs/mine\n"
                                                 "bevduet demo --model runs/mine/model.safetensors")]
    return '<dl class="made">' + "".join(f"<dt>{escape(name)}</dt><dd><pre>{escape(command)}</pre></dd>" for name, command in items) + "</dl>"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _data_uri(webp: bytes) -> str:
    return f"data:image/webp;base64,{_base64(webp)}"
