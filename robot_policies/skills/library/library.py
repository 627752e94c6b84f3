"""A folder of skills and compositions, and what people do with it.

    <root>/skills/<name>/<version>/          skill.json and peft's two files
    <root>/compositions/<name>/<version>/    composition.json and a router
    <root>/trusted_keys                      one public key per line; with any, all must be signed

Whatever comes in is copied to a place of its own, checked there, and moved in whole: a refused
skill leaves no trace. What cannot be read disables nothing else: it is named, and can be removed.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from robot_policies.interface import (
    CheckpointError,
    JointLimits,
    UnknownNameError,
)
from robot_policies.shared_files import share_directory
from robot_policies.skills.library.composition import Composition
from robot_policies.skills.library.composition_file import COMPOSITION_FILE, write_composition
from robot_policies.skills.library.listing import (
    COMPOSITIONS,
    SKILLS,
    Broken,
    Entry,
    numbers,
    order,
    read_compositions,
    read_skills,
    refuse_broken,
)
from robot_policies.skills.library.place import default_root, trusted_keys
from robot_policies.skills.library.sources import fetch, fetch_adapter, naming
from robot_policies.skills.library.store import Store
from robot_policies.skills.package.card import SkillCard
from robot_policies.skills.package.skill import Skill, check_package, pack, read_skill

if TYPE_CHECKING:
    from robot_policies.skills.package.base import SkillBase


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
        self._store = Store(self.root)
        self._shipped = share_directory() / "checkpoints" if shipped is None else shipped

    def skills(self) -> list[Entry]:
        """Return every skill that can be read, by name and version."""
        return read_skills(self._store, self._shipped)[0]

    def broken(self) -> list[Broken]:
        """Return what cannot be read, skills and compositions."""
        return [*read_skills(self._store, self._shipped)[1], *read_compositions(self._store)[1]]

    def find(self, name: str) -> Entry:
        """Return a skill by `name`, its newest version, or by `name@version`.

        Raises:
            UnknownNameError: Listing the nearest and all names.
            CheckpointError: If it is there and cannot be read.
        """
        wanted, _, version = name.partition("@")
        entries, broken = read_skills(self._store, self._shipped)
        found = [
            entry
            for entry in entries
            if entry.card.name == wanted and version in ("", entry.card.version)
        ]
        if not found:
            refuse_broken(broken, name)
            known = {f"{entry.card.name}@{entry.card.version}" for entry in entries}
            known |= {entry.card.name for entry in entries}
            raise UnknownNameError("skill", name, known)
        return max(found, key=order)

    def load(self, name: str, base: "SkillBase") -> Skill:
        """Return a skill, checked in every respect against its base."""
        return read_skill(self.find(name).folder, base, self.trusted_keys())

    def verify(self, name: str, base: "SkillBase | None" = None) -> SkillCard:
        """Check a skill of the library, or a folder; with a base, whether it fits too.

        Raises:
            CheckpointError: Saying what is wrong.
        """
        folder = Path(name) if Path(name).is_dir() else self.find(name).folder
        if base is None:
            return check_package(folder, self.trusted_keys())
        return read_skill(folder, base, self.trusted_keys()).card

    def add(self, source: str, base: "SkillBase") -> Entry:
        """Take in a skill.

        Args:
            source: A folder, a `.zip`, or a hub repository as `owner/name`.
            base: What it is for; it is refused if it does not fit.

        Raises:
            CheckpointError: Saying what is wrong; the library is as it was.
        """
        with self._store.incoming() as folder, naming(folder, source):
            fetch(source, folder)
            card = read_skill(folder, base, self.trusted_keys()).card
            if any(made.name == card.name for made in self.compositions()):
                raise CheckpointError(
                    f"{source}: the library has a composition '{card.name}'; remove that, or give "
                    "the skill another name"
                )
            entries, broken = read_skills(self._store, self._shipped)
            for entry in entries:
                if (entry.card.name, entry.card.version) == (card.name, card.version):
                    raise CheckpointError(
                        f"{source}: the library has a skill '{card.name}' {card.version} already, "
                        f"in {entry.folder}; remove it, or give this one another version"
                    )
            refuse_broken(broken, f"{card.name}@{card.version}")
            target = self._store.put(folder, SKILLS, card.name, card.version)
        return Entry(card, target, False)

    def adopt(
        self,
        source: Path,
        base: "SkillBase",
        name: str,
        version: str,
        limits: JointLimits | None = None,
    ) -> Entry:
        """Take in a plain peft adapter, as a skill of this name.

        Args:
            source: Folder with peft's two files, or one that `lerobot-train` wrote them under.
            base: What it is for.
            name: Of the skill.
            version: Three numbers.
            limits: What the robot is held to while the skill has a weight.

        Raises:
            CheckpointError: If it is no adapter, or does not fit the base.
        """
        with self._store.incoming() as folder, naming(folder, str(source)):
            fetch_adapter(source, folder)
            pack(folder, base, name, version, limits=limits)
            return self.add(str(folder), base)

    def remove(self, name: str) -> tuple[str, str]:
        """Take a skill or a composition out of the user's library, whether it can be read or not.

        Returns:
            Its name and version.

        Raises:
            CheckpointError: If it is shipped, or a composition needs it.
        """
        with self._store.changing():
            wanted, _, version = name.partition("@")
            made = [made for made in self.compositions() if made.name == wanted]
            if made:
                chosen = self.composition(name)
                self._store.take_out(self._place(chosen))
                return chosen.name, chosen.version
            entries, _ = read_skills(self._store, self._shipped)
            if not any(e.card.name == wanted and version in ("", e.card.version) for e in entries):
                for broken in self.broken():
                    if broken.name == wanted and version in ("", broken.version):
                        self._store.take_out(broken.folder)
                        return broken.name, broken.version
            entry = self.find(name)
            self._check_free(entry)
            self._store.take_out(entry.folder)
            return entry.card.name, entry.card.version

    def _check_free(self, entry: Entry) -> None:
        """Refuse to remove a skill that is shipped or needed."""
        card = entry.card
        if entry.shipped:
            raise CheckpointError(
                f"skill '{card.name}' came with the package; it cannot be removed"
            )
        for made in self.compositions():
            for skill in made.skills:
                if (skill.name, skill.version) == (card.name, card.version):
                    raise CheckpointError(
                        f"composition '{made.name}' {made.version} needs '{card.name}'; "
                        "remove that first"
                    )

    def compositions(self) -> list[Composition]:
        """Return every composition that can be read."""
        return read_compositions(self._store)[0]

    def check_new(self, name: str, version: str) -> None:
        """Refuse a composition that could not be saved.

        Raises:
            CheckpointError: If there is one of that name and version, or a skill of that name.
        """
        if any(entry.card.name == name for entry in self.skills()):
            raise CheckpointError(
                f"'{name}' is a skill of the library; give the composition another name"
            )
        if (self.root / COMPOSITIONS / name / version / COMPOSITION_FILE).exists():
            raise CheckpointError(f"the library has a composition '{name}' {version} already")

    def save(self, composition: Composition) -> Path:
        """Keep a composition.

        Raises:
            CheckpointError: See `check_new`.
        """
        with self._store.incoming() as folder:
            self.check_new(composition.name, composition.version)
            write_composition(composition, folder)
            return self._store.put(folder, COMPOSITIONS, composition.name, composition.version)

    def composition(self, name: str) -> Composition:
        """Return a composition by `name`, its newest version, or by `name@version`."""
        wanted, _, version = name.partition("@")
        known = self.compositions()
        found = [made for made in known if made.name == wanted and version in ("", made.version)]
        if not found:
            refuse_broken(read_compositions(self._store)[1], name)
            raise UnknownNameError("composition", name, {made.name for made in known})
        return max(found, key=lambda made: numbers(made.version))

    def _place(self, made: Composition) -> Path:
        return self.root / COMPOSITIONS / made.name / made.version

    def folders_of(self, composition: Composition) -> list[Path]:
        """Return where the skills of a composition lie.

        Raises:
            CheckpointError: If one is not the one it was made with.
        """
        folders = []
        for named in composition.skills:
            entry = self.find(f"{named.name}@{named.version}")
            if entry.card.digest != named.digest:
                raise CheckpointError(
                    f"{composition.name}: '{named.name}' {named.version} is not the one it was "
                    f"made with ({entry.card.digest[:15]}..., not {named.digest[:15]}...)"
                )
            folders.append(entry.folder.resolve())
        return folders

    def skills_of(self, composition: Composition, base: "SkillBase") -> list[Skill]:
        """Return the skills of a composition, which must be the ones it was made with."""
        keys = self.trusted_keys()
        return [read_skill(folder, base, keys) for folder in self.folders_of(composition)]

    def trusted_keys(self) -> tuple[str, ...]:
        """Return the public keys that skills must be signed by, in hexadecimal.

        Raises:
            ConfigError: If a line is no key.
        """
        return trusted_keys(self.root)
