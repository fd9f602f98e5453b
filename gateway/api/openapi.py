"""The API's own description, served at /openapi.json."""

from __future__ import annotations

from typing import Any

from gateway.api.submission import FARTHEST, LIFE, LONGEST_TEXT, LONGEST_URL, MOST_MESSAGES
from gateway.core.model import State
from gateway.version import VERSION

_STATES = [
    state.value for state in State if state not in (State.RECEIVED, State.QUARANTINED)
]  # those an outbound message can have


def document() -> dict[str, Any]:
    """OpenAPI 3.1."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Muster",
            "version": VERSION,
            "description": "Messages of other systems to members. Every answer is JSON; ids are strings, because they "
            "do not fit the numbers of JavaScript.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            "/v1/messages": {"post": _send()},
            "/v1/messages/{id}": {"get": _look()},
            "/v1/notices": {"post": _notice()},
            "/v1/notices/{id}": {"get": _notice_standing()},
            **{f"/v1/notices/{{id}}/{what}": {"post": _turn(what)} for what in ("pause", "resume", "cancel")},
            "/healthz": {"get": _plain("The process works.", {"200": "It does."})},
            "/readyz": {
                "get": _plain(
                    "The gateway can take and send messages.",
                    {"200": "The database is writable, a link is ready and nothing is on hold.", "503": "Not now."},
                )
            },
            "/metrics": {
                "get": {
                    "summary": "Figures for Prometheus, from this machine or with a key.",
                    "security": [{}, {"key": []}],
                    "responses": {
                        "200": {"description": "Text.", "content": {"text/plain": {"schema": {"type": "string"}}}},
                        "403": _refused("Not from elsewhere without a key."),
                    },
                }
            },
        },
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas() | _notice_schemas(),
        },
    }


_NOTICE = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Notice"}}}}
_NOTICE_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}


def _notice() -> dict[str, Any]:
    return {
        "operationId": "notice",
        "summary": "Make a bulk notice.",
        "description": "It waits for approval by a second person unless it is small or the key may approve; an "
        "emergency always waits for two. Its recipients are frozen when it is approved.",
        "security": [{"key": []}],
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": "A repeat with the same key and body gets the first answer again, for 24 hours.",
                "schema": {"type": "string", "minLength": 1, "maxLength": 200},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/NewNotice"}}},
        },
        "responses": {
            "202": {"description": "Made.", **_NOTICE},
            "400": _refused("Something is wrong with the request; `fields` says what and where."),
            "401": _refused("No key, or a wrong one."),
            "403": _refused("This key may not make notices."),
            "409": _refused("It cannot be sent: nobody would get it, or the same text is only hours old (`repeat`)."),
            "422": _refused("The Idempotency-Key was used for another request."),
        },
    }


def _notice_standing() -> dict[str, Any]:
    return {
        "operationId": "noticeStanding",
        "summary": "How far a notice of your own has come.",
        "security": [{"key": []}],
        "parameters": [_NOTICE_ID],
        "responses": {
            "200": {"description": "It.", **_NOTICE},
            "401": _refused("No key, or a wrong one."),
            "404": _refused("You have made no such notice."),
        },
    }


def _turn(what: str) -> dict[str, Any]:
    return {
        "operationId": f"{what}Notice",
        "summary": f"{what.capitalize()} a notice of your own; it holds at the links within two seconds.",
        "security": [{"key": []}],
        "parameters": [_NOTICE_ID],
        "responses": {
            "200": {"description": "It, as it is now.", **_NOTICE},
            "401": _refused("No key, or a wrong one."),
            "404": _refused("You have made no such notice."),
            "409": _refused("Not in the state it is in."),
        },
    }


def _texts(description: str) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string"}, "description": description}


def _notice_schemas() -> dict[str, Any]:
    day = {"type": "string", "format": "date"}
    moment = {"type": ["string", "null"], "format": "date-time"}
    count = {"type": "integer", "minimum": 0}
    counts = {"type": "object", "additionalProperties": count}
    whom = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "branches": _texts("Codes of branches, each with all below it."),
            "roles": _texts("Roles in force."),
            "languages": _texts("zh, en."),
            "groups": _texts("Codes of groups."),
            "classes": _texts("Classes of dues."),
            "owing": {"type": "integer", "description": "Months at least that are owed."},
            "joined_from": day,
            "joined_until": day,
            "topic": {"type": "string", "description": "Its subscribers: two digits."},
        },
    }
    return {
        "NewNotice": {
            "type": "object",
            "additionalProperties": False,
            "required": ["to"],
            "properties": {
                "title": {"type": "string", "maxLength": 40},
                "text": {"type": "string", "description": "With {branch}, {month} and {due} for each reader's own."},
                "texts": {"type": "object", "additionalProperties": {"type": "string"}},
                "to": {"oneOf": [whom, _texts("Phone numbers or member numbers.")]},
                "start": {"type": "string", "format": "date-time"},
                "hours": {"type": "integer", "description": "How long it is worth sending."},
                "emergency": {"type": "boolean"},
                "repeat": {"type": "boolean", "description": "Send a text that was sent only hours ago."},
                "every": {"type": "string", "description": "daily 09:00, weekly 2,5 09:00 or monthly 15 09:00"},
            },
        },
        "Notice": {
            "type": "object",
            "required": ["id", "number", "state"],
            "properties": {
                "id": {"type": "string"},
                "number": {"type": "string", "description": "What people call it: D418."},
                "state": {
                    "type": "string",
                    "enum": ["draft", "waiting", "scheduled", "running", "paused", "done", "killed", "expired"],
                },
                "title": {"type": "string"},
                "funnel": counts,
                "frozen": {"type": "boolean"},
                "starts": moment,
                "expires": moment,
                "ended": moment,
                "recipients": count,
                "waiting": count,
                "messages": counts,
                "left_out": counts,
                "acknowledged": count,
            },
        },
    }


def _send() -> dict[str, Any]:
    message = {"$ref": "#/components/schemas/Message"}
    return {
        "operationId": "send",
        "summary": "Queue one message, or a list of them.",
        "description": "All are queued or none; the answer comes when they are safe. A number that has opted out gets "
        "nothing, and the answer says so.",
        "security": [{"key": []}],
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": "A repeat with the same key and body gets the first answer again, for 24 hours.",
                "schema": {"type": "string", "minLength": 1, "maxLength": 255},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "oneOf": [
                            message,
                            {"type": "array", "items": message, "minItems": 1, "maxItems": MOST_MESSAGES},
                        ]
                    }
                }
            },
        },
        "responses": {
            "202": {
                "description": "Queued.",
                "content": {
                    "application/json": {
                        "schema": {
                            "oneOf": [
                                {"$ref": "#/components/schemas/Accepted"},
                                {
                                    "type": "object",
                                    "required": ["messages"],
                                    "properties": {
                                        "messages": {
                                            "type": "array",
                                            "items": {"$ref": "#/components/schemas/Accepted"},
                                        }
                                    },
                                },
                            ]
                        }
                    }
                },
            },
            "400": _refused("Something is wrong with the request; `fields` says what and where."),
            "401": _refused("No key, or a wrong one."),
            "403": _refused("This key may not send."),
            "409": _refused("The one message cannot be sent: opted out, no link, or too many went that way today."),
            "413": _refused("The body is too large."),
            "422": _refused("The Idempotency-Key was used for another request."),
            "429": _refused("The messages of this key for today are used up."),
            "503": _refused("Too much waits; come again in a second."),
            "507": _refused("The disk is full; nothing was queued."),
        },
        "callbacks": {"state": {"{$request.body#/callback}": {"post": _told()}}},
    }


def _told() -> dict[str, Any]:
    return {
        "summary": "The message has another state.",
        "description": "Retried for 24 hours until answered with 2xx; 410 ends it. `Muster-Delivery` is the same in "
        "every retry. `Muster-Signature` is `t=SECONDS,v1=HEX`: HMAC-SHA256 with your API key over the seconds, a dot "
        "and the body.",
        "parameters": [
            {"name": "Muster-Delivery", "in": "header", "required": True, "schema": {"type": "string"}},
            {"name": "Muster-Signature", "in": "header", "required": True, "schema": {"type": "string"}},
        ],
        "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Change"}}}},
        "responses": {"200": {"description": "Understood."}},
    }


def _look() -> dict[str, Any]:
    return {
        "operationId": "look",
        "summary": "What became of a message of yours.",
        "security": [{"key": []}],
        "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
        "responses": {
            "200": {
                "description": "Where it stands.",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Standing"}}},
            },
            "401": _refused("No key, or a wrong one."),
            "404": _refused("You have sent no such message."),
        },
    }


def _schemas() -> dict[str, Any]:
    time = {"type": "string", "format": "date-time"}
    state = {"type": "string", "enum": _STATES}
    nothing = {"type": ["string", "null"]}
    return {
        "Message": {
            "type": "object",
            "required": ["to", "text"],
            "additionalProperties": False,
            "properties": {
                "to": {"type": "string", "description": "A mobile number, best as +8613800000007."},
                "text": {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT},
                "from": {"type": "string", "description": "One of the senders that this key may use."},
                "callback": {"type": "string", "format": "uri", "maxLength": LONGEST_URL},
                "not_before": {**time, "description": f"At most {FARTHEST.days} days ahead."},
                "expires": {
                    **time,
                    "description": f"Not sent after it; {int(LIFE.total_seconds() // 3600)} hours if nothing is said.",
                },
            },
        },
        "Accepted": {
            "type": "object",
            "required": ["id", "to"],
            "properties": {
                "id": {"type": ["string", "null"], "description": "null for what was not queued."},
                "to": {"type": "string"},
                "error": {"type": "string", "enum": ["opted_out", "no_link", "budget", "adjacent"]},
            },
        },
        "Standing": {
            "type": "object",
            "required": ["id", "to", "state", "error", "queued", "parts"],
            "properties": {
                "id": {"type": "string"},
                "to": {"type": "string"},
                "state": state,
                "error": nothing,
                "queued": time,
                "parts": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["number", "state", "error", "at"],
                        "properties": {
                            "number": {"type": "integer"},
                            "state": state,
                            "error": nothing,
                            "at": time,
                        },
                    },
                },
            },
        },
        "Change": {
            "type": "object",
            "required": ["id", "to", "state", "error", "at"],
            "properties": {
                "id": {"type": "string"},
                "to": {"type": "string"},
                "state": state,
                "error": nothing,
                "at": time,
            },
        },
        "Error": {
            "type": "object",
            "required": ["error"],
            "properties": {
                "error": {
                    "type": "object",
                    "required": ["code", "message"],
                    "properties": {
                        "code": {"type": "string"},
                        "message": {"type": "string"},
                        "fields": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["field", "message"],
                                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
                            },
                        },
                    },
                }
            },
        },
    }


def _refused(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }


def _plain(summary: str, answers: dict[str, str]) -> dict[str, Any]:
    schema = {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}}
    return {
        "summary": summary,
        "responses": {
            status: {"description": description, "content": {"application/json": {"schema": schema}}}
            for status, description in answers.items()
        },
    }
