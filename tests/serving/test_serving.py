"""A policy in another process answers an openpi-style client as it answers in this one."""

import re
import subprocess
import sys
import threading
from contextlib import contextmanager

import msgpack
import numpy as np
import pytest
from foreign_policies import write_isaac_lab, write_rl_sar
from websockets.sync.client import connect

from robot_policies.catalog import load_robot
from robot_policies.cli.app import main
from robot_policies.interface import ContractError, Observation
from robot_policies.policies.catalog import load_policy
from robot_policies.policies.onnx_locomotion.importing import import_policy
from robot_policies.serving.client import PolicyClient
from robot_policies.serving.server import PolicyServer
from robot_policies.serving.wire import pack, unpack


def as_openpi_packs(value):
    """What openpi's client does with arrays, written as its wire shows it."""
    if isinstance(value, np.ndarray):
        return {
            b"__ndarray__": True,
            b"data": value.tobytes(),
            b"dtype": value.dtype.str,
            b"shape": value.shape,
        }
    raise TypeError(type(value))


def as_openpi_unpacks(entry):
    if b"__ndarray__" in entry:
        return np.ndarray(
            buffer=entry[b"data"], dtype=np.dtype(entry[b"dtype"]), shape=entry[b"shape"]
        )
    return entry


@contextmanager
def process(*words):
    command = [sys.executable, "-P", "-m", "robot_policies.cli.app", "serve", "--port", "0"]
    server = subprocess.Popen([*command, *words], stdout=subprocess.PIPE, text=True)
    try:
        yield re.search(r"ws://\S+", server.stdout.readline())[0]
    finally:
        server.terminate()
        assert server.wait(20) == 130
        server.stdout.close()


