"""12 PAY: how much, then by which way; every way there is for this member keeps its digit.

    12        12 9.50        12 3个月

1 cash to the treasurer and 4 a relative give a pay code, 2 says how a voucher is sent, 3 asks the member's wallet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import Connection

from commands import consenting, dues, shown
from commands.office import LIFE, Office, office
from commands.registry import Command, Kind, Parameter
from gateway.affairs import cash, intents, paycodes, paying, settings, wallets
from gateway.affairs.dues import Owed
from gateway.affairs.payments import Surplus
from gateway.core.model import Ask, Channel, LogClass, Member, Reply, Request, Told

CODE = "12"
_LEAST = 20  # minor units
_MOST = 5000  # units
_VOUCHER = "14"


class _Wish(NamedTuple):
    """What the member wants to pay."""

    amount: int
    surplus: str


def pay(conn: Connection, request: Request) -> Reply:
    at, owed = office(request), request.read or Owed()
    arguments = request.arguments
    if arguments.get("other"):
        return _other_amount(at, request)
    amount = arguments.get("amount")
    if amount is None and arguments.get("months") is not None:
        amount = _months(conn, at, request, arguments["months"])
        if not amount:
            return at.reply(request, "dues.nothing")
        if amount > _MOST * 10**at.registry.decimals:
            return at.error(request, "E11", least=at.money(_LEAST, request.language))
        arguments = {**arguments, "surplus": Surplus.PREPAID.value}
    if amount is None:
        return _how_much(conn, at, request, owed)
    surplus = arguments.get("surplus")
    if surplus is None and amount > owed.amount:
        return _what_for(at, request, amount, amount - owed.amount)
    wish = _Wish(amount, surplus or Surplus.PREPAID.value)
    way = _WAYS.get(arguments.get("way", ""))
    if way is None or arguments["way"] not in offered(conn, at, request, wish):
        return _which_way(conn, at, request, wish)
    return way(conn, at, request, wish)


def offered(conn: Connection, at: Office, request: Request, wish: _Wish) -> dict[str, str]:
    """The ways that exist for this member, with the digit of each."""
    member = _member(request)
    found = {}
    if cash.collected(conn, member.branch_path, at.today(request.now)):
        found["cash"] = "1"
    voucher = at.registry.get(_VOUCHER)
    if voucher is not None and voucher.allows(member):
        found["voucher"] = "2"
    if wallets.available(at.wallets, request.number, wish.amount) is not None:
        found["wallet"] = "3"
    if settings.value(conn, "cash.relatives", request.now) and "cash" in found:
        found["relative"] = "4"
    return found


# --- asking -----------------------------------------------------------------------------------------------------


def _how_much(conn: Connection, at: Office, request: Request, owed: Owed) -> Reply:
    if request.channel is Channel.USSD:
        return _amounts(conn, at, request, owed)
    if owed.amount:
        return _which_way(conn, at, request, _Wish(owed.amount, Surplus.PREPAID.value))
    if owed.paid_to is None:
        return at.reply(request, "pay.nothing")
    return at.reply(request, "pay.paid", month=shown.month(owed.paid_to, request.language, at.month(request.now)))


def _amounts(conn: Connection, at: Office, request: Request, owed: Owed) -> Reply:
    """A screen: all of it, one month, another amount."""
    one = _months(conn, at, request, 1)
    choices: dict[str, tuple[str, Mapping[str, Any]]] = {}
    if owed.amount:
        choices["1"] = (CODE, {"amount": owed.amount})
    if one and one != owed.amount:
        choices["2"] = (CODE, {"amount": one, "surplus": Surplus.PREPAID.value})
    choices["3"] = (CODE, {"other": True})
    values = {
        "all": at.money(owed.amount, request.language) if "1" in choices else "",
        "one": at.money(one, request.language) if "2" in choices else "",
    }
    return _asking(at, request, "pay.amounts", choices, **values)


def _other_amount(at: Office, request: Request) -> Reply:
    ask = Ask(expires=request.now + LIFE, command=CODE, parameter="amount", language=request.language)
    return replace(at.reply(request, "pay.amount"), ask=ask)


def _what_for(at: Office, request: Request, amount: int, over: int) -> Reply:
    """More than is owed: for months to come, or given beyond the dues?"""
    known = {name: value for name, value in request.arguments.items() if name == "way"}
    choices: dict[str, tuple[str, Mapping[str, Any]]] = {
        "1": (CODE, {**known, "amount": amount, "surplus": Surplus.PREPAID.value}),
        "2": (CODE, {**known, "amount": amount, "surplus": Surplus.VOLUNTARY.value}),
    }
    return _asking(at, request, "pay.surplus", choices, over=at.money(over, request.language))


def _which_way(conn: Connection, at: Office, request: Request, wish: _Wish) -> Reply:
    ways = offered(conn, at, request, wish)
    if not ways:
        return at.reply(request, "pay.no_way", amount=at.money(wish.amount, request.language))
    choices: dict[str, tuple[str, Mapping[str, Any]]] = {
        digit: (CODE, {"amount": wish.amount, "surplus": wish.surplus, "way": way}) for way, digit in ways.items()
    }
    if request.channel is Channel.USSD and "voucher" in ways:
        choices[ways["voucher"]] = (_VOUCHER, {})
    amount, named = at.money(wish.amount, request.language), _named(at, request, ways)
    return _asking(at, request, "pay.ways", choices, amount=amount, ways=named)


def _named(at: Office, request: Request, ways: Mapping[str, str]) -> str:
    """Two in a row on a screen, one behind the other in an SMS."""
    if request.channel is not Channel.USSD:
        return " ".join(at.texts(f"pay.way_{way}", request.language) for way in ways)
    items = [at.texts(f"pay.item_{way}", request.language) for way in ways]
    return "\n".join(" ".join(items[place : place + 2]) for place in range(0, len(items), 2))


def _asking(
    at: Office, request: Request, key: str, choices: Mapping[str, tuple[str, Mapping[str, Any]]], **values: Any
) -> Reply:
    key = f"{key}_screen" if request.channel is Channel.USSD else key
    ask = Ask(expires=request.now + LIFE, choices=choices, language=request.language)
    return replace(at.reply(request, key, **values), ask=ask)


# --- the ways -----------------------------------------------------------------------------------------------------


def _cash(conn: Connection, at: Office, request: Request, wish: _Wish) -> Reply:
    code = paycodes.give(
        conn,
        at.new_id,
        request.random,
        member_id=_member(request).id,
        amount=wish.amount,
        surplus=wish.surplus,
        now=request.now,
    )
    return at.reply(request, "pay.cash", amount=at.money(wish.amount, request.language), pay_code=code.code)


def _voucher(conn: Connection, at: Office, request: Request, wish: _Wish) -> Reply:
    return at.reply(request, "pay.voucher")


def _wallet(conn: Connection, at: Office, request: Request, wish: _Wish) -> Reply:
    wallet = wallets.available(at.wallets, request.number, wish.amount)
    assert wallet is not None, "it was offered"
    opened = intents.open(
        conn,
        at.new_id,
        member_id=_member(request).id,
        amount=wish.amount,
        currency=at.organisation.currency,
        provider=wallet.name,
        number=request.number,
        language=request.language,
        now=request.now,
        request_key=f"pay:{request.number}:{request.message}",
        surplus=wish.surplus,
    )
    if isinstance(opened, intents.Another):
        return at.reply(request, "pay.wallet_open", amount=at.money(opened.intent.amount, request.language))
    return at.reply(request, "pay.wallet_screen" if request.channel is Channel.USSD else "pay.wallet")


def _relative(conn: Connection, at: Office, request: Request, wish: _Wish) -> Reply:
    """A pay code for somebody else; the branch is asked for its consent once."""
    member = _member(request)
    code = paycodes.give(
        conn,
        at.new_id,
        request.random,
        member_id=member.id,
        amount=wish.amount,
        surplus=wish.surplus,
        now=request.now,
        relative=True,
        state=consenting.first_state(conn, request),
    )
    told: tuple[Told, ...] = ()
    if code.state == paycodes.BRANCH:
        asked = consenting.ask_branch(conn, at, request, CODE, code, member)
        if asked is None:
            return at.reply(request, "pay.no_officer")
        told = (asked,)
    reply = at.reply(request, "pay.relative", amount=at.money(wish.amount, request.language), pay_code=code.code)
    return replace(reply, told=told)


_WAYS: dict[str, Callable[[Connection, Office, Request, _Wish], Reply]] = {
    "cash": _cash,
    "voucher": _voucher,
    "wallet": _wallet,
    "relative": _relative,
}


def _months(conn: Connection, at: Office, request: Request, count: int) -> int:
    """What so many months cost, of those that may still be paid."""
    since = dues.since(conn, at.month(request.now), request.now)
    return paying.months(conn, _member(request).id, count, since)


def _member(request: Request) -> Member:
    assert request.member is not None, "12 is for members"
    return request.member


PAY = Command(
    code=CODE,
    name="pay",
    words={"zh": ("交费", "缴费", "交会费"), "en": ("PAY",), "pinyin": ("JF",)},
    function=pay,
    agreed=consenting.agreed,
    denied=consenting.denied,
    again=consenting.again,
    parameters=(
        Parameter(name="months", kind=Kind.MONTHS, required=False),
        Parameter(name="amount", kind=Kind.AMOUNT, required=False, least=_LEAST, most=_MOST),
    ),
    log_class=LogClass.B,
    reads=dues.read,
)
