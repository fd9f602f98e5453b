"""One text from a phone, from what it means to what is answered: prepared without a database, answered with one.

The desk prepares every message of a batch, lets the commands' `reads` look things up for all senders at once, and
then answers each:

    prepared = prepare(office, text, sender, dialog)
    request = Request(number=..., member=sender.member, language=prepared.language, arguments=prepared.arguments,
                      channel=Channel.SMS, text=text, desk=office, ...)
    read = prepared.command.reads(conn, requests) if prepared.command and prepared.command.reads else {}
    answered = answer(conn, office, prepared, request, read=read.get(number), unknown=...)

`unknown` is how many texts of this number were not understood (E01) in the last ten minutes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Final, Literal

from sqlalchemy import Connection

from commands import privacy
from commands.grammar import CODE, Confirmed, Missing, Parsed, Problem, Silent, Understood, parse
from commands.office import LIFE, OTHERS, Office
from commands.registry import Command, Confirm, Kind
from gateway.affairs import cases, challenges
from gateway.affairs.members import Sender
from gateway.core.model import Ask, Channel, Lane, LogClass, Reply, Request, value
from gateway.core.text import fits_gsm7

_QUESTION = 6  # characters that may be a question
_MENU = "0"
_ASK = "71"
_LOCK = "87"
WORKS_LOCKED = frozenset({"0", "92"})  # HELP and STOP, from a phone that was locked
_CONFIRM = "Y"
_UNKNOWN = "unknown"  # the kind of a case that nobody asked for


class Dialog(Enum):
    """What becomes of the dialogue that was open."""

    KEEP = "keep"


KEEP: Final = Dialog.KEEP


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a text means for its sender. `command` runs as it is, and its `reads` may be read for many at once."""

    text: str
    parsed: Parsed
    language: str
    command: Command | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)


@value
class Answered:
    """What goes back and what is written down.

    `command` is the code, or the error, or "" for what wants no answer. `log_text` is what the log keeps of the
    text that came and `reply_text` of the one that goes, None being nothing. `dialog` is what is open from now on:
    None closes, KEEP leaves what there was.
    """

    reply: Reply | None
    command: str
    log_class: LogClass
    log_text: str | None
    reply_text: str | None = None
    dialog: Ask | Literal[Dialog.KEEP] | None = None
    case: int | None = None


def prepare(office: Office, text: str, sender: Sender, dialog: Ask | None = None) -> Prepared:
    """What `text` means when `sender` says it while `dialog` is open. Pure."""
    parsed = parse(text, office.registry, dialog=dialog)
    heard = None if isinstance(parsed, Silent) else parsed.language
    asked = None if dialog is None else dialog.language
    language = sender.language or heard or asked or office.organisation.language
    if not isinstance(parsed, Understood):
        return Prepared(text, parsed, language)
    command = parsed.command
    runs = command.confirm is Confirm.NONE and command.allows(sender.member)
    return Prepared(text, parsed, language, command if runs else None, parsed.arguments)


def answer(
    conn: Connection, office: Office, prepared: Prepared, request: Request, *, read: Any = None, unknown: int = 0
) -> Answered:
    """Do what was asked for and say so."""
    parsed = prepared.parsed
    match parsed:
        case Understood(command=command):
            if read is not None:
                request = replace(request, read=read)
            return _answered(prepared, command, _understood(conn, office, prepared, request, command))
        case Missing():
            reply = office.refused(parsed.command, request) or missing(office, request, parsed)
            return _answered(prepared, parsed.command, reply)
        case Confirmed():
            return _confirmed(conn, office, prepared, request, parsed)
        case Problem(error="E01"):
            return _not_understood(conn, office, prepared, request, parsed, unknown)
        case Problem():
            return _problem(office, prepared, request, parsed)
        case Silent():
            return Answered(reply=None, command="", log_class=LogClass.A, log_text=prepared.text, dialog=KEEP)


def locked(office: Office, prepared: Prepared, request: Request) -> Answered | None:
    """What a locked phone is told; None for HELP and for STOP, which work all the same. Nothing of the text is kept."""
    if isinstance(prepared.parsed, Understood) and prepared.parsed.command.code in WORKS_LOCKED:
        return None
    if isinstance(prepared.parsed, Silent):
        return None
    reply = office.reply(request, "lock.locked")
    return Answered(reply=reply, command=_LOCK, log_class=LogClass.A, log_text=None, reply_text=reply.text)


