import json

from robot_policies.cli.app import main


def test_power_says_how_many_more(capfd):
    assert main(["power", "--base", "0.7", "--to", "0.85", "--pairs", "50", "--json", "-"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["per_arm"] == 121
    assert found["now"]["more_pairs"] == found["pairs"] - 50
    assert found["now"]["power"] < 0.8
    assert main(["power", "--base", "0.7", "--to", "0.85", "--pairs", "50"]) == 0
    assert "more pairs" in capfd.readouterr().out


def test_equal_rates_are_one_line(capfd):
    assert main(["power", "--base", "0.7", "--to", "0.7"]) == 2
    assert "no number of episodes" in capfd.readouterr().err
