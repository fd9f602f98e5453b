"""A mobile money operator's wallets: accounts with balances, the PIN pop-up on a phone, and what can go wrong.

`gateway.providers.simulated_gsma` and `simulated_daraja` put the two APIs in front of it, as real HTTP servers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from random import Random
from typing import Any, Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


class Ending(StrEnum):
    """How a request to pay ended."""

    PAID = "paid"
    PIN = "pin"
    CANCELLED = "cancelled"
    FUNDS = "funds"
    TIMEOUT = "timeout"
    BUSY = "busy"
    NO_WALLET = "no_wallet"


@dataclass(slots=True, kw_only=True)
class Account:
    """A wallet; amounts are minor units."""

    number: str
    balance: int
    pin: str = "1234"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Money that has moved, by its reference."""

    reference: str
    amount: int
    payer: str
    payee: str
    at: datetime
    reverses: str | None = None


class Prompt:
    """The pop-up on a phone: what is to be paid and to whom, until its owner enters the PIN, cancels, or it ends."""

    def __init__(self, number: str, amount: int, payee: str, reference: str, done: Callable[[Ending], None]) -> None:
        self.number, self.amount, self.payee, self.reference = number, amount, payee, reference
        self._done: Callable[[Ending], None] | None = done
        self.entered = ""

    @property
    def open(self) -> bool:
        return self._done is not None

    def answer(self, pin: str) -> None:
        """The owner has entered this."""
        self.entered = pin
        self.end(Ending.PAID)

    def cancel(self) -> None:
        self.end(Ending.CANCELLED)

    def end(self, ending: Ending) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(ending)


class Phones(Protocol):
    """The handsets a bank can reach."""

    def prompted(self, prompt: Prompt) -> None:
        """A pop-up has come, or gone."""

    def busy(self, number: str) -> bool:
        """A USSD session is open on it, over which no pop-up can be shown."""

    def told(self, number: str, text: str) -> None:
        """The operator's own SMS."""


@dataclass(slots=True)
class Nobody:
    """Phones that nobody holds: `answer`, when there is one, is what happens to every pop-up."""

    answer: Callable[[Prompt], None] | None = None
    prompts: list[Prompt] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)

    def prompted(self, prompt: Prompt) -> None:
        if prompt.open:
            self.prompts.append(prompt)
            if self.answer is not None:
                self.answer(prompt)

    def busy(self, number: str) -> bool:
        return False

    def told(self, number: str, text: str) -> None:
        self.texts.append((number, text))


class Bank:
    """All wallets of one operator, and our account there."""

    def __init__(
        self,
        clock: IReactorTime,
        accounts: Iterable[Account],
        *,
        payee: str,
        name: str,
        random: Random,
        now: Callable[[], datetime],
        phones: Phones | None = None,
        lasts: float = 60.0,
        show: Callable[[int], str] = lambda amount: f"{amount / 100:.2f}",
    ) -> None:
        self.accounts = {account.number: account for account in accounts}
        self.payee, self.name = payee, name
        self.transfers: dict[str, Transfer] = {}
        self.phones: Phones = phones if phones is not None else Nobody()
        self._clock, self._random, self._now = clock, random, now
        self._lasts, self._show = lasts, show
        self._open: dict[str, Prompt] = {}

    @property
    def received(self) -> int:
        """What has come to our account."""
        came = sum(each.amount for each in self.transfers.values() if each.payee == self.payee)
        return came - sum(each.amount for each in self.transfers.values() if each.payer == self.payee)

    def ask(self, number: str, amount: int, reference: str, done: Callable[[Ending, Transfer | None], None]) -> None:
        """Show the pop-up on a phone; `done` hears how it ended."""
        account = self._account(number)
        if account is None:
            done(Ending.NO_WALLET, None)
            return
        if account.number in self._open or self.phones.busy(account.number):
            done(Ending.BUSY, None)
            return
        timer: IDelayedCall | None = None

        def ended(ending: Ending) -> None:
            self._open.pop(account.number, None)
            if timer is not None and timer.active():
                timer.cancel()
            self.phones.prompted(prompt)
            if ending is Ending.PAID:
                ending, transfer = self._pay(account, amount, prompt.entered)
                done(ending, transfer)
            else:
                done(ending, None)

        prompt = Prompt(account.number, amount, self.name, reference, ended)
        self._open[account.number] = prompt
        timer = self._clock.callLater(self._lasts, prompt.end, Ending.TIMEOUT)
        self.phones.prompted(prompt)
        if not prompt.open and timer.active():
            timer.cancel()

    def pay(self, number: str, amount: int, pin: str) -> tuple[Ending, Transfer | None]:
        """By the wallet's own menu, without being asked."""
        account = self._account(number)
        return (Ending.NO_WALLET, None) if account is None else self._pay(account, amount, pin)

    def reverse(self, reference: str, amount: int) -> Transfer | None:
        """Give back what a transfer brought, once."""
        original = self.transfers.get(reference)
        if original is None or not 0 < amount <= original.amount:
            return None
        if any(each.reverses == reference for each in self.transfers.values()):
            return None
        account = self._account(original.payer)
        if account is not None:
            account.balance += amount
        return self._moved(amount, self.payee, original.payer, reverses=reference)

    def _pay(self, account: Account, amount: int, pin: str) -> tuple[Ending, Transfer | None]:
        if pin != account.pin:
            return Ending.PIN, None
        if account.balance < amount:
            return Ending.FUNDS, None
        account.balance -= amount
        transfer = self._moved(amount, account.number, self.payee)
        self.phones.told(
            account.number,
            f"{transfer.reference} Confirmed. {self._show(amount)} paid to {self.name}."
            f" New balance is {self._show(account.balance)}",
        )
        return Ending.PAID, transfer

    def _moved(self, amount: int, payer: str, payee: str, *, reverses: str | None = None) -> Transfer:
        reference = "".join(self._random.choice(_LETTERS) for _ in range(10))
        made = Transfer(reference=reference, amount=amount, payer=payer, payee=payee, at=self._now(), reverses=reverses)
        self.transfers[reference] = made
        return made

    def _account(self, number: Any) -> Account | None:
        return self.accounts.get(f"+{str(number).removeprefix('+')}")
