"""Which wallet a number pays from, and what that wallet takes: for those who offer a member a way to pay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallet:
    """A provider as members meet it; amounts are minor units, and only multiples of `step` can be paid."""

    name: str
    label: str  # "M-Pesa": what members call it
    prefixes: tuple[str, ...]
    currency: str
    least: int
    most: int
    step: int = 1

    def takes(self, amount: int) -> bool:
        return self.least <= amount <= self.most and amount % self.step == 0


def available(wallets: Sequence[Wallet], number: str, amount: int | None = None) -> Wallet | None:
    """The wallet of `number`, the longest prefix first; None where there is none, or it does not take `amount`."""
    found = None
    longest = -1
    for wallet in wallets:
        length = max((len(prefix) for prefix in wallet.prefixes if number.startswith(prefix)), default=-1)
        if not wallet.prefixes:
            length = 0
        if length > longest:
            found, longest = wallet, length
    return found if found is None or amount is None or found.takes(amount) else None


def rounded(wallet: Wallet, amount: int) -> int:
    """`amount`, or the next one above it that the wallet can move: a shilling has no cents on some of them."""
    return -(-amount // wallet.step) * wallet.step
