"""The notice that greets those whom an import has linked: who writes, HELP, STOP, and WRONG for "not my number".

It waits for approval like any notice, and goes to the phones that the import has linked and to nobody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import Connection, select

from commands.texts import Named
from config.model import LANGUAGES
from gateway.affairs.notices import approval, drafts, filling
from gateway.affairs.notices.approval import Estimate
from gateway.affairs.notices.audience import Audience
from gateway.affairs.notices.drafts import Notice, Wording
from gateway.affairs.refusal import Refusal
from gateway.console import importer, notice_query
from gateway.console.web import Visit
from gateway.core.database import Queue
from gateway.core.tables.staff import import_row

CHUNK = 500  # phones in one work
_NOT_MINE = "WRONG"


class Refused(Refusal):
    """There is nobody to greet, or nothing to greet them with; the sentence says why."""


async def prepare(visit: Visit, job_id: int) -> None:
    """Draft it, list the phones in short works, and ask for approval; asked twice it is the same notice."""
    database = visit.console.database
    numbers = await database.read(_linked, job_id)
    made = await database.run(_begin, visit, job_id, bool(numbers))
    if made.state != drafts.DRAFT:
        return
    assert made.filling is not None
    country = visit.console.organisation.country
    for at in range(0, len(numbers), CHUNK):
        some = numbers[at : at + CHUNK]
        await database.run(filling.add, made.id, made.filling, some, country, queue=Queue.BACKGROUND)
    whole = replace(made, filling=None)
    counted = await database.read(approval.estimate, visit.console.place, whole, visit.now)
    await database.run(_submit, visit, job_id, made, counted)


def _linked(conn: Connection, job_id: int) -> list[str]:
    kept = import_row.c.import_id == job_id, import_row.c.kind == "number"
    return list(conn.scalars(select(import_row.c.ref).where(*kept)))


def _begin(conn: Connection, visit: Visit, job_id: int, anybody: bool) -> Notice:
    """A new draft, or the notice that was submitted before; a draft that was left half done makes way."""
    job = importer.find(conn, job_id)
    if job is None or job.what != "members" or job.state != "done":
        raise Refused("only members who were imported are greeted")
    if not anybody:
        raise Refused("this import has linked no phone, or it was more than a day ago")
    key = f"welcome:{job_id}"
    known = drafts.by_key(conn, key)
    if known is not None and known.state != drafts.DRAFT:
        return known
    if known is not None:
        drafts.forget(conn, known)
    title = f"welcome {job.file}"[: drafts.LONGEST_TITLE]
    said = Wording(title=title, texts=_texts(conn, visit), audience=Audience(listed=True))
    by, ids = notice_query.person(conn, visit.who), visit.console.ids
    return drafts.create(conn, ids, said, by, visit.now, request_key=key, filling=ids())


def _submit(conn: Connection, visit: Visit, job_id: int, made: Notice, counted: Estimate) -> None:
    by = notice_query.person(conn, visit.who)
    assert made.filling is not None
    filling.end(conn, made.id, made.filling)
    approval.submit(conn, visit.console.place, drafts.get(conn, made.id), by, visit.now, repeat=True, counted=counted)
    importer.put(conn, job_id, welcomed=made.id)


def _texts(conn: Connection, visit: Visit) -> Mapping[str, str]:
    """As the organisation has them; every piece names only what a stranger may use."""
    console = visit.console
    office = console.office(conn, visit.now)
    if _NOT_MINE not in office.registry:
        raise Refused("the command %(code)s is switched off: who is not meant could not say so", code=_NOT_MINE)
    name = console.organisation.name
    return {
        language: office.say(
            "wrong.welcome",
            language,
            None,
            organisation=Named(name, console.organisation.signature_for(language) or "Muster"),
        )
        for language in LANGUAGES
    }
