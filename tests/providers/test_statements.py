"""The provider's statement of the day before is fetched in the night, and the day compared with it, without a file."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select
from twisted.internet.defer import Deferred

from gateway.affairs import reconciliation, statements
from gateway.affairs.comparing import Found
from gateway.affairs.intents import Step
from gateway.affairs.ledger import Account, AccountKind
from gateway.core.tables.reconciling import statement_entry
from gateway.providers.gsma import Gsma
from tests.providers.house import AMOUNT, LI, PIN, House

SHANGHAI = ZoneInfo("Asia/Shanghai")
WALLET = Account(AccountKind.WALLET, "wallet")


@pytest.fixture
def noon(house: House) -> House:
    """The day has hours left, whenever the test runs."""
    local = house.now().astimezone(SHANGHAI)
    house.ahead += datetime.combine(local.date() + timedelta(days=1), datetime.min.time(), SHANGHAI) - local
    house.ahead += timedelta(hours=12)
    house.muster.ids._seconds = lambda: house.now().timestamp()  # a day is closed by the ids that were made in it
    house.running.call(house.muster._timetable.stop)  # the test says when it is night
    return house


def today(house: House) -> date:
    return house.now().astimezone(SHANGHAI).date()


def night(house: House, hour: int = 5) -> None:
    """The clock of the next morning, and what the night's job makes of it."""
    local = house.now().astimezone(SHANGHAI)
    day = local.date() + timedelta(days=1) if local.hour >= hour else local.date()
    house.ahead += datetime.combine(day, datetime.min.time(), SHANGHAI) + timedelta(hours=hour) - local
    house.running.call(lambda: Deferred.fromCoroutine(house.muster._moneywork.reconcile()))


def compared(house: House, day: date) -> dict[Found, int]:
    counts = house.work(lambda conn: reconciliation.summary(conn, WALLET, day)).counts
    return {found: many for found, many in counts.items() if many}


def paid(house: House, times: int) -> None:
    house.enter()
    for number in range(times):
        house.settled(house.open(key=f"sms:{number}"), Step.SUCCEEDED)


def kept(house: House) -> int:
    found: int = house.work(lambda conn: conn.scalar(select(func.count()).select_from(statement_entry)))
    return found


def test_the_night_compares_with_what_the_provider_says(noon: House) -> None:
    house, day = noon, today(noon)
    client = house.muster.wallets.providers["wallet"]
    assert isinstance(client, Gsma)
    client.page = 2
    paid(house, 3)
    house.running.call(house.bank.pay, LI, 700, PIN)  # in the wallet's own menu, of which we hear nothing
    before = house.gsma.count("/statemententries")
    night(house)
    assert compared(house, day) == {Found.MATCH: 3, Found.THEIRS: 1}
    assert house.gsma.count("/statemententries") == before + 3  # two pages, and one that is empty
    house.running.call(lambda: Deferred.fromCoroutine(house.muster._moneywork.reconcile()))
    assert house.gsma.count("/statemententries") == before + 3
    (theirs,) = [row for row in house.work(reconciliation.rows, WALLET, day) if row.found is Found.THEIRS]
    books = house.muster.office.books
    house.work(
        lambda conn: (
            statements.to_suspense(conn, books, theirs.entry_id, actor="staff:one", reason="seen", now=house.now()).id
        )
    )
    assert house.balance(AccountKind.WALLET, "wallet") == 3 * AMOUNT + 700 == house.bank.received
    house.work(lambda conn: reconciliation.run(conn, books, WALLET, day, house.now()).open)
    assert compared(house, day) == {Found.MATCH: 4}


def test_what_the_provider_does_not_say_yet_is_asked_again_and_kept_once(noon: House) -> None:
    house, day = noon, today(noon)
    client = house.muster.wallets.providers["wallet"]
    assert isinstance(client, Gsma)
    client.page = 1
    paid(house, 2)
    asked = client.statement

    async def broken(first: datetime, last: datetime, offset: int) -> list[object]:
        if offset:
            house.gsma.options = type(house.gsma.options)(client_id="muster", client_secret="secret", queries=False)
        return list(await asked(first, last, offset))

    client.statement = broken  # type: ignore[method-assign, assignment]  # for a night
    night(house)
    assert kept(house) == 1
    with pytest.raises(Exception, match="not compared"):
        compared(house, day)
    client.statement = asked  # type: ignore[method-assign]  # for a night
    house.fault(queries=True)
    house.running.call(lambda: Deferred.fromCoroutine(house.muster._moneywork.reconcile()))
    assert kept(house) == 2
    assert compared(house, day) == {Found.MATCH: 2}


def test_in_the_morning_the_day_is_compared_without_it(noon: House) -> None:
    house, day = noon, today(noon)
    paid(house, 1)
    house.fault(queries=False)
    night(house, 8)
    assert compared(house, day) == {Found.OURS: 1}
