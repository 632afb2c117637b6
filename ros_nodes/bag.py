"""`bevduet bag`: a data root as an MCAP bag, and back. Needs no running ROS."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from fusion.cli.names import scene_names, split_names
from fusion.errors import UserError

EXAMPLES = """examples:
  bevduet bag to-mcap --dataroot data/nuscenes --version v1.0-mini --scenes scene-0103 --out scene-0103
  bevduet bag from-mcap --bag scene-0103 --out data/from_bag
  bevduet bag from-mcap --bag drive.mcap --out data/drive --sensor CAM_FRONT=/front/image_raw --sensor LIDAR_TOP=/velodyne_points
  bevduet bag from-mcap --bag drive.mcap --out data/drive --sensor CAM_FRONT=/front/image_rect_color --rectified CAM_FRONT
"""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("bag", help="convert a data root to an MCAP bag, or a bag to a data root", epilog=EXAMPLES,
                                   description="Convert between nuScenes' format and ROS 2 bags (MCAP).",
                                   formatter_class=argparse.RawDescriptionHelpFormatter)
    directions = parser.add_subparsers(title="directions", metavar="DIRECTION", required=True)
    to_mcap = directions.add_parser("to-mcap", help="write a bag", description="Write images, points, calibration, poses and keyframe markers as the "
                                    "topics that player_node publishes.")
    to_mcap.add_argument("--dataroot", type=Path, required=True, help="root folder of a data set in nuScenes' format")
    to_mcap.add_argument("--version", default="v1.0-mini", help="folder of its tables (default: %(default)s)")
    to_mcap.add_argument("--scenes", help="names of scenes or splits, comma-separated (default: all)")
    to_mcap.add_argument("--out", type=Path, required=True, help="the bag's folder, which must not exist")
    to_mcap.add_argument("--transport", choices=("compressed", "raw"), default="compressed",
                         help="compressed: the image files' own bytes; raw: pixels (default: %(default)s)")
    to_mcap.add_argument("--no-sweeps", action="store_true", help="leave out the images and clouds between keyframes")
    to_mcap.set_defaults(run=run_to_mcap)
    from_mcap = directions.add_parser("from-mcap", help="write a data root", description="Write a bag as a data set in nuScenes' format, without "
                                      "annotations. Needs the ego's pose on /tf.")
    from_mcap.add_argument("--bag", type=Path, required=True, help="a bag's folder or an .mcap file")
    from_mcap.add_argument("--out", type=Path, required=True, help="root folder, which must not exist")
    from_mcap.add_argument("--version", default="v1.0-bag", help="folder of the tables (default: %(default)s)")
    from_mcap.add_argument("--sensor", action="append", default=[], metavar="NAME=TOPIC",
                           help="an image or cloud topic and its channel, once for each (default: all below /sensors/)")
    from_mcap.add_argument("--rectified", default="", metavar="NAMES", help="cameras whose images are rectified already, as image_proc's image_rect "
                           "and image_rect_color are, comma-separated: P and R of their CameraInfo count, K and D do not")
    from_mcap.add_argument("--base-frame", default="base_link", help="the ego frame (default: %(default)s)")
    from_mcap.add_argument("--fixed-frame", default="odom", help="the frame in which it moves (default: %(default)s)")
    from_mcap.add_argument("--keyframe-every", type=float, default=0.5, metavar="S",
                           help="seconds between keyframes where the bag marks none (default: %(default)s)")
    from_mcap.add_argument("--intensity-max", type=float, default=255.0, metavar="I",
                           help="LiDAR intensity that becomes 255 (default: %(default)s)")
    from_mcap.set_defaults(run=run_from_mcap)


def run_to_mcap(args: argparse.Namespace) -> int:
    """Write a bag; raises UserError on bad input."""
    _need_rosbags()
    from ros_nodes.bag_writer import write_bag

    scenes = scene_names(args.scenes)
    count = write_bag(args.dataroot, args.version, scenes, args.out, transport=args.transport, sweeps=not args.no_sweeps, warn=_warn)
    print(f"{sum(count.values())} messages on {len(count)} topics -> {args.out}")
    return 0


def run_from_mcap(args: argparse.Namespace) -> int:
    """Write a data root; raises UserError on bad input."""
    _need_rosbags()
    from ros_nodes.bag_root import write_root

    if not args.keyframe_every > 0 or not args.intensity_max > 0:
        raise UserError(f"--keyframe-every {args.keyframe_every:g}, --intensity-max {args.intensity_max:g}: expected positive numbers")
    written = write_root(args.bag, args.out, args.version, sensors=_sensors(args.sensor), rectified=split_names(args.rectified),
                         base_frame=args.base_frame, fixed_frame=args.fixed_frame, keyframe_every_s=args.keyframe_every,
                         intensity_max=args.intensity_max, warn=_warn)
    print(f"{', '.join(f'{name} {number}' for name, number in written.items())} -> --dataroot {args.out} --version {args.version}")
    return 0


def _sensors(pairs: list[str]) -> dict[str, str]:
    sensors: dict[str, str] = {}
    for pair in pairs:
        name, _, topic = pair.partition("=")
        if not name or not topic.startswith("/") or name in sensors or topic in sensors.values():
            raise UserError(f"--sensor {pair!r}: expected NAME=/topic, each name and topic once, such as CAM_FRONT=/front/image_raw")
        sensors[name] = topic
    return sensors


def _need_rosbags() -> None:
    try:
        import rosbags  # noqa: F401
    except ImportError as error:
        raise UserError(f"rosbags is not importable ({error}); bags need it: pip install rosbags") from None


def _warn(line: str) -> None:
    print(f"bevduet: warning: {line}", file=sys.stderr)
