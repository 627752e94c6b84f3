import json
import os
import time
from pathlib import Path

import numpy as np

from robot_policies.cli import output
from robot_policies.cli.output import progress, results, table
from robot_policies.documents import dumps


def test_json_is_strict():
    value = {"nan": np.nan, "inf": -np.inf, "array": np.arange(3), "flag": np.bool_(True)}
    value |= {"number": np.float32(0.5), "path": Path("a/b"), 3: (1, 2)}
    assert json.loads(dumps(value)) == {
        "nan": None,
        "inf": None,
        "array": [0, 1, 2],
        "flag": True,
        "number": 0.5,
        "path": "a/b",
        "3": [1, 2],
    }


def test_what_native_code_prints_does_not_reach_stdout(capfd):
    with results("-") as output:
        os.write(1, b"banner of a library\n")
        print("a stray print")
        output.finish({"answer": 42}, table("unseen", ("a",), [(1,)]))
    printed = capfd.readouterr()
    assert json.loads(printed.out) == {"answer": 42}
    assert "banner of a library" in printed.err
    assert "a stray print" in printed.err


def test_markup_in_values_is_text(capsys):
    with results(None) as output:
        output.finish({}, table("t", ("finding",), [("[red]joint[0]",)]))
    assert "[red]joint[0]" in capsys.readouterr().out


def test_where_there_is_no_terminal_a_line_says_how_far_it_is(capsys, monkeypatch):
    monkeypatch.setattr(output, "LINE_PERIOD", 0.01)
    with progress() as bar:
        bar.advance(bar.add_task("evaluating", total=48), 12)
        deadline = time.monotonic() + 10.0
        said = ""
        while "evaluating" not in said and time.monotonic() < deadline:
            time.sleep(0.01)
            said = capsys.readouterr().err
    assert said.startswith("evaluating: 12 of 48 after 0 min")
