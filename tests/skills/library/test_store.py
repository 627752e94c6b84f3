"""A library that is broken, interrupted, linked or shared goes on working."""

import json
import multiprocessing
import shutil
from pathlib import Path

import pytest

from robot_policies.interface import CheckpointError, ConfigError, RobotPoliciesError
from robot_policies.skills.library import store as stores
from robot_policies.skills.library.composition import compose
from robot_policies.skills.library.library import SkillLibrary
from robot_policies.skills.library.listing import COMPOSITIONS, SKILLS
from robot_policies.skills.library.store import LOCK, Store


@pytest.fixture
def library(tmp_path) -> SkillLibrary:
    return SkillLibrary(tmp_path / "library", tmp_path / "none")


@pytest.fixture
def added(library, make_skill, base):
    """A library that holds `avoid`, and the folder of its card."""
    return library.add(str(make_skill("avoid")), base).folder


def broken_card(library: SkillLibrary, text: str = "{") -> Path:
    folder = library.root / SKILLS / "bad" / "1.0.0"
    folder.mkdir(parents=True)
    (folder / "skill.json").write_text(text)
    return folder


def test_a_broken_card_disables_itself_alone(library, added, make_skill, base):
    folder = broken_card(library)
    assert [entry.card.name for entry in library.skills()] == ["avoid"]
    assert library.load("avoid", base).card.name == "avoid"
    library.add(str(make_skill("orbit")), base)
    (broken,) = library.broken()
    assert (broken.name, broken.version, broken.folder) == ("bad", "1.0.0", folder)
    assert str(folder) in broken.reason
    with pytest.raises(CheckpointError, match="skill remove bad"):
        library.find("bad")
    assert library.remove("bad") == ("bad", "1.0.0")
    assert not folder.exists()
    assert library.broken() == []


def test_a_broken_composition_disables_itself_alone(library, added, base):
    skill = library.load("avoid", base)
    folder = library.save(compose("mix", "1.0.0", base, [skill], weights=[1.0]))
    (folder / "composition.json").write_text('{"skills": 3}')
    assert library.compositions() == []
    assert library.load("avoid", base).card.name == "avoid"
    with pytest.raises(CheckpointError, match=r"composition.json"):
        library.composition("mix")
    assert library.remove("mix") == ("mix", "1.0.0")
    assert not (library.root / COMPOSITIONS / "mix").exists()


def test_a_card_in_the_place_of_another_is_broken(library, added):
    shutil.copytree(added, library.root / SKILLS / "other" / "1.0.0")
    assert [entry.card.name for entry in library.skills()] == ["avoid"]
    assert "says it is 'avoid' 1.0.0" in library.broken()[0].reason


def test_what_an_interrupted_removal_left_is_in_nobodys_way(library, added, make_skill, base):
    (added / "skill.json").unlink()
    assert library.skills() == []
    library.add(str(make_skill("avoid")), base)
    assert library.load("avoid", base).card.name == "avoid"


@pytest.mark.parametrize("left", [".incoming-x/skill", ".removed-x/old"])
def test_what_an_interrupted_process_left_is_swept_by_the_next(library, added, left):
    (library.root / left).mkdir(parents=True)
    library.remove("avoid")
    assert [path.name for path in library.root.iterdir() if path.is_dir()] == [SKILLS]


@pytest.mark.parametrize("link", ["avoid", "avoid/1.0.0"])
def test_removing_through_a_link_touches_nothing_outside(library, added, link, tmp_path):
    outside = tmp_path / "precious"
    place = library.root / SKILLS / link
    shutil.move(place, outside)
    place.symlink_to(outside)
    before = sorted(outside.rglob("*"))
    with pytest.raises(CheckpointError, match="reached through a link"):
        library.remove("avoid")
    assert sorted(outside.rglob("*")) == before


def test_nothing_is_put_through_a_link(library, make_skill, base, tmp_path):
    outside = tmp_path / "precious"
    outside.mkdir()
    (library.root / SKILLS).mkdir(parents=True)
    (library.root / SKILLS / "avoid").symlink_to(outside)
    with pytest.raises(CheckpointError, match="reached through a link"):
        library.add(str(make_skill("avoid")), base)
    assert list(outside.iterdir()) == []


def add_and_remove(root: Path, source: str, base, answers) -> None:
    library = SkillLibrary(root, root / "none")
    for _ in range(10):
        for change in (lambda: library.add(source, base), lambda: library.remove("avoid")):
            try:
                change()
            except RobotPoliciesError:
                pass
            except BaseException as error:
                answers.put(repr(error))
                raise
            library.skills()
    answers.put("")


def test_two_processes_wait_for_each_other(library, make_skill, base):
    source = str(make_skill("avoid"))
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    both = [
        context.Process(target=add_and_remove, args=(library.root, source, base, answers))
        for _ in range(2)
    ]
    for process in both:
        process.start()
    assert [answers.get(timeout=60) for _ in both] == ["", ""]
    for process in both:
        process.join()
    assert [path.name for path in library.root.iterdir() if path.name != LOCK] in ([], [SKILLS])


def test_a_process_that_holds_the_library_is_waited_for_and_named(tmp_path, monkeypatch):
    monkeypatch.setattr(stores, "PATIENCE", 0.05)
    one, other = Store(tmp_path), Store(tmp_path)
    with (
        one.changing(),
        pytest.raises(ConfigError, match="another process has been changing it"),
        other.changing(),
    ):
        pass


def test_a_library_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ConfigError, match="library: Not a directory"),
        Store(tmp_path / "file" / "library").changing(),
    ):
        pass


def test_keys_that_are_no_text_are_one_line(library):
    library.root.mkdir()
    (library.root / "trusted_keys").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is no Ed25519 public key"):
        library.trusted_keys()


def test_deep_and_giant_cards_are_broken(library, added):
    for name, text in (
        ("deep", '{"a":' + "[" * 100_000 + "]" * 100_000 + "}"),
        ("large", json.dumps({"a": "x" * (2 << 20)})),
    ):
        folder = library.root / SKILLS / name / "1.0.0"
        folder.mkdir(parents=True)
        (folder / "skill.json").write_text(text)
    assert [entry.card.name for entry in library.skills()] == ["avoid"]
    assert [entry.name for entry in library.broken()] == ["deep", "large"]
