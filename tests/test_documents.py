"""A file that would end its reader is one line."""

import os
from pathlib import Path

import pytest

from robot_policies.documents import (
    MAX_BYTES,
    MAX_DEPTH,
    parse_json,
    parse_yaml,
    read_json,
    read_statistics,
    read_yaml,
)
from robot_policies.interface import ConfigError
from robot_policies.shared_files import share_directory

LAUGHS = "a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n" + "".join(
    f"{one}: &{one} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, one in zip("abcdefgh", "bcdefghi", strict=True)
)
YAML = {
    "laughs": (LAUGHS, "more than 200000 values"),
    "deep": ("a: " + "[" * 200_000, "deeper than 64"),
    "deep block": ("".join(f"{' ' * level}a:\n" for level in range(100)), "deeper than 64"),
    "deep and closed": ("[" * 65 + "]" * 65, "deeper than 64"),
    "itself": ("&a [*a]", "deeper than 64"),
    "twice": ("{a: 1, a: 2}", "'a' stands there twice"),
    "code": ("!!python/object/apply:os.system [id]", "could not determine a constructor"),
    "integer": ("a: " + "9" * 400, "1329 bits is larger than any float"),
    "long integer": ("a: " + "9" * 5000, "4300 digits"),
    "date": ("a: 2024-99-99", "month must be"),
    "list as key": ("? [a]\n: 1", "unhashable key"),
}
JSON = {
    "deep": ("[" * 200_000, "deeper than 64"),
    "deep and closed": ("[" * 65 + "]" * 65, "deeper than 64"),
    "twice": ('{"a": 1, "a": 2}', "'a' stands there twice"),
    "NaN": ('{"a": NaN}', "NaN is no JSON number"),
    "infinity": ('{"a": -Infinity}', "-Infinity is no JSON number"),
    "float": ('{"a": 1e400}', "1e400 is larger"),
    "integer": (f'{{"a": {10**400}}}', "1329 bits is larger than any float"),
    "long integer": ("9" * 5000, "4300 digits"),
    "wide": ("[" + "0," * 200_000 + "0]", "more than 200000 values"),
    "unfinished": ('{"a":', "Expecting value"),
}


@pytest.mark.parametrize(("text", "message"), YAML.values(), ids=YAML)
def test_yaml_that_ends_its_reader_is_one_line(text, message, tmp_path):
    path = tmp_path / "contract.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        read_yaml(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "message"), JSON.values(), ids=JSON)
def test_json_that_ends_its_reader_is_one_line(text, message, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        read_json(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("read", [read_yaml, read_json])
def test_what_is_no_file_of_this_kind_is_one_line(read, tmp_path):
    path = tmp_path / "file"
    for content, message in (
        (b"[]", "expected a"),
        (b"\xff", "invalid start byte"),
        (b"#" * (MAX_BYTES + 1), f"has {MAX_BYTES + 1} bytes"),
    ):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=message):
            read(path)
    path.unlink()
    with pytest.raises(ConfigError, match="No such file"):
        read(path)
    os.mkfifo(path)
    with pytest.raises(ConfigError, match="is no regular file"):
        read(path)


def test_aliases_and_merged_keys_are_read():
    """`go2.yaml` needs them; a key beside a merged one of that name is no repetition."""
    text = "a: &a {x: 1, y: 2}\nb: &b {<<: *a, x: 3}\nc: {<<: *b, y: 4}\nd: *a\n"
    assert parse_yaml(text) == {
        "a": {"x": 1, "y": 2},
        "b": {"x": 3, "y": 2},
        "c": {"x": 3, "y": 4},
        "d": {"x": 1, "y": 2},
    }


def test_the_deepest_that_is_allowed_is_read():
    text = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert parse_yaml(text) == parse_json(text)


def test_every_shipped_file_is_read():
    paths: list[Path] = [*share_directory().joinpath("config").rglob("*.yaml")]
    assert len(paths) > 10
    for path in paths:
        read_yaml(path)


def test_a_percent_sign_without_quotes_is_told_how_to_be_written(tmp_path):
    path = tmp_path / "contract.yaml"
    for text in ("unit: %", "unit: [deg, %]"):
        path.write_text(text)
        with pytest.raises(ConfigError, match="written in quotes: '%'") as error:
            read_yaml(path)
        assert "\n" not in str(error.value)


def test_measurements_may_be_no_numbers_and_their_statistics_are_larger(tmp_path):
    path = tmp_path / "stats.json"
    path.write_text('{"a": [NaN, Infinity, 1.0]}' + " " * MAX_BYTES)
    assert read_statistics(path)["a"][1:] == [float("inf"), 1.0]
    path.write_text(JSON["deep"][0])
    with pytest.raises(ConfigError, match="deeper than 64"):
        read_statistics(path)
