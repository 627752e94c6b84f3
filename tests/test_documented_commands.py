"""Every command and link that README and docs show is one that exists; the short ones are run.

Placeholders are capital letters or stand in angle brackets: `FOLDER`, `<name>`; `...` is left out.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from robot_policies import catalog
from robot_policies.cli.app import app, main
from robot_policies.interface import ConfigError
from robot_policies.launching.__main__ import parse_arguments
from robot_policies.launching.description import declared
from robot_policies.policies.locate import policies
from robot_policies.shared_files import share_directory

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROGRAM = re.compile(r"^(?:\S*/)?(robot-policies|ros2 launch|make) ")
PLACEHOLDER = re.compile(r"[A-Z][A-Z_]*|<\w+>|.*\b[A-Z]{2,}\b.*")
NUMBER = re.compile(r"[\d.]+")  # `power --base` is a rate, all other `--base` are policies
NAMES = {
    "--policy": policies,
    "--base": policies,
    "--robot": catalog.robots,
    "--backend": catalog.backends,
    "--task": catalog.tasks,
}
LAUNCHED = {name.removeprefix("--"): known for name, known in NAMES.items()}
LONG = (
    "bench",
    "data",
    "drive",
    "emulate",
    "evaluate",
    "launch",
    "serve",
    "skill",
    "train",
    "demo",
)  # or other tests'


def commands(path: Path) -> Iterator[str]:
    """Yield the commands of a document: lines of its blocks, and what stands in backquotes."""
    text = path.read_text(encoding="utf-8")
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    shown = [line for block in blocks for line in block.splitlines()]
    shown += [" ".join(each.split()) for each in re.findall(r"`([^`]+)`", prose)]
    for each in shown:
        line = re.split(r"\s#\s|\s{4,}", each.strip())[0]  # a remark stands apart
        if PROGRAM.match(f"{line} "):
            yield line


SHOWN = [
    (path.relative_to(ROOT).as_posix(), command)
    for path in DOCUMENTS
    for command in commands(path)
]


def words_of(command: str) -> list[str]:
    """Return what follows the program's name, without what is left out."""
    command = re.sub(r"\[|\]", "", command) if "[--" in command else command
    words = shlex.split(command)
    return [word for word in words[1:] if word != "..."]


@pytest.mark.parametrize(("document", "command"), SHOWN)
def test_what_is_shown_exists(document, command):
    words = words_of(command)
    if command.startswith("make"):
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
        assert words[0] in targets
    elif command.startswith("ros2"):
        check_launch(words[2:])
    elif words[:1] == ["launch"]:
        check_launch(words[1:])
    elif "..." not in command:
        check_options(words)


PAGES = [
    *DOCUMENTS,
    *sorted(ROOT.glob("robot_policies/**/README.md")),
    *sorted(ROOT.glob("checkpoints/**/README.md")),
]
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_is_linked_exists(page):
    links = LINK.findall(page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def check_options(words: list[str]) -> None:
    """Parse a command as the command line does, without running it."""
    command = typer.main.get_command(app)
    context = command.make_context("robot-policies", [], resilient_parsing=True)
    while hasattr(command, "resolve_command") and words:
        name, command, words = command.resolve_command(context, words)
        assert command, f"no command {name}"
    if words:
        command.make_context(command.name, list(words), parent=context)
    for option, value in zip(words, words[1:], strict=False):
        if option in NAMES and not (PLACEHOLDER.fullmatch(value) or NUMBER.fullmatch(value)):
            assert value in known_names(NAMES[option](), value)


def check_launch(words: list[str]) -> None:
    """See that file, arguments and the names they are given exist."""
    path = share_directory() / "launch" / words[0]
    arguments = declared(path)
    for name, value in parse_arguments(words[1:]).items():
        assert name in arguments
        if name in LAUNCHED and value != "none" and not PLACEHOLDER.fullmatch(value):
            assert value in known_names(LAUNCHED[name](), value)


def known_names(known: list[str], value: str) -> list[str]:
    """Return the names there are; a family such as `metaworld/push-v3` is known by its first."""
    return [*known, *(value for name in known if value.startswith(f"{name}/"))]


QUICK = [
    command
    for command in dict.fromkeys(command for _, command in SHOWN)  # each once
    if command.startswith("robot-policies ") and words_of(command)[0] not in LONG
]


def runnable() -> list[list[str]]:
    """Return the short commands with something in place of what the reader chooses."""
    chosen = {"<name>": "so101", "P": "hold", "R": "go1", "B": "loopback"}
    made = [[chosen.get(word, word) for word in words_of(command)] for command in QUICK]
    complete = [words for words in made if len(words) > 1 or words[0] in ("list", "doctor")]
    return [words for words in complete if not any(PLACEHOLDER.fullmatch(w) for w in words)]


def test_the_short_ones_run_in_the_order_in_which_they_are_shown(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    ran = runnable()
    assert {"list", "check", "run", "doctor"} <= {words[0] for words in ran}
    for words in ran:
        if words == ["doctor"]:
            continue  # its status is that of the machine
        assert main(words) == 0, words
        assert capfd.readouterr().out


LESS = {  # what a long command is given, instead of what the page says or beside it
    "evaluate": {"--episodes": "1", "--workers": "1"},
    "--suite": {"--shard": "1/1000", "--workers": "1"},  # an episode of each cell
    "latency": {"--seconds": "2", "--images": "10"},
    "throughput": {"--environments": "8", "--blocks": "1"},
    "physics": {"--seconds": "0.05", "--blocks": "1"},
    "skills": {"--repeats": "1"},
}


def long_ones() -> list[list[str]]:
    """Return the evaluations and measurements that are shown, with less to do."""
    made = []
    for command in dict.fromkeys(command for _, command in SHOWN):
        words = words_of(command)
        complete = len(words) > 1 and "FOLDER" not in words
        if not command.startswith("robot-policies ") or not complete:
            continue
        if words[0] not in ("evaluate", "bench"):
            continue
        name = words[1] if words[0] == "bench" else words[0]
        for option, value in LESS["--suite" if "--suite" in words else name].items():
            if option not in words:
                words += [option, value]
            words[words.index(option) + 1] = value
        made.append(words)
    return made


@pytest.mark.slow
@pytest.mark.parametrize("words", long_ones(), ids=" ".join)
def test_a_long_one_runs_with_less_to_do(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 0


def test_a_wrong_command_would_be_found():
    with pytest.raises(AssertionError):
        check_launch(["policy.launch.xml", "polcy:=hold"])
    with pytest.raises(AssertionError):
        check_options(["check", "--policy", "hold", "--robot", "gol1", "--backend", "loopback"])
    with pytest.raises((typer.TyperException, ConfigError)):
        check_options(["check", "--polcy", "hold"])
