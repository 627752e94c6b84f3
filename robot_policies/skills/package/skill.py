"""A skill as a folder: made by `pack`, read and checked in every respect by `read_skill`.

torch is imported when tensors are read or written.
"""

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robot_policies.catalog import load_robot
from robot_policies.interface import ActionKind, CheckpointError, ConfigError, JointLimits
from robot_policies.interface.limits import check_limits
from robot_policies.skills.package.card import (
    FILE,
    FILES,
    FORMAT,
    TEXTS,
    BaseReference,
    SkillCard,
    Training,
    check_file,
    check_name,
    read_card,
)
from robot_policies.skills.package.digest import file_digest
from robot_policies.skills.package.signature import check_signature, sign

if TYPE_CHECKING:
    from robot_policies.skills.mixing.layers import Adapter
    from robot_policies.skills.package.base import SkillBase

MAX_FILE = 4 << 30  # bytes; the adapter's own limit follows from its base


@dataclass(frozen=True, eq=False)
class Skill:
    """A skill that fits a base.

    Attributes:
        card: What it says of itself.
        adapter: What it adds.
        folder: Where it was read.
    """

    card: SkillCard
    adapter: "Adapter"
    folder: Path


def pack(
    folder: Path,
    base: "SkillBase",
    name: str,
    version: str,
    *,
    adapter: "Adapter | None" = None,
    description: str = "",
    licence: str = "Apache-2.0",
    training: Training | None = None,
    metrics: Mapping[str, Any] | None = None,
    limits: JointLimits | None = None,
    private_key: bytes | None = None,
) -> Skill:
    """Make a folder a skill.

    Args:
        folder: Where it goes; if `adapter` is left out, peft's files lie there already.
        base: What it was trained on.
        name: Of the skill.
        version: Three numbers.
        adapter: What it adds.
        description: One sentence.
        licence: SPDX identifier.
        training: How it came about.
        metrics: Measured results.
        limits: What the robot is held to while the skill has a weight, beside its own limits.
        private_key: Signs it.

    Returns:
        The skill, read back and checked.

    Raises:
        CheckpointError: If the adapter does not fit the base.
    """
    from robot_policies.skills.package.adapter import write_adapter

    check_name(name, version)
    if adapter is not None:
        write_adapter(adapter, folder, base.name)
    for file in FILES:
        check_file(folder / file, MAX_FILE)
    card = SkillCard(
        format=FORMAT,
        name=name,
        version=version,
        description=description,
        licence=licence,
        base=BaseReference(base.kind, base.hash, base.normaliser),
        robot=base.robot,
        dt=base.dt,
        observation=base.observation,
        action=base.action,
        training=training or Training(),
        metrics=metrics or {},
        limits=limits or {},
        files={file: file_digest(folder / file) for file in FILES},
    )
    if private_key is not None:
        card = sign(card, private_key)
    card.write(folder)
    return read_skill(folder, base)


def read_skill(folder: Path, base: "SkillBase", trusted: Collection[str] = ()) -> Skill:
    """Read a skill and refuse it unless everything fits; tensors are read last.

    Args:
        folder: The skill.
        base: What it is to be added to.
        trusted: Public keys, in hexadecimal, one of which must have signed it.

    Raises:
        CheckpointError: In one line: what, where, expected.
    """
    from robot_policies.skills.package.adapter import read_adapter

    card = check_package(folder, trusted)
    check_fits(card, base, str(folder))
    return Skill(card, read_adapter(folder, base.layers), folder)


def check_package(folder: Path, trusted: Collection[str] = ()) -> SkillCard:
    """Check all that can be checked without the base: files, digests and signature.

    Raises:
        CheckpointError: In one line.
    """
    if folder.is_file():
        raise CheckpointError(f"{folder} is a file; `skill add` takes .zip files into the library")
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: no such folder")
    card = read_card(folder)
    where = str(folder)
    if sorted(card.files) != sorted(FILES):
        raise CheckpointError(f"{where}: files {sorted(card.files)}, a skill has {sorted(FILES)}")
    allowed = {FILE, *FILES, *TEXTS}
    for path in sorted(folder.iterdir()):
        if path.name not in allowed:
            raise CheckpointError(
                f"{path} does not belong to a skill, which holds {sorted(allowed)} alone"
            )
    for name, digest in card.files.items():
        check_file(folder / name, MAX_FILE)
        if file_digest(folder / name) != digest:
            raise CheckpointError(
                f"{folder / name} is not the file that {FILE} names: truncated or changed"
            )
    check_signature(card, trusted, where)
    return card


def check_fits(card: SkillCard, base: "SkillBase", where: str) -> None:
    """Compare a card with the base, what people can understand first.

    Raises:
        CheckpointError: Naming the first difference.
    """
    if card.base.policy != base.kind:
        raise CheckpointError(
            f"{where}: a skill of a policy '{card.base.policy}', {base.name} is a '{base.kind}'"
        )
    for what, of_skill, of_base in (
        ("action", card.action, base.action),
        ("observation", card.observation, base.observation),
        ("robot", card.robot, base.robot),
        ("dt", card.dt, base.dt),
    ):
        difference = _difference(what, of_skill, of_base)
        if difference:
            raise CheckpointError(f"{where}: {difference}")
    if card.base.hash != base.hash:
        raise CheckpointError(
            f"{where}: trained on another base ({card.base.hash[:15]}..., {base.name} has "
            f"{base.hash[:15]}...), even where shapes agree"
        )
    if card.base.normaliser != base.normaliser:
        raise CheckpointError(
            f"{where}: trained with another normaliser than that of {base.name}: the same numbers "
            "would mean other states and actions"
        )
    check_limits_fit(card.limits, base, where)


def check_limits_fit(limits: JointLimits, base: "SkillBase", where: str) -> None:
    """Refuse limits that the base's robot cannot be held to.

    Raises:
        CheckpointError: Naming the joint.
    """
    if not limits:
        return
    if not base.robot or base.action.get("kind") == ActionKind.BASE_VELOCITY:
        raise CheckpointError(f"{where}: limits on joints, which {base.name} does not command")
    try:
        check_limits(limits, load_robot(base.robot), f"{where}: limits")
    except ConfigError as error:
        raise CheckpointError(str(error)) from None


def _difference(where: str, of_skill: Any, of_base: Any) -> str:
    """Return the first place where two schemas differ, in words; empty if they agree."""
    if isinstance(of_skill, Mapping) and isinstance(of_base, Mapping):
        for key in [*of_base, *(key for key in of_skill if key not in of_base)]:
            if key not in of_skill or key not in of_base:
                owner = "the base" if key in of_base else "the skill"
                near = difflib.get_close_matches(key, [*of_skill, *of_base], n=2, cutoff=0.6)
                hint = f" (near: {[n for n in near if n != key]})" if len(near) > 1 else ""
                return f"{where}: only {owner} has '{key}'{hint}"
            found = _difference(f"{where}.{key}", of_skill[key], of_base[key])
            if found:
                return found
        return ""
    if isinstance(of_skill, list) and isinstance(of_base, list) and len(of_skill) == len(of_base):
        for index, (one, other) in enumerate(zip(of_skill, of_base, strict=True)):
            if one != other:
                return f"{where}[{index}] is '{one}', the base's is '{other}'"
        return ""
    return "" if of_skill == of_base else f"{where} is {of_skill!r}, the base's is {of_base!r}"
