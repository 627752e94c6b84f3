"""Ed25519 signatures of skills; needs the package `cryptography`, and nothing else does."""

from collections.abc import Collection
from dataclasses import replace

from robot_policies.interface import CheckpointError
from robot_policies.skills.package.card import Signature, SkillCard

ALGORITHM = "ed25519"


def sign(card: SkillCard, private_key: bytes) -> SkillCard:
    """Return the card with a signature.

    Args:
        card: What to sign; an old signature is replaced.
        private_key: 32 bytes.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.from_private_bytes(private_key)
    value = key.sign(card.digest.encode())
    public = key.public_key().public_bytes_raw()
    return replace(card, signature=Signature(ALGORITHM, public.hex(), value.hex()))


def check_signature(card: SkillCard, trusted: Collection[str], where: str) -> None:
    """Refuse a wrong signature always, and a missing or unknown one where keys are trusted.

    Args:
        card: The card.
        trusted: Public keys in hexadecimal; if there are none, an unsigned skill will do.
        where: For messages.

    Raises:
        CheckpointError: Saying which of these it is.
    """
    signature = card.signature
    if signature is None:
        if trusted:
            raise CheckpointError(
                f"{where}: not signed, and only skills by trusted keys are taken"
            )
        return
    if signature.algorithm != ALGORITHM:
        raise CheckpointError(f"{where}: signature by {signature.algorithm!r}, not {ALGORITHM}")
    if trusted and signature.key not in trusted:
        raise CheckpointError(f"{where}: signed by {signature.key[:16]}..., which is not trusted")
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ModuleNotFoundError:
        raise CheckpointError(
            f"{where}: signed, and the Python package 'cryptography' that checks it is missing"
        ) from None
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signature.key))
        key.verify(bytes.fromhex(signature.value), card.digest.encode())
    except (InvalidSignature, ValueError):
        raise CheckpointError(
            f"{where}: the signature is wrong; the skill was changed after it was signed"
        ) from None
