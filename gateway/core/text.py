"""Text as phones carry it: GSM 03.38 or UCS-2, how many segments it takes and where it may be cut.

One library for the composer, the cost, the modems and SMPP, so that what is shown, billed and sent cannot differ.
GSM 7-bit octets are unpacked here, one septet an octet; `pack` and `unpack` are for those who speak to modems.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import regex

from gateway.core.alphabet import ESCAPE, LOCKING, SINGLE
from gateway.core.model import Coding

SINGLE_PART = {Coding.GSM7: 160, Coding.UCS2: 70}  # units in a message of one part
OCTETS = 140  # user data of a part
MOST_PARTS = 255  # the total is one octet (3GPP 23.040 9.2.3.24.1)
REPLACEMENT = "\ufffd"

# Of one unit each and never part of a cluster: nearly all that is written in Chinese, and worth a short cut.
_PLAIN = re.compile(r"[ -~\n\u2010-\u2027\u3000-\u3029\u4e00-\u9fff\uff01-\uff5e]*")


class TooLong(ValueError):
    """The text takes more parts than a message can have."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A text as octets: GSM7 one septet an octet, UCS2 big-endian."""

    coding: Coding
    octets: bytes

    @property
    def units(self) -> int:
        """Septets or UTF-16 units: what a part has 160 or 70 of."""
        return len(self.octets) if self.coding is Coding.GSM7 else len(self.octets) // 2


@dataclass(frozen=True, slots=True)
class Segments:
    """A text cut into parts; `parts` are octets, `texts` the same as text. A text of one part needs no header."""

    coding: Coding
    units: int
    parts: tuple[bytes, ...]
    texts: tuple[str, ...]


def encode(text: str, *, tables: tuple[int, int] = (0, 0)) -> Encoded:
    """Return `text` in GSM 7-bit if every character is in it, else in UCS-2.

    `tables` are the national locking and single shift tables the receiver will be told of; a text with them only
    makes sense with the header elements that name them.
    """
    octets = encode_gsm7(text, *tables)
    return Encoded(Coding.UCS2, encode_ucs2(text)) if octets is None else Encoded(Coding.GSM7, octets)


def encode_gsm7(text: str, locking: int = 0, single: int = 0) -> bytes | None:
    """Return the septets of `text`, or None when a character is not in the alphabet."""
    if text.isascii() and not (locking or single):
        octets = text.encode("ascii").translate(_FROM_ASCII)
        if ESCAPE not in octets:  # which marks what takes an escape or does not exist
            return octets
    characters, codes = _encoding(locking, single)
    return codecs.charmap_encode(text, "strict", codes)[0] if characters.issuperset(text) else None


def encode_ucs2(text: str) -> bytes:
    """Return `text` as UTF-16 big-endian, which is UCS-2 that can say everything; lone surrogates become U+FFFD."""
    try:
        return text.encode("utf-16-be")
    except UnicodeEncodeError:
        return clean(text)[0].encode("utf-16-be")


def decode_gsm7(octets: bytes, locking: int = 0, single: int = 0) -> str:
    """Return the text of unpacked septets; an octet above 0x7F is no septet and becomes U+FFFD.

    A code that the extension table lacks shows as the character of the main table, an escape without anything
    behind it or behind another as a space (6.2.1.1).
    """
    table, extension = _decoding(locking, single)
    if ESCAPE not in octets:
        return codecs.charmap_decode(octets, "replace", table)[0]
    head, *pieces = octets.split(b"\x1b")
    decoded = [codecs.charmap_decode(head, "replace", table)[0]]
    for piece in pieces:
        if piece:
            decoded.append(extension.get(piece[0]) or codecs.charmap_decode(piece[:1], "replace", table)[0])
            decoded.append(codecs.charmap_decode(piece[1:], "replace", table)[0])
        else:
            decoded.append(" ")
    return "".join(decoded)


