"""A language model of SmolVLA's form, small and with random weights, as the hub's cache holds it.

LeRobot makes SmolVLA's network from the configuration, tokenizer and processor of a repository on
the hub. Here the same files are written by `transformers` itself into a cache that nobody filled,
so that a SmolVLA can be made and asked without a download.
"""

from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    PreTrainedTokenizerFast,
    SmolVLMConfig,
    SmolVLMImageProcessor,
    SmolVLMProcessor,
    SmolVLMVideoProcessor,
)

NAME = "HuggingFaceTB/SmolVLM2-500M-Video-Instruct"
REVISION = "0" * 40
WORDS = ("put", "the", "cube", "on", "pad", "it", "there", "\n")
SPECIAL = {
    "pad_token": "<pad>",
    "unk_token": "<unk>",
    "bos_token": "<s>",
    "eos_token": "</s>",
    "image_token": "<image>",
    "fake_image_token": "<fake_token_around_image>",
    "global_image_token": "<global-img>",
    "end_of_utterance_token": "<end_of_utterance>",
}
WIDTH, HEADS, LAYERS = 32, 2, 2
PICTURE, PATCH = 64, 16  # px


def write_language_model(cache: Path) -> None:
    """Write the files.

    Args:
        cache: The hub's cache, as `HF_HUB_CACHE` names it.
    """
    home = cache / f"models--{NAME.replace('/', '--')}"
    folder = home / "snapshots" / REVISION
    folder.mkdir(parents=True)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(REVISION)
    vocabulary = {token: number for number, token in enumerate((*SPECIAL.values(), *WORDS))}
    _config(vocabulary).save_pretrained(folder)
    words = Tokenizer(models.WordLevel(vocabulary, unk_token=SPECIAL["unk_token"]))
    words.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split("\n", "isolated"), pre_tokenizers.Split(" ", "removed")]
    )
    extra = {key: SPECIAL[key] for key in SPECIAL if key not in SPECIAL_OF_ALL}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words,
        extra_special_tokens=extra,
        **{key: SPECIAL[key] for key in SPECIAL_OF_ALL},
    )
    size = {"longest_edge": PICTURE}
    processor = SmolVLMProcessor(
        SmolVLMImageProcessor(size=size, max_image_size=size),
        tokenizer,
        SmolVLMVideoProcessor(size=size, max_image_size=size),
        image_seq_len=(PICTURE // PATCH) ** 2,
    )
    processor.save_pretrained(folder)


SPECIAL_OF_ALL = ("pad_token", "unk_token", "bos_token", "eos_token")


def _config(vocabulary: dict[str, int]) -> SmolVLMConfig:
    wide = {"hidden_size": WIDTH, "num_attention_heads": HEADS, "intermediate_size": 2 * WIDTH}
    vision = {**wide, "num_hidden_layers": 1, "image_size": PICTURE, "patch_size": PATCH}
    text = {
        **wide,
        "model_type": "llama",
        "vocab_size": len(vocabulary),
        "num_hidden_layers": LAYERS,
        "num_key_value_heads": HEADS,
        "head_dim": WIDTH // HEADS,
        "max_position_embeddings": 512,
    }
    text |= {f"{key}_id": vocabulary[SPECIAL[key]] for key in SPECIAL_OF_ALL if key != "unk_token"}
    return SmolVLMConfig(
        vision_config=vision,
        text_config=text,
        image_token_id=vocabulary[SPECIAL["image_token"]],
        pad_token_id=vocabulary[SPECIAL["pad_token"]],
        scale_factor=1,
        tie_word_embeddings=False,
    )
