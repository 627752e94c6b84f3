"""Who makes which episodes, and what is done already."""

import pytest

from robot_policies.catalog import load_robot
from robot_policies.interface import ConfigError
from robot_policies.policies.dressing.recipe import QUICK, Amount, Recipe
from robot_policies_sim.worlds.dressing.person import RADII, group_of_seed


def recipe(folder, amount, asked):
    def collect(name, seeds, folder, **who):
        asked.append((name, list(seeds)))

    return Recipe(
        folder,
        load_robot("xarm7"),
        collect,
        RADII,
        group_of_seed,
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
