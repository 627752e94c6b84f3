"""What is no skill for this base is refused, in one line that says why."""

import json
import pickle
import shutil
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from robot_policies.interface import CheckpointError, ConfigError, JointLimit
from robot_policies.skills.library.library import SkillLibrary
from robot_policies.skills.library.place import ROOT, default_root
from robot_policies.skills.library.store import LOCK
from robot_policies.skills.package import archive
from robot_policies.skills.package.adapter import read_adapter
from robot_policies.skills.package.base import read_base
from robot_policies.skills.package.digest import base_hash, file_digest
from robot_policies.skills.package.signature import sign
from robot_policies.skills.package.skill import check_package, pack, read_skill

CONFIG, WEIGHTS, CARD = "adapter_config.json", "adapter_model.safetensors", "skill.json"


@pytest.fixture
def library(tmp_path):
    return SkillLibrary(tmp_path / "library", tmp_path / "shipped")


def edit(folder, changes, file=CARD):
    """Change entries of a JSON file, by dotted path."""
    path = folder / file
    data = json.loads(path.read_text())
    for key, value in changes.items():
        *parents, last = key.split("/")
        entry = data
        for parent in parents:
            entry = entry[parent]
        entry[last] = value
    path.write_text(json.dumps(data))


def reseal(folder):
    """Make the card name the files as they are now, as a forger would."""
    edit(folder, {f"files/{name}": file_digest(folder / name) for name in (CONFIG, WEIGHTS)})


def retensor(folder, change):
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS)
    reseal(folder)


def refused(folder, base, said, library=None):
    with pytest.raises(CheckpointError, match=said) as caught:
        read_skill(folder, base)
    assert len(str(caught.value).splitlines()) == 1
    if library is not None:
        with pytest.raises(CheckpointError, match=said):
            library.add(str(folder), base)
        assert library.skills() == []
        assert list(library.root.glob("**/*.safetensors")) == []


def test_what_is_packed_is_read_back(make_skill, base, adapter, policy):
    folder = make_skill(description="keeps away", metrics={"success": 0.9})
    skill = read_skill(folder, base)
    assert (skill.card.name, skill.card.version) == ("avoid", "1.0.0")
    assert skill.card.robot == "go1"
    assert skill.card.action["unit"] == ["rad", "rad"]
    for layer, part in adapter(policy).items():
        assert torch.equal(skill.adapter[layer].down, part.down)
        assert torch.equal(skill.adapter[layer].up, part.up)
        assert skill.adapter[layer].scale == 2.0


def test_another_base_of_the_same_shapes(make_skill, make_base, library):
    other = read_base(make_base("other", seed=2), "other")
    refused(make_skill(), other, "trained on another base", library)


@pytest.mark.parametrize(
    "change", [{"activation": "relu"}, {"beta_max": 9.0}, {"temperature": 0.5}]
)
def test_the_same_weights_in_another_architecture(make_skill, make_base, base, change):
    other = read_base(make_base("other", **change), "other")
    assert other.hash != base.hash
    refused(make_skill(), other, "trained on another base")


def test_the_base_hash_is_of_bytes_and_not_of_files(make_base, base, policy):
    assert read_base(make_base("again"), "again").hash == base.hash
    before = base_hash(policy, policy.config)
    with torch.no_grad():
        policy.network.output.bias[0] += 1e-7
    assert base_hash(policy, policy.config) != before


def test_another_normaliser(make_skill, make_base, library):
    refused(make_skill(), read_base(make_base("other", std=2.0)), "another normaliser", library)


def test_other_action_units(make_skill, make_base, library):
    other = read_base(make_base("other", unit="deg"))
    refused(make_skill(), other, r"action\.unit\[0\] is 'rad', the base's is 'deg'", library)


def test_another_order_of_joints(make_skill, base):
    folder = make_skill()
    edit(folder, {"action/names": ["FR_thigh_joint", "FR_hip_joint"]})
    refused(folder, base, r"action\.names\[0\] is 'FR_thigh_joint'")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"robot": "so101"}, "robot is 'so101', the base's is 'go1'"),
        ({"dt": 0.02}, "dt is 0.02"),
        ({"base/policy": "act"}, "a skill of a policy 'act'"),
        ({"observation/observation.wind": {}}, "only the skill has 'observation.wind'"),
        ({"format": 2}, "format 2"),
        ({"name": "../../etc"}, "lower-case letters"),
        ({"name": "Avoid"}, "lower-case letters"),
        ({"version": "1.0"}, "three numbers"),
        ({"version": "1.0.0/.."}, "three numbers"),
        ({"version": "9" * 5000}, "99 must be three numbers"),
        ({"colour": "red"}, "unknown key 'colour'"),
        ({"training/epochs": 3}, "unknown key 'epochs'"),
        ({"files/../evil.safetensors": "sha256:" + "0" * 64}, "outside|unknown|lies"),
        ({"base": None}, "expected a mapping"),
        ({"metrics": [1]}, "must be a JSON object"),
    ],
)
def test_a_card_that_says_something_else(make_skill, base, change, said):
    folder = make_skill()
    if any(".." in key for key in change):
        path = folder / CARD
        data = json.loads(path.read_text())
        data["files"]["../evil.safetensors"] = "sha256:" + "0" * 64
        path.write_text(json.dumps(data))
    else:
        edit(folder, change)
    refused(folder, base, said)


