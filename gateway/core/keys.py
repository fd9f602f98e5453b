"""The installation's secret, and the keys derived from it, one a purpose (HKDF, RFC 5869).

It lives in a file beside the configuration, never in the database nor in a backup of it: who steals the one cannot
read what is sealed in the other.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_SIZE = 32
_NONCE = 12
_CASE_DIGITS = 7


class KeyProblem(Exception):
    """The key file is missing or is not one; `muster upgrade` makes one for a new database."""


class Keys:
    """Purpose keys of one secret of 32 octets."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) != _SIZE:
            raise KeyProblem(f"a key is {_SIZE} octets, not {len(secret)}")
        self._secret = secret
        self._derived = lru_cache(maxsize=64)(self._derive)
        self._cipher = lru_cache(maxsize=64)(lambda purpose: AESGCM(self._derive(purpose)))

    @classmethod
    def load(cls, path: Path) -> Keys:
        try:
            return cls(bytes.fromhex(path.read_text("ascii").strip()))
        except FileNotFoundError:
            raise KeyProblem(f"{path}: no such key file; `muster upgrade` makes one for a new database") from None
        except (ValueError, UnicodeDecodeError):
            raise KeyProblem(f"{path}: not a key file; it holds {_SIZE * 2} hexadecimal digits") from None

    @classmethod
    def make(cls, path: Path) -> Keys:
        """A new secret in a new file that only its owner can read; an existing file is never touched."""
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            secret = secrets.token_bytes(_SIZE)
            file.write(secret.hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        return cls(secret)

    def fingerprint(self) -> str:
        """What a database remembers of the key it was made with."""
        return self.mac("fingerprint", "muster")[:16]

    def seal(self, purpose: str, content: bytes) -> bytes:
        """AES-256-GCM; the nonce stands before the ciphertext."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher(purpose).encrypt(nonce, content, None)

    def open(self, purpose: str, sealed: bytes) -> bytes:
        try:
            return self._cipher(purpose).decrypt(sealed[:_NONCE], sealed[_NONCE:], None)
        except InvalidTag:
            raise KeyProblem("sealed with another key; is this the key file of this database?") from None

    def mac(self, purpose: str, text: str) -> str:
        """HMAC-SHA-256 in hexadecimal."""
        return hmac.new(self._derived(purpose), text.encode(), hashlib.sha256).hexdigest()

    def permute(self, number: int, *, digits: int = _CASE_DIGITS, purpose: str = "permute") -> int:
        """A keyed one-to-one map of the numbers below 10**digits: a Feistel network that walks its cycles.

        Case numbers leave the house; a counter would tell everybody how many cases there are.
        """
        limit = 10**digits
        if not 0 <= number < limit:
            raise ValueError(f"{number} has more than {digits} digits")
        half = (limit.bit_length() + 1) // 2
        while True:
            left, right = number >> half, number & (1 << half) - 1
            for turn in range(4):
                mixed = hmac.new(self._derived(purpose), b"%d:%d" % (turn, right), hashlib.sha256).digest()
                left, right = right, left ^ int.from_bytes(mixed[:4]) & (1 << half) - 1
            number = left << half | right
            if number < limit:
                return number

    def _derive(self, purpose: str) -> bytes:
        return HKDF(algorithm=SHA256(), length=_SIZE, salt=None, info=b"muster:" + purpose.encode()).derive(
            self._secret
        )
