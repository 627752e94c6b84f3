"""`robot-policies align`: one command from attempts to an aligned checkpoint."""

import json

import pytest

from robot_policies.cli.app import main
from robot_policies.policies.runtime import LerobotRuntime

SFT = ["align", "--policy", "grape/tabletop_sft"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--objective", "safty"], "Did you mean 'safety'"),
        (["--method", "tpoo"], "Did you mean 'tpo'"),
        (["--task", "tabletop_place"], "'tabletop_place' does not say which things play which"),
        (["--policy", "hold"], "hold"),
    ],
)
def test_what_cannot_be_aligned_is_refused_in_one_line(options, reason, tmp_path, capfd):
    out = tmp_path / "out"
    assert main([*SFT, *options, "--out", str(out), "--quick"]) == 2
    said = capfd.readouterr().err.strip().splitlines()
    assert reason in said[-1]
    assert not out.exists()


@pytest.mark.slow
def test_a_quick_alignment_makes_a_checkpoint_that_acts(tmp_path):
    out, report = tmp_path / "out", tmp_path / "report.json"
    command = [*SFT, "--out", str(out), "--quick", "--json", str(report)]
    assert main(command) == 0
    (made,) = json.loads(report.read_text())["iterations"]
    assert made["attempts"] == 48
    assert 0 < made["pairs"] <= 12
    LerobotRuntime(out / "iteration_1")
    assert main(command) == 0  # there already
