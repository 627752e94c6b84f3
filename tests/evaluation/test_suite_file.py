"""Suites as files."""

import json

import pytest

from robot_policies.evaluation.condition import Condition
from robot_policies.evaluation.suite_file import read_suite
from robot_policies.interface import ConfigError
from robot_policies.shared_files import config_names

WHOLE = """
description: two conditions
policies: [hold]
tasks: [go1_walk]
backends: [mujoco]
episodes: 2
seed: 5
conditions:
  plain:
  late: {delay: 0.1, jitter: 0.05}
  thin ice: {initial: {friction: 0.1}}
initial_states: states.json
skip_incompatible: true
"""


def written(folder, text):
    path = folder / "suite.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_file_says_all_there_is_to_say(tmp_path):
    states = {"go1_walk": {"5": {"goal": {}}, "6": {"goal": {}}}}
    (tmp_path / "states.json").write_text(json.dumps(states))
    suite = read_suite(written(tmp_path, WHOLE))
    assert (suite.policies, suite.episodes, suite.seed) == (("hold",), 2, 5)
    assert suite.skip_incompatible
    assert suite.conditions == (
        Condition("plain"),
        Condition("late", delay=0.1, jitter=0.05),
        Condition("thin ice", initial={"friction": 0.1}),
    )
    assert [job.initial for job in suite.jobs()[-2:]] == [{"goal": {}, "friction": 0.1}] * 2


@pytest.mark.parametrize("name", config_names("evaluations"))
def test_what_is_shipped_can_be_run(name):
    suite = read_suite(name)
    assert len(suite.jobs()) >= suite.episodes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("episodes: 2", "episodes: 0"), "suite.yaml: 0 episodes: a whole"),
        (("episodes: 2", "episodes: two"), "suite.yaml: two episodes: a whole number"),
        (("episodes: 2", "episods: 2"), "unknown key 'episods'. Did you mean 'episodes'"),
        (("[hold]", "hold"), "policies: expected a list of names, got 'hold'"),
        (("[hold]", "[hodl, holdd]"), "no policy 'hodl'.*no policy 'holdd'"),
        (("jitter", "jiter"), "conditions.late: unknown key 'jiter'. Did you mean 'jitter'"),
        (("delay: 0.1", "delay: -1"), "conditions.late: network: times must be >= 0"),
        (("delay: 0.1", "executor: splce"), "no executor 'splce'. Did you mean 'splice'"),
        (("delay: 0.1", "nodes: true"), "nodes: true goes with no delay, jitter, loss"),
        (("skip_", "recipes: {r: [hodl]}\nskip_"), "recipe 'r': policy 'hodl' is not of this"),
        (("skip_", "recipes: [r]\nskip_"), "recipes: expected a mapping of names"),
        (("friction", "frction"), "condition 'thin ice': unknown key 'frction'. Did you mean 'fr"),
        (("states.json", "stats.json"), "stats.json"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path, change, message):
    (tmp_path / "states.json").write_text("{}")
    with pytest.raises(ConfigError, match=message):
        read_suite(written(tmp_path, WHOLE.replace(*change)))


def test_a_name_that_is_not_shipped_has_a_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'shipped'"):
        read_suite("shiped")
