"""The policy that rl_sar publishes for the Go2, where it lies on this machine."""

from pathlib import Path

import pytest

from robot_policies.control.episode import run_episode
from robot_policies.policies.onnx_locomotion.importing import import_policy
from robot_policies.session import open_session


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    found = [
        above / "shared/data/foreign_policies/go2_robot_lab" for above in Path(__file__).parents
    ]
    there = next((folder for folder in found if folder.is_dir()), None)
    if there is None:
        pytest.skip("no shared/data/foreign_policies beside the checkout")
    out = tmp_path_factory.mktemp("published") / "go2_lab"
    import_policy(there, "go2", out, (-0.5, -0.3, -0.8), (1.0, 0.3, 0.8))
    return out


@pytest.mark.parametrize("backend", ["mujoco", "pybullet"])
def test_it_walks_and_nothing_is_refused(checkpoint, backend):
    session = open_session(str(checkpoint), backend, "go2_walk", seconds=4.0).require()
    session.backend.connect()
    try:
        result = run_episode(session.backend, session.policy, session.task, seed=1)
    finally:
        session.backend.close()
    assert result.metrics["fall"] == 0.0
    assert result.metrics["speed_error"] < 0.2
    assert result.refusals == {}


def test_it_comes_with_its_licence(checkpoint):
    assert "Apache License" in (checkpoint / "LICENSE").read_text()
