"""A changed checkpoint loads, or is refused in one line; nothing else happens."""

import copy
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import watched_loader
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robot_policies.policies.processors import POSTPROCESSOR, PREPROCESSOR
from robot_policies.shared_files import share_directory

LOADER = Path(watched_loader.__file__)
FILES = ("config.json", PREPROCESSOR, POSTPROCESSOR)
TEXTS = (
    *("", "..", "../outside", "/etc/passwd", "model.safetensors", "someone/repository", "a\nb"),
    *("os.system", "subprocess.Popen", "robot_policies.launching.latency._run", "torch.load"),
    *("tokenizer_processor", "action_tokenizer_processor", "normalizer_processor", "checkpoint"),
    *("to_batch_processor", "reward_classifier_processor", "act", "smolvla", "pi0", "cuda:99"),
)
NUMBERS = (0, -1, 2, 1000, 10**6, 10**9, 10**400, 0.5, 1e-300, 1e300, float("nan"), float("inf"))
KEYS = (
    *("class", "registry_name", "config", "state_file", "auto_map", "type", "device", "stats"),
    *("pretrained_path", "pretrained_backbone_weights", "tokenizer_name", "use_peft", "hidden"),
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(NUMBERS),
    st.sampled_from(TEXTS),
    st.sampled_from(KEYS),
    st.just([]),
    st.just({}),
    st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3),
    st.dictionaries(st.sampled_from(KEYS), st.sampled_from((*TEXTS, *NUMBERS)), min_size=1),
    st.integers(1, 2000).map(lambda depth: [*nested(depth)]),
)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each container of a document with a key of it."""
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, entry in list(entries):
        yield value, key
        if isinstance(entry, dict | list):
            yield from places(entry)


@st.composite
def changes(draw: st.DrawFn) -> Callable[[Any], None]:
    """Draw a change of one place of a document: another value, none, a new key, or twice."""
    number, value = draw(st.integers(0, 10_000)), draw(VALUES)
    how = draw(st.sampled_from(("set", "set", "delete", "add", "twice")))
    key = draw(st.sampled_from(KEYS))

    def change(document: Any) -> None:
        found = list(places(document))
        if not found:
            return
        container, at = found[number % len(found)]
        if how == "delete":
            del container[at]
        elif how == "twice" and isinstance(container, list):
            container.append(copy.deepcopy(container[at]))
        elif how == "add" and isinstance(container, dict):
            container[key] = value
        else:
            container[at] = value

    return change


class Loader:
    """The process that loads, and is watched."""

    def __init__(self, good: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, LOADER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._say(good)

    def _say(self, folder: Path) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{folder}\n")
        self.process.stdin.flush()

    def load(self, folder: Path) -> dict[str, Any]:
        assert self.process.stdout
        self._say(folder)
        return json.loads(self.process.stdout.readline())

    def end(self) -> None:
        assert self.process.stdin
        with self.process:
            self.process.stdin.close()


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = share_directory() / "checkpoints" / "uni_o4" / "go1_walk"
    return Path(shutil.copytree(source, tmp_path_factory.mktemp("mutated") / "good"))


@pytest.fixture(scope="module")
def loader(good: Path) -> Iterator[Loader]:
    made = Loader(good)
    yield made
    made.end()


@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    name=st.sampled_from(FILES),
    several=st.lists(changes(), min_size=1, max_size=3),
)
def test_a_changed_checkpoint_loads_or_is_refused_in_one_line(name, several, good, loader):
    folder = good.parent / "changed"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(good, folder)
    document = json.loads((folder / name).read_text())
    for change in several:
        change(document)
    (folder / name).write_text(json.dumps(document))
    result = loader.load(folder)
    assert result["fault"] == ""
    assert result["seen"] == []
    assert "\n" not in result["said"]


def test_a_good_checkpoint_does_nothing_else(good, loader, tmp_path):
    """A good checkpoint does nothing of the kind, and a link to a file elsewhere is refused."""
    assert loader.load(good) == {"said": "", "fault": "", "seen": []}
    folder = Path(shutil.copytree(good, tmp_path / "linked"))
    outside = Path(shutil.move(folder / "config.json", tmp_path / "config.json"))
    (folder / "config.json").symlink_to(outside)
    result = loader.load(folder)
    assert "is a link that leaves the checkpoint" in result["said"]
    assert result["seen"] == []


@pytest.mark.parametrize(
    ("event", "arguments"),
    [
        ("subprocess.Popen", ("/bin/sh", ["id"], None, None)),
        ("os.system", (b"id",)),
        ("socket.connect", (None, ("127.0.0.1", 80))),
        ("pickle.find_class", ("os", "system")),
        ("open", ("/etc/passwd", "r", 0)),
        ("open", (str(LOADER), "w", 0o1101)),
        ("import", ("antigravity", None, None, None, None)),
    ],
)
def test_the_watch_notes_what_no_checkpoint_may_do(event, arguments):
    watch = watched_loader.Watch()
    watch.hook(event, arguments)
    assert watch.seen == []
    watch.on = True
    watch.hook(event, arguments)
    assert len(watch.seen) == 1
