"""Who makes which episodes, and what is done already."""

import json
from dataclasses import asdict

import pytest

from robot_policies.catalog import load_robot
from robot_policies.interface import ConfigError
from robot_policies.policies.dressing.recipe import Recipe
from robot_policies.policies.dressing.schedule import QUICK, Amount, spread, worst_again
from robot_policies_sim.worlds.dressing.person import RADII, REGIONS, group_of_seed


def recipe(folder, amount, asked):
    def collect(name, seeds, folder, **who):
        asked.append((name, list(seeds)))

    return Recipe(
        folder,
        load_robot("xarm7"),
        collect,
        RADII,
        group_of_seed,
        len(REGIONS),
        amount=amount,
        seed=0,
        progress=lambda what, done, of: None,
    )


def test_even_a_quick_run_has_episodes_for_every_teacher(tmp_path):
    asked = []
    with pytest.raises(ConfigError, match="no episodes 'expert'"):  # nobody made any here
        recipe(tmp_path, QUICK, asked).teachers()
    ((name, seeds),) = asked
    assert (name, len(seeds)) == ("expert", 3)
    assert {group_of_seed(seed) for seed in seeds} == {0, 1, 2}


def test_a_folder_of_another_run_and_a_student_without_teachers_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="no teachers yet; run --stage teachers first"):
        recipe(tmp_path, QUICK, []).distil()
    (tmp_path / "done.json").write_text('{"run": {"seed": 5}, "done": []}')
    with pytest.raises(ConfigError, match="holds the run"):
        recipe(tmp_path, Amount(), [])


def test_others_learn_from_the_students_episodes(tmp_path):
    about = {**asdict(QUICK), "seed": 0}
    (tmp_path / "done.json").write_text(json.dumps({"run": about, "done": ["teachers_2"]}))
    with pytest.raises(ConfigError, match="no student yet; run --stage distil first"):
        recipe(tmp_path, QUICK, []).distil("direct")


def test_seeds_reach_all_regions_or_lie_evenly_among_them():
    assert {seed % 27 for seed in spread(21_000, 27, 27)} == set(range(27))
    assert spread(10, 3, 27) == [10, 19, 28]


def test_the_worst_regions_come_again_with_other_seeds():
    outcome = {27: 0.9, 28: 0.2, 29: 1.0, 30: 0.2, 31: 0.95}
    again = worst_again(outcome, 100, 5, 2)
    assert len(set(again)) == 4
    assert min(again) >= 100
    assert sorted(seed % 5 for seed in again) == [0, 0, 3, 3]
