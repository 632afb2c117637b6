"""The page's tables: scores by sensor state, and times by stage."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from fusion.demo.story import Story
from fusion.evaluate.by_state import StateScore


def scores_html(story: Story) -> str:
    """States in columns; counts, official means and AP per class in rows, each cell with a bar."""
    scores = story.scores
    counts = scores[0].evaluation.ground_truth
    present = sum(1 for count in counts.values() if count)
    head = "".join(f'<th scope="col">{escape(s.answers.state.title)}</th>' for s in scores)
    shares = [story.found[s.answers.state.name] for s in scores]
    rows = [_row("objects found", str(shares[0].objects), [(f"{f.share:.0%}", f.share) for f in shares], "main"),
            _row("false alarms per keyframe", "", [(f"{f.false_alarms / max(1, len(story.frames)):.1f}", None) for f in shares])]
    official = [_row("mAP", str(sum(counts.values())), [_value(s.mean_ap) for s in scores], "main"),
                _row("NDS", "", [_value(s.nd_score) for s in scores], "main")]
    if present < len(counts):
        official.append(_row(f"mAP of the {present} classes present", "", [_value(s.mean_ap_present) for s in scores]))
    classes = [_row(f"AP {name.replace('_', ' ')}", str(count) if count else "none", [_value(s.class_ap[name]) for s in scores],
                    "" if count else "none") for name, count in counts.items()]
    bodies = "".join(f"<tbody>\n{chr(10).join(body)}\n</tbody>\n" for body in (rows, official, classes))
    return f'<table class="even">\n<thead><tr><th scope="col">state</th><th scope="col">objects</th>{head}</tr></thead>\n{bodies}</table>'


def timing_html(scores: Sequence[StateScore]) -> str:
    """Median and 95th percentile of every stage with all sensors, and of the whole answer in every state."""
    rows = []
    for name, times in scores[0].answers.timer.summary().items():
        if name != "total":
            rows.append(_times(name, times))
    totals = [_times(f"answer, {s.answers.state.title}", s.answers.timer.summary()["total"], "main" if i == 0 else "")
              for i, s in enumerate(scores) if s.answers.timer.summary()]
    bodies = "".join(f"<tbody>\n{chr(10).join(body)}\n</tbody>\n" for body in (rows, totals))
    return ('<table>\n<thead><tr><th scope="col">stage, every sensor</th><th scope="col">median ms</th><th scope="col">p95 ms</th></tr></thead>\n'
            f"{bodies}</table>")


def _times(name: str, times: dict[str, float], kind: str = "") -> str:
    return (f'<tr class="{kind}"><th scope="row">{escape(name)}</th><td>{times["median_ms"]:.0f}</td><td>{times["p95_ms"]:.0f}</td></tr>')


def _row(name: str, count: str, values: Sequence[tuple[str, float | None]], kind: str = "") -> str:
    cells = "".join(f"<td>{text}</td>" if share is None else f'<td class="value" style="--v:{min(max(share, 0.0), 1.0):.3f}">{text}</td>'
                    for text, share in values)
    return f'<tr class="{kind}"><th scope="row">{escape(name)}</th><td>{count}</td>{cells}</tr>'


def _value(score: float | None) -> tuple[str, float | None]:
    return ("-", None) if score is None else (f"{score:.3f}", score)
