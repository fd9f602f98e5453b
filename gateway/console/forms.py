"""Forms that count once: each carries an id made with it, and what it does is done under that id.

Sent twice, by two clicks or by going back, it finds what was done. Nobody else can make such an id: it is bound to the
session and to what the form is for.
"""

from __future__ import annotations

import hmac
from http import HTTPStatus

from gateway.console.web import Refused, Visit, identifier


def form_id(visit: Visit, purpose: str) -> str:
    """For the hidden field `form`."""
    return _signed(visit, purpose, visit.console.ids())


def sent(visit: Visit, purpose: str) -> int:
    """The id of the form that came in; refused when it is not ours, or for something else."""
    written = visit.form("form")
    id_ = identifier(written.partition(".")[0])
    if id_ is None or not hmac.compare_digest(_signed(visit, purpose, id_).encode(), written.encode()):
        raise Refused(HTTPStatus.BAD_REQUEST)
    return id_


def _signed(visit: Visit, purpose: str, id_: int) -> str:
    return f"{id_}.{visit.console.keys.mac('console form', f'{visit.session} {purpose} {id_}')[:24]}"
