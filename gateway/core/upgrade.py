"""Making a database and bringing it to this version: one linear Alembic history."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, make_url, select

from gateway.core import guards
from gateway.core.engines import DatabaseProblem, engine
from gateway.core.keys import Keys
from gateway.core.tables.staff import fact

_MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(url: str, keys: Keys) -> tuple[str | None, str]:
    """Create or migrate the database at `url`; the revisions before and after."""
    made = engine(url, create=True)
    try:
        with made.connect() as conn, conn.begin():
            before = revision(conn)
            alembic = config(conn)
            if before is not None and not _knows(alembic, before):
                raise DatabaseProblem(f"the database was made by a newer Muster ({before}); install that version")
            guards.remove(conn)
            command.upgrade(alembic, "head")
            guards.install(conn)
            after = head()
            _remember_key(conn, keys)
        return before, after
    finally:
        made.dispose()


def check(conn: Connection, keys: Keys) -> None:
    """Refuse a database of another version or of another key, and one whose guards are gone."""
    check_version(conn, keys)
    if lost := guards.missing(conn):
        raise DatabaseProblem(
            f"the database does not guard its ledger any more ({lost[0]} is gone): `muster verify` says whether "
            "anything was changed, `muster upgrade` puts the guards back"
        )


def check_version(conn: Connection, keys: Keys) -> None:
    """Refuse a database of another version or of another key."""
    found = revision(conn)
    if found != head():
        raise DatabaseProblem(
            f"the database is at version {found or 'none'} and this Muster needs {head()}; run `muster upgrade CONFIG`"
        )
    fingerprint = conn.scalar(select(fact.c.value).where(fact.c.name == "key"))
    if fingerprint is not None and fingerprint != keys.fingerprint():
        raise DatabaseProblem("the database was made with another key file; put the right one at [security] key_file")


def revision(conn: Connection) -> str | None:
    return MigrationContext.configure(conn).get_current_revision()


def head() -> str:
    found = ScriptDirectory(str(_MIGRATIONS)).get_current_head()
    if found is None:
        raise DatabaseProblem("this installation has no migrations; install Muster again")
    return found


def new_revision(url: str, message: str) -> None:
    """Write a migration from what the tables are to what the database at `url` is: for those who change tables."""
    made = engine(url, create=make_url(url).get_backend_name() == "sqlite")
    with made.connect() as conn, conn.begin():
        number = len(list((_MIGRATIONS / "versions").glob("*.py"))) + 1
        command.revision(config(conn), message, autogenerate=True, rev_id=f"{number:04}")
    made.dispose()


def config(conn: Connection) -> Config:
    """What Alembic's own commands want."""
    made = Config()
    made.set_main_option("script_location", str(_MIGRATIONS))
    made.attributes["connection"] = conn
    return made


def _knows(alembic: Config, found: str) -> bool:
    return found in {script.revision for script in ScriptDirectory.from_config(alembic).walk_revisions()}


def _remember_key(conn: Connection, keys: Keys) -> None:
    found = conn.scalar(select(fact.c.value).where(fact.c.name == "key"))
    if found is None:
        conn.execute(insert(fact), {"name": "key", "value": keys.fingerprint()})
    elif found != keys.fingerprint():
        raise DatabaseProblem("the database was made with another key file; put the right one at [security] key_file")
