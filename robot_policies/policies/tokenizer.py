"""The tokenizer of a checkpoint, from data alone.

`transformers` runs Python that lies beside a tokenizer, or makes one of any class that its
configuration names. What it does to a text stands in `tokenizer.json`, and that is all that is
read, besides the names of its special tokens.
"""

from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download

from robot_policies.interface import CheckpointError
from robot_policies.policies.files import CheckpointFiles, one_line

# The language models that LeRobot's own code names; they are read from the local hub cache.
LANGUAGE_MODELS = ("HuggingFaceTB/SmolVLM2-500M-Video-Instruct", "google/paligemma-3b-pt-224")
SPECIAL = ("bos_token", "eos_token", "unk_token", "pad_token")
MAX_BYTES = 64 << 20


def read_tokenizer(files: CheckpointFiles, name: str) -> Any:
    """Return the tokenizer that a checkpoint names.

    Args:
        files: Of the checkpoint.
        name: A folder in it, or one of `LANGUAGE_MODELS`.

    Raises:
        CheckpointError: If it is neither, or damaged.
    """
    if name in LANGUAGE_MODELS:
        home = cached(name)
    elif isinstance(name, str) and Path(name).name == name not in ("", "..") and "\\" not in name:
        home = files.folder / name
    else:
        raise CheckpointError(
            f"{files.folder}: tokenizer {name!r} must be a folder of the checkpoint, or one of "
            f"{list(LANGUAGE_MODELS)}"
        )
    own = CheckpointFiles(home)
    path = own.path("tokenizer.json")
    if path.stat().st_size > MAX_BYTES:
        raise CheckpointError(f"{path} has {path.stat().st_size} bytes, at most {MAX_BYTES}")
    metadata = own.json("tokenizer_config.json")
    if "auto_map" in metadata:
        raise CheckpointError(f"{home}: tokenizer_config.json names code ('auto_map')")
    special = {
        key: _token(metadata[key], home) for key in SPECIAL if metadata.get(key) is not None
    }
    if "pad_token" not in special:
        raise CheckpointError(f"{home}: tokenizer_config.json names no 'pad_token'")
    try:
        from tokenizers import Tokenizer
        from transformers import PreTrainedTokenizerFast

        return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_file(str(path)), **special)
    except Exception as error:  # the reader in Rust raises plain exceptions
        raise CheckpointError(f"{path}: {one_line(error)}") from None


def cached(name: str) -> Path:
    """Return the folder of a language model in the local hub cache.

    Raises:
        CheckpointError: If it is not there, saying how to fetch it.
    """
    try:
        return Path(snapshot_download(name, local_files_only=True))
    except OSError:
        raise CheckpointError(
            f"'{name}' is not in the local hub cache; `hf download {name}` fetches it"
        ) from None


def _token(entry: Any, home: Path) -> str:
    text = entry.get("content") if isinstance(entry, dict) else entry
    if not isinstance(text, str):
        raise CheckpointError(f"{home}: tokenizer_config.json has a special token {entry!r}")
    return text
