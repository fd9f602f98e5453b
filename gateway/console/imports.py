"""The pages of imports: upload, say what the columns mean, check, import, read the report, undo for a day."""

from __future__ import annotations

import csv
import json
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection
from twisted.internet.defer import Deferred

from gateway.affairs.notices.drafts import Refused as NoNotice
from gateway.affairs.sheets import SheetProblem, guessed, titles_of
from gateway.console import importer, row_reports, welcome
from gateway.console.downloads import sent
from gateway.console.importer import COLUMNS, Importer, Job
from gateway.console.notice_words import problem_words
from gateway.console.refusals import kept, refusal
from gateway.console.web import Answer, Page, Redirect, Refused, Route, Visit, identifier
from gateway.core import audit
from gateway.core.tables.staff import import_job
from gateway.exports.house import house
from gateway.exports.sheets import Letter, invitation_letters

ENCODINGS = ("utf-8-sig", "gb18030", "utf-16")
_LETTERS = 1_000  # in a file: some seconds of drawing, and a pile that one printer takes


def _importer(visit: Visit) -> Importer:
    """Imports are of the whole organisation, and so must the role be."""
    if visit.who.scope("import") is not None:
        raise Refused(HTTPStatus.FORBIDDEN)
    if visit.console.importer is None:
        raise Refused(HTTPStatus.NOT_FOUND)
    return visit.console.importer


async def listing(visit: Visit) -> Answer:
    return await _listing(visit)


async def _listing(visit: Visit, problem: str = "") -> Answer:
    _importer(visit)
    jobs = await visit.console.database.read(importer.listing)
    return Page("imports.html", {"jobs": jobs, "problem": problem}, _status(problem))


async def upload(visit: Visit) -> Answer:
    files, what = _importer(visit), visit.form("what")
    if what not in COLUMNS or visit.file is None or not visit.file.name:
        return await _listing(visit, visit.gettext("Choose a file."))
    job_id = visit.console.ids()
    await files.keep(job_id, visit.file.content)
    try:
        encoding, titles = await visit.console.thread(titles_of, files.path(job_id))
    except SheetProblem as problem:
        files.path(job_id).unlink()
        return await _listing(visit, refusal(visit, problem))
    options = {"encoding": encoding, "meaning": guessed(titles, COLUMNS[what]), "invite": False}
    await visit.console.database.run(_add, visit, job_id, what, visit.file.name[-100:], options)
    return Redirect(f"/import/{job_id}")


def _add(conn: Connection, visit: Visit, job_id: int, what: str, name: str, options: dict[str, Any]) -> None:
    conn.execute(
        import_job.insert().values(
            id=job_id,
            what=what,
            file=name,
            state="uploaded",
            options=json.dumps(options, ensure_ascii=False),
            actor=visit.who.actor,
            at=visit.now,
        )
    )
    audit.record(
        conn,
        id=visit.console.ids(),
        at=visit.now,
        actor=visit.who.actor,
        action="import uploaded",
        object=f"import:{job_id}",
        reason=f"{what}: {name}",
    )


async def one(visit: Visit) -> Answer:
    return await _one(visit)


async def _one(visit: Visit, problem: str = "") -> Answer:
    files, job = _importer(visit), await _job(visit)
    values = {
        "job": job,
        "columns": COLUMNS[job.what],
        "sample": await visit.console.thread(_sample, files.path(job.id), job.chosen.get("encoding")),
        "encodings": ENCODINGS,
        "may_undo": job.may_undo(visit.now),
        "letters": parts(job) if files.codes(job.id).exists() else (),
        "report": files.report(job.id).exists(),
        "problem": problem,
        "stopped": kept(visit, job.problem) if job.problem else "",
        "reasons": [
            (row_reports.reason(visit.gettext, code), count) for code, count in job.counted.get("reasons", {}).items()
        ],
        "examples": [
            (line, key, row_reports.explained(visit.gettext, row_reports.IMPORTED, outcome, code))
            for line, key, outcome, code in job.counted.get("examples", ())
        ],
    }
    return Page("import_rows.html" if visit.fragment else "import.html", values, _status(problem))


def parts(job: Job) -> list[tuple[int, int, int]]:
    """Number, first and last letter of each file."""
    invited = job.counted.get("invited", 0)
    return [
        (number, first + 1, min(first + _LETTERS, invited))
        for number, first in enumerate(range(0, invited, _LETTERS), start=1)
    ]


def _sample(path: Path, encoding: str | None) -> list[list[str]]:
    """The first lines, to see whether the encoding was guessed right."""
    if not path.exists():
        return []
    with path.open(encoding=encoding or "utf-8-sig", errors="replace", newline="") as file:
        lines = [line for line, _ in zip(file, range(4), strict=False)]
    delimiter = max(",;\t", key=lines[0].count) if lines else ","
    try:
        return [row[:12] for row in csv.reader(lines, delimiter=delimiter)]
    except csv.Error:
        return []


async def check(visit: Visit) -> Answer:
    return await _start(visit, dry_run=True)


async def apply(visit: Visit) -> Answer:
    return await _start(visit, dry_run=False)


