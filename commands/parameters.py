"""Parameters read from the normal form of a text: each reader takes its share of the front and leaves the rest."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from commands.registry import Kind, Parameter, Registry

MOST = 5000  # units of the currency in one message
_MONTHS = ("个月", "個月", "月", "MONTHS", "MONTH")
_MOST_MONTHS = 120
MONTH_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

_NUMERALS = {
    char: value
    for value, chars in enumerate(("零〇", "一壹", "二贰两", "三叁", "四肆", "五伍", "六陆", "七柒", "八捌", "九玖"))
    for char in chars
}
_POWERS = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000, "万": 10000}
_UNITS = "元块圆塊"
_TENTHS = "角毛"


class Unreadable(ValueError):
    """The text in this place is not what the parameter takes."""


class BadAmount(Unreadable):
    """It is meant as an amount and is none that may be paid."""


def read(parameter: Parameter, rest: str, last: bool, registry: Registry) -> tuple[Any, str]:
    """The value at the front of `rest` and what follows it; `last` when no parameter comes behind."""
    return _READERS[parameter.kind](parameter, rest, last, registry)


def _digits(parameter: Parameter, rest: str, last: bool, registry: Registry) -> tuple[Any, str]:
    run, after = _run(rest)
    least, most = parameter.length
    if last and len(run) < least:  # "8372 0156": as people write long numbers
        together = rest.replace(" ", "").replace("-", "")
        if together.isdecimal():
            run, after = together, ""
    if not least <= len(run) <= most:
        raise Unreadable
    return run, after


def _number(parameter: Parameter, rest: str, last: bool, registry: Registry) -> tuple[Any, str]:
    run, after = _run(rest)
    if not 0 < len(run) <= 9:
        raise Unreadable
    return int(run), after


def _amount(parameter: Parameter, rest: str, last: bool, registry: Registry) -> tuple[Any, str]:
    text, after = (rest.replace(" ", ""), "") if last else _token(rest)
    return amount(text, registry.decimals, least=parameter.least, most=parameter.most), after


def _months(parameter: Parameter, rest: str, last: bool, registry: Registry) -> tuple[Any, str]:
    """3个月, 三个月, 3月, 3 MONTHS: how many."""
    name = next((name for name in _MONTHS if name in rest), None)
    if name is None:
        raise Unreadable
    count, _, after = rest.partition(name)
    count = count.strip()
    if not 0 < len(count) <= 4 or not all(char.isdecimal() or is_numeral(char) for char in count):
        raise Unreadable
    months = int(_figure(count))
    if not 0 < months <= _MOST_MONTHS:
        raise BadAmount
    return months, after


def _numbered(parameter: Parameter, rest: str, last: bool, registry: Registry) -> tuple[Any, str]:
    token, after = _token(rest)
    least, most = parameter.length
    if not least <= len(token) <= most or not any(char.isdecimal() for char in token):
        raise Unreadable
    if not token.isascii() or not all(char.isalnum() or char == "-" for char in token):
        raise Unreadable
    return token, after


def _choice(parameter: Parameter, rest: str, last: bool, registry: Registry) -> tuple[Any, str]:
    token, after = _token(rest)
    if token not in parameter.choices:
        raise Unreadable
    return parameter.choices[token], after


def _command(parameter: Parameter, rest: str, last: bool, registry: Registry) -> tuple[Any, str]:
    token, after = _token(rest)
    word = registry.words.get(token) or registry.stops.get(token)
    if word is None:
        raise Unreadable
    return word.commands[0].code, after


def _marks(parameter: Parameter, rest: str, last: bool, registry: Registry) -> tuple[Any, str]:
    tokens = rest.split()
    least, most = parameter.length
    if all(len(token) == 4 and token.isdecimal() for token in tokens):
        marks = tokens
    else:
        marks = list("".join(tokens))
        if not all("A" <= mark <= "Z" for mark in marks):
            raise Unreadable
    if not least <= len(marks) <= most:
        raise Unreadable
    return marks, ""


def _reference(parameter: Parameter, rest: str, last: bool, registry: Registry) -> tuple[Any, str]:
    token, after = _token(rest)
    if not (len(token) > 1 and "A" <= token[0] <= "Z" and token[1:].isdecimal() and len(token) < 12):
        raise Unreadable
    return token, after


def _word(parameter: Parameter, rest: str, last: bool, registry: Registry) -> tuple[Any, str]:
    token, after = _token(rest)
    if len(token) > 20:
        raise Unreadable
    return token, after


def _date(parameter: Parameter, rest: str, last: bool, registry: Registry) -> tuple[Any, str]:
    month, after = _run(rest)
    if len(month) == 4:  # 0820
        month, day = month[:2], month[2:]
    elif month and after[:1] in ("月", "-", " "):  # 8月20日, 8-20, 8/20
        day, after = _run(after[1:].lstrip())
        after = after.removeprefix("日").removeprefix("号")
    else:
        raise Unreadable
    if not (1 <= len(month) <= 2 and 1 <= len(day) <= 2 and 1 <= int(month) <= 12):
        raise Unreadable
    if not 1 <= int(day) <= MONTH_DAYS[int(month) - 1]:
        raise Unreadable
    return f"{int(month):02}-{int(day):02}", after


def _hours(parameter: Parameter, rest: str, last: bool, registry: Registry) -> tuple[Any, str]:
    first, after = _run(rest)
    if after[:1] not in ("-", "到", "至") or not first:
        raise Unreadable
    second, after = _run(after[1:])
    if not second or len(first) > 2 or len(second) > 2 or int(first) > 24 or int(second) > 24:
        raise Unreadable
    return f"{int(first)}-{int(second)}", after


_READERS: dict[Kind, Callable[[Parameter, str, bool, Registry], tuple[Any, str]]] = {
    Kind.DIGITS: _digits,
    Kind.NUMBER: _number,
    Kind.AMOUNT: _amount,
    Kind.CHOICE: _choice,
    Kind.COMMAND: _command,
    Kind.MARKS: _marks,
    Kind.REFERENCE: _reference,
    Kind.WORD: _word,
    Kind.DATE: _date,
    Kind.HOURS: _hours,
    Kind.MONTHS: _months,
    Kind.NUMBERED: _numbered,
}


def amount(text: str, decimals: int = 2, *, least: int = 1, most: int | None = MOST) -> int:
    """Minor units of `9`, `9.5`, `9块5`, `9元5角`, `5角`, `九元`, `¥9`, `9 CNY`; `BadAmount` for anything else.

    More than `decimals` places, less than `least` minor units and more than `most` are bad amounts too.
    """
    text = text.lstrip("¥$").rstrip("整")
    for name in ("YUAN", "CNY", "RMB", "人民币"):
        text = text.removesuffix(name)
    whole, mark, part = _parted(text, _UNITS)
    if mark and part:
        value = _figure(whole) + _tenths(part)
    elif not mark and whole[-1:] and whole[-1] in _TENTHS:
        value = _tenths(whole)
    else:
        value = _figure(whole)
    minor = value.scaleb(decimals)
    if minor != minor.to_integral_value() or minor < least or (most is not None and value > most):
        raise BadAmount
    return int(minor)


def is_numeral(char: str) -> bool:
    """Whether it may begin an amount in characters."""
    return char in _NUMERALS or char in _POWERS


def _parted(text: str, marks: str) -> tuple[str, str, str]:
    for index, char in enumerate(text):
        if char in marks:
            return text[:index], char, text[index + 1 :]
    return text, "", ""


def _tenths(text: str) -> Decimal:
    """What stands behind 块: one figure of tenths, with or without 角."""
    figure = _figure(text[:-1] if text[-1] in _TENTHS else text)
    if figure != figure.to_integral_value() or figure > 9:
        raise BadAmount
    return figure / 10


def _figure(text: str) -> Decimal:
    digits = text.replace(".", "", 1)
    if 0 < len(digits) <= 9 and digits.isascii() and digits.isdecimal():
        return Decimal(text)
    return Decimal(_numeral(text))


def _numeral(text: str) -> int:
    """九, 十五, 一百二十, 两千零五; as people say it 一百五 is 150 and 一五 is 15."""
    if not 0 < len(text) <= 9:
        raise BadAmount
    if all(char in _NUMERALS for char in text):
        return int("".join(str(_NUMERALS[char]) for char in text))
    above, mark, below = text.partition("万")
    if not mark:
        return _thousands(text, 1)
    return (_thousands(above, 1) or 1) * _POWERS[mark] + _thousands(below, 1000)


def _thousands(text: str, last: int) -> int:
    """Up to 九千九百九十九; `last` is the unit of a figure that stands alone, as 二 behind the 万 of 一万二."""
    total, figure, before = 0, 0, _POWERS["万"]
    for char in text:
        if char in _NUMERALS:
            if figure:
                raise BadAmount  # 一百二三
            figure = _NUMERALS[char]
            last = last if figure else 1
        elif char in _POWERS and _POWERS[char] < before:
            before = _POWERS[char]
            total += (figure or 1) * before
            figure, last = 0, before // 10
        else:
            raise BadAmount  # 二千三千
    return total + figure * last


def _run(text: str) -> tuple[str, str]:
    """The digits at the front, and the rest."""
    end = 0
    while end < len(text) and text[end].isdecimal():
        end += 1
    return text[:end], text[end:]


def _token(text: str) -> tuple[str, str]:
    token, _, after = text.partition(" ")
    return token, after
