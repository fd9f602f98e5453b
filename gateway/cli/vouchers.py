"""`muster vouchers`: batches on paper. The codes go into one file and are never shown again."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from zoneinfo import ZoneInfo

from commands.shown import decimals, money
from gateway.affairs import branches, staff, vouchers
from gateway.cli.opening import ACTOR, Opened, opened
from gateway.cli.problems import Problem
from gateway.exports.house import house_of
from gateway.exports.sheets import VoucherSheet, voucher_sheets


def print_(
    config: Path, file: Path, *, count: int, value: str, branch: str, by: str | None = None, language: str | None = None
) -> str:
    """Make a batch and its sheets. Should the sheets fail, the batch is void: there is no second print."""
    if file.exists():
        raise Problem(f"{file} is there already; a batch is printed once, into a new file")
    with opened(config) as at:
        found = branches.by_code(at.conn, branch)
        if found is None:
            raise Problem(f"there is no branch {branch}")
        actor = _actor(at, by)
        organisation = at.gateway.organisation
        minor = _minor(value, organisation.currency)
        printed = vouchers.print_batch(
            at.conn,
            at.keys,
            at.new_id,
            secrets.SystemRandom(),
            branch_id=found.id,
            count=count,
            value=minor,
            currency=organisation.currency,
            actor=actor,
            now=at.now,
        )
        local = at.now.astimezone(ZoneInfo(organisation.time_zone))
        house = house_of(at.gateway)
    # After the commit: drawing takes seconds, and a gateway beside us must not wait for them.
    try:
        sheet = VoucherSheet(number=printed.number, branch=found.name, value=minor, codes=printed.codes)
        _write(file, voucher_sheets(house, sheet, language or organisation.language, at=local))
    except BaseException:
        with opened(config) as at:
            vouchers.void(at.conn, at.new_id, printed.number, actor=actor, reason="the sheets failed", now=at.now)
        raise
    worth = money(minor * count, organisation.currency, "en")
    return (
        f"batch {printed.number}: {count} vouchers worth {worth} in {file}; print it, then delete it."
        f" They are worth nothing until somebody else activates the batch"
    )


def activate(config: Path, number: str, *, by: str | None = None) -> str:
    with opened(config) as at:
        count = vouchers.activate(at.conn, at.new_id, number, actor=_actor(at, by), now=at.now)
    return f"batch {number}: {count} vouchers are active"


def void(config: Path, number: str, *, reason: str, serials: tuple[int, ...] = (), by: str | None = None) -> str:
    with opened(config) as at:
        count = vouchers.void(
            at.conn, at.new_id, number, serials=serials, actor=_actor(at, by), reason=reason, now=at.now
        )
    return f"batch {number}: {count} vouchers are void"


def listed(config: Path) -> Iterator[str]:
    """A line a batch: number, branch, value, and how many are in which state."""
    with opened(config) as at:
        for batch in vouchers.batches(at.conn):
            states = ", ".join(f"{count} {state}" for state, count in batch.states.items() if count)
            worth = money(batch.value, batch.currency, "en")
            yield f"{batch.number}\t{batch.branch_code}\t{worth}\t{batch.sold} sold\t{states}"


def _actor(at: Opened, by: str | None) -> str:
    """Whom the audit names: a member of staff when one is given."""
    if by is None:
        return ACTOR
    if staff.find(at.conn, by) is None:
        raise Problem(f"there is no account {by}; `muster staff list` prints them")
    return f"staff:{by}"


def _minor(value: str, currency: str) -> int:
    try:
        minor = Decimal(value) * 10 ** decimals(currency)
    except InvalidOperation:
        raise Problem(f"{value} is no amount; write it as 5 or 5.00") from None
    if not minor.is_finite() or minor != minor.to_integral_value() or not 0 < minor <= 10**9:
        raise Problem(f"{value} is no amount of {currency} that a voucher can be worth")
    return int(minor)


def _write(file: Path, octets: bytes) -> None:
    """Into a new file that only its owner can read."""
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(octets)
            out.flush()
            os.fsync(out.fileno())
    except BaseException:
        file.unlink(missing_ok=True)
        raise
