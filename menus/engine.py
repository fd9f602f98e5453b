"""The USSD session engine: one input of a phone in, one screen out. Pure and synchronous.

It knows the commands only as they are handed to it, and the tree only as data. What it changes in memory it returns
with the screen, to be kept after the commit: a step that is run again finds what the first run found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from sqlalchemy import Connection

from gateway.core.model import Event, Inbound, Request
from menus.needs import Conduct, Registry, is_text
from menus.sessions import Menu, Place, Session, Sessions
from menus.step import Screen, Step
from menus.tree import ROOT, MenuError, Tree
from menus.vendors import Profile
from menus.view import Joined

__all__ = ["Engine", "Screen"]

MOST_TOKENS = 16  # of a dialled path
LONGEST = 2000  # characters of an input; a vendor that repeats all of them needs more than a screen


class Engine:
    """The tree, the commands and how to carry them out, joined for all sessions."""

    def __init__(
        self,
        tree: Tree,
        registry: Registry,
        conduct: Conduct,
        *,
        language: str,
        profiles: Mapping[str, Profile] | None = None,
    ) -> None:
        known = language if language in tree.languages else next(iter(tree.languages))
        self.tree = tree
        self.language = known
        self._joined = Joined(tree=tree, registry=registry, conduct=conduct, language=known)
        self._profiles = dict(profiles or {})
        self._default = Profile()
        if problems := list(_unasked(tree, registry)):
            raise MenuError("\n".join(problems))

    def profile(self, link: str) -> Profile:
        return self._profiles.get(link, self._default)

    def answer(self, conn: Connection, inbound: Inbound, request: Request, sessions: Sessions) -> Screen:
        """The screen for `inbound`; the caller keeps `screen.session` in `sessions` after the commit.

        `request` says who asks and from where, as for a command; its arguments are not looked at.
        """
        session = sessions.find(inbound.link, inbound.session, request.number)
        unfinished = sessions.unfinished(request.number, request.now)
        return self.step(conn, inbound, request, session, unfinished)

    def step(
        self,
        conn: Connection,
        inbound: Inbound,
        request: Request,
        session: Session | None = None,
        unfinished: Session | None = None,
    ) -> Screen:
        """One input: `session` is where it stands, `unfinished` what the number may take up again instead."""
        profile = self.profile(inbound.link)
        if inbound.event in (Event.CLOSE, Event.ABORT):
            return _broken_off(session or _new(inbound, request))
        text = (inbound.text or "")[:LONGEST]
        if session is not None and _repeated(session, inbound, text, profile, request):
            again = replace(session, seen=request.now)
            return Screen(
                text=session.screen,
                more=session.open,
                session=again,
                node="",
                typed="repeat",
                log_class=session.log_class,
            )
        if session is None or _begins(session, inbound, profile, request):
            step = Step(self._joined, conn, request, profile, _new(inbound, request))
            tokens = _path(inbound, text, session, profile, request)
            if not tokens and unfinished is not None and not self._answered(unfinished.stack[-1]):
                step.resume(unfinished)
            else:
                step.walk(tokens)
            step.typed = "path" if tokens else "begin"
        else:
            step = Step(self._joined, conn, request, profile, session)
            step.type(_latest(session, text) if profile.cumulative else text)
        return step.screen(typed=text, mark=inbound.remote_id)

    def _answered(self, place: Place) -> bool:
        """Whether it is a screen that begins with an answer: people read it and hang up."""
        return isinstance(place, Menu) and self.tree.nodes[place.node].head is not None


def _unasked(tree: Tree, registry: Registry) -> Iterable[str]:
    """Parameters that the tree does not say how to ask for."""
    for node in tree.nodes.values():
        for code in (node.head, *(item.command for item in node.items)):
            command = registry.get(code) if code else None
            if command is not None:
                for parameter in command.parameters:
                    if (
                        parameter.required
                        and not is_text(parameter)
                        and (command.code, parameter.name) not in tree.prompts
                    ):
                        yield f"questions.{command.code}.{parameter.name}: is missing"


# --- which input this is ------------------------------------------------------------------------------------------


def _new(inbound: Inbound, request: Request) -> Session:
    return Session(
        link=inbound.link,
        id=inbound.session or request.number,
        number=request.number,
        started=request.now,
        seen=request.now,
        stack=(Menu(node=ROOT),),
    )


def _broken_off(session: Session) -> Screen:
    """The phone, the network or time ended it: it may be taken up again, but no sealed answer outlives it."""
    if session.sealed or not session.open:
        session = replace(session, stack=(), typed="", screen=session.screen if not session.open else "", open=False)
    else:
        session = replace(session, broken_off=True)
    return Screen(text="", more=False, session=session, typed="broken off")


def _repeated(session: Session, inbound: Inbound, text: str, profile: Profile, request: Request) -> bool:
    """The vendor asks again for what it was told: because its own mark says so, or the input and the time do."""
    if session.broken_off or text != session.typed or not session.screen:
        return False
    if inbound.remote_id is not None and session.mark is not None:
        return inbound.remote_id == session.mark
    if profile.cumulative and text:
        return True  # nothing was typed since
    return request.now - session.seen < profile.repeat


def _begins(session: Session, inbound: Inbound, profile: Profile, request: Request) -> bool:
    if not session.open or session.broken_off or request.now - session.seen > profile.life:
        return True
    return inbound.event is Event.BEGIN


def _path(inbound: Inbound, text: str, session: Session | None, profile: Profile, request: Request) -> list[str]:
    """What was dialled behind the code: `*123*1*2#` as it came, or `1*2` where the vendor took the code away."""
    if profile.cumulative:
        typed = _latest(session, text) if session is not None else text
        return [token for token in typed.split("*") if token][:MOST_TOKENS]
    if inbound.event is not Event.BEGIN:
        return []  # of a session that is over, or from before a restart: it stood somewhere we no longer know
    code = (inbound.code or request.organisation.ussd_code).strip("*# ")
    dialled = text.strip().rstrip("#").lstrip("*")
    if dialled == code:
        return []
    if dialled.startswith(f"{code}*"):
        dialled = dialled[len(code) + 1 :]
    elif text.lstrip().startswith("*"):  # another code that leads here
        dialled = dialled.partition("*")[2]
    return [token for token in dialled.split("*") if token][:MOST_TOKENS]


def _latest(session: Session, text: str) -> str:
    """What was typed since the last request, of a text that repeats all before it; it may hold a `*` itself."""
    if not session.typed:
        return text
    if text.startswith(f"{session.typed}*"):
        return text[len(session.typed) + 1 :]
    return text.rpartition("*")[2]