def decode_ucs2(octets: bytes) -> tuple[str, bool]:
    """Return the text of UCS-2 octets and whether they were damaged: odd, half a surrogate pair, NUL.

    Big-endian as the standard has it, but a byte order mark is believed: some handsets send little-endian with one.
    """
    codec = "utf-16-be"
    if octets[:2] == b"\xff\xfe":
        codec, octets = "utf-16-le", octets[2:]
    elif octets[:2] == b"\xfe\xff":
        octets = octets[2:]
    try:
        return clean(octets.decode(codec))
    except UnicodeDecodeError:
        return clean(octets.decode(codec, "replace"))[0], True


def clean(text: str) -> tuple[str, bool]:
    """Return `text` with NUL and lone surrogates as U+FFFD, and whether there were any.

    A pair of surrogates that came as two characters, as some JSON has it, is one character and no damage.
    """
    damaged = "\0" in text
    if damaged:
        text = text.replace("\0", REPLACEMENT)
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            halves = text.encode("utf-16-le", "surrogatepass")
            try:
                return halves.decode("utf-16-le"), damaged
            except UnicodeDecodeError:
                return halves.decode("utf-16-le", "replace"), True
    return text, damaged


def fits_gsm7(text: str) -> bool:
    """Whether the default alphabet with its extension carries all of `text`."""
    return encode_gsm7(text) is not None


def signed(text: str, signature: str) -> str:
    """`text` with the sender's name in front, as operators want it: 【安河组织】 or, in a GSM 7-bit text, "Anhe: ".

    A signature never turns a GSM 7-bit text into UCS-2: one that does not fit the alphabet is left out.
    """
    if not signature:
        return text
    if not fits_gsm7(text):
        return f"【{signature}】{text}"
    return f"{signature}: {text}" if fits_gsm7(signature) else text


def units(text: str) -> tuple[Coding, int]:
    """Return how `text` will be coded, and its length in septets or UTF-16 units."""
    encoded = encode(text)
    return encoded.coding, encoded.units


def room(coding: Coding, header: int) -> int:
    """Return the units in a part whose user data header takes `header` octets, its length octet included."""
    octets = OCTETS - header
    return octets * 8 // 7 if coding is Coding.GSM7 else octets // 2


def segments(text: str, *, header: int = 7, limit: int | None = None, ucs2: bool = False) -> Segments:
    """Cut `text` into as few parts as can be, never inside a character or a grapheme cluster.

    `header` octets of user data header go into every part of a concatenated message: 7 with a 16-bit reference (152
    septets, 66 UCS-2 units are left), 6 with an 8-bit one (153, 67). `limit` says the units of a part instead, for
    references that travel outside the user data. A cluster longer than a part is cut between characters. `ucs2` keeps
    to UCS-2, for an operator whose default alphabet lacks some of GSM 03.38.
    """
    encoded = Encoded(Coding.UCS2, encode_ucs2(text)) if ucs2 else encode(text)
    coding, octets = encoded.coding, encoded.octets
    if encoded.units <= SINGLE_PART[coding]:
        return Segments(coding, encoded.units, (octets,), (_as_sent(coding, octets),))
    most = room(coding, header) if limit is None else max(limit, 2)  # an escape pair must fit
    parts = tuple(_septet_parts(octets, most) if coding is Coding.GSM7 else _ucs2_parts(text, most))
    if len(parts) > MOST_PARTS:
        raise TooLong(f"{len(parts)} parts are more than the {MOST_PARTS} a message can have")
    return Segments(coding, encoded.units, parts, tuple(_as_sent(coding, part) for part in parts))


def _as_sent(coding: Coding, octets: bytes) -> str:
    return decode_gsm7(octets) if coding is Coding.GSM7 else octets.decode("utf-16-be")


def _septet_parts(septets: bytes, most: int) -> Iterator[bytes]:
    """Cut so that no escape loses what it escapes and no line end is torn; all else in GSM 7-bit stands alone."""
    start, end = 0, len(septets)
    while end - start > most:
        cut = start + most
        if septets[cut - 1] == ESCAPE or septets[cut - 1 : cut + 1] == b"\r\n":
            cut -= 1
        yield septets[start:cut]
        start = cut
    yield septets[start:]