@contextmanager
def served(policy):
    """A server in a thread of this process."""
    with PolicyServer(policy).open("127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield "ws://{}:{}".format(*server.socket.getsockname()[:2])
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def walk(tmp_path):
    import_policy(write_isaac_lab(tmp_path / "made"), "go2", tmp_path / "out")
    return str(tmp_path / "out")


def test_a_client_of_openpis_gets_the_chunks_of_this_process(walk):
    here, rng = load_policy(walk), np.random.default_rng(0)
    examples = [dict(here.observation_spec.example(rng, 0.02 * i)) for i in range(5)]
    here.reset(0)
    with process("--policy", walk) as address, connect(address, proxy=None) as client:
        said = msgpack.unpackb(client.recv(10), object_hook=as_openpi_unpacks)
        assert said["robot"] == "go2"
        spec = here.observation_spec["observation.state"]
        assert said["observation"]["observation.state"]["names"] == [*spec.names]
        assert said["observation"]["observation.state"]["unit"] == [*spec.unit]
        assert said["action"]["dt"] == 0.02
        for i, example in enumerate(examples):
            asked = {**example, "stamp": 0.02 * i}
            client.send(msgpack.packb(asked, default=as_openpi_packs))
            got = msgpack.unpackb(client.recv(10), object_hook=as_openpi_unpacks)
            want = here.act(Observation(example, dict.fromkeys(example, 0.02 * i)))
            np.testing.assert_array_equal(got["actions"], want.values)
            assert (got["stamp"], tuple(got["names"])) == (want.stamp, want.names)


WRONG = {
    "no feature 'observation.stat'. Did you mean 'observation.state'": lambda o: {
        "observation.stat": o["observation.state"]
    },
    "no feature 'observation.imu'": lambda o: {n: v for n, v in o.items() if "imu" not in n},
    "shape .3,., expected .24,.": lambda o: {**o, "observation.state": np.zeros(3)},
    "is not finite": lambda o: {**o, "observation.state": np.full(24, np.nan)},
    "expected an array, got list": lambda o: {**o, "observation.state": [0.0] * 24},
    "linear.x. = 9 m/s is above 1": lambda o: {
        **o,
        "observation.velocity_command": np.float32([9.0, 0.0, 0.0]),
    },
    "stamp 'now' must be a number": lambda o: {**o, "stamp": "now"},
    "reset -1: expected true, or a seed": lambda o: {**o, "reset": -1},
    "an observation without a feature": lambda o: {},
}


@pytest.mark.parametrize("match", WRONG)
def test_a_wrong_observation_gets_one_line_and_the_connection_goes_on(walk, match):
    policy = load_policy(walk)
    example = dict(policy.observation_spec.example(np.random.default_rng(1)))
    with served(policy) as address, PolicyClient(address) as client:
        with pytest.raises(ContractError, match=match) as caught:
            client.infer(WRONG[match](example))
        assert "\n" not in str(caught.value)
        assert client.infer(example)["actions"].shape == (1, 12)


@pytest.mark.parametrize(
    ("message", "match"),
    [
        (b"\xc1", "is no msgpack"),
        (b"\x93\x01", "is no msgpack"),
        ("hello", "expected an observation as msgpack, got the text 'hello'"),
        (msgpack.packb([1]), "expected a map of features, got list"),
        (msgpack.packb({"a": msgpack.ExtType(5, b"x")}), "extension 5 of msgpack is not read"),
        (
            msgpack.packb(
                {"a": {b"__ndarray__": True, b"data": b"", b"dtype": "|O", b"shape": []}}
            ),
            "an array of object is not read",
        ),
        (
            msgpack.packb(
                {"a": {b"__ndarray__": True, b"data": b"x", b"dtype": "<f4", b"shape": [9]}}
            ),
            "an array of shape .9,. and float32 has 1 bytes",
        ),
        (msgpack.packb({"a": {b"__ndarray__": True}}), "an array lacks its data, dtype or shape"),
    ],
)
def test_a_message_that_is_none_gets_one_line(walk, message, match):
    server = PolicyServer(load_policy(walk))
    with pytest.raises(ContractError, match=match) as caught:
        server.answer(message)
    assert "\n" not in str(caught.value)


def test_arrays_of_numbers_survive_and_objects_do_not_leave():
    for dtype in ("f4", "f8", "u1", "i8", "?"):
        array = np.arange(6).reshape(2, 3).astype(dtype)
        back = unpack(pack({"x": array}))["x"]
        assert back.dtype == array.dtype
        np.testing.assert_array_equal(back, array)
    with pytest.raises(ContractError, match="cannot hold this: object is no number"):
        pack({"x": object()})


def test_one_robot_at_a_time(walk):
    with served(load_policy(walk)) as address:
        with (
            PolicyClient(address),
            pytest.raises(ContractError, match="another client is served"),
        ):
            PolicyClient(address)
        with PolicyClient(address) as next_one:
            assert next_one.metadata["policy"] == walk


def test_a_reset_forgets_the_episode(walk):
    policy = load_policy(walk)
    rng = np.random.default_rng(2)
    examples = [dict(policy.observation_spec.example(rng)) for _ in range(3)]
    with served(policy) as address, PolicyClient(address) as client:
        first = [client.infer(example)["actions"] for example in examples]
        client.reset(seed=3)
        again = [client.infer(example)["actions"] for example in examples]
    np.testing.assert_array_equal(first, again)


def test_the_contract_is_checked_at_the_handshake(tmp_path):
    import_policy(write_rl_sar(tmp_path / "made"), "go2", tmp_path / "out")
    policy = load_policy(str(tmp_path / "out"))
    has = {name: list(spec.names) for name, spec in policy.observation_spec.items()}
    joints = list(policy.action_spec.array.names)
    with served(policy) as address:
        PolicyClient(address, has, joints).close()
        state = has["observation.state"]
        for observes, moves, match in (
            ({**has, "observation.state": state[1:]}, (), "no element 'FR_hip_joint.pos'"),
            ({**has, "observation.state": state[::-1]}, (), "observation.state: order"),
            ({"observation.state": state}, (), "the policy needs 'observation.imu'"),
            (None, joints[1:], "action: no element 'FR_hip_joint'"),
        ):
            with pytest.raises(ContractError, match=match):
                PolicyClient(address, observes, moves)


def test_a_builtin_policy_needs_a_robot_and_is_served(capsys):
    assert main(["serve", "--policy", "hold"]) == 2
    assert "give a robot" in capsys.readouterr().err
    so101 = load_robot("so101")
    with process("--policy", "hold", "--robot", "so101") as address:
        with PolicyClient(address) as client:
            positions = so101.default
            got = client.infer({"observation.state": positions})
        np.testing.assert_array_equal(got["actions"], positions[None])
        assert address.startswith("ws://127.0.0.1:")


def test_a_port_that_is_taken_is_told_in_one_line(walk, capsys):
    with served(load_policy(walk)) as address:
        port = address.rpartition(":")[2]
        assert main(["serve", "--policy", walk, "--port", port]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"--port {port}: " in said
