"""Payments booked with receipts, the year's assessment of a register, and the proof of the books.

    .venv/bin/python -m bench.dues payments [--database postgresql] [--count 20000] [--members 20000] [--open 200]
    .venv/bin/python -m bench.dues assess [--members 427000]
    .venv/bin/python -m bench.dues verify [--count 1000000]

A payment is one work of the real writer thread, which groups what waits into a transaction; so many are open at a time
as phones and providers would have. The transactions that are proved are written as payments write them, but by
thousands and without the guards, which would take a quarter of an hour for a million.
"""

from __future__ import annotations

import argparse
import csv
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert

from bench import harness
from config.model import Organisation
from gateway.affairs import assess_register, chain, payments, receipts, verifying
from gateway.affairs.assess_register import Job
from gateway.affairs.books import Books
from gateway.affairs.ledger import Account, AccountKind, Covered, Entry, Posting, digest_of
from gateway.affairs.payments import Method, Payment
from gateway.affairs.receipts import STORED, Kind, Receipt
from gateway.core import guards, upgrade
from gateway.core.bulk import Inserts
from gateway.core.database import Database
from gateway.core.digests import digest
from gateway.core.engines import engine
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.tables import money
from gateway.core.tables.organisation import branch, member, obligation

_KEYS = Keys(bytes(range(32)))
_MONTHS = (202609, 202610, 202611)
_NOW = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)
_BRANCHES = 500
_AMOUNT = 300
_CHUNK = 5000


class _Here:
    """As much of a reactor as the database needs: what the thread says is heard in the thread."""

    def callFromThread(self, function: Callable[..., Any], *arguments: Any) -> None:
        function(*arguments)


def _books() -> Books:
    return Books(Organisation(name="Bench", currency="CNY", time_zone="Asia/Shanghai"), _KEYS, Ids())


def _register(conn: Connection, members: int, months: tuple[int, ...]) -> None:
    """Branches below one root, members spread over them, and what each owes."""
    rows: list[dict[str, Any]] = [{"id": 1, "code": "53", "name": "County", "parent_id": None, "path": "/53/"}]
    rows += [
        {"id": index, "code": f"53{index:05}", "name": f"Branch {index}", "parent_id": 1, "path": f"/53/53{index:05}/"}
        for index in range(2, _BRANCHES + 2)
    ]
    conn.execute(insert(branch), rows)
    for start in range(0, members, _CHUNK):
        some = range(start + 1, min(start + _CHUNK, members) + 1)
        conn.execute(insert(member), [_member(each) for each in some])
        if months:
            owed = [{"member_id": each, "month": month, "amount": _AMOUNT} for each in some for month in months]
            conn.execute(insert(obligation), owed)


def _member(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "member_no": f"A{number:07}",
        "branch_id": number % _BRANCHES + 2,
        "name": "x",
        "language": "zh",
        "dues_class": "wage",
        "monthly_amount": _AMOUNT,
        "joined": date(2020, 1, 1),
        "created": _NOW,
        "dues_from": _MONTHS[0],
    }


def _payment(number: int, members: int) -> Payment:
    who = number % members + 1
    return Payment(
        key=f"bench:{number}",
        member_id=who,
        amount=_AMOUNT,
        method=Method.WALLET,
        source=Account(AccountKind.WALLET, "mpesa"),
        actor="system:mpesa",
        at=_NOW,
    )


