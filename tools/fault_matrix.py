"""Play every fault of every sensor at a running fusion node, over DDS, and print what became of it as a table.

    python tools/fault_matrix.py --dataroot data/nuscenes --version v1.0-mini --scene scene-0103 [--own-rates --transport compressed]

A cell is green if the node answers on while the fault lasts, by its deadline beside what the network takes, no answer rests on a dead sensor,
/diagnostics says what is wrong with it (missing, frozen, invalid, uncalibrated; late where readings come later than max_age_ms, whether or not
answers rest on them) and ok after, and two sweeps after its end every sensor is in the answers again; where a mounting or a lens changes, the
boxes must be those that the files give with the same change. The exit code is 1 if a cell is red. A cell shows how old its last answer in time
was, without the network's share. Rows beside those of sensors: transforms late, flood, clock jumping back, node killed and restarted, lifecycle
cycled. About eleven minutes with a drive of 20 s at --rate 1. Keyframes alone are played, two a second, and the flood at 3x is of these: six
messages a second of each sensor, three in 30 ms each time, for four keyframes.

With --own-rates cameras play at 12 Hz and the LiDAR at 20 Hz, more than the network can answer, so that every answer is judged by its own stamp:
none during the fault rests on a sensor whose readings near it are all the fault's, none is later after the one before than the calm ones and the
node's own waits make it, and each from two sweeps after the sensor's first sound reading on rests on all that have a reading for it. A cell shows
the longest time between two answers. Boxes are not compared. Six raw images at 12 Hz take a core to play: on few cores, play JPEGs, at --rate 0.5.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from fusion.cli.names import split_names
from fusion.data.open import open_source
from fusion.errors import UserError
from fusion.evaluate.markdown import aligned
from fusion.files import write_text
from fusion.runtime.backends.open import open_backend
from fusion.runtime.perceiver import Perceiver
from ros_nodes.environment import prepare, ros_available


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataroot", type=Path, required=True, help="a data set in nuScenes' format, recorded or simulated")
    parser.add_argument("--version", default="v1.0-mini", help="table folder (default: %(default)s)")
    parser.add_argument("--scene", help="name of the scene to play (default: the first)")
    parser.add_argument("--model", default="nano", help="shipped weights by name, or a .safetensors file (default: %(default)s)")
    parser.add_argument("--transport", choices=("raw", "compressed"), default="raw", help="of the images (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=1.0, help="of the player (default: %(default)s)")
    parser.add_argument("--own-rates", action="store_true", help="play readings between keyframes too, 12 images and 20 clouds a second; where "
                        "the data root has none, copies of the keyframes that differ in a few bits")
    parser.add_argument("--rows", help="titles of rows, comma-separated (default: all)")
    parser.add_argument("--cycles", type=int, default=50, help="how often the lifecycle is cycled, and up to three times as "
                        "often while its memory seems to grow (default: %(default)s; 0: not)")
    parser.add_argument("--verbose", action="store_true", help="show the output of the nodes")
    parser.add_argument("--out", type=Path, help="also write the table to this Markdown file, and the nodes' output beside it")
    args = parser.parse_args()
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")  # a matrix of faults is no business of other machines
    prepare()
    reason = ros_available()
    if reason is not None:
        print(f"fault_matrix: error: {reason}", file=sys.stderr)
        return 2
    from ros_nodes.conversion import DETECTION_TYPE, message_available
    from ros_nodes.lifecycle_client import TransitionFailed
    from ros_nodes.matrix.cells import Cell, plan_cells
    from ros_nodes.matrix.filled_root import filled_between
    from ros_nodes.matrix.offline import Offline, judge_boxes
    from ros_nodes.matrix.own_rates import Rhythm, judge_at_rates
    from ros_nodes.matrix.runner import DEADLINE_MS, Drive, Runner
    from ros_nodes.matrix.told import Told
    from ros_nodes.matrix.verdict import Seen, Verdict, judge

    rows = split_names(args.rows) if args.rows else None
    lines: list[str] = []
    stack = ExitStack()
    try:
        drive = Drive.of(args.dataroot, args.version, args.scene)
        if args.own_rates:
            filled = stack.enter_context(filled_between(drive.dataroot, drive.version, drive.scene))
            drive = Drive.of(filled, drive.version, drive.scene, sweeps=True)
        special = [] if rows else ["node killed and restarted", *([f"lifecycle cycled {args.cycles} times"] if args.cycles else [])]
        running, fresh = plan_cells(drive.sensors, drive.cameras, len(drive.stamps_ns), rows, args.transport)
        results: dict[tuple[str, str], Verdict] = {}
        compared: list[tuple[Cell, list[Seen]]] = []

        def judged(cell: Cell, answers: list[Seen], told: list[Told]) -> Verdict:
            if args.own_rates:
                rhythm = Rhythm(readings_ns=drive.readings_ns, deadline_ms=DEADLINE_MS)
                return judge_at_rates(cell, drive.stamps_ns, rhythm, answers, told=told, rate=args.rate)
            return judge(cell, drive.stamps_ns, drive.sensors, answers, told=told, deadline_ms=DEADLINE_MS, rate=args.rate)

        def note(cell: Cell, verdict: Verdict) -> None:
            results[cell.kind.title, cell.sensor] = verdict
            print(f"{'green' if verdict.ok else 'RED':5s} {cell.kind.title}: {cell.sensor}: {verdict.text}", file=sys.stderr, flush=True)

        def show(name: str, line: str) -> None:
            lines.append(f"[{name}] {line}")
            if args.verbose:
                print(lines[-1], file=sys.stderr, flush=True)

        with Runner(drive, model=args.model, transport=args.transport, rate=args.rate, show=show) as runner:
            for plan, forget in ((running, False), (fresh, True)):
                if plan.passes:
                    try:
                        answers, told = runner.play(plan, forget=forget)
                    except (TransitionFailed, OSError) as error:  # a node that died or hangs: what it would have done is red, the table comes
                        for cell in plan.cells:
                            note(cell, Verdict(ok=False, text=f"not played: {error}"))
                        continue
                    for cell in plan.cells:
                        note(cell, judged(cell, answers, told))
                        if cell.kind.boxes and not args.own_rates and results[cell.kind.title, cell.sensor].ok:
                            compared.append((cell, answers))
            for title in special:
                try:
                    verdict = runner.killed_and_restarted() if "killed" in title else runner.cycled(args.cycles)
                except (TransitionFailed, OSError) as error:
                    verdict = Verdict(ok=False, text=f"not done: {error}")
                results[title, "rig"] = verdict
                print(f"{'green' if verdict.ok else 'RED':5s} {title}: {verdict.text}", file=sys.stderr, flush=True)
            if runner.node.exit_code() is not None:
                results["the node lives to the end", "rig"] = Verdict(ok=False, text=f"exit code {runner.node.exit_code()}")
        if compared and message_available(DETECTION_TYPE):  # now that nothing runs that an own network would disturb
            source = open_source(drive.dataroot, drive.version, [drive.scene])
            offline = Offline(source, drive.scene, Perceiver(open_backend(args.model)))
            for cell, answers in compared:
                note(cell, judge_boxes(cell, drive.stamps_ns, answers, offline.rows))
        elif compared:
            for cell, _ in compared:
                note(cell, Verdict(ok=True, text=f"{results[cell.kind.title, cell.sensor].text}; boxes not compared without {DETECTION_TYPE}"))
    except (UserError, ValueError) as error:
        print(f"fault_matrix: error: {error}", file=sys.stderr)
        return 2
    finally:
        stack.close()
    table = _table(results, drive.sensors)
    red = sum(not verdict.ok for verdict in results.values())
    rates = " at the sensors' own rates" if args.own_rates else ""
    summary = f"{len(results)} cells, {red} red; {drive.scene}, {args.transport} images{rates}, rate {args.rate:g}, model {args.model}"
    print(f"{table}\n\n{summary}")
    if args.out:
        write_text(args.out, f"{table}\n\n{summary}\n")
        write_text(args.out.with_suffix(".log"), "\n".join(lines) + "\n")
    return 1 if red else 0


def _table(results: Mapping[tuple[str, str], Any], sensors: Sequence[str]) -> str:
    """Rows are faults, columns sensors and the rig."""
    titles = list(dict.fromkeys(title for title, _ in results))
    columns = [name for name in (*sensors, "rig") if any((title, name) in results for title in titles)]
    cells = [["fault", *columns]]
    for title in titles:
        verdicts = [results.get((title, name)) for name in columns]
        cells.append([title, *("" if v is None else v.text if v.ok else f"RED: {v.text}" for v in verdicts)])
    return aligned(cells)


if __name__ == "__main__":
    sys.exit(main())
