"""Starts a console in another process, fills its database, and talks to it as a plain HTTP client."""

from __future__ import annotations

import http.client
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import Message
from functools import lru_cache
from html import unescape
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urlencode

from sqlalchemy import Connection

from gateway.affairs import branches, cases, roles, staff
from gateway.console import passwords, sessions
from gateway.core import search
from gateway.core.engines import engine
from gateway.core.ids import Ids, first_of
from gateway.core.model import Member
from gateway.core.tables.messages import message, part, unindexed
from gateway.core.tables.organisation import member, number
from gateway.core.tables.settings import setting
from tests.console.serve import KEYS

ROOT = Path(__file__).parents[2]
T = TypeVar("T")
PASSWORD = "correct horse battery"
PHONE = "+8613800000007"


@dataclass
class Response:
    status: int
    headers: Message
    body: str
    octets: bytes = b""

    @property
    def text(self) -> str:
        """What a reader sees, roughly: without tags."""
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", self.body)).split())


@dataclass
class Browser:
    """Cookies and forms, and nothing else of a browser."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)
    last: Response | None = None
    source: str = "127.0.0.1"  # where it calls from: an address that fails too often is slowed down

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Response:
        return self._ask("GET", path, None, headers or {})

    def post(self, path: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Response:
        """Send a form; its token is the one of the page seen last, unless `fields` has one."""
        sent = {"csrf": self.csrf} | dict(fields)
        return self._ask("POST", path, urlencode({k: v for k, v in sent.items() if v is not None}), headers or {})

    def upload(self, path: str, fields: Mapping[str, str], content: bytes, *, name: str = "register.csv") -> Response:
        """Send a form with a file, as a browser does."""
        mark = "----x7MA4YWxkTrZu0gW"
        line = f"--{mark}\r\nContent-Disposition: form-data; "
        pieces = [f'{line}name="{k}"\r\n\r\n{v}\r\n'.encode() for k, v in ({"csrf": self.csrf} | dict(fields)).items()]
        head = f'{line}name="file"; filename="{name}"\r\nContent-Type: text/csv\r\n\r\n'.encode()
        body = b"".join([*pieces, head, content, f"\r\n--{mark}--\r\n".encode()])
        return self._ask("POST", path, body, {"Content-Type": f"multipart/form-data; boundary={mark}"})

    @property
    def csrf(self) -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', self.last.body if self.last else "")
        return found[1] if found else ""

    def sign_in(self, name: str, password: str = PASSWORD) -> Response:
        self.get("/sign-in")
        return self.post("/sign-in", {"name": name, "password": password})

    def _ask(self, method: str, path: str, body: str | bytes | None, headers: Mapping[str, str]) -> Response:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20, source_address=(self.source, 0))
        sent = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {}
        if body is not None:
            sent |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://127.0.0.1:{self.port}"}
        connection.request(method, path, body, sent | dict(headers))
        answer = connection.getresponse()
        octets = answer.read()
        text = octets.decode("utf-8", "replace")
        for cookie in answer.headers.get_all("Set-Cookie") or ():
            name, _, value = cookie.partition(";")[0].partition("=")
            if "Max-Age=0" in cookie:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        connection.close()
        response = Response(answer.status, answer.headers, text, octets)
        if 'name="csrf"' in text:
            self.last = response
        return response


class Served:
    """The process, its port, and its database opened a second time."""

    def __init__(self, url: str, *, public_url: str = "http://127.0.0.1", demo: bool = False) -> None:
        self._url = url
        self._arguments = (url, public_url, "demo" if demo else "")
        self.ids = Ids(slot=8)

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.console.serve", *self._arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.engine = engine(self._url)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline() or 0)
        assert self.port, "the console did not start"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(20)
        self.engine.dispose()

    def order(self, line: str) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n"

    def run(self, work: Callable[[Connection], T]) -> T:
        with self.engine.begin() as conn:
            return work(conn)

    def browser(self, name: str | None = None, source: str = "127.0.0.1") -> Browser:
        made = Browser(self.port, source=source)
        if name is not None:
            assert made.sign_in(name).status == 303
        return made


@lru_cache(maxsize=1)
def _hashed() -> str:
    return passwords.hashed(PASSWORD)


def staff_member(conn: Connection, ids: Ids, name: str, role: str, *, branch: str | None = None) -> int:
    """An account with a role, for the whole organisation or the subtree of a branch."""
    now = datetime.now(UTC)
    made = staff.add(conn, ids, name, password_hash=_hashed(), now=now)
    found = branches.by_code(conn, branch) if branch else None
    roles.grant(
        conn, ids, role, staff_id=made, branch_id=found.id if found else None, by="test", now=now, today=now.date()
    )
    return made


def people(conn: Connection, ids: Ids) -> Member:
    """Two townships, a member with a phone in one of them, and an account for each kind of staff."""
    branches.add(conn, ids, code="53", name="安河县")
    first = branches.add(conn, ids, code="5301", name="五里桥镇第一支部", parent_code="53")
    branches.add(conn, ids, code="5302", name="Riverside", parent_code="53")
    now = datetime.now(UTC)
    id_ = ids()
    conn.execute(
        member.insert().values(
            id=id_, member_no="A1004", branch_id=first.id, name="王玉兰", language="zh", dues_class="a",
            monthly_amount=900, created=now,
        )
    )  # fmt: skip
    conn.execute(number.insert().values(number=PHONE, member_id=id_, main=True, bound=now))
    # Most tests are not about the second factor; those that are bring it back.
    conn.execute(
        setting.insert().values(
            id=ids(), name="staff.second_factor", value="[]", valid_from=now, actor="system:test", at=now
        )
    )
    for name, role, branch in (
        ("li", "agent", None),
        ("zhao", "lead", None),
        ("sun", "auditor", None),
        ("root", "admin", None),
        ("wuli", "agent", "5301"),
        ("river", "agent", "5302"),
        ("qian", "treasurer", None),
        ("he", "secretary", "5301"),
    ):
        staff_member(conn, ids, name, role, branch=branch)
    return Member(
        id=id_, member_no="A1004", branch_id=first.id, branch_code="5301", branch_name=first.name,
        branch_path=first.path, language="zh", dues_class="a",
    )  # fmt: skip


def logged(conn: Connection, ids: Callable[[], int], text: str | None, **values: object) -> int:
    """A row of the log as the desk writes it, indexed."""
    id_ = ids()
    row = {
        "id": id_,
        "direction": "in",
        "state": "received",
        "channel": "sms",
        "link": "mobile",
        "number": PHONE,
        "at": datetime.now(UTC),
        "branch_path": "/53/5301/",
        "command": "0",
        "log_class": "A",
        "text": text,
    } | values
    conn.execute(message.insert().values(row))
    conn.execute(unindexed.insert().values(message_id=id_))
    search.index(conn)
    return id_


def logged_at(moment: datetime) -> Callable[[], int]:
    """An id as it was made at that time."""
    return lambda: first_of(moment) + 5


def asked(
    conn: Connection, ids: Ids, who: Member | None, text: str, *, language: str = "zh", ago: int = 60
) -> cases.Case:
    """A question, with its row of the log."""
    now = datetime.now(UTC) - timedelta(seconds=ago)
    id_ = logged(
        conn, ids, text, command="71", log_class="D", at=now,
        number=PHONE if who else "+8613900000008",
        branch_path=who.branch_path if who else None, member_id=who.id if who else None,
    )  # fmt: skip
    return cases.open(
        conn, ids, KEYS, number=PHONE if who else "+8613900000008", member=who, language=language, text=text,
        message_id=id_, now=now,
    )  # fmt: skip


def link_for(conn: Connection, name: str) -> str:
    """The path of a one-time sign-in link."""
    found = staff.find(conn, name)
    assert found is not None
    return f"/sign-in/link/{sessions.make_link(conn, KEYS, found.id, datetime.now(UTC))}"


def sent_part(conn: Connection, id_: int, **values: object) -> None:
    row = {
        "message_id": id_, "number": 1, "total": 1, "link": "mobile", "reference": 7, "state": "delivered",
        "remote_id": "a1b2c3", "at": datetime.now(UTC),
    } | values  # fmt: skip
    conn.execute(part.insert().values(row))