def test_a_truncated_file(make_skill, base, library):
    folder = make_skill()
    path = folder / WEIGHTS
    path.write_bytes(path.read_bytes()[:-100])
    refused(folder, base, "truncated or changed", library)
    reseal(folder)
    refused(folder, base, "damaged or truncated", library)


def test_a_changed_byte(make_skill, base):
    folder = make_skill()
    data = bytearray((folder / WEIGHTS).read_bytes())
    data[-1] ^= 1
    (folder / WEIGHTS).write_bytes(data)
    refused(folder, base, "truncated or changed")


KEY = "base_model.model.network.output.lora_A.weight"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.pop(KEY), f"lacks '{KEY}'"),
        (lambda t: [t.pop(k) for k in list(t)[::2]], "lacks .* and .* more"),
        (lambda t: t.update(extra=torch.zeros(1)), "has unexpected 'extra'"),
        (lambda t: t[KEY].view(-1)[3:4].fill_(float("nan")), "1 NaN or infinite"),
        (lambda t: t[KEY].view(-1)[3:4].fill_(float("inf")), "1 NaN or infinite"),
        (lambda t: t.update({KEY: t[KEY][:4].clone()}), r"shape \(4, 16\), rank and base ask"),
        (lambda t: t.update({KEY: t[KEY].to(torch.int32)}), "not floating point"),
    ],
    ids=["missing", "half", "extra", "nan", "inf", "rank", "integers"],
)
def test_wrong_tensors(make_skill, base, library, change, said):
    folder = make_skill()
    retensor(folder, change)
    refused(folder, base, said, library)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"r": 4}, "rank and base ask for"),
        ({"r": 0}, "rank r = 0"),
        ({"r": True}, "rank r = True"),
        ({"lora_alpha": None}, "lora_alpha"),
        ({"lora_alpha": 10**400}, "larger than any float"),
        ({"lora_alpha": 1e300}, "lora_alpha = 1e.300 must be a number in"),
        *(
            ({"init_lora_weights": way}, f"init_lora_weights = '{way}' changed the base")
            for way in ("pissa", "pissa_niter_4", "olora", "corda", "loftq", "lora_ga", "mica")
        ),
        ({"peft_type": "IA3"}, "not 'LORA'"),
        ({"use_dora": True}, "use_dora = True is not supported"),
        ({"bias": "all"}, "bias = 'all'"),
        ({"modules_to_save": ["network.output"]}, "modules_to_save"),
        ({"rank_pattern": {"output": 2}}, "rank_pattern"),
        ({"target_modules": ["network.outptu"]}, "no linear layer 'network.outptu'"),
        ({"target_modules": 1}, "target_modules"),
    ],
)
def test_wrong_settings(make_skill, base, change, said):
    folder = make_skill()
    edit(folder, change, CONFIG)
    reseal(folder)
    refused(folder, base, said)


def test_a_pickle(make_skill, base, library):
    folder = make_skill()
    (folder / WEIGHTS).write_bytes(pickle.dumps({"a": 1}))
    reseal(folder)
    refused(folder, base, "pickle in disguise", library)
    other = make_skill("other")
    torch.save({"a": torch.zeros(1)}, other / "adapter_model.bin")
    refused(other, base, "does not belong to a skill", library)


def test_a_tensor_twice(make_skill, base):
    folder = make_skill()
    data = (folder / WEIGHTS).read_bytes()
    length = int.from_bytes(data[:8], "little")
    header, numbers = data[8 : 8 + length].strip(), data[8 + length :]
    first = b'"' + next(iter(json.loads(header).keys() - {"__metadata__"})).encode() + b'":'
    entry = header[header.index(first) :]
    entry = entry[: entry.index(b"}") + 1]
    twice = header[:-1] + b"," + entry + b"}"
    (folder / WEIGHTS).write_bytes(len(twice).to_bytes(8, "little") + twice + numbers)
    reseal(folder)
    refused(folder, base, "stands there twice")


def test_links_are_not_followed(make_skill, base, library, tmp_path):
    folder = make_skill()
    (folder / WEIGHTS).rename(tmp_path / "elsewhere.safetensors")
    (folder / WEIGHTS).symlink_to(tmp_path / "elsewhere.safetensors")
    with pytest.raises(CheckpointError, match="is a link"):
        read_skill(folder, base)
    with pytest.raises(CheckpointError, match="no regular file"):
        library.add(str(folder), base)


