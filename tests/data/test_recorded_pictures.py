"""Clouds are stored padded, depth and labels as they are, and a log gives them back."""

from dataclasses import replace

import numpy as np
import sample_episode as sample

from robot_policies.data.recorder import Recorder
from robot_policies.interface.clouds import pad
from robot_policies_sim.engines.replay.backend import ReplayBackend

CAMERA = {"width": 6, "height": 4, "focal_length": 4.0, "link": "base"}
POINTS, DEPTH, LABELS = (
    "observation.points",
    "observation.depth.front",
    "observation.labels.front",
)


def test_what_cameras_measure_survives_a_data_set(tmp_path):
    robot = sample.robot(
        cameras={"front": {**CAMERA, "depth": True, "labels": True}},
        cloud={"camera": "front", "points": 5, "frame": "base"},
    )
    recorder = Recorder(tmp_path / "wave", "png")
    recorder.begin(robot, sample.policy(robot), sample.task(), {})
    seen = []
    for k in range(4):
        made = sample.record(k)
        features = {
            POINTS: pad(np.full((1 + k, 4), 0.1 * k), 5),
            DEPTH: np.full((4, 6), 0.5 + k, np.float32),
            LABELS: np.full((4, 6), k, np.uint8),
            "observation.images.front": np.full((4, 6, 3), k, np.uint8),
        }
        stamps = dict.fromkeys(features, made.state.stamp)
        seen.append(features)
        recorder.step(replace(made, state=replace(made.state, features=features, stamps=stamps)))
    recorder.end(sample.result(4))

    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    frame = LeRobotDataset("local/test", root=tmp_path / "wave")[2]
    assert frame[POINTS].shape == (5, 4)
    np.testing.assert_array_equal(frame[POINTS], seen[2][POINTS])

    log = ReplayBackend(robot, {}, str(tmp_path / "wave"))
    log.connect()
    state = log.reset(0, {})
    for k in range(4):
        for name, values in seen[k].items():
            log.provides[name].validate(state.features[name])
            np.testing.assert_allclose(state.features[name], values, atol=1e-6)
        if k < 3:
            log.advance(0.02)
            state = log.read()
    log.close()
