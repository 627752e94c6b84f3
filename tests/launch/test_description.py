import os
import sys
from itertools import pairwise

import pytest
import yaml

from robot_policies.interface import ConfigError
from robot_policies.launching.description import describe
from robot_policies.launching.processes import Process
from robot_policies.launching.ros_command import parameter
from robot_policies.launching.supervisor import find_launch_file
from robot_policies.shared_files import share_directory


def launch(tmp_path, body, name="a.launch.xml", **arguments):
    path = tmp_path / name
    path.write_text(f"<launch>\n{body}\n</launch>\n")
    return describe(path, arguments)


def processes(description):
    return [step.action for step in description.steps if isinstance(step.action, Process)]


def commands(description):
    return [" ".join(process.command) for process in processes(description)]


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("<lifecycle_node/>", r"a.launch.xml:2: no tag <lifecycle_node> in <launch>"),
        ("<nod pkg='a' exec='b'/>", r":2: no tag <nod> .* Did you mean 'node'"),
        ("\n<executable cmd='true' outptu='log'/>", r":3: <executable> has no attribute 'outptu'"),
        ("<node pkg='a'/>", r":2: <node> needs the attribute 'exec'"),
        ("<group>\n<arg name='a'\n</group>", r"a.launch.xml:4: no XML"),
        ("hello", r":2: text 'hello' outside"),
        ("<log message='$(var a)'/>", r":2: no variable 'a'"),
        ("<log message='$(vra a)'/>", r":2: no substitution 'vra'.* Did you mean 'var'"),
        ("<log message='$(var a'/>", r":2: .*lacks a closing bracket"),
        ("<log message='$(dirname 3)'/>", r":2: .*wrong number of arguments"),
        ("<log message='$(find-pkg-share no_such)'/>", r":2: package 'no_such' is in none of"),
        ("<log if='ture' message='a'/>", r":2: 'ture' is neither true nor false"),
        ("<timer period='soon'/>", r":2: 'soon' is no number"),
        ("<node pkg='no_such' exec='a'/>", r":2: no lib/no_such/a in any of"),
        ("<node pkg='robot_policies' exec='polcy_node'/>", r":2: .* Did you mean 'policy_node'"),
        (
            "<node pkg='robot_policies' exec='policy_node'><param name='a'/></node>",
            "<param> needs",
        ),
        ("<executable cmd='true' on_exit='panic'/>", r":2: on_exit is 'panic'"),
        ("<include file='b.launch.py'/>", r":2: only XML"),
        (
            "<log message=\"$(eval '__import__(0)')\"/>",
            r":2: cannot evaluate .*Call is not allowed",
        ),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(tmp_path, body, complaint):
    with pytest.raises(ConfigError, match=complaint):
        launch(tmp_path, body)


ARGUMENTS = """
<arg name="backend" default="mujoco" description="what moves">
  <choice value="mujoco"/><choice value="pybullet"/>
</arg>
<arg name="policy" description="which one"/>
<log message="$(var policy) on $(var backend)"/>
"""


def test_arguments_and_defaults_fill_the_file(tmp_path):
    assert launch(tmp_path, ARGUMENTS, policy="hold").steps[0].action == "hold on mujoco"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"policy": "hold", "backend": "mujco"}, "cannot be 'mujco'. Did you mean 'mujoco'"),
        ({"policy": "hold", "bakend": "mujoco"}, "no argument 'bakend'. Did you mean 'backend'"),
        ({}, r"argument 'policy' is needed \(which one\)"),
    ],
)
def test_a_wrong_or_missing_argument_is_refused(tmp_path, arguments, complaint):
    with pytest.raises(ConfigError, match=complaint):
        launch(tmp_path, ARGUMENTS, **arguments)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$(eval '1 + 2 * 3')", "7"),
        ("$(eval \"'$(var a)' == 'x'\")", "True"),
        ("$(eval \"'$(var a)' in ('y', 'z')\")", "False"),
        ("$(equals $(var a) x)", "true"),
        ("$(not $(equals $(var a) x))", "false"),
        ("$(and true $(or false true))", "true"),
        ("$(env NO_SUCH_VARIABLE a default)", "a default"),
        ("a$(var a)b$(var a)", "axbx"),
    ],
)
def test_substitutions(tmp_path, text, result):
    text = text.replace('"', "&quot;")
    body = f'<let name="a" value="x"/><log message="{text}"/>'
    assert launch(tmp_path, body).steps[0].action == result


@pytest.mark.parametrize(
    ("given", "task"),
    [
        ({}, "go1_walk"),
        ({"robot": "none"}, "go1_walk"),
        ({"robot": "so101", "backend": "loopback"}, "none"),
        ({"robot": "so101", "task": "tabletop_place"}, "tabletop_place"),
    ],
)
def test_who_names_a_robot_gets_no_task_of_another(given, task):
    described = describe(share_directory() / "launch" / "policy.launch.xml", given)
    nodes = [process for process in processes(described) if process.name == "backend"]
    words = [word.partition(":=") for word in nodes[0].command]
    assert [yaml.safe_load(value) for name, _, value in words if name == "task"] == [task]


def test_conditions_choose(tmp_path):
    body = "<log if='$(eval 1==1)' message='a'/><log unless='true' message='b'/>"
    assert [step.action for step in launch(tmp_path, body).steps] == ["a"]


