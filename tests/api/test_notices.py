"""/v1/notices over real HTTP, to a link that takes everything."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, func, insert, select

from gateway.affairs import branches
from gateway.affairs.notices import approval, drafts, filling
from gateway.affairs.notices.drafts import Person
from gateway.api import notices
from gateway.core.tables.notices import notice, notice_list, notice_recipient
from gateway.core.tables.organisation import member, number
from tests.api.house import APPROVING, KEY, NOTICING, Client

_codes = iter(range(5000, 9000))


@pytest.fixture
def branch(client: Client) -> str:
    """A branch of its own with three members, of whom one has no phone."""
    code = str(next(_codes))

    def work(conn: Connection) -> None:
        made = branches.add(conn, client.muster.ids, code=code, name=f"branch {code}")
        for place in range(3):
            id_ = client.muster.ids()
            values = {"member_no": f"M{code}{place}", "branch_id": made.id, "name": "x", "language": "zh"}
            conn.execute(
                insert(member),
                {"id": id_, "dues_class": "A", "monthly_amount": 0, "created": long_ago(), **values},
            )
            if place:
                text = f"+8613800{code}{place:02}"
                conn.execute(insert(number), {"number": text, "member_id": id_, "main": True, "bound": long_ago()})

    client.work(work)
    return code


def long_ago() -> datetime:
    return datetime.now(UTC) - timedelta(days=1)


def until(wanted: Callable[[], Any], seconds: float = 15) -> Any:
    end = time.monotonic() + seconds
    while not (found := wanted()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


def post(client: Client, body: Any, key: str = NOTICING, **headers: str) -> tuple[int, dict[str, Any]]:
    headers["Authorization"] = f"Bearer {key}"
    answer = client.ask("POST", "/v1/notices", json.dumps(body).encode(), **headers)
    return answer.status, answer.json


def turn(client: Client, id_: str, what: str, key: str = NOTICING) -> tuple[int, dict[str, Any]]:
    answer = client.ask("POST", f"/v1/notices/{id_}/{what}", b"", Authorization=f"Bearer {key}")
    return answer.status, answer.json


def look(client: Client, id_: str, key: str = NOTICING) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/v1/notices/{id_}", key=key).json
    return found


def approve(client: Client, reference: str, actor: str) -> None:
    def work(conn: Connection) -> None:
        found = drafts.find(conn, int(reference[1:]))
        assert found is not None
        approval.approve(conn, client.muster.notices.place, found, Person(actor=actor), datetime.now(UTC))

    client.work(work)


def emergency(branch: str, text: str) -> dict[str, Any]:
    """What goes at any hour of the day on which the tests are run, and not before somebody has agreed."""
    return {"text": text, "to": {"branches": [branch]}, "emergency": True}


def test_a_notice_is_made_once_and_waits(client: Client, branch: str) -> None:
    body = emergency(branch, f"明晚开会 {branch}")
    status, made = post(client, body, Idempotency_Key=f"k{branch}")
    assert (status, made["state"]) == (202, "waiting")
    assert made["funnel"] == {
        "selected": 3, "opted_out": 0, "locked": 0, "duplicates": 0, "no_number": 1, "quiet": 0, "recipients": 2,
    }  # fmt: skip
    assert post(client, body, Idempotency_Key=f"k{branch}") == (202, made)
    assert post(client, body | {"title": "x"}, Idempotency_Key=f"k{branch}")[0] == 422
    status, again = post(client, body)
    assert (status, again["error"]["code"]) == (409, "same")
    found = look(client, made["id"])
    assert (found["id"], found["number"]) == (made["id"], made["number"])


def test_cancelled_it_stays_cancelled(client: Client, branch: str) -> None:
    _, made = post(client, emergency(branch, f"取消 {branch}"))
    status, found = turn(client, made["id"], "cancel")
    assert (status, found["state"]) == (200, "killed")
    assert turn(client, made["id"], "cancel")[0] == 200
    assert turn(client, made["id"], "resume")[0] == 409
    assert turn(client, made["id"], "explode")[0] == 404


def test_what_a_key_may_not(client: Client, branch: str) -> None:
    assert post(client, emergency(branch, "x"), key=KEY)[0] == 403
    assert post(client, emergency(branch, "x"), key="nonsense")[0] == 401
    _, made = post(client, emergency(branch, f"别人的 {branch}"))
    assert client.get(f"/v1/notices/{made['id']}", key=APPROVING).status == 404
    assert turn(client, made["id"], "cancel", APPROVING)[0] == 404


def test_a_key_that_may_approve_sends(client: Client, branch: str) -> None:
    """To a start that is never in quiet hours, wherever the clock stands: it is frozen at once."""
    start = (datetime.now(UTC) + timedelta(days=1)).replace(hour=3, minute=0)
    body = {"text": f"会费 {branch}", "to": {"branches": [branch]}, "start": start.isoformat()}
    status, made = post(client, body, key=APPROVING)
    assert (status, made["state"]) == (202, "scheduled")

    until(lambda: look(client, made["id"], APPROVING)["frozen"])
    rows = [row for row in client.rows(notice_recipient) if row["notice_id"] == int(made["id"])]
    assert len(rows) == 2
    assert {row["link"] for row in rows} == {"wire"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"to": {}}, "text"),
        ({"text": "x", "texts": {"zh": "x"}, "to": {}}, "text"),
        ({"text": "x"}, "to"),
        ({"text": "x", "to": {"planet": "earth"}}, "to.planet"),
        ({"text": "x", "to": {"roles": ["king"]}}, "to.roles"),
        ({"text": "x", "to": {}, "start": "tomorrow"}, "start"),
        ({"text": "x", "to": {}, "hours": 1000}, "hours"),
        ({"text": "x", "to": {}, "emergency": "yes"}, "emergency"),
        ({"text": "x", "to": {}, "more": 1}, "more"),
    ],
)
def test_what_is_wrong_is_said_by_field(client: Client, body: Any, field: str) -> None:
    status, answer = post(client, body)
    assert status == 400
    assert field in {each["field"] for each in answer["error"]["fields"]}


def test_a_text_that_cannot_be_filled_in_leaves_nothing(client: Client, branch: str) -> None:
    before = len(client.rows(notice))
    assert post(client, emergency(branch, "{name}"))[0] == 400
    assert post(client, {"text": "x", "to": {"branches": ["nowhere"]}})[0] == 400
    assert post(client, {"text": f"x{branch}", "to": {"branches": [branch], "classes": ["Z"]}})[0] == 409
    assert len(client.rows(notice)) == before


def test_a_list_of_numbers(client: Client, branch: str) -> None:
    lines = [f"+8613800{branch}01", f"M{branch}2", f"+8613800{branch}01", f"M{branch}0"]
    _, made = post(client, {"text": f"名单 {branch}", "to": lines, "emergency": True})
    assert made["funnel"]["selected"] == 4
    assert (made["funnel"]["duplicates"], made["funnel"]["no_number"], made["funnel"]["recipients"]) == (1, 1, 2)


def at_once(client: Client, bodies: list[Any], **headers: str) -> list[tuple[int, dict[str, Any]]]:
    """Each over a connection of its own, begun at the same moment."""
    start = threading.Barrier(len(bodies))

    def one(body: Any) -> tuple[int, dict[str, Any]]:
        start.wait()
        return post(client, body, **headers)

    with ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(one, bodies))


def strangers(count: int) -> list[str]:
    return [f"+86139{next(_codes)}{i:04}" for i in range(count)]


def lines_of(client: Client, id_: str) -> int:
    count = select(func.count()).where(notice_list.c.notice_id == int(id_))
    found: int = client.work(lambda conn: conn.scalar(count))
    return found


@pytest.mark.parametrize("lines", [1, 1200])
def test_retried_over_several_connections_at_once_it_is_one_notice(client: Client, lines: int) -> None:
    body = {"text": f"重试 {lines}", "to": strangers(1) * lines, "emergency": True}
    before = len(client.rows(notice))
    answers = at_once(client, [body] * 6, Idempotency_Key=f"retried {lines}")
    assert {status for status, _ in answers} == {202}
    assert len({made["id"] for _, made in answers}) == 1
    assert len(client.rows(notice)) == before + 1
    assert answers[0][1]["funnel"]["selected"] == lines
    assert lines_of(client, answers[0][1]["id"]) == lines
    assert post(client, body | {"title": "x"}, Idempotency_Key=f"retried {lines}")[0] == 422


def test_of_a_long_list_that_cannot_be_sent_nothing_is_left(client: Client) -> None:
    before = len(client.rows(notice)), len(client.rows(notice_list))
    assert post(client, {"text": "{name}", "to": strangers(1) * 600})[0] == 400
    status, refused = post(client, {"text": "没有人", "to": ["nobody"] * 600})
    assert (status, refused["error"]["code"]) == (409, "nobody")
    assert (len(client.rows(notice)), len(client.rows(notice_list))) == before


def test_what_a_killed_gateway_left_half_done_makes_way_for_the_retry(client: Client) -> None:
    body = {"text": "半途", "to": strangers(1) * 600, "emergency": True}
    octets = json.dumps(body).encode()
    asked = notices.read(octets, "zh")

    def begun(conn: Connection) -> None:
        at, now = client.muster.notices.place, datetime.now(UTC)
        draft = notices.begin(conn, at, "noticing", asked, key="half", body=octets, now=now)
        assert isinstance(draft, drafts.Notice)
        assert draft.filling is not None
        filling.add(conn, draft.id, draft.filling, asked.lines[:300], "CN")

    client.work(begun)
    status, made = post(client, body, Idempotency_Key="half")
    assert (status, made["funnel"]["selected"]) == (202, 600)
    assert sum(row["request_key"] == "api:noticing:half" for row in client.rows(notice)) == 1


def test_two_approvals_later_it_reaches_the_link(client: Client, branch: str) -> None:
    _, made = post(client, emergency(branch, f"防汛 {branch}"))
    approve(client, made["number"], "staff:one")
    approve(client, made["number"], "staff:two")
    until(lambda: look(client, made["id"])["state"] == "done")
    sent = [part for part in client.muster.wire.sent if branch in part.octets.decode("utf-16-be", "ignore")]
    assert sorted(part.to for part in sent) == [f"+8613800{branch}01", f"+8613800{branch}02"]
    found = look(client, made["id"])
    assert (found["recipients"], found["waiting"], found["messages"]) == (2, 0, {"sent": 2})


def test_the_description_knows_them(client: Client) -> None:
    paths = client.get("/openapi.json").json["paths"]
    assert {"/v1/notices", "/v1/notices/{id}", "/v1/notices/{id}/pause"} <= paths.keys()
