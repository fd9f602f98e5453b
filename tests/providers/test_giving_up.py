"""A refund that no provider takes comes back to finance, rather than being tried for ever."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Connection
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from config.model import Provider
from gateway.affairs import intents
from gateway.affairs.intents import Intent, Step
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.providers import settling
from gateway.providers.gsma import Gsma
from gateway.providers.protocol import Outcome, Reason, Seen
from gateway.providers.settling import WEEK, Event
from tests.affairs.till import AKINYI, NOW
from tests.providers.test_same_money import World

HOUR = timedelta(hours=1)


@pytest.fixture
def world(conn: Connection, ids: Ids, keys: Keys) -> World:
    return World(conn, ids, keys)


def submitted(world: World) -> Intent:
    made = intents.open_refund(
        world.conn, world.ids, provider="mpesa", transaction="SAB1", amount=900, currency="KES", number=AKINYI,
        member_id=world.akinyi, language="en", now=NOW, request_key="refund:1",
    )  # fmt: skip
    intents.move(world.conn, made.id, Step.SUBMITTED, NOW)
    return made


def not_sent(world: World, id_: str, after: timedelta) -> Event:
    return settling.not_sent(world.conn, world.place, id_, NOW + after)


def not_known(world: World, id_: str, after: timedelta) -> Event:
    return settling.settle(world.conn, world.place, id_, Seen(outcome=Outcome.ABSENT), NOW + after)


@pytest.mark.parametrize("how", [not_sent, not_known])
def test_what_was_not_taken_for_a_week_has_failed(world: World, how: Callable[[World, str, timedelta], Event]) -> None:
    id_ = submitted(world).id
    assert how(world, id_, WEEK - HOUR) is Event.WAITING
    assert how(world, id_, WEEK) is Event.PROBLEM
    found = intents.by_id(world.conn, id_)
    assert found is not None
    assert (found.state, found.due) == (Step.FAILED, None)
    assert "for a week" in (found.problem or "")


def test_a_reference_that_is_none_is_not_asked_about(world: World) -> None:
    """It may have been typed by hand, and would be part of an address."""
    settings = Provider(name="mpesa", kind="gsma", url="http://127.0.0.1:9", payee="600000", label="M-Pesa")
    client = Gsma(settings, Clock(), currency="KES", now=lambda: NOW)
    answered: list[Seen] = []
    asked = client.give_back(submitted(world), "SAB1/../../accounts", "http://127.0.0.1:9/")
    Deferred.fromCoroutine(asked).addCallback(answered.append)
    assert [(seen.outcome, seen.reason) for seen in answered] == [(Outcome.FAILED, Reason.REFUSED)]
