"""What the database itself refuses, whoever asks: the triggers that keep the ledger and the audit as they were written.

A transaction is entered open, gets its postings, and one UPDATE closes it; that UPDATE fails unless the postings add
up to zero in one currency, and moves the balances. From then on nothing can be added, changed or erased but that a
pending transaction is settled once, by a row that says so.

`METADATA.create_all` makes the triggers, and so does every upgrade, which takes them away for its migrations first:
that is the documented way to change such rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, CursorResult, event, inspect

from gateway.core.tables.everything import METADATA

_PREFIX = "guard_"
_OFF = " (off)"
FOREVER = (
    "txn",
    "posting",
    "covered",
    "settlement",
    "receipt",
    "chain",
    "erasure",
    "audit",
)  # never changed nor erased
_KEPT = ("id", "key", "kind", "pending", "effective", "recorded", "actor", "currency", "reverses")  # of a transaction

_CLOSES = "OLD.state = 'open' AND NEW.state = CASE WHEN OLD.pending THEN 'pending' ELSE 'posted' END"
_SETTLES = (
    "OLD.state = 'pending' AND EXISTS (SELECT 1 FROM settlement s WHERE s.txn_id = OLD.id AND s.outcome = NEW.state)"
)
_UNEVEN = "(SELECT coalesce(sum(p.amount), 0) <> 0 OR count(*) < 2 FROM posting p WHERE p.txn_id = OLD.id)"
_FOREIGN = (
    "EXISTS (SELECT 1 FROM posting p WHERE p.txn_id = OLD.id"
    " AND (SELECT a.currency FROM account a WHERE a.name = p.account) <> OLD.currency)"
)
# That a transaction is reversed once is a unique index: two at once would not see each other here.
_FINAL = (
    "OLD.reverses IS NOT NULL AND NOT EXISTS"
    " (SELECT 1 FROM txn o WHERE o.id = OLD.reverses AND o.state = 'posted' AND o.reverses IS NULL)"
)
_IN_TXN = "(SELECT state FROM txn WHERE id = NEW.txn_id)"

_ONCE = "a transaction is closed once and settled once"
_SUM = "the postings do not add up to zero"
_CURRENCY = "an account is of another currency"
_REVERSED = "only what is posted can be reversed, and a reversal cannot"
_PAYS = "a month cannot take what this pays of it, or gives back"

# The rule of each INSERT: what must hold, and what is said else.
_INSERTS = {
    "txn": ("NEW.state = 'open' AND NEW.digest IS NULL", "a transaction begins open"),
    "posting": (f"{_IN_TXN} = 'open'", "the transaction is closed; correct it by a reversal"),
    "covered": (f"{_IN_TXN} = 'open'", "the transaction is closed; correct it by a reversal"),
    "receipt": (f"{_IN_TXN} = 'open'", "the transaction is closed; a receipt is given with it"),
    "settlement": (f"{_IN_TXN} = 'pending'", "the transaction is not pending"),
}
# The audit, which is about people, may be erased after a year, where a closed link of its chain covers it.
_YEAR_OF_IDS = 365 * 86_400_000 << 21  # see `gateway.core.ids`
_ERASED = "OLD.id < (SELECT coalesce(max(upto), 0) FROM erasure WHERE name = 'audit')"
_INSERTS["erasure"] = (
    f"NEW.name = 'audit' AND NEW.upto <= NEW.id - {_YEAR_OF_IDS}"
    " AND NEW.upto <= (SELECT coalesce(max(upto), 0) FROM chain WHERE name = NEW.name)",
    "only the audit is erased, after a year and where a link of its chain covers it",
)
# Rows that a closed link of a chain would have to cover come too late.
_LINKED = {"txn": "ledger", "settlement": "ledger", "receipt": "ledger", "audit": "audit"}
_ACCOUNT = (
    "NEW.name = OLD.name AND NEW.kind = OLD.kind AND NEW.owner = OLD.owner AND NEW.currency = OLD.currency",
    "an account never changes its name",
)


def install(conn: Connection) -> None:
    """Make all triggers anew."""
    remove(conn)
    if not set(FOREVER) <= set(inspect(conn).get_table_names()):
        return  # an older version of the tables, while migrations are written or tried
    for statement in _statements(conn):
        _run(conn, statement)


def remove(conn: Connection) -> None:
    """Take them away, for a migration."""
    for name, table, _ in installed(conn):
        on = f" ON {table}" if _postgresql(conn) else ""
        _run(conn, f"DROP TRIGGER {name}{on}")
    if _postgresql(conn):
        _run(conn, f"DROP FUNCTION IF EXISTS {', '.join(f'{name}()' for name in _FUNCTIONS)}")


def installed(conn: Connection) -> list[tuple[str, str, str]]:
    """Name, table and definition of every trigger of ours that is there."""
    if _postgresql(conn):
        found = (
            "SELECT t.tgname, c.relname, pg_get_triggerdef(t.oid) || p.prosrc"
            f" || CASE t.tgenabled WHEN 'D' THEN '{_OFF}' ELSE '' END FROM pg_trigger t"
            " JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid"
            " WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace AND t.tgname LIKE 'guard%'"
            " ORDER BY 1, 2"
        )
    else:
        found = "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'guard%' ORDER BY 1"
    rows: Any = _run(conn, found)
    return [(name, table, definition) for name, table, definition in rows]


def missing(conn: Connection) -> list[str]:
    """The names of triggers that ought to be there and are not, or are others or switched off."""
    there = {name: definition for name, _, definition in installed(conn)}
    bodies: dict[str, str] = {}
    lost = []
    for statement in _statements(conn):
        words = statement.split()
        if words[1] == "FUNCTION":
            bodies[words[2]] = statement.split("$body$")[1]
            continue
        wanted = bodies.get(words[-1], statement)
        found = there.get(words[2], "")
        if wanted not in found or found.endswith(_OFF):
            lost.append(words[2])
    return lost


@event.listens_for(METADATA, "after_create")
def _created(target: Any, conn: Connection, **_: Any) -> None:
    install(conn)


def _run(conn: Connection, statement: str) -> CursorResult[Any]:
    return conn.exec_driver_sql(statement, execution_options={"no_parameters": True})  # "%" is only a character then


def _postgresql(conn: Connection) -> bool:
    return conn.dialect.name == "postgresql"


def _statements(conn: Connection) -> Iterator[str]:
    return _for_postgresql() if _postgresql(conn) else _for_sqlite()


def _rules(table: str) -> list[tuple[str, str]]:
    """What an INSERT must fulfil: condition and the sentence said when it does not hold."""
    rules = [_INSERTS[table]] if table in _INSERTS else []
    if table in _LINKED:
        last = f"SELECT upto FROM chain WHERE name = '{_LINKED[table]}' ORDER BY number DESC LIMIT 1"
        rules.append(
            (f"NEW.id >= coalesce(({last}), 0)", "that day is closed; the clock of this machine has been put back")
        )
    if table == "chain":
        last = "SELECT coalesce(max(number), 0) + 1 FROM chain WHERE name = NEW.name"
        rules.append((f"NEW.number = ({last})", "a link goes at the end of its chain"))
    return rules


# --- SQLite ---------------------------------------------------------------------------------------------------------


def _for_sqlite() -> Iterator[str]:
    def trigger(name: str, when: str, rules: list[tuple[str, str]], then: str = "") -> str:
        checks = " ".join(
            f"SELECT RAISE(ABORT, '{table_of(when)}: {said}') WHERE NOT coalesce({rule}, 0);" for rule, said in rules
        )
        return f"CREATE TRIGGER {_PREFIX}{name} {when} BEGIN {checks}{then} END"

    def table_of(when: str) -> str:
        return when.split(" ON ")[1].split()[0]

    for table in FOREVER:
        # REPLACE erases without firing the trigger of a DELETE.
        again = [] if table in ("posting", "covered", "chain") else [
            (f"NOT EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id)", "there is such a row already")
        ]  # fmt: skip
        if rules := again + _rules(table):
            yield trigger(f"{table}_insert", f"BEFORE INSERT ON {table}", rules)
        erased = _ERASED if table == "audit" else "0"
        yield trigger(f"{table}_delete", f"BEFORE DELETE ON {table}", [(erased, "nothing is ever erased")])
        if table != "txn":
            yield trigger(f"{table}_update", f"BEFORE UPDATE ON {table}", [("0", "nothing is ever changed")])
    kept = " AND ".join(f"NEW.{name} IS OLD.{name}" for name in _KEPT)
    yield trigger("txn_update", "BEFORE UPDATE ON txn", [
        (f"{kept} AND (OLD.digest IS NULL OR NEW.digest IS OLD.digest)", "nothing is ever changed"),
        (f"(({_CLOSES}) OR ({_SETTLES}))", _ONCE),
        (f"NOT (OLD.state = 'open' AND {_UNEVEN})", _SUM),
        (f"NOT (OLD.state = 'open' AND {_FOREIGN})", _CURRENCY),
        (f"NOT (OLD.state = 'open' AND {_FINAL})", _REVERSED),
    ])  # fmt: skip
    moved = "(SELECT sum(p.amount) FROM posting p WHERE p.txn_id = NEW.id AND p.account = account.name)"
    yield trigger("txn_booked", "AFTER UPDATE OF state ON txn", [], (
        f" UPDATE account SET balance = balance + CASE WHEN NEW.state = 'posted' THEN {moved} ELSE 0 END,"
        f" pending = pending + CASE WHEN NEW.state = 'pending' THEN {moved} WHEN OLD.state = 'pending' THEN -{moved}"
        " ELSE 0 END WHERE name IN (SELECT account FROM posting WHERE txn_id = NEW.id);"
    ))  # fmt: skip
    fits = (
        "EXISTS (SELECT 1 FROM covered c LEFT JOIN obligation o ON o.member_id = c.member_id AND o.month = c.month"
        " WHERE c.txn_id = NEW.id AND NOT coalesce(o.paid + c.amount BETWEEN 0 AND o.amount, 0))"
    )
    paid = "(SELECT c.amount FROM covered c WHERE c.txn_id = NEW.id AND c.month = obligation.month)"
    yield trigger("txn_pays", "AFTER UPDATE OF state ON txn", [(f"NEW.state <> 'posted' OR NOT {fits}", _PAYS)], (
        f" UPDATE obligation SET paid = paid + {paid} WHERE NEW.state = 'posted'"
        " AND (member_id, month) IN (SELECT member_id, month FROM covered WHERE txn_id = NEW.id);"
    ))  # fmt: skip
    yield trigger("account_update", "BEFORE UPDATE ON account", [_ACCOUNT])
    yield trigger("account_delete", "BEFORE DELETE ON account", [("0", "nothing is ever erased")])
    # REPLACE would begin an account anew with nothing; what is there stays, as by ON CONFLICT DO NOTHING.
    there = "SELECT RAISE(IGNORE) WHERE EXISTS (SELECT 1 FROM account WHERE name = NEW.name); "
    new = [("NEW.balance = 0 AND NEW.pending = 0", "an account begins with nothing")]
    yield trigger("account_insert", "BEFORE INSERT ON account", new).replace("BEGIN ", f"BEGIN {there}")


# --- PostgreSQL -----------------------------------------------------------------------------------------------------

_FUNCTIONS = (
    "guard_forever", "guard_txn_update", "guard_account_update", "guard_account_insert", "guard_audit_delete",
    *(f"guard_{table}_insert" for table in FOREVER),
)  # fmt: skip


_DECLARED = "DECLARE months bigint; done bigint; parts bigint; total numeric; other boolean;"


def _for_postgresql() -> Iterator[str]:
    def function(name: str, rules: list[tuple[str, str]], then: str = "", row: str = "NEW") -> str:
        checks = " ".join(
            f"IF NOT coalesce(({rule}), false) THEN RAISE EXCEPTION '%: {said}', TG_TABLE_NAME"
            " USING ERRCODE = 'integrity_constraint_violation'; END IF;"
            for rule, said in rules
        )
        return (
            f"CREATE FUNCTION {_PREFIX}{name}() RETURNS trigger LANGUAGE plpgsql AS"
            f" $body$ {_DECLARED} BEGIN {checks}{then} RETURN {row}; END $body$"
        )

    def trigger(name: str, when: str, calls: str, each: str = "ROW") -> str:
        return f"CREATE TRIGGER {_PREFIX}{name} {when} FOR EACH {each} EXECUTE FUNCTION {_PREFIX}{calls}()"

    yield function("forever", [("false", "nothing is ever changed or erased")])
    for table in FOREVER:
        if rules := _rules(table):
            yield function(f"{table}_insert", rules)
            yield trigger(f"{table}_insert", f"BEFORE INSERT ON {table}", f"{table}_insert")
        verbs = {"txn": "DELETE", "audit": "UPDATE"}.get(table, "UPDATE OR DELETE")
        yield trigger(f"{table}_forever", f"BEFORE {verbs} ON {table}", "forever")
        yield trigger(f"{table}_truncate", f"BEFORE TRUNCATE ON {table}", "forever", "STATEMENT")
    kept = " AND ".join(f"NEW.{name} IS NOT DISTINCT FROM OLD.{name}" for name in _KEPT)
    moved = (
        " UPDATE account SET balance = balance + CASE WHEN NEW.state = 'posted' THEN m.amount ELSE 0 END,"
        " pending = pending + CASE WHEN NEW.state = 'pending' THEN m.amount WHEN OLD.state = 'pending' THEN -m.amount"
        " ELSE 0 END FROM (SELECT p.account, sum(p.amount)::bigint AS amount FROM posting p WHERE p.txn_id = NEW.id"
        " GROUP BY p.account) m WHERE account.name = m.account;"
        " IF NEW.state = 'posted' THEN SELECT count(*) INTO months FROM covered WHERE txn_id = NEW.id;"
        " IF months > 0 THEN UPDATE obligation o SET paid = o.paid + c.amount FROM covered c WHERE c.txn_id = NEW.id"
        " AND o.member_id = c.member_id AND o.month = c.month AND o.paid + c.amount BETWEEN 0 AND o.amount;"
        " GET DIAGNOSTICS done = ROW_COUNT;"
        # Somebody else has paid the month since it was looked at: the work is run again, see `engines.curable`.
        f" IF done <> months THEN RAISE EXCEPTION 'txn: {_PAYS}' USING ERRCODE = 'serialization_failure'; END IF;"
        " END IF; END IF;"
    )

    def refuse(unless: str, said: str) -> str:
        return (
            f" IF NOT coalesce(({unless}), false) THEN RAISE EXCEPTION 'txn: {said}'"
            " USING ERRCODE = 'integrity_constraint_violation'; END IF;"
        )

    # The same as SQLite's, but every payment goes through it: nothing is looked up that is not needed.
    closes = (
        refuse(_CLOSES, _ONCE)
        + " SELECT count(*), sum(p.amount), bool_or(a.currency <> OLD.currency) INTO parts, total, other"
        " FROM posting p JOIN account a ON a.name = p.account WHERE p.txn_id = OLD.id;"
        + refuse("parts >= 2 AND total = 0", _SUM)
        + refuse("NOT other", _CURRENCY)
        + f" IF OLD.reverses IS NOT NULL THEN {refuse(f'NOT ({_FINAL})', _REVERSED)} END IF;"
    )
    yield function(
        "txn_update",
        [(f"{kept} AND (OLD.digest IS NULL OR NEW.digest IS NOT DISTINCT FROM OLD.digest)", "nothing is ever changed")],
        f" IF OLD.state = 'open' THEN {closes} ELSE {refuse(_SETTLES, _ONCE)} END IF;{moved}",
    )
    yield trigger("txn_update", "BEFORE UPDATE ON txn", "txn_update")
    yield function("audit_delete", [(_ERASED, "nothing is ever erased")], row="OLD")
    yield trigger("audit_delete", "BEFORE DELETE ON audit", "audit_delete")
    yield function("account_update", [_ACCOUNT])
    yield trigger("account_update", "BEFORE UPDATE ON account", "account_update")
    yield function("account_insert", [("NEW.balance = 0 AND NEW.pending = 0", "an account begins with nothing")])
    yield trigger("account_insert", "BEFORE INSERT ON account", "account_insert")
    yield trigger("account_delete", "BEFORE DELETE ON account", "forever")
