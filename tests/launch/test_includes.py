"""The shipped file included with arguments, a namespace and a remap: from XML, YAML and Python."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import rclpy
from ros_graph import free_domain

XML = """<launch>
  <group>
    <push_ros_namespace namespace="left"/>
    <set_remap from="joint_states" to="measured/joints"/>
    <include file="$(find-pkg-share robot_policies)/launch/policy.launch.xml">
      <arg name="policy" value="hold"/> <arg name="robot" value="so101"/>
      <arg name="backend" value="loopback"/> <arg name="namespace" value="arm"/>
    </include>
  </group>
</launch>
"""
YAML = """
launch:
- group:
  - push_ros_namespace: {namespace: left}
  - set_remap: {from: joint_states, to: measured/joints}
  - include:
      file: $(find-pkg-share robot_policies)/launch/policy.launch.xml
      arg:
      - {name: policy, value: hold}
      - {name: robot, value: so101}
      - {name: backend, value: loopback}
      - {name: namespace, value: arm}
"""
PYTHON = """
from launch import LaunchDescription
from launch.actions import GroupAction, IncludeLaunchDescription
from launch.substitutions import PathJoinSubstitution
from launch_ros.actions import PushRosNamespace, SetRemap
from launch_ros.substitutions import FindPackageShare
{source}

FILE = PathJoinSubstitution([FindPackageShare("robot_policies"), "launch", "policy.launch.xml"])
ARGUMENTS = dict(policy="hold", robot="so101", backend="loopback", namespace="arm")


def generate_launch_description():
    included = IncludeLaunchDescription(Source(FILE), launch_arguments=ARGUMENTS.items())
    remap = SetRemap("joint_states", "measured/joints")
    return LaunchDescription([GroupAction([PushRosNamespace("left"), remap, included])])
"""
ANY = "from launch.launch_description_sources import AnyLaunchDescriptionSource as Source"
FROM_XML = "from launch_xml.launch_description_sources import XMLLaunchDescriptionSource as Source"
FILES = {
    "mine.launch.xml": XML,
    "mine.launch.yaml": YAML,
    "any.launch.py": PYTHON.format(source=ANY),
    "xml.launch.py": PYTHON.format(source=FROM_XML),
}
NODES = {"backend", "bringup", "policy"}
ROS2 = shutil.which("ros2")


def includes(command: list[str], file: Path, text: str) -> None:
    """Launch an includer, see its nodes act under their names, and interrupt it."""
    file.write_text(text)
    domain = free_domain()
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain)}
    environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    watcher = rclpy.create_node("watcher", context=context)
    launcher = subprocess.Popen(
        [*command, str(file)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )

    def there() -> bool:
        found = set(watcher.get_node_names_and_namespaces())
        return {(name, "/left/arm") for name in NODES} <= found and all(
            watcher.count_publishers(f"/left/arm/{topic}")
            for topic in ("measured/joints", "command_sent", "action_chunk")
        )

    try:
        end = time.monotonic() + 60.0
        while not there() and time.monotonic() < end and launcher.poll() is None:
            time.sleep(0.1)
        assert there()
        assert not watcher.count_publishers("/left/arm/joint_states")
        assert watcher.count_subscribers("/left/arm/measured/joints") == 1  # the policy
    finally:
        watcher.destroy_node()
        rclpy.shutdown(context=context)
        launcher.send_signal(signal.SIGINT)
        output, _ = launcher.communicate(timeout=60.0)
    assert launcher.returncode == 0, output
    assert "Traceback" not in output


def test_our_launcher_includes_with_a_namespace_and_a_remap(tmp_path):
    command = [sys.executable, "-m", "robot_policies.launching"]
    includes(command, tmp_path / "mine.launch.xml", XML)


@pytest.mark.skipif(ROS2 is None, reason="no ros2 on PATH")
@pytest.mark.parametrize("name", FILES)
def test_ros2_launch_includes_from_every_language(name, tmp_path):
    assert ROS2
    includes([ROS2, "launch"], tmp_path / name, FILES[name])
