"""The proof of the books: every transaction, receipt, balance, month, voucher and link of the chains."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection

from gateway.affairs import agreeing, chain
from gateway.affairs.casenumbers import check_digit
from gateway.affairs.chain import Content, Link, Name
from gateway.affairs.receipts import STORED
from gateway.core import guards
from gateway.core.digests import digest
from gateway.core.driver import ask, time
from gateway.core.keys import Keys

_PAGE = 5000
_END = (1 << 63) - 1  # behind every id
_MANY = 500  # ids in a question
_MOST = 100  # findings that are told; who finds so many knows enough
Progress = Callable[[int, int], None]  # done, all


class Finding(NamedTuple):
    """What is wrong with which row: "txn 123: the postings add up to 5"."""

    row: str
    says: str


class Proof(NamedTuple):
    """What was looked at, and what is wrong, in the order in which it was found: the first wrong row comes first."""

    transactions: int
    receipts: int
    accounts: int
    obligations: int
    vouchers: int
    audited: int
    links: int
    head: str  # the hash of the ledger's last link: who has written it down knows later that nothing was exchanged
    findings: tuple[Finding, ...]


class _Stop(Exception):
    """Enough is known."""


class _Found:
    def __init__(self) -> None:
        self.all: list[Finding] = []

    def add(self, row: str, says: str) -> None:
        self.all.append(Finding(row, says))
        if len(self.all) >= _MOST:
            raise _Stop


def verify(
    conn: Connection, keys: Keys, progress: Progress = lambda done, total: None, *, written_down: Sequence[str] = ()
) -> Proof:
    """Look at everything, on a connection that sees one moment. Links that somebody has `written_down` elsewhere must
    still be there: a link that is taken away is made anew by the gateway, from the rows as they are then."""
    found = _Found()
    books = _Books(conn, keys, found, progress)
    try:
        for name in guards.missing(conn):
            found.add(name, "this trigger of the database is missing; run `muster upgrade`")
        books.still_there(written_down)
        books.ledger()
        books.strays()
        books.balances()
        books.agreement()
        books.audit()
    except _Stop:
        pass
    return books.proof()


class _Chained:
    """The links of a chain, checked while the rows they cover go by in the order of their ids."""

    def __init__(self, conn: Connection, keys: Keys, name: Name, found: _Found) -> None:
        self.links = chain.links(conn, name)
        self._keys, self._name, self._found = keys, name, found
        self.before = ""
        self._waiting = list(self.links)
        self._content = Content()

    def erased(self, upto: int) -> int:
        """Links below `upto` are there without their rows; the first id behind them."""
        first = 0
        while self._waiting and self._waiting[0].upto <= upto:
            link = self._waiting.pop(0)
            self._check(link)
            first = link.upto
        return first

    def bound(self) -> int | None:
        """The end of the link that is being read; None behind the last."""
        return self._waiting[0].upto if self._waiting else None

    def add(self, row_id: int, digests: Sequence[bytes]) -> None:
        self._content.add(row_id, digests)

    def close(self) -> None:
        link = self._waiting.pop(0)
        self._check(link)
        if self._content.rows != link.rows:
            self._wrong(link, f"{link.rows} rows were there when it was closed, now {self._content.rows}")
        elif self._content.digest() != link.content:
            self._wrong(link, "a row that it covers is another one now")
        self._content = Content()

    def _check(self, link: Link) -> None:
        if link.hash != chain.link_hash(self._keys, self.before, link):
            self._wrong(link, "the link does not fit the one before it")
        self.before = link.hash

    def _wrong(self, link: Link, says: str) -> None:
        self._found.add(f"{self._name} of {link.day}", says)


class _Books:
    def __init__(self, conn: Connection, keys: Keys, found: _Found, progress: Progress) -> None:
        self._conn, self._keys, self._found, self._progress = conn, keys, found, progress
        self._ledger = _Chained(conn, keys, Name.LEDGER, found)
        self._audit = _Chained(conn, keys, Name.AUDIT, found)
        self._total = sum(
            int(ask(conn, query)[0][0]) for query in ("SELECT count(*) FROM txn", "SELECT count(*) FROM audit")
        )
        self._posted: defaultdict[str, int] = defaultdict(int)
        self._pending: defaultdict[str, int] = defaultdict(int)
        self._seen = dict.fromkeys(("posting", "covered", "receipt", "settlement"), 0)
        self._done = self._transactions = self._receipts = self._accounts = self._audited = 0
        self._obligations = self._vouchers = 0

    def proof(self) -> Proof:
        return Proof(
            self._transactions, self._receipts, self._accounts, self._obligations, self._vouchers, self._audited,
            len(self._ledger.links) + len(self._audit.links), self._ledger.before, tuple(self._found.all),
        )  # fmt: skip

    def still_there(self, written_down: Sequence[str]) -> None:
        there = {link.hash for link in (*self._ledger.links, *self._audit.links)}
        for link in written_down:
            if link not in there:
                self._found.add(f"link {link}", "it is in no chain: days were closed anew")

    # --- transactions ---------------------------------------------------------------------------------------------

    def ledger(self) -> None:
        first = 0
        while (upto := self._ledger.bound()) is not None:
            self._range(first, upto)
            self._ledger.close()
            first = upto
        self._range(first, _END)

    def _range(self, first: int, upto: int) -> None:
        start = first
        while page := ask(
            self._conn,
            "SELECT id, key, kind, pending, effective, recorded, actor, currency, reverses, state, digest FROM txn"
            " WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
            start, upto, _PAGE,
        ):  # fmt: skip
            self._look(page)
            start = page[-1][0] + 1
        for row in chain.settlements(self._conn, first, upto):
            made = digest(row[0], row[1], row[2], time(row[3]), row[4])
            if made != row[5]:
                self._found.add(f"settlement {row[0]}", "it is not what was written")
            self._ledger.add(row[0], [made])

    def _look(self, page: Sequence[tuple[Any, ...]]) -> None:
        first, last = page[0][0], page[-1][0]
        postings = self._by_txn("txn_id, account, amount FROM posting", "number", first, last)
        covered = self._by_txn("txn_id, month, member_id, amount FROM covered", "month", first, last)
        given = self._by_txn(f"txn_id, digest, {', '.join(STORED)} FROM receipt", "kind", first, last)
        settled = {row[0]: row[1:] for row in self._settled(first, last)}
        reversed_ = self._reversed([row[8] for row in page if row[8] is not None])
        for row in page:
            txn_id, state = row[0], row[9]
            parts = postings.get(txn_id, [])
            months = covered.get(txn_id, [])
            self._seen["posting"] += len(parts)
            self._seen["covered"] += len(months)
            self._seen["receipt"] += len(given.get(txn_id, ()))
            self._seen["settlement"] += txn_id in settled
            made = digest(
                *row[:3], bool(row[3]), time(row[4]), time(row[5]), *row[6:9],
                [part[1:] for part in parts], [month[1:] for month in months],
            )  # fmt: skip
            self._check_txn(row, made, parts, settled.get(txn_id))
            digests = [self._check_receipt(each, row, parts, months) for each in given.get(txn_id, ())]
            self._check_receipts(row, parts, given.get(txn_id, ()))
            if row[8] is not None and reversed_.get(row[8]) != sorted((part[1], -part[2]) for part in parts):
                self._found.add(f"txn {txn_id}", f"it is not the reverse of txn {row[8]}")
            self._ledger.add(txn_id, [made, *digests])
            sums = self._posted if state == "posted" else self._pending if state == "pending" else None
            if sums is not None:
                for _, account, amount in parts:
                    sums[account] += amount
        self._transactions += len(page)
        self._step(len(page))

    def _check_txn(
        self, row: tuple[Any, ...], made: bytes, parts: Sequence[tuple[Any, ...]], settled: tuple[str, int] | None
    ) -> None:
        where, state = f"txn {row[0]}", row[9]
        if state == "open":
            self._found.add(where, "it was never closed")
        elif made != bytes(row[10] or b""):
            self._found.add(where, "it is not what was written")
        if total := sum(part[2] for part in parts):
            self._found.add(where, f"the postings add up to {total}")
        if len(parts) < 2:
            self._found.add(where, "it has fewer than two postings")
        if any(not part[1].endswith(f":{row[7]}") for part in parts):
            self._found.add(where, "an account is of another currency")
        outcome, by = settled or ("pending" if row[3] else "posted", None)
        if by is not None and not row[3]:
            self._found.add(where, f"it was never pending, and settlement {by} says {outcome}")
        elif state not in ("open", outcome):
            self._found.add(where, f"it is {state}, which nothing says")

    def _check_receipts(
        self, txn: tuple[Any, ...], parts: Sequence[tuple[Any, ...]], given: Sequence[tuple[Any, ...]]
    ) -> None:
        """Together they are what came in, for dues, and there are none for anything else."""
        amount = STORED.index("amount") + 2
        came = sum(part[2] for part in parts if part[2] > 0) if txn[2] == "dues" else 0
        receipts = sum(each[amount] for each in given)
        if came and not given:
            self._found.add(f"txn {txn[0]}", "a payment without a receipt")
        elif receipts != came:
            self._found.add(f"txn {txn[0]}", f"its receipts are of {receipts} and {came} came in")

    def _check_receipt(
        self,
        found: tuple[Any, ...],
        txn: tuple[Any, ...],
        parts: Sequence[tuple[Any, ...]],
        months: Sequence[tuple[Any, ...]],
    ) -> bytes:
        self._receipts += 1
        row = dict(zip(STORED, found[2:], strict=True))
        row["at"] = time(row["at"])
        made = digest(*row.values())
        where = f"receipt {row['number']}"
        if made != bytes(found[1] or b""):
            self._found.add(where, "it is not what was written")
        if check_digit(row["number"]) != "0":
            self._found.add(where, "its check digit is wrong")
        paid = sum(month[3] for month in months) if row["kind"] == "dues" else 0
        if row["amount"] != paid + row["credit"] + row["extra"]:
            self._found.add(where, "its amount is not what was paid, put by and given")
        if row["amount"] > sum(part[2] for part in parts if part[2] > 0):
            self._found.add(where, "it is of more than came in")
        if row["currency"] != txn[7] or any(month[2] != row["member_id"] for month in months):
            self._found.add(where, "it is not of this transaction")
        return made

    def _by_txn(self, what: str, order: str, first: int, last: int) -> dict[int, list[tuple[Any, ...]]]:
        found: dict[int, list[tuple[Any, ...]]] = {}
        query = f"SELECT {what} WHERE txn_id >= ? AND txn_id <= ? ORDER BY txn_id, {order}"  # ours
        for row in ask(self._conn, query, first, last):
            found.setdefault(row[0], []).append(row)
        return found

    def _settled(self, first: int, last: int) -> Sequence[tuple[Any, ...]]:
        query = "SELECT txn_id, outcome, id FROM settlement WHERE txn_id >= ? AND txn_id <= ?"
        return ask(self._conn, query, first, last)

    def _reversed(self, ids: Sequence[int]) -> dict[int, list[tuple[str, int]]]:
        """The postings of these, to be compared with those of their reversals."""
        found: dict[int, list[tuple[str, int]]] = {}
        for start in range(0, len(ids), _MANY):
            query = "SELECT txn_id, account, amount FROM posting WHERE txn_id IN (?) ORDER BY account, amount"
            for txn_id, account, amount in ask(self._conn, query, ids[start : start + _MANY]):
                found.setdefault(txn_id, []).append((account, amount))
        return {txn_id: sorted(parts) for txn_id, parts in found.items()}

    # --- what follows from them -----------------------------------------------------------------------------------

    def balances(self) -> None:
        known = set()
        query = "SELECT name, balance, pending, kind, owner, currency FROM account ORDER BY name"
        for name, balance, pending, *said in ask(self._conn, query):
            known.add(name)
            if name != ":".join(said):
                self._found.add(f"account {name}", f"it says that it is {':'.join(said)}")
            for says, kept, real in (
                ("balance", balance, self._posted.get(name, 0)),
                ("pending sum", pending, self._pending.get(name, 0)),
            ):
                if kept != real:
                    self._found.add(f"account {name}", f"its {says} is {kept} and its postings make {real}")
        for name in sorted({*self._posted, *self._pending} - known):
            self._found.add(f"account {name}", "it is not there")
        self._accounts = len(known)

    def strays(self) -> None:
        """Rows that no transaction led to."""
        for table, seen in self._seen.items():
            if strays := ask(self._conn, f"SELECT count(*) FROM {table}")[0][0] - seen:  # noqa: S608  # a name of ours
                self._found.add(table, f"{strays} rows are of no transaction")

    def agreement(self) -> None:
        """Of what stands outside the ledger: what is owed and paid, and vouchers."""
        counts = ("SELECT count(*) FROM obligation", "SELECT count(*) FROM voucher")
        self._obligations, self._vouchers = (int(ask(self._conn, query)[0][0]) for query in counts)
        for row, says in agreeing.wrong(self._conn):
            self._found.add(row, says)

    def audit(self) -> None:
        rows = ask(self._conn, "SELECT coalesce(max(upto), 0) FROM erasure WHERE name = 'audit'")
        first = self._audit.erased(rows[0][0])
        while (upto := self._audit.bound()) is not None:
            self._audited_range(first, upto)
            self._audit.close()
            first = upto
        self._audited_range(first, _END)

    def _audited_range(self, first: int, upto: int) -> None:
        for row in chain.audit_rows(self._conn, first, upto):
            made = chain.audit_digest(row)
            if row[6] is not None and bytes(row[6]) != made:
                self._found.add(f"audit {row[0]}", "it is not what was written")
            self._audit.add(row[0], [made])
            self._audited += 1
            if self._audited % _PAGE == 0:
                self._step(_PAGE)

    def _step(self, rows: int) -> None:
        self._done += rows
        self._progress(self._done, self._total)


def lines(proof: Proof) -> Iterator[str]:
    """The proof in words."""
    yield (
        f"{proof.transactions:,} transactions, {proof.receipts:,} receipts, {proof.accounts:,} accounts, "
        f"{proof.obligations:,} obligations, {proof.vouchers:,} vouchers, {proof.audited:,} entries of the audit, "
        f"{proof.links:,} links"
    )
    if proof.head:
        yield f"the last link of the ledger: {proof.head}"
    for finding in proof.findings:
        yield f"{finding.row}: {finding.says}"