def test_a_group_keeps_its_namespace_environment_and_variables_to_itself(tmp_path):
    node = "<node pkg='robot_policies' exec='policy_node' name='policy'/>"
    description = launch(
        tmp_path,
        f"""
        <let name="a" value="out"/>
        <group>
          <push_ros_namespace namespace="left"/>
          <set_env name="SIDE" value="left"/>
          <let name="a" value="in"/>
          <group><push_ros_namespace namespace="hand"/>{node}</group>
          <group><push_ros_namespace namespace="/right"/>{node}</group>
        </group>
        {node}
        <log message="$(var a)"/>
        """,
    )
    first, second, third = processes(description)

    assert [p.name for p in (first, second, third)] == [
        "left/hand/policy",
        "right/policy",
        "policy",
    ]
    assert "__ns:=/left/hand" in first.command
    assert first.environment["SIDE"] == "left"
    assert "SIDE" not in third.environment
    assert description.steps[-1].action == "out"


def test_a_node_becomes_a_process_with_ros_arguments(tmp_path):
    body = """
    <node pkg="robot_policies" exec="policy_node" name="policy" args="--verbose">
      <param name="seed" value="3"/> <param name="task" value=""/> <param from="p.yaml"/>
      <remap from="a" to="b"/> <env name="OMP_NUM_THREADS" value="1"/>
    </node>"""
    (process,) = processes(launch(tmp_path, body))

    assert process.command == (
        *(sys.executable, "-P", "-m", "robot_policies.nodes", "policy_node"),
        *("--verbose", "--ros-args"),
        *("-r", "__node:=policy", "-p", "seed:=3", "-p", "task:=''"),
        *("--params-file", "p.yaml", "-r", "a:=b"),
    )
    assert process.environment["OMP_NUM_THREADS"] == "1"


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", "3"), ("0.5", "0.5"), ("true", "true"), ("[1, 2]", "[1, 2]"), ("", "''")]
    + [("hold", "'hold'"), ("it's", "'it''s'"), ("{a: 1}", "'{a: 1}'"), ("null", "'null'")],
)
def test_text_stays_text_and_numbers_numbers(text, value):
    assert parameter(text) == value


def test_a_parameter_that_stands_for_more_than_it_is_stays_text():
    lines = ["- &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"- &{new} [{', '.join(10 * [f'*{old}'])}]" for old, new in pairwise("abcdefgh")]
    for text in ("[" * 5000 + "]" * 5000, "\n".join(lines), "[1, 2"):
        assert parameter(text) == f"'{text}'"


@pytest.mark.parametrize("text", ["1.10", "007", "yes", "{a: 1}", "", "it's"])
def test_a_parameter_of_type_str_stays_as_it_was_typed(tmp_path, text):
    body = """<arg name="a"/><node pkg="robot_policies" exec="policy_node">
    <param name="record" value="$(var a)" type="str"/></node>"""
    (process,) = processes(launch(tmp_path, body, a=text))
    assert yaml.safe_load(process.command[-1].removeprefix("record:=")) == text


def test_include_passes_arguments_and_its_own_folder(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.launch.xml").write_text(
        "<launch><arg name='x' default='0'/><log message='$(dirname) $(var x)'/></launch>"
    )
    body = "<include file='$(dirname)/sub/b.launch.xml'><arg name='x' value='5'/></include>"
    assert launch(tmp_path, body).steps[0].action == f"{tmp_path / 'sub'} 5"


def test_the_graph_keeps_the_namespace_of_a_file_that_includes_it(tmp_path):
    body = """<group><push_ros_namespace namespace="left"/>
    <include file="$(find-pkg-share robot_policies)/launch/policy.launch.xml"/></group>"""
    names = [process.name for process in processes(launch(tmp_path, body))]
    assert names == ["left/backend", "left/policy", "left/bringup"]
    shipped = find_launch_file("policy.launch.xml")
    names = [process.name for process in processes(describe(shipped, {"namespace": "/right"}))]
    assert names == ["right/backend", "right/policy", "right/bringup"]
    assert [p.name for p in processes(describe(shipped, {}))] == ["backend", "policy", "bringup"]


def test_a_launch_file_keeps_its_environment_to_itself(tmp_path):
    body = """<include file="$(find-pkg-share robot_policies)/launch/policy.launch.xml"/>
    <executable name="mine" cmd="true"/>"""
    *_, mine = processes(launch(tmp_path, body))
    assert mine.name == "mine"
    assert not {"FASTDDS_DEFAULT_PROFILES_FILE", "OMP_NUM_THREADS"} & (
        set(mine.environment) - set(os.environ)
    )


def test_a_timer_delays_what_is_inside(tmp_path):
    body = "<timer period='1.5'><timer period='2'><log message='a'/></timer></timer>"
    assert launch(tmp_path, body).steps[0].after == 3.5


def test_remaps_of_a_group_come_before_those_of_a_node_and_stay_in_the_group(tmp_path):
    body = """
    <group>
      <set_remap from="a" to="b"/>
      <node pkg="robot_policies" exec="policy_node"><remap from="a" to="c"/></node>
    </group>
    <node pkg="robot_policies" exec="policy_node"/>"""
    inside, outside = commands(launch(tmp_path, body))
    assert inside.endswith("--ros-args -r a:=b -r a:=c")
    assert outside.endswith("policy_node")
