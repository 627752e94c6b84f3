"""What a library holds: what can be read, and what cannot, with the reason."""

from dataclasses import dataclass
from pathlib import Path

from robot_policies.interface import CheckpointError
from robot_policies.skills.library.composition import Composition
from robot_policies.skills.library.composition_file import COMPOSITION_FILE, read_composition
from robot_policies.skills.library.store import Store
from robot_policies.skills.package.card import FILE, SkillCard, read_card

SKILLS, COMPOSITIONS = "skills", "compositions"


@dataclass(frozen=True)
class Entry:
    """A skill in the library.

    Attributes:
        card: What it says of itself.
        folder: Where it lies.
        shipped: Whether it came with this package.
    """

    card: SkillCard
    folder: Path
    shipped: bool


@dataclass(frozen=True)
class Broken:
    """A folder of the library that cannot be read.

    Attributes:
        name: As the folder has it.
        version: As the folder has it.
        folder: Where it lies.
        reason: Why it cannot be read, in one line.
    """

    name: str
    version: str
    folder: Path
    reason: str


def read_skills(store: Store, shipped: Path) -> tuple[list[Entry], list[Broken]]:
    """Return the skills of a user by name and version, and those under another folder."""
    entries, broken = [], []
    own = store.folders(SKILLS, FILE)
    for folder in (*own, *(path.parent for path in shipped.rglob(FILE))):
        try:
            card = read_card(folder)
            if folder in own:
                _check_place(folder, card.name, card.version)
            entries.append(Entry(card, folder, folder not in own))
        except CheckpointError as error:
            if folder.exists():  # another process may have removed it
                broken.append(_broken(folder, error))
    return sorted(entries, key=lambda entry: (entry.card.name, order(entry))), broken


def read_compositions(store: Store) -> tuple[list[Composition], list[Broken]]:
    """Return the compositions of a user."""
    found, broken = [], []
    for folder in store.folders(COMPOSITIONS, COMPOSITION_FILE):
        try:
            made = read_composition(folder)
            _check_place(folder, made.name, made.version)
            found.append(made)
        except CheckpointError as error:
            if folder.exists():
                broken.append(_broken(folder, error))
    return found, broken


def order(entry: Entry) -> tuple[int, ...]:
    """Return what versions of a skill are sorted by."""
    return numbers(entry.card.version)


def numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version."""
    return tuple(int(number) for number in version.split("."))


def _check_place(folder: Path, name: str, version: str) -> None:
    """Refuse a card that speaks of another place than the one it lies in."""
    if (folder.parent.name, folder.name) != (name, version):
        raise CheckpointError(f"{folder}: says it is '{name}' {version}")


def _broken(folder: Path, error: CheckpointError) -> Broken:
    return Broken(folder.parent.name, folder.name, folder, str(error))


def refuse_broken(broken: list[Broken], name: str) -> None:
    """Refuse a name, or `name@version`, that is there and cannot be read.

    Raises:
        CheckpointError: With the reason.
    """
    wanted, _, version = name.partition("@")
    for entry in broken:
        if entry.name == wanted and version in ("", entry.version):
            raise CheckpointError(f"{entry.reason} (`skill remove {name}` takes it out)")