async def _start(visit: Visit, *, dry_run: bool) -> Answer:
    """Take what the columns mean from the form, and begin; the page follows how far it is."""
    files, job = _importer(visit), await _job(visit)
    if job.at_work or job.state in ("done", "undone"):
        return Redirect(f"/import/{job.id}")
    encoding = visit.form("encoding")
    names = {column.name for column in COLUMNS[job.what]}
    meaning = {}
    for at, title in enumerate(job.chosen["meaning"]):
        wanted = visit.form(f"column-{at}", job.chosen["meaning"][title])
        meaning[title] = wanted if wanted in names else ""
    options = {
        "encoding": encoding if encoding in ENCODINGS else job.chosen["encoding"],
        "meaning": meaning,
        "invite": visit.form("invite") == "on",
    }
    told = json.dumps(options, ensure_ascii=False)
    started = await visit.console.database.run(_waiting, job.id, told)
    if started is not None:
        visit.console.tasks.start(files.run(started, dry_run=dry_run))
    return Redirect(f"/import/{job.id}")


def _waiting(conn: Connection, job_id: int, options: str) -> Job | None:
    """The job, unless another click has begun it."""
    job = importer.find(conn, job_id)
    if job is None or job.at_work or job.state in ("done", "undone"):
        return None
    importer.put(conn, job_id, state="waiting", options=options)
    return importer.find(conn, job_id)


async def undo(visit: Visit) -> Answer:
    files, job = _importer(visit), await _job(visit)
    if not job.may_undo(visit.now):
        return await _one(visit, visit.gettext("This import can no longer be undone."))
    if await visit.console.database.run(_undoing, job.id, visit.now):
        visit.console.tasks.start(files.undo(job, visit.who.actor))
    return Redirect(f"/import/{job.id}")


def _undoing(conn: Connection, job_id: int, now: datetime) -> bool:
    job = importer.find(conn, job_id)
    if job is None or not job.may_undo(now):
        return False
    importer.put(conn, job_id, state="undoing")
    return True


async def greet(visit: Visit) -> Answer:
    """Put a welcome notice before an approver."""
    _importer(visit)
    job = await _job(visit)
    try:
        await welcome.prepare(visit, job.id)
    except welcome.Refused as refused:
        return await _one(visit, refusal(visit, refused))
    except NoNotice as refused:
        return await _one(visit, problem_words(visit, refused))
    return Redirect(f"/import/{job.id}")


async def report(visit: Visit) -> Answer:
    files, job = _importer(visit), await _job(visit)
    path = files.report(job.id)
    if not path.exists():
        raise Refused(HTTPStatus.NOT_FOUND)

    def write(file: IO[bytes]) -> Deferred[None]:
        return visit.console.thread(row_reports.explain_file, path, file, visit.gettext)

    return await sent(visit, f"import-{job.id}.csv", write)


async def letters(visit: Visit) -> Answer:
    """A part of the invitation letters as PDF, as long as the codes are good; by branch, as they are handed out."""
    files, job = _importer(visit), await _job(visit)
    path, console = files.codes(job.id), visit.console
    if not path.exists():
        raise Refused(HTTPStatus.NOT_FOUND)
    part = identifier(visit.form("part", "1")) or 1
    found = (await console.thread(_letters, path, console.zone))[(part - 1) * _LETTERS : part * _LETTERS]
    if not found:
        raise Refused(HTTPStatus.NOT_FOUND)
    await console.database.run(_printed, visit, job, part)
    paper = house(console.organisation, console.sms_to)
    at = visit.now.astimezone(console.zone)
    language = console.organisation.language
    return await console.drawing.pdf(
        f"invitations-{job.id}-{part}.pdf", invitation_letters, paper, found, language, at=at
    )


def _printed(conn: Connection, visit: Visit, job: Job, part: int) -> None:
    """Who has seen the codes could have used them."""
    audit.record(
        conn,
        id=visit.console.ids(),
        at=visit.now,
        actor=visit.who.actor,
        action="invitations printed",
        object=f"import:{job.id}",
        reason=f"part {part}",
    )


def _letters(path: Path, zone: Any) -> list[Letter]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        found = [
            Letter(
                name=row["name"],
                member_no=row["member_no"],
                branch=row["branch_code"],
                code=row["code"],
                until=datetime.fromisoformat(row["expires"]).replace(tzinfo=zone),
                language=row.get("language"),
            )
            for row in csv.DictReader(file)
        ]
    return sorted(found, key=lambda letter: letter.branch)


async def _job(visit: Visit) -> Job:
    job = await visit.console.database.read(importer.find, identifier(visit.path["id"]) or 0)
    if job is None:
        raise Refused(HTTPStatus.NOT_FOUND)
    return job


def _status(problem: str) -> int:
    return HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK


ROUTES = (
    Route(rule="/import", handler=listing, may="import"),
    Route(rule="/import", handler=upload, post=True, may="import"),
    Route(rule="/import/<id>", handler=one, may="import"),
    Route(rule="/import/<id>/check", handler=check, post=True, may="import"),
    Route(rule="/import/<id>/apply", handler=apply, post=True, may="import"),
    Route(rule="/import/<id>/undo", handler=undo, post=True, may="import"),
    Route(rule="/import/<id>/welcome", handler=greet, post=True, may="import"),
    Route(rule="/import/<id>/report", handler=report, may="import"),
    Route(rule="/import/<id>/letters", handler=letters, post=True, may="import"),
)
