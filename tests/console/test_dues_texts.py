"""Texts of a wallet that wait: who may see them, and what finance makes of them."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, select

from config.receipt_rules import load
from gateway.affairs import intents, wallet_texts
from gateway.affairs.intents import Intent, Step
from gateway.affairs.wallet_rows import Arrival
from gateway.affairs.wallet_texts import OnSim
from gateway.core.tables.reconciling import untold, wallet_text
from tests.affairs.test_wallet_texts import received
from tests.console.money import books, neighbour
from tests.console.test_dues import form_of
from tests.console.test_dues import world as world
from tests.console.world import World

RULES = load()[0]
DAY = "1/1/26"


def comes(conn: Connection, world: World, text: str, sender: str = "MPESA") -> int:
    now = datetime.now(UTC)
    arrival = Arrival(id=world.ids(), provider="mpesa", link="till", sender=sender, text=text, received=now)
    wallet_texts.take(conn, books(world.ids), RULES, {"till": OnSim("mpesa", 0)}, arrival, now)
    return arrival.id


def state(conn: Connection, id_: int) -> str | None:
    return conn.scalar(select(wallet_text.c.state).where(wallet_text.c.id == id_))


def test_finance_accepts_a_held_text_and_what_waited_for_it_is_booked(world: World) -> None:
    first = world.run(lambda conn: comes(conn, world, received("TJF0000001", 500, 1500, day=DAY)))
    second = world.run(lambda conn: comes(conn, world, received("TJF0000002", 700, 2200, day=DAY)))
    wu = world.browser("wu")
    page = wu.get("/dues/texts").text
    assert "TJF0000001" in page
    assert "余额不连续" in page
    assert "+2547" not in page.replace("+25470****0001", "")
    assert world.browser("tan").get("/dues/texts").status == 403
    form = form_of(wu, f"/dues/texts/{first}/accept")
    assert wu.post(f"/dues/texts/{first}/accept", {"form": form}).status == 409
    assert wu.post(f"/dues/texts/{first}/accept", {"form": form, "reason": "seen"}).status == 303
    assert world.run(lambda conn: [state(conn, first), state(conn, second)]) == ["suspense", "suspense"]
    assert wu.post(f"/dues/texts/{first}/reject", {"form": form, "reason": "again"}).status in (303, 409)
    assert "TJF0000002" in wu.get("/dues/texts/rule?name=mpesa.received").text
    assert "accept wallet text" in world.actions()


def test_a_text_that_no_rule_reads_is_shown_without_its_figures_and_rejected(world: World) -> None:
    id_ = world.run(lambda conn: comes(conn, world, "Umepokea Ksh500 kutoka 0712000003"))
    wu = world.browser("wu")
    page = wu.get("/dues/texts").text
    assert "Umepokea Ksh*** kutoka **********" in page
    form = form_of(wu, f"/dues/texts/{id_}/reject")
    assert wu.post(f"/dues/texts/{id_}/reject", {"form": form, "reason": "advertisement"}).status == 303
    assert "Umepokea" not in wu.get("/dues/texts").text
    assert wu.post("/dues/texts/1/reject", {"form": form, "reason": "x"}).status == 409
    assert wu.post(f"/dues/texts/{id_}/nonsense", {"form": form, "reason": "x"}).status == 404
    assert world.run(lambda conn: conn.execute(select(untold)).all()) == []


def test_finance_says_which_payment_a_text_is(world: World) -> None:
    """The rule reads no number there, only a name: it may be the payment that was booked without its number."""
    push, other = world.run(lambda conn: [nameless(conn, world, key) for key in ("one", "two")])
    texts = world.run(lambda conn: [hides_its_payer(conn, world, number) for number in (1, 2)])
    wu = world.browser("wu")
    page = wu.get("/dues/texts").text
    assert "可能是一笔已入账但还没有交易号的付款" in page
    for each in (push, other):
        assert each in page
    first, second = (f"/dues/texts/{id_}/push" for id_ in texts)
    form = form_of(wu, first)
    fields = {"form": form, "reason": "seen in the portal"}
    assert wu.post(first, fields | {"push": "NONE"}).status == 409
    assert world.browser("tan").post(first, fields | {"push": push}).status == 403
    assert wu.post(first, fields | {"push": push}).status == 303
    assert wu.post(second, fields | {"push": push}).status == 409
    assert wu.post(f"/dues/texts/{texts[1]}/transit", fields).status == 409
    assert wu.post(f"/dues/texts/{texts[1]}/other", fields).status == 303
    assert world.run(lambda conn: [state(conn, id_) for id_ in texts]) == ["done", "suspense"]
    assert {"wallet text is the payment", "name wallet payment", "wallet text is other money"} <= set(world.actions())


def nameless(conn: Connection, world: World, key: str) -> str:
    """The reference of a payment that was booked and nobody knows its number."""
    now = datetime.now(UTC)
    made = intents.open(
        conn, world.ids, member_id=neighbour(conn, world.ids, f"B30{key}"), amount=500, currency="CNY",
        provider="airtel-ke", number="+254700000001", language="en", now=now, request_key=key,
    )  # fmt: skip
    assert isinstance(made, Intent)
    intents.move(conn, made.id, Step.SUCCEEDED, now, remote=f"ws_CO_{key}", provider_txn=f"ws_CO_{key}")
    return made.reference


def hides_its_payer(conn: Connection, world: World, number: int) -> int:
    now = datetime.now(UTC)
    text = (
        f"Trans. ID: 14021234567{number} You have received 5.00Ksh from AMINA HASSAN. Your available balance is "
        f"{5 * number}.00Ksh."
    )
    arrival = Arrival(id=world.ids(), provider="airtel-ke", link="till", sender="AirtelMoney", text=text, received=now)
    wallet_texts.take(conn, books(world.ids), RULES, {"till": OnSim("airtel-ke", 0)}, arrival, now)
    return arrival.id