def missing(office: Office, request: Request, lacking: Missing) -> Reply:
    """The question for what a command lacks; a sealed parameter is never asked for by SMS."""
    command, parameter = lacking.command, lacking.parameter
    if parameter.sealed and request.channel is Channel.SMS:
        return office.error(request, "E03", example=office.example(command, request.language, request.member))
    choices: dict[str, tuple[str, Mapping[str, Any]]] = {}
    if parameter.kind is Kind.CHOICE:
        values = dict.fromkeys(parameter.choices.values())
        choices = {str(at): (command.code, {**lacking.arguments, parameter.name: v}) for at, v in enumerate(values, 1)}
    ask = Ask(
        expires=request.now + LIFE,
        choices=choices,
        command=command.code,
        parameter=parameter.name,
        arguments=lacking.arguments,
        language=request.language,
    )
    return replace(office.reply(request, f"{command.name}.{parameter.name}"), ask=ask)


def _understood(conn: Connection, office: Office, prepared: Prepared, request: Request, command: Command) -> Reply:
    if prepared.command is not None:
        return office.run(conn, command, request)
    if command.confirm is Confirm.CODE:  # an SMS can be forged where a USSD session cannot
        return office.challenge(conn, command, request)
    return office.refused(command, request) or office.run(conn, command, request)


def _answered(prepared: Prepared, command: Command, reply: Reply) -> Answered:
    log_class = reply.log_class or command.log_class
    kept = privacy.kept(prepared.text, log_class)
    return Answered(
        reply=reply,
        command=reply.error or command.code,
        log_class=log_class,
        log_text=kept,
        reply_text=_reply_text(reply, log_class),
        dialog=reply.ask,
        case=reply.case,
    )


def _reply_text(reply: Reply, log_class: LogClass) -> str | None:
    """What the log keeps of an answer: nothing with a code in it, no amounts, and none to what is sealed."""
    if reply.secret or (log_class is LogClass.C and reply.error is None):
        return None
    return privacy.masked_reply(reply.text) if log_class is LogClass.B and reply.error is None else reply.text


def _confirmed(
    conn: Connection, office: Office, prepared: Prepared, request: Request, confirmed: Confirmed
) -> Answered:
    """The answer to a challenge: right, wrong, too often wrong, too late, or a no."""
    command, reply = _settled(conn, office, request, confirmed)
    log_class = command.log_class if command is not None else LogClass.C
    return Answered(
        reply=reply,
        command=reply.error or (command.code if command is not None else _CONFIRM),
        log_class=log_class,
        log_text=None,  # it holds a code
        reply_text=_reply_text(reply, log_class),
        dialog=KEEP if reply.error == "E07" else reply.ask,
        case=reply.case,
    )


def _settled(conn: Connection, office: Office, request: Request, confirmed: Confirmed) -> tuple[Command | None, Reply]:
    found = challenges.check(conn, office.keys, request.number, confirmed.code, request.now)
    match found:
        case challenges.Wrong(left=left):
            return None, office.error(request, "E07", left=left)
        case challenges.Locked(until=until):
            return None, office.wait(request, until)
        case challenges.Nothing():
            return None, office.reply(request, "confirm.nothing")
        case (
            challenges.Confirmed(action=action, arguments=arguments)
            | challenges.Again(action=action, arguments=arguments)
        ):
            code, others, _ = action.partition(OTHERS)
            command = office.registry.get(code)
    if command is None:  # switched off in between
        return None, office.reply(request, "confirm.nothing")
    request = replace(request, arguments=arguments, read=None)
    if isinstance(found, challenges.Again):
        return command, command.again(conn, request) if command.again else office.reply(request, "confirm.nothing")
    if not confirmed.yes:
        return command, command.denied(conn, request) if command.denied else office.reply(request, "confirm.no")
    if others and command.agreed is not None:
        return command, command.agreed(conn, request)
    return command, office.refused(command, request) or office.run(conn, command, request)


def _problem(office: Office, prepared: Prepared, request: Request, problem: Problem) -> Answered:
    """E03, E10, E11: what was meant is known."""
    command = problem.command
    ours = problem.word == CODE  # the code was sent to them, whatever else they may do
    if command is not None and not ours and (refused := office.refused(command, request)) is not None:
        return _answered(prepared, command, refused)
    reply = _correction(office, request, problem)
    log_class = command.log_class if command is not None else LogClass.A
    kept = privacy.unknown(prepared.text) if problem.withhold else privacy.kept(prepared.text, log_class)
    return Answered(
        reply=reply,
        command=problem.error,
        log_class=log_class,
        log_text=kept,
        reply_text=reply.text,
        dialog=KEEP if problem.keep else None,
    )


