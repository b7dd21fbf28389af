"""Keys of ed25519 as PEM, and the signatures of DSSE; the only module that imports the package `cryptography`."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from lockgate.config.errors import InputError

HOW_TO_MAKE = "make a pair with `openssl genpkey -algorithm ed25519` and `openssl pkey -pubout`"


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """The bytes that DSSE signs: type and payload, each behind its length, so that neither can be taken for the other.

    PAE of https://github.com/secure-systems-lab/dsse/blob/v1.0.0/protocol.md
    """
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


@dataclass(frozen=True)
class VerifyKey:
    """A public key."""

    key: Ed25519PublicKey

    @classmethod
    def from_pem(cls, pem: bytes, where: str) -> VerifyKey:
        """Raises InputError where it is no public key of ed25519."""
        try:
            key = load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm):
            raise InputError(f"{where} holds no public key in PEM; {HOW_TO_MAKE}") from None
        if not isinstance(key, Ed25519PublicKey):
            raise InputError(f"{where} holds a public key of another kind than ed25519; {HOW_TO_MAKE}")
        return cls(key)

    @property
    def keyid(self) -> str:
        """The sha256 of the key in DER, as `openssl pkey -pubin -outform DER | sha256sum` has it."""
        return sha256(self.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()

    def verifies(self, signature: bytes, payload_type: str, payload: bytes) -> bool:
        """Whether the signature is this key's over the payload and its type."""
        try:
            self.key.verify(signature, pre_authentication_encoding(payload_type, payload))
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, repr=False)
class SigningKey:
    """A private key; nothing ever prints it."""

    key: Ed25519PrivateKey

    @classmethod
    def from_pem(cls, pem: bytes, where: str) -> SigningKey:
        """Raises InputError where it is no private key of ed25519, or has a passphrase."""
        try:
            key = load_pem_private_key(pem, password=None)
        except TypeError:
            raise InputError(
                f"{where} holds a key with a passphrase, which nobody is there to type; take it off"
            ) from None
        except (ValueError, UnsupportedAlgorithm):
            raise InputError(f"{where} holds no private key in PEM; {HOW_TO_MAKE}") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise InputError(f"{where} holds a private key of another kind than ed25519; {HOW_TO_MAKE}")
        return cls(key)

    @property
    def verify_key(self) -> VerifyKey:
        """Its public half."""
        return VerifyKey(self.key.public_key())

    def sign(self, payload_type: str, payload: bytes) -> bytes:
        """The signature over the payload and its type."""
        return self.key.sign(pre_authentication_encoding(payload_type, payload))