def test_a_card_with_a_key_twice_or_no_numbers(make_skill, base):
    folder = make_skill()
    text = (folder / CARD).read_text()
    (folder / CARD).write_text(text.replace('"name"', '"name": "other", "name"', 1))
    refused(folder, base, "'name' stands there twice")
    (folder / CARD).write_text(text.replace('"dt": 0.05', '"dt": NaN'))
    refused(folder, base, "NaN is no JSON number")
    (folder / CARD).write_text("[" * 100_000)
    refused(folder, base, "skill.json")
    (folder / CARD).write_text(" " * (2 << 20))
    refused(folder, base, "bytes, at most")


# --- Signatures


@pytest.fixture
def keys():
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    made = [Ed25519PrivateKey.from_private_bytes(bytes([n] * 32)) for n in (1, 2)]
    return [(k.private_bytes_raw(), k.public_key().public_bytes_raw().hex()) for k in made]


def test_a_signed_skill_is_taken_and_a_changed_one_is_not(make_skill, base, keys, library):
    (private, public), (_, stranger) = keys
    folder = make_skill(private_key=private)
    assert read_skill(folder, base, [public]).card.signature.key == public
    with pytest.raises(CheckpointError, match="not trusted"):
        read_skill(folder, base, [stranger])
    edit(folder, {"description": "harmless"})
    refused(folder, base, "changed after it was signed", library)


def test_where_keys_are_trusted_an_unsigned_skill_is_not(make_skill, base, keys, library):
    library.root.mkdir()
    (library.root / "trusted_keys").write_text(f"{keys[0][1]}  # us\n")
    with pytest.raises(CheckpointError, match="not signed"):
        library.add(str(make_skill()), base)
    library.add(str(make_skill("signed", private_key=keys[0][0])), base)
    (library.root / "trusted_keys").write_text("nonsense\n")
    with pytest.raises(ConfigError, match="no Ed25519 public key"):
        library.trusted_keys()


def test_a_signature_of_another_skill_is_wrong(make_skill, base, keys):
    first, second = (make_skill(name, private_key=keys[0][0]) for name in ("one", "two"))
    stolen = json.loads((first / CARD).read_text())["signature"]
    edit(second, {"signature": stolen})
    refused(second, base, "signature is wrong")
    edit(second, {"signature/value": "zz"})
    refused(second, base, "signature is wrong")
    edit(second, {"signature/algorithm": "rot13"})
    refused(second, base, "'rot13', not ed25519")


def test_signing_twice_replaces_the_signature(make_skill, base, keys):
    card = read_skill(make_skill(), base).card
    again = sign(sign(card, keys[0][0]), keys[1][0])
    assert again.signature.key == keys[1][1]
    assert again.digest == card.digest


# --- Archives


def zipped(folder, path, *, prefix="", extra=()):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for member in sorted(folder.iterdir()):
            file.write(member, prefix + member.name)
        for name, data in extra:
            file.writestr(name, data)
    return str(path)


@pytest.mark.parametrize("prefix", ["", "avoid/"])
def test_a_zip_file_is_taken(make_skill, base, library, tmp_path, prefix):
    entry = library.add(zipped(make_skill(), tmp_path / "a.zip", prefix=prefix), base)
    assert entry.folder.is_dir()
    assert [found.card.name for found in library.skills()] == ["avoid"]


@pytest.mark.parametrize(
    "name",
    ["../evil.json", "/etc/evil", "a/../../b", "..\\evil", "evil.pkl", "deep/er/skill.json"],
)
def test_a_zip_file_that_leaves_its_folder(make_skill, base, library, tmp_path, name):
    source = zipped(make_skill(), tmp_path / "a.zip", extra=[(name, b"x")])
    with pytest.raises(CheckpointError, match="leaves the folder|does not belong"):
        library.add(source, base)
    assert sorted(p.name for p in library.root.iterdir()) == [LOCK]
    assert not (tmp_path / "evil.json").exists()