def _correction(office: Office, request: Request, problem: Problem) -> Reply:
    command = problem.command
    if problem.word == CODE:
        return replace(office.reply(request, "confirm.ask", lane=Lane.CODE), error="E03")
    if problem.error == "E10":
        return office.error(request, "E10")
    if problem.error == "E11":
        parameters = command.parameters if command is not None else ()
        least = next((each.least for each in parameters if each.kind is Kind.AMOUNT), 0)
        return office.error(request, "E11", least=office.money(least, request.language))
    example = "" if command is None else office.example(command, request.language, request.member)
    if problem.keep and command is not None and problem.parameter is not None:
        asked = office.reply(request, f"{command.name}.{problem.parameter.name}")
        return replace(asked, error="E03")
    return office.error(request, "E03", example=example)


def _not_understood(
    conn: Connection, office: Office, prepared: Prepared, request: Request, problem: Problem, unknown: int
) -> Answered:
    """E01: a suggestion if there is one, else a hint, and the second time within ten minutes a person."""
    text, case, dialog, reply = prepared.text, None, None, None
    kept = privacy.unknown(text) if problem.withhold else privacy.blank(text)
    if request.member is None:
        kept = privacy.without_invitations(kept)
    command = problem.command
    refused = None if command is None else office.refused(command, request)
    if command is not None and refused is not None and request.member is None:
        return replace(_answered(prepared, command, refused), log_class=LogClass.A, log_text=kept)
    if command is not None and refused is None:
        reply = _suggestion(office, request, problem, command)
        dialog = reply.ask
    else:
        thread = cases.thread(conn, request.number, request.now)
        if thread is not None and _goes_on(thread, problem, text):
            cases.ask_again(conn, office.new_id, thread, text=kept, message_id=request.message or None, now=request.now)
            reply = office.reply(request, "ask.again", case_no=thread.case_no, case=thread.id)
            return Answered(
                reply=reply,
                command=_ASK,
                log_class=LogClass.D,
                log_text=None,
                reply_text=reply.text,
                dialog=KEEP if problem.keep else None,
                case=thread.id,
            )
        if unknown > 0:
            case = _handed_over(conn, office, request, thread, kept)
        else:
            reply = _plainly(office, request, problem, text)
    return Answered(
        reply=reply,
        command="E01",
        log_class=LogClass.A,
        log_text=kept,
        reply_text=None if reply is None else reply.text,
        dialog=KEEP if dialog is None and problem.keep else dialog,
        case=case,
    )


def _goes_on(thread: cases.Case, problem: Problem, text: str) -> bool:
    """Whether a free text belongs to what was asked before: an answer of the staff is answered like any other SMS."""
    spoken = thread.kind != _UNKNOWN or thread.answered is not None
    return spoken and not problem.withhold and len(text.strip()) >= _QUESTION


def _handed_over(conn: Connection, office: Office, request: Request, thread: cases.Case | None, kept: str) -> int:
    """Put a text that nobody understood before the staff, beside the one before it; the case's id."""
    message = request.message or None
    if thread is not None and thread.kind == _UNKNOWN:
        cases.ask_again(conn, office.new_id, thread, text=kept, message_id=message, now=request.now)
        return thread.id
    return office.open_case(conn, request, kept, kind=_UNKNOWN).id


def _suggestion(office: Office, request: Request, problem: Problem, command: Command) -> Reply:
    word = problem.word or command.word(request.language)
    gsm = office.texts.template("errors.E01", request.language).gsm
    if gsm and not fits_gsm7(word):
        word = command.word(request.language)
    if command.sealed:  # nothing of it was kept that a Y could run
        example = office.example(command, request.language, request.member)
        return office.error(request, "E01", "E01_again", word=word, example=example)
    if not problem.heard or (gsm and not fits_gsm7(problem.heard)):
        reply = office.error(request, "E01", "E01_unheard", word=word)
    else:
        reply = office.error(request, "E01", word=word, heard=problem.heard)
    choices: dict[str, tuple[str, Mapping[str, Any]]] = {"Y": (command.code, problem.arguments), "N": (_MENU, {})}
    ask = Ask(expires=request.now + LIFE, choices=choices, language=request.language)
    return replace(reply, ask=ask)


def _plainly(office: Office, request: Request, problem: Problem, text: str) -> Reply:
    bind = office.registry.get("81")
    digits = "".join(text.split())
    if request.member is None and bind is not None and digits.isdecimal() and len(digits) == 8:
        example = office.example(bind, request.language, None)  # an invitation, sent as it is printed
        return office.error(request, "E01", "E01_again", word=bind.word(request.language), example=example)
    if problem.withhold:
        return office.error(request, "E01", "E01_withheld")
    if request.member is not None and len(text.strip()) >= _QUESTION:
        return office.error(request, "E01", "E01_question")
    gsm = office.texts.template("errors.E01_alone", request.language).gsm
    if not problem.heard or (gsm and not fits_gsm7(problem.heard)):
        return office.error(request, "E01", "E01_nothing")
    return office.error(request, "E01", "E01_alone", heard=problem.heard)