def _ucs2_parts(text: str, most: int) -> Iterator[bytes]:
    if _PLAIN.fullmatch(text):
        yield from (text[start : start + most].encode("utf-16-be") for start in range(0, len(text), most))
        return
    part: list[bytes] = []
    left = most
    for cluster in _clusters(text, most):
        size = len(cluster) // 2
        if size > left:
            yield b"".join(part)
            part, left = [], most
        part.append(cluster)
        left -= size
    yield b"".join(part)


def _clusters(text: str, most: int) -> Iterator[bytes]:
    """Yield what must stay together, encoded: grapheme clusters, and of those that no part can hold the characters."""
    for cluster in regex.findall(r"\X", text):
        octets = encode_ucs2(cluster)
        if len(octets) <= 2 * most:
            yield octets
        else:
            yield from map(encode_ucs2, cluster)


def pack(septets: bytes, fill_bits: int = 0) -> bytes:
    """Return septets packed eight into seven octets, behind `fill_bits` zero bits that align them to a header."""
    count = len(septets)
    bits = int.from_bytes(septets, "little")
    for half, low, _, spread in reversed(_halves(count)):
        bits = bits & low | (bits & spread) >> half
    return (bits << fill_bits).to_bytes((7 * count + fill_bits + 7) // 8, "little")


def unpack(octets: bytes, count: int | None = None, fill_bits: int = 0) -> bytes:
    """Return `count` septets from packed octets, or all that are whole; fewer when the octets end before."""
    whole = max(0, (8 * len(octets) - fill_bits) // 7)
    count = whole if count is None else min(count, whole)
    bits = (int.from_bytes(octets, "little") >> fill_bits) & (1 << 7 * count) - 1
    for half, low, packed, _ in _halves(count):
        bits = bits & low | (bits & packed) << half
    return bits.to_bytes(count, "little")


@lru_cache(maxsize=512)
def _halves(count: int) -> tuple[tuple[int, int, int, int], ...]:
    """Return the steps that turn septets side by side into octets, all of them at once: 3 us instead of 50.

    Each moves the upper half of every group of septets up by as many bits as the group has gaps to make, then the
    groups are halves as large: the shift, and the masks of lower halves, upper halves before and upper halves after.
    """
    steps = []
    half = max(1, 1 << max(0, count - 1).bit_length() >> 1)
    while half:
        low = sum((1 << 7 * half) - 1 << at for at in range(0, 8 * count, 16 * half))
        steps.append((half, low, low << 7 * half, low << 8 * half))
        half >>= 1
    return tuple(steps)


@lru_cache
def _decoding(locking: int, single: int) -> tuple[str, dict[int, str]]:
    """Return the table of codes, U+FFFE being undefined to `charmap_decode`, and the one behind an escape."""
    table = LOCKING.get(locking, LOCKING[0]) + "\ufffe" * 128
    extension = SINGLE.get(single, SINGLE[0])
    return table, {code: character for code, character in enumerate(extension) if character != " "}


@lru_cache
def _encoding(locking: int, single: int) -> tuple[frozenset[str], dict[int, bytes]]:
    table, extension = _decoding(locking, single)
    codes = {ord(character): bytes((ESCAPE, code)) for code, character in extension.items()}
    for code in reversed(range(128)):
        if code != ESCAPE:
            codes[ord(table[code])] = bytes((code,))
    codes[0x20] = b" "  # other codes show as a space, but this is the one
    return frozenset(map(chr, codes)), codes


GSM7 = _encoding(0, 0)[0]  # every character of the default alphabet and its extension
_FROM_ASCII = bytes(
    code[0] if (code := _encoding(0, 0)[1].get(octet)) and len(code) == 1 else ESCAPE for octet in range(256)
)