def run_payments(url: str, *, count: int, members: int, opened: int) -> dict[str, float]:
    """As many payments as fit through, `opened` at a time."""
    made = engine(url, create=True)
    with made.begin() as conn:
        _register(conn, members, _MONTHS)
    made.dispose()
    books, database = _books(), Database(url, _Here())  # type: ignore[arg-type]  # all it needs of a reactor
    free, done, failed = threading.Semaphore(opened), threading.Semaphore(0), []

    def settled(result: Any) -> None:
        if not isinstance(result, Receipt):
            failed.append(result)
        free.release()
        done.release()

    database.start()
    start, processor = time.perf_counter(), time.process_time()
    for number in range(count):
        free.acquire()
        database.run(payments.receive, books, _payment(number, members), _NOW).addBoth(settled)
    for _ in range(count):
        done.acquire()
    seconds, processor = time.perf_counter() - start, time.process_time() - processor
    stopped = threading.Event()
    database.stop().addCallback(lambda _: stopped.set())
    stopped.wait(30)
    if failed:
        raise RuntimeError(f"{len(failed)} payments failed, the first: {failed[0]}")
    return {
        "payments/s": count / seconds,
        "processor us a payment": processor / count * 1e6,
        "works a commit": database.works / database.commits,
    }


def run_assess(url: str, folder: Path, *, members: int) -> dict[str, float]:
    """A file of wages becomes a year's assessment, as `muster dues assess` does it."""
    made = engine(url, create=True)
    with made.begin() as conn:
        _register(conn, members, ())
    with (folder / "year.csv").open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("member_no", "class", "base"))
        writer.writerows((f"A{each:07}", "wage", f"{2000 + each % 9000}.50") for each in range(1, members + 1))
    job = Job(year=2027, books=_books(), file=folder / "year.csv")
    with made.connect() as conn, (folder / "report.csv").open("w", encoding="utf-8") as report:
        start, processor = time.perf_counter(), time.process_time()
        counts = assess_register.run(conn, Job(year=job.year, books=job.books, file=job.file, report=report), now=_NOW)
        seconds, processor = time.perf_counter() - start, time.process_time() - processor
    made.dispose()
    if counts.created != members:
        raise RuntimeError(f"{counts.created} of {members} assessed")
    return {"seconds": seconds, "processor s": processor, "members/s": members / seconds}


def run_verify(url: str, *, count: int) -> dict[str, float]:
    """The proof of so many payments in thirty closed days."""
    made = engine(url, create=True)
    members = -(-count // len(_MONTHS))
    with made.begin() as conn:
        guards.remove(conn)
        _register(conn, members, ())
        for rows in _written(count, members):
            for table, some in rows.items():
                _INSERTS[table](conn, some)
        _close(conn)
        guards.install(conn)
    if made.dialect.name == "postgresql":
        with made.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            conn.exec_driver_sql("VACUUM ANALYZE")
    with made.connect() as conn:
        start, processor = time.perf_counter(), time.process_time()
        proof = verifying.verify(conn, _KEYS)
        seconds, processor = time.perf_counter() - start, time.process_time() - processor
    made.dispose()
    if proof.findings or proof.transactions != count:
        raise RuntimeError(f"{proof.transactions} of {count}: {proof.findings[:3]}")
    return {
        "seconds": seconds,
        "processor s": processor,
        "transactions/s": count / seconds,
        "links": proof.links,
    }


_INSERTS = {
    "account": Inserts(money.account, ("name", "kind", "owner", "currency", "balance")),
    "txn": Inserts(
        money.txn,
        ("id", "key", "kind", "pending", "effective", "recorded", "actor", "currency", "digest"),
        state="posted",
    ),
    "posting": Inserts(money.posting, ("txn_id", "number", "account", "amount")),
    "covered": Inserts(money.covered, ("txn_id", "month", "member_id", "amount")),
    "receipt": Inserts(money.receipt, (*STORED, "digest")),
    "obligation": Inserts(obligation, ("member_id", "month", "amount", "paid")),
}


def _written(count: int, members: int) -> Iterator[dict[str, list[tuple[Any, ...]]]]:
    """The rows that payments leave behind, some thousand at a time; the accounts last but before their postings' keys
    are looked at, which is at the commit of neither engine, so first."""
    wallet = Account(AccountKind.WALLET, "mpesa")
    places = [Account(AccountKind.INCOME, f"53{index:05}") for index in range(2, _BRANCHES + 2)]
    income = dict.fromkeys(places, 0)
    for number in range(count):
        income[places[(number % members + 1) % _BRANCHES]] -= _AMOUNT
    totals = {wallet: count * _AMOUNT, **income}
    yield {"account": [(each.name("CNY"), each.kind, each.owner, "CNY", total) for each, total in totals.items()]}
    ids = Ids(slot=1)
    for start in range(0, count, _CHUNK):
        rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in _INSERTS if name != "account"}
        for number in range(start, min(start + _CHUNK, count)):
            _one(rows, ids, number, members, wallet, places)
        yield rows


