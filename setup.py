"""Package metadata; tool settings are in pyproject.toml, tested versions in constraints.txt."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from setuptools import find_packages, setup

NAME = "robot_policies"
# A build by colcon runs this file elsewhere, through a link.
README = Path(__file__).resolve().with_name("README.md")
SIDE_PACKAGES = {"robot_policies_sim": "sim", "robot_policies_hardware": "hardware"}
SHARED = ("config", "launch", "checkpoints", "samples")

packages = find_packages(include=[NAME, f"{NAME}.*"])
for package, root in SIDE_PACKAGES.items():
    packages += find_packages(where=root, include=[package, f"{package}.*"])


def shared_files() -> Iterator[tuple[str, list[str]]]:
    """List every shipped file under the folder that ROS and `shared_files.py` look in."""
    files = sorted(
        path
        for folder in SHARED
        for path in Path(folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )
    for folder, group in groupby(files, key=lambda path: path.parent):
        yield f"share/{NAME}/{folder}", [str(path) for path in group]


EXTRAS = {
    "sim": ["mujoco>=3.8,<4.1", "pybullet>=3.2.7", "gymnasium[mujoco]>=1.1"],
    "learn": [
        "torch>=2.7",
        "lerobot[dataset,training]==0.6.1",
        "transformers>=5.4,<5.6",
        "peft>=0.18",
        "safetensors>=0.4.3",
        "filelock>=3.13",
        "open3d>=0.19",
        "torchvision",
        "h5py>=3.12",
        "cryptography>=43",
    ],
    # Named as LeRobot's own extras.
    "diffusion": ["diffusers>=0.38,<0.40"],
    "smolvla": ["num2words>=0.5.14,<0.6"],
    "xacro": ["xacro>=2.1,<3"],
    # Networks as ONNX; only such a policy needs it.
    "onnx": ["onnxruntime>=1.22"],
    "serve": ["websockets>=16", "msgpack>=1.1"],
    "data": ["pyarrow", "mcap>=1.2", "av>=15", "pillow", "rerun-sdk>=0.24", "rosbags>=0.11"],
    "evaluation": ["pyarrow", "statsmodels>=0.14", "plotly>=6"],
    "hardware": [
        "feetech-servo-sdk>=1.0",
        "dynamixel-sdk>=3.7.31,<3.9",
        "pyserial>=3.5",
        "deepdiff>=8.6",
    ],
    "ros": [
        "ros-rclpy[fastrtps]>=7.1,<9.2",  # Jazzy, Kilted
        "ros-std-msgs",
        "ros-sensor-msgs",
        "ros-trajectory-msgs",
        "ros-diagnostic-msgs",
        "ros-geometry-msgs",
        "ros-std-srvs",
        "ros-lifecycle-msgs",
        "ros-rcl-interfaces",
        "ros-builtin-interfaces",
        "opencv-python-headless>=4.9",
    ],
}
EXTRAS["all"] = sorted({requirement for extra in EXTRAS.values() for requirement in extra})
# What `make demo` needs: a policy that is loaded and run, one simulator, a film and a viewer file.
EXTRAS["demo"] = [
    "mujoco>=3.8,<4.1",
    "lerobot==0.6.1",
    "av>=15",
    "rerun-sdk>=0.24",
    *EXTRAS["ros"],
]
# MuJoCo 4.0 breaks Meta-World 3.0.0, and gym-aloha asks for less than 3.9.
EXTRAS["bench"] = [
    "mujoco>=3.8,<3.9",
    "gymnasium>=1.1",
    "metaworld==3.0.0",
    "gym-aloha>=0.1.5",
    "gym-pusht>=0.1.8",
]
EXTRAS["ray"] = ["ray>=2.40"]
EXTRAS["sysid"] = ["mujoco[sysid]>=4.0,<4.1"]
EXTRAS["test"] = [
    *EXTRAS["ray"],
    *EXTRAS["sysid"],
    *EXTRAS["xacro"],
    "pytest>=8",
    "pytest-xdist>=3.6",
    "hypothesis>=6.100",
    "onnx>=1.18",
    "ruff>=0.12",
    "pyright>=1.1.400",
]

setup(
    name=NAME,
    version="0.1.0",
    description="Run learned policies on robots, in simulation and on hardware, through ROS 2",
    long_description=README.read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.12",
    packages=packages,
    package_dir={package: f"{root}/{package}" for package, root in SIDE_PACKAGES.items()},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        # pip puts console scripts in bin/; ros2 run and ros2 launch look in lib/<package>/.
        (f"lib/{NAME}", sorted(str(path) for path in Path("libexec").iterdir())),
        *shared_files(),
    ],
    install_requires=["numpy>=1.26", "pyyaml>=6", "scipy>=1.16", "typer>=0.29", "rich>=13"],
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["robot-policies = robot_policies.cli.app:main"]},
    zip_safe=False,
)
