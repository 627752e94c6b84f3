"""A folder of skills and compositions, and what people do with it.

    <root>/skills/<name>/<version>/          skill.json and peft's two files
    <root>/compositions/<name>/<version>/    composition.json and a gate
    <root>/trusted_keys                      one public key per line; with any, all must be signed

Whatever comes in is copied to a place of its own, checked there, and moved in whole: a refused
skill leaves no trace.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from robot_policies.interface import (
    CheckpointError,
    ConfigError,
    JointLimits,
    UnknownNameError,
)
from robot_policies.policies import catalog
from robot_policies.share import share_directory
from robot_policies.skills import composition as compositions
from robot_policies.skills.archive import MAX_BYTES, copy_folder, unpack
from robot_policies.skills.base import SkillBase
from robot_policies.skills.card import FILE, SkillCard, check_file, read_card
from robot_policies.skills.composition import Composition, read_composition
from robot_policies.skills.package import FILES, Skill, check_package, pack, read_skill

ROOT = "ROBOT_POLICIES_SKILLS"  # environment variable
SKILLS, COMPOSITIONS, KEYS = "skills", "compositions", "trusted_keys"


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


def default_root() -> Path:
    """Return the user's library: $ROBOT_POLICIES_SKILLS, or a folder for data of this user.

    Raises:
        ConfigError: If this user has no home.
    """
    given = os.environ.get(ROOT)
    if given:
        return Path(given).expanduser()
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    try:
        return Path(data).expanduser() / "robot_policies" / "skills"
    except RuntimeError:  # neither the environment nor the system knows a home
        raise ConfigError(f"no folder for skills: set HOME, XDG_DATA_HOME or {ROOT}") from None


class SkillLibrary:
    """The skills of a user, and those that are shipped.

    Attributes:
        root: The folder; made when something is added.
    """

    def __init__(self, root: Path | None = None, shipped: Path | None = None) -> None:
        """Open a library; nothing is read yet.

        Args:
            root: The folder; by default, `default_root()`.
            shipped: Folder under which skills lie at any depth; by default, the checkpoints.
        """
        self.root = default_root() if root is None else root
        self._shipped = share_directory() / "checkpoints" if shipped is None else shipped

    def skills(self) -> list[Entry]:
        """Return every skill, by name and version.

        Raises:
            CheckpointError: If a card cannot be read.
        """
        own = [
            Entry(read_card(path.parent), path.parent, False)
            for path in (self.root / SKILLS).glob(f"*/*/{FILE}")
        ]
        shipped = [
            Entry(read_card(path.parent), path.parent, True) for path in self._shipped.rglob(FILE)
        ]
        return sorted(own + shipped, key=lambda entry: (entry.card.name, _order(entry)))

    def find(self, name: str) -> Entry:
        """Return a skill by `name`, its newest version, or by `name@version`.

        Raises:
            UnknownNameError: Listing the nearest and all names.
        """
        wanted, _, version = name.partition("@")
        entries = self.skills()
        found = [
            entry
            for entry in entries
            if entry.card.name == wanted and version in ("", entry.card.version)
        ]
        if not found:
            known = {f"{entry.card.name}@{entry.card.version}" for entry in entries}
            known |= {entry.card.name for entry in entries}
            raise UnknownNameError("skill", name, known)
        return max(found, key=_order)

    def load(self, name: str, base: SkillBase) -> Skill:
        """Return a skill, checked in every respect against its base."""
        return read_skill(self.find(name).folder, base, self.trusted_keys())

    def verify(self, name: str, base: SkillBase | None = None) -> SkillCard:
        """Check a skill of the library, or a folder; with a base, whether it fits too.

        Raises:
            CheckpointError: Saying what is wrong.
        """
        folder = Path(name) if Path(name).is_dir() else self.find(name).folder
        if base is None:
            return check_package(folder, self.trusted_keys())
        return read_skill(folder, base, self.trusted_keys()).card

    def add(self, source: str, base: SkillBase) -> Entry:
        """Take in a skill.

        Args:
            source: A folder, a `.zip`, or a hub repository as `owner/name`.
            base: What it is for; it is refused if it does not fit.

        Raises:
            CheckpointError: Saying what is wrong; the library is as it was.
        """
        with self._incoming() as folder:
            _fetch(source, folder)
            card = read_skill(folder, base, self.trusted_keys()).card
            if any(made.name == card.name for made in self.compositions()):
                raise CheckpointError(
                    f"{source}: the library has a composition '{card.name}'; remove that, or give "
                    "the skill another name"
                )
            for entry in self.skills():
                if (entry.card.name, entry.card.version) == (card.name, card.version):
                    raise CheckpointError(
                        f"{source}: the library has a skill '{card.name}' {card.version} already, "
                        f"in {entry.folder}; remove it, or give this one another version"
                    )
            target = self.root / SKILLS / card.name / card.version
            target.parent.mkdir(parents=True, exist_ok=True)
            folder.rename(target)
        return Entry(card, target, False)

    def adopt(
        self,
        source: Path,
        base: SkillBase,
        name: str,
        version: str,
        limits: JointLimits | None = None,
    ) -> Entry:
        """Take in a plain peft adapter, as a skill of this name.

        Args:
            source: Folder with peft's two files.
            base: What it is for.
            name: Of the skill.
            version: Three numbers.
            limits: What the robot is held to while the skill has a weight.

        Raises:
            CheckpointError: If it is no adapter, or does not fit the base.
        """
        with self._incoming() as folder:
            for file in FILES:
                check_file(source / file, MAX_BYTES)
                shutil.copyfile(source / file, folder / file)
            pack(folder, base, name, version, limits=limits)
            return self.add(str(folder), base)

    def remove(self, name: str) -> Entry:
        """Take a skill out of the user's library.

        Raises:
            CheckpointError: If it is shipped, or a composition needs it.
        """
        entry = self.find(name)
        if entry.shipped:
            raise CheckpointError(f"skill '{name}' came with the package; it cannot be removed")
        for made in self.compositions():
            for skill in made.skills:
                if (skill.name, skill.version) == (entry.card.name, entry.card.version):
                    raise CheckpointError(
                        f"composition '{made.name}' {made.version} needs '{name}'; "
                        "remove that first"
                    )
        shutil.rmtree(entry.folder)
        if not any(entry.folder.parent.iterdir()):
            entry.folder.parent.rmdir()
        return entry

    def compositions(self) -> list[Composition]:
        """Return every composition."""
        paths = (self.root / COMPOSITIONS).glob(f"*/*/{compositions.FILE}")
        return [read_composition(path.parent) for path in sorted(paths)]

    def check_new(self, name: str, version: str) -> None:
        """Refuse a composition that could not be saved.

        Raises:
            CheckpointError: If there is one of that name and version, or a skill of that name.
        """
        if any(entry.card.name == name for entry in self.skills()):
            raise CheckpointError(
                f"'{name}' is a skill of the library; give the composition another name"
            )
        if (self.root / COMPOSITIONS / name / version).exists():
            raise CheckpointError(f"the library has a composition '{name}' {version} already")

    def save(self, composition: Composition) -> Path:
        """Keep a composition.

        Raises:
            CheckpointError: See `check_new`.
        """
        self.check_new(composition.name, composition.version)
        target = self.root / COMPOSITIONS / composition.name / composition.version
        with self._incoming() as folder:
            composition.save(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            folder.rename(target)
        return target

    def composition(self, name: str) -> Composition:
        """Return a composition by `name`, its newest version, or by `name@version`."""
        wanted, _, version = name.partition("@")
        known = self.compositions()
        found = [made for made in known if made.name == wanted and version in ("", made.version)]
        if not found:
            raise UnknownNameError("composition", name, {made.name for made in known})
        return max(found, key=lambda made: _numbers(made.version))

    def remove_composition(self, name: str) -> Composition:
        """Forget a composition; its skills stay."""
        made = self.composition(name)
        shutil.rmtree(self.root / COMPOSITIONS / made.name / made.version)
        return made

    def skills_of(self, composition: Composition, base: SkillBase) -> list[Skill]:
        """Return the skills of a composition, which must be the ones it was made with."""
        skills = [self.load(f"{s.name}@{s.version}", base) for s in composition.skills]
        for skill, named in zip(skills, composition.skills, strict=True):
            if skill.card.digest != named.digest:
                raise CheckpointError(
                    f"{composition.name}: '{named.name}' {named.version} is not the one it was "
                    f"made with ({skill.card.digest[:15]}..., not {named.digest[:15]}...)"
                )
        return skills

    def trusted_keys(self) -> tuple[str, ...]:
        """Return the public keys that skills must be signed by, in hexadecimal.

        Raises:
            ConfigError: If a line is no key.
        """
        path = self.root / KEYS
        if not path.is_file():
            return ()
        lines = [line.partition("#")[0].strip() for line in path.read_text().splitlines()]
        keys = tuple(line.lower() for line in lines if line)
        for key in keys:
            if len(key) != 64 or any(letter not in "0123456789abcdef" for letter in key):
                raise ConfigError(f"{path}: '{key}' is no Ed25519 public key (64 hex digits)")
        return keys

    @contextmanager
    def _incoming(self) -> Iterator[Path]:
        self.root.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".incoming-", dir=self.root) as name:
            folder = Path(name) / "skill"
            folder.mkdir()
            yield folder


def _fetch(source: str, folder: Path) -> None:
    """Copy a skill's files from wherever they are."""
    path = Path(source).expanduser()
    if path.is_dir():
        copy_folder(path, folder)
    elif path.suffix == ".zip" and path.is_file():
        unpack(path, folder)
    elif catalog.HUB_ID.fullmatch(source) and not source.endswith(".zip"):
        _copy_snapshot(catalog.find_checkpoint(source), folder)
    else:
        raise CheckpointError(f"{source}: no folder, no .zip file and no hub repository")


def _copy_snapshot(snapshot: Path, folder: Path) -> None:
    """Copy from the hub's cache, where files are links into its store."""
    for name in (FILE, *FILES):
        if not (snapshot / name).is_file():
            raise CheckpointError(f"{snapshot}: no {name}, so this is no skill")
        shutil.copyfile(snapshot / name, folder / name)


def _order(entry: Entry) -> tuple[int, ...]:
    return _numbers(entry.card.version)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))