def _one(
    rows: dict[str, list[tuple[Any, ...]]], ids: Ids, number: int, members: int, wallet: Account, places: list[Account]
) -> None:
    txn_id, who, month = ids(), number % members + 1, _MONTHS[number // members % len(_MONTHS)]
    place = places[who % _BRANCHES]
    entry = Entry(
        key=f"bench:{number}",
        kind="dues",
        postings=(Posting(wallet, _AMOUNT), Posting(place, -_AMOUNT)),
        effective=_NOW,
        actor="system:mpesa",
        currency="CNY",
        covered=(Covered(who, month, _AMOUNT),),
    )
    head = (txn_id, entry.key, entry.kind, False, _NOW, _NOW, entry.actor, "CNY", digest_of(txn_id, entry, _NOW))
    given = Receipt(
        id=ids(), number=receipts.number_of(_KEYS, number), txn_id=txn_id, kind=Kind.DUES, member_id=who,
        amount=_AMOUNT, currency="CNY", method="wallet", covered=((month, _AMOUNT),), credit=0, extra=0,
        paid_to=month, branch_code=place.owner, at=_NOW, actor=entry.actor,
    )  # fmt: skip
    row = tuple(getattr(given, name) for name in STORED)
    rows["txn"].append(head)
    rows["posting"] += [
        (txn_id, index, account.name("CNY"), amount) for index, (account, amount) in enumerate(entry.postings)
    ]
    rows["covered"].append((txn_id, month, who, _AMOUNT))
    rows["receipt"].append((*row, digest(*row)))
    rows["obligation"].append((who, month, _AMOUNT, _AMOUNT))


def _close(conn: Connection) -> None:
    """Links of the ledger over all but the last transactions, as thirty days would leave them."""
    newest = chain.newest_id(conn)
    first = conn.exec_driver_sql("SELECT min(id) FROM txn").scalar() or 0
    before, below = "", 0
    for day in range(1, 31):
        upto = first + (newest - first) * day // 31
        plan = chain.Plan(chain.Name.LEDGER, day, f"2026-10-{day:02}", below, upto, before)
        chain.append(conn, _KEYS, plan, *chain.read(conn, plan), _NOW)
        before, below = chain.links(conn, chain.Name.LEDGER)[-1].hash, upto


def main() -> None:
    what = sys.argv.pop(1) if len(sys.argv) > 1 and sys.argv[1] in ("payments", "assess", "verify") else "payments"
    counts = {"payments": 20_000, "assess": 0, "verify": 1_000_000}
    options = harness.arguments(
        __doc__,
        count=(counts[what], "payments, or transactions to prove"),
        members=(427_000 if what == "assess" else 20_000, "in the register"),
        open=(200, "payments on their way at a time"),
    )
    harness.rounds(options, f"dues {what}", lambda: _one_round(what, options))


def _one_round(what: str, options: argparse.Namespace) -> dict[str, float]:
    with harness.database(options.database) as given, harness.folder() as folder:
        url = given or f"sqlite:///{folder}/muster.db"
        upgrade.upgrade(url, _KEYS)
        if what == "payments":
            return run_payments(url, count=options.count, members=options.members, opened=options.open)
        if what == "assess":
            return run_assess(url, folder, members=options.members)
        return run_verify(url, count=options.count)


if __name__ == "__main__":
    main()
