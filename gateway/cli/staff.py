"""`muster staff`: the accounts of those who work in the console."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

from gateway.affairs import branches, roles, second_factor, staff
from gateway.cli.opening import ACTOR, Opened, opened
from gateway.cli.problems import Problem
from gateway.console import common_passwords, sessions
from gateway.console.passwords import LEAST, MOST, hashed
from gateway.core import audit
from gateway.core.phone import e164


def add(
    config: Path,
    name: str,
    *,
    role: str,
    branch: str | None = None,
    phone: str | None = None,
    until: date | None = None,
    password: str | None = None,
) -> str:
    """Make an account with a role, or give an account a further role."""
    password_hash = None if password is None else _hash(password, name)
    with opened(config) as at:
        branch_id = None
        if branch is not None:
            found = branches.by_code(at.conn, branch)
            if found is None:
                raise Problem(f"there is no branch {branch}")
            branch_id = found.id
        account = staff.find(at.conn, name)
        if account is None:
            staff_id = staff.add(
                at.conn, at.new_id, name, password_hash=password_hash, phone=_phone(at, phone), now=at.now
            )
        else:
            if password is not None or phone is not None:
                raise Problem(f"there is an account {name} already; `muster staff password` changes its password")
            staff_id = account.id
        roles.grant(
            at.conn,
            at.new_id,
            role,
            staff_id=staff_id,
            branch_id=branch_id,
            until=until,
            by=ACTOR,
            now=at.now,
            today=at.today,
        )
        _record(at, "staff added" if account is None else "role granted", name, role)
        if account is not None:
            return f"{name} is {role} too"
        if password is not None:
            return f"{name} is {role} and signs in at {at.gateway.console.public_url}"
        return f"{name} is {role}; to sign in once, within the hour: {_link(at, staff_id)}"


def listed(config: Path) -> Iterator[str]:
    """A line an account: name, roles, what is special about it."""
    with opened(config) as at:
        granted = roles.of_staff(at.conn, at.today)
        for account in staff.everybody(at.conn):
            shown = ", ".join(
                grant.role
                + (f" in {grant.path.rstrip('/').rpartition('/')[2]}" if grant.path else "")
                + (f" until {grant.until}" if grant.until else "")
                for grant in granted.get(account.id, ())
            )
            notes = (
                "disabled" if account.disabled else "" if account.has_password else "no password",
                "second factor" if account.has_second_factor else "",
            )
            yield "\t".join(filter(None, (account.name, shown or "no role", *notes)))


def set_password(config: Path, name: str, password: str) -> str:
    password_hash = _hash(password, name)
    with opened(config) as at:
        staff.set_password(at.conn, _existing(at, name), password_hash)
        _record(at, "password set", name)
    return f"{name} has a new password; all sessions of {name} have ended"


def sign_in(config: Path, name: str) -> str:
    """A one-time link."""
    with opened(config) as at:
        staff_id = _existing(at, name)
        _record(at, "sign-in link made", name)
        return _link(at, staff_id)


def totp_reset(config: Path, name: str) -> str:
    """Take the second factor away from who has lost telephone and recovery codes."""
    with opened(config) as at:
        staff_id = _existing(at, name)
        second_factor.reset(at.conn, staff_id)
        staff.sign_out(at.conn, staff_id)
        _record(at, "second factor reset", name)
    return f"{name} has no second factor any more and all sessions of {name} have ended; a role may ask for a new one"


def enable(config: Path, name: str) -> str:
    with opened(config) as at:
        staff.enable(at.conn, _existing(at, name))
        _record(at, "staff enabled", name)
    return f"{name} is enabled"


def revoke(config: Path, name: str, role: str) -> str:
    """End a role of an account now, wherever it counts."""
    with opened(config) as at:
        staff_id = _existing(at, name)
        held = [found for found in roles.in_force(at.conn, staff_id=staff_id, today=at.today) if found.role == role]
        if not held:
            raise Problem(f"{name} is not {role}; `muster staff list` prints the roles")
        for found in held:
            roles.revoke(at.conn, found.id, at.today)
        _record(at, "role revoked", name, role)
    return f"{name} is not {role} any more"


def disable(config: Path, name: str) -> str:
    with opened(config) as at:
        staff.disable(at.conn, _existing(at, name))
        _record(at, "staff disabled", name)
    return f"{name} is disabled"


ACTS = {"disable": disable, "enable": enable, "totp-reset": totp_reset}  # that take nothing but a name


def _existing(at: Opened, name: str) -> int:
    account = staff.find(at.conn, name)
    if account is None:
        raise Problem(f"there is no account {name}; `muster staff list` prints them")
    return account.id


def _hash(password: str, name: str) -> str:
    match common_passwords.problem(password, name, "muster"):
        case "short":
            raise Problem(f"a password has {LEAST} to {MOST} characters")
        case "name":
            raise Problem("a password must not hold the name of the account")
        case "common":
            raise Problem("this password is on every list that is tried first; take several words of your own")
    return hashed(password)


def _phone(at: Opened, phone: str | None) -> str | None:
    if phone is None:
        return None
    number = e164(phone, at.gateway.organisation.country)
    if number is None:
        raise Problem(f"{phone} is no mobile number of {at.gateway.organisation.country}; write it as +8613800000007")
    return number


def _link(at: Opened, staff_id: int) -> str:
    token = sessions.make_link(at.conn, at.keys, staff_id, at.now)
    return f"{at.gateway.console.public_url}/sign-in/link/{token}"


def _record(at: Opened, action: str, name: str, reason: str | None = None) -> None:
    audit.record(at.conn, id=at.new_id(), at=at.now, actor=ACTOR, action=action, object=f"staff:{name}", reason=reason)