def test_a_zip_file_that_says_it_is_10_gigabytes(make_skill, base, library, tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(CARD, "{}")
        file.filelist[0].file_size = 10 << 30  # the central directory claims it
    with pytest.raises(CheckpointError, match="would unpack to 10737418240 bytes"):
        library.add(str(path), base)


def test_a_zip_file_that_hides_its_size(base, library, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_BYTES", 1 << 20)
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(WEIGHTS, np.zeros(4 << 20, np.uint8).tobytes())
        file.filelist[0].file_size = 100  # and it lies
    with pytest.raises(CheckpointError, match="no readable zip|more than"):
        library.add(str(path), base)


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_a_zip_file_with_a_damaged_member(make_skill, base, library, tmp_path, method):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", method) as file:
        for part in sorted(make_skill().iterdir()):
            file.writestr(part.name, part.read_bytes())
        largest = max(file.infolist(), key=lambda entry: entry.compress_size)
    damaged = bytearray(path.read_bytes())
    start = largest.header_offset + 30 + len(largest.filename) + 5
    damaged[start : start + 20] = b"\xff" * 20
    path.write_bytes(damaged)
    with pytest.raises(CheckpointError, match="is no readable zip file"):
        library.add(str(path), base)


def test_every_byte_of_a_zip_file_may_be_wrong(make_skill, base, library, tmp_path):
    whole = Path(zipped(make_skill(), tmp_path / "a.zip")).read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(whole), 60):
        changed = bytearray(whole)
        changed[place] ^= 1 << rng.integers(8)
        (tmp_path / "b.zip").write_bytes(changed)
        with suppress(CheckpointError):
            library.add(str(tmp_path / "b.zip"), base)
            library.remove("avoid")


def test_what_is_no_zip_file(base, library, tmp_path, make_skill):
    path = tmp_path / "a.zip"
    path.write_bytes(b"PK but no")
    with pytest.raises(CheckpointError, match="no readable zip"):
        library.add(str(path), base)
    with pytest.raises(CheckpointError, match="no folder, no .zip"):
        library.add("nowhere/at/all", base)


def test_a_plain_peft_folder_becomes_a_skill_when_it_is_packed(make_skill, base):
    folder = make_skill()
    (folder / CARD).unlink()
    with pytest.raises(CheckpointError, match="skill.json is missing"):
        check_package(folder)
    assert pack(folder, base, "mine", "0.1.0").card.name == "mine"


@pytest.mark.parametrize("above", ["", "pretrained_model", "checkpoints/last/pretrained_model"])
def test_what_lerobot_train_wrote_becomes_a_skill(make_skill, base, library, tmp_path, above):
    made, out = make_skill(), tmp_path / "out"
    shutil.copytree(made, out / above)
    (out / above / CARD).unlink()
    (out / above / "train_config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="becomes one by --name"):
        library.add(str(out), base)
    assert library.adopt(out, base, "mine", "1.0.0").card.name == "mine"


def test_of_several_adapters_one_must_be_named(make_skill, base, library, tmp_path):
    for step in ("1", "2"):
        shutil.copytree(make_skill(folder=step), tmp_path / "out" / step)
    with pytest.raises(CheckpointError, match="there are .*1.*2.*, name one"):
        library.adopt(tmp_path / "out", base, "mine", "1.0.0")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="no adapter_config.json in it"):
        library.adopt(tmp_path / "empty", base, "mine", "1.0.0")


def test_a_refusal_names_the_source_and_not_the_copy(make_skill, base, library):
    folder = make_skill()
    edit(folder, {"r": 0}, CONFIG)
    reseal(folder)
    with pytest.raises(CheckpointError) as caught:
        library.add(str(folder), base)
    assert str(caught.value).startswith(str(folder))


def test_reading_needs_every_layer_named_alike(make_skill, base):
    layers = {key.removeprefix("network."): size for key, size in base.layers.items()}
    with pytest.raises(CheckpointError, match="no linear layer 'network"):
        read_adapter(make_skill(), layers)


def test_limits_are_part_of_the_card_and_of_what_is_signed(make_skill, base, keys):
    limits = {"FR_hip_joint": JointLimit(-0.2, 0.2, 1.5)}
    folder = make_skill(limits=limits, private_key=keys[0][0])
    assert read_skill(folder, base).card.limits == limits
    edit(folder, {"limits/FR_hip_joint/upper": 0.8})
    refused(folder, base, "signature is wrong")


@pytest.mark.parametrize(
    ("limits", "complaint"),
    [
        ({"FR_hip": {"upper": 0.1}}, "Did you mean 'FR_hip_joint'"),
        ({"FR_hip_joint": {"lower": 0.3, "upper": 0.1}}, "has no room"),
        ({"FR_hip_joint": {"lower": 7.0}}, "has no room"),
        ({"FR_hip_joint": {"velocity": -1.0}}, "velocity -1.0 must be > 0"),
        ({"FR_hip_joint": {"top": 0.1}}, "unknown key 'top'"),
        (["FR_hip_joint"], "joints by name"),
    ],
)
def test_limits_that_no_robot_could_be_held_to_are_refused(make_skill, base, limits, complaint):
    folder = make_skill()
    edit(folder, {"limits": limits})
    refused(folder, base, complaint)


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch):
    def homeless(*_):
        raise KeyError("no such user")

    for name in ("HOME", "XDG_DATA_HOME", ROOT):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", homeless)
    with pytest.raises(ConfigError, match="set HOME, XDG_DATA_HOME or ROBOT_POLICIES_SKILLS"):
        default_root()
