from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta, timezone

import gsmmodem.pdu
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.core import text
from gateway.core.model import Coding, Fragment, State
from modems import tpdu
from modems.semioctets import Ton
from modems.tpdu import Deliver, Direction, Enhanced, Number, StatusReport, Submit, TpduError, UserData
from modems.userdata import Element, Indication, Ports, Waiting, concatenation, data_coding, scheme

EAST = timezone(timedelta(hours=2))


def deliver(pdu: str | bytes, *, with_smsc: bool = True) -> Deliver:
    found = tpdu.decode(pdu, with_smsc=with_smsc)
    assert isinstance(found, Deliver)
    return found


def submit(pdu: str | bytes, *, with_smsc: bool = True) -> Submit:
    found = tpdu.decode(pdu, with_smsc=with_smsc)
    assert isinstance(found, Submit)
    return found


def report(pdu: str | bytes) -> StatusReport:
    found = tpdu.decode(pdu)
    assert isinstance(found, StatusReport)
    return found


# Messages that were really sent, or that the textbooks of the trade print.


def test_the_textbook_deliver() -> None:
    found = deliver("07917283010010F5040BC87238880900F10000993092516195800AE8329BFD4697D9EC37")
    assert found == Deliver(
        smsc=Number("27381000015", Ton.INTERNATIONAL),
        sender=Number("27838890001", Ton.SUBSCRIBER, 8),
        scts=datetime(1999, 3, 29, 15, 16, 59, tzinfo=EAST),
        data=UserData(octets=b"hellohello"),
    )
    assert found.data.text == "hellohello"


def test_the_textbook_submit() -> None:
    pdu = "0011000B916407281553F80000AA0AE8329BFD4697D9EC37"
    found = submit(pdu)
    assert found == Submit(
        recipient=Number("46708251358", Ton.INTERNATIONAL),
        validity=timedelta(days=4),
        data=UserData(octets=b"hellohello"),
    )
    assert tpdu.encode(found).hex().upper() == pdu
    assert tpdu.tpdu_length(pdu) == 23


def test_a_chinese_deliver() -> None:
    found = deliver("07914306073011F0040B914316709807F2000880604290224080084E2D5174901A8BAF")
    assert found.data.text == "中兴通讯"
    assert str(found.smsc) == "+34607003110"
    assert str(found.sender) == "+34610789702"
    assert found.scts == datetime(2008, 6, 24, 9, 22, 4, tzinfo=EAST)


def test_alphanumeric_senders_of_odd_and_even_length() -> None:
    odd = deliver(
        "07919471060040340409D0C6A733390400009060920173018093CC74595C96838C4F6772085AD6DDE4320B444E9741D4B03C6D7EC3E9"
        "E9B71B9474D3CB727799DEA286CFE5B9991DA6CBC3F432E85E9793CBA0F09A9EB6A7CB72BA0B9474D3CB727799DE72D6E9FABAFB0CBA"
        "A7E56490BA4CD7D34170F91BE4ACD3F575F7794E0F9F4161F1B92C2F8FD1EE32DD054AA2E520E3D3991C82A8E5701B"
    )
    assert odd.sender == Number("FONIC", Ton.ALPHANUMERIC, 0)
    assert odd.data.text is not None
    assert odd.data.text.startswith("Lieber FONIC Kunde, die Tarifoption ")
    assert odd.data.text.endswith(" abgerechnet. Ihr FONIC Team")
    even = deliver(
        "07919333852804000412D0F7FBDD454FB75D693A0000903002801153402BCD301E9F0605D9E971191483C140412A35690D52832063D2"
        "F9040599A058EE05A3BD6430580E"
    )
    assert even.sender.text == "www.tim.it"
    assert even.data.text == "Maxxi Alice 100 ATTIVATA FINO AL 19/04/2009"


def test_the_parts_of_a_long_message_keep_their_first_letters() -> None:
    first = deliver(
        "07919471227210244405852122F039F101506271217180A005000319020198E9B2B82C0759DFE4B0F9ED2EB7967537B9CC02B5D37450"
        "122D2FCB41EE303DFD7687D96537881A96A7CD6F383DFD7683F46134BBEC064DD36550DA0D22A7CBF3721BE42CD3F5A0198B56036DCA"
        "20B8FC0D6A0A4170767D0EAAE540433A082E7F83A6E5F93CFD76BB40D7B2DB0D9AA6CB2072BA3C2F83926EF31BE44E8FD17450BB8C96"
        "83CA"
    )
    second = deliver(
        "07919471227210244405852122F039F1015062712181804F050003190202E4E8309B5E7683DAFC319A5E76B340F73D9A5D7683A6E932"
        "68FD9ED3CB6EF67B0E5AD172B19B2C2693C9602E90355D6683A6F0B007946E8382F5393BEC26BB00"
    )
    assert first.data.fragment == Fragment(reference=25, total=2, number=1, bits=8)
    assert second.data.fragment == Fragment(reference=25, total=2, number=2, bits=8)
    assert first.sender == Number("12220", Ton.UNKNOWN, 5)
    assert first.data.scheme.message_class == 1
    assert f"{first.data.text}{second.data.text}" == (
        "Lieber Vodafone-Kunde, mit Ihrer nationalen Tarifoption zahlen Sie in diesem Netz 3,45 € pro MB plus 59 Ct"
        " pro Session. Wenn Sie diese Info nicht mehr erhalten möchten, wählen Sie kostenlos +4917212220."
        " Viel Spaß im Ausland."
    )


def test_a_status_report() -> None:
    found = report("07914306073011F006270B913426565711F7012081111345400120811174054043")
    assert found == StatusReport(
        smsc=Number("34607003110", Ton.INTERNATIONAL),
        reference=0x27,
        recipient=Number("43626575117", Ton.INTERNATIONAL),
        scts=datetime(2010, 2, 18, 11, 31, 54, tzinfo=timezone(timedelta(hours=1))),
        discharge=datetime(2010, 2, 18, 11, 47, 50, tzinfo=timezone(timedelta(hours=1))),
        status=0x43,
    )
    assert found.state is State.FAILED


def test_a_status_report_with_half_octets_that_are_no_digits() -> None:
    """A ZTE modem shifts its fields: what can be read is read, and nothing is raised."""
    found = report("0297F1061C0F910B487228297020F5317062419272803170624192138000")
    assert found.reference == 0x1C
    assert found.recipient == Number("#08427829207025", Ton.INTERNATIONAL)
    assert found.scts == datetime(2013, 7, 26, 14, 29, 27, tzinfo=EAST)
    assert found.state is State.DELIVERED


# Encoding against PDUs that other programs made.

HOLA = UserData(octets=b"hola")
SPAIN = Number.of("+34616585119")


@pytest.mark.parametrize(
    ("message", "pdu"),
    [
        (Submit(recipient=SPAIN, data=HOLA), "0001000B914316565811F9000004E8373B0C"),
        (
            Submit(recipient=SPAIN, data=HOLA, validity=datetime(2010, 7, 25, 20, 15, 39, tzinfo=UTC)),
            "0019000B914316565811F900000170520251930004E8373B0C",
        ),
        (
            Submit(recipient=SPAIN, data=HOLA, validity=timedelta(days=4)),
            "0011000B914316565811F90000AA04E8373B0C",
        ),
        (
            Submit(recipient=SPAIN, data=HOLA, smsc=Number.of("+34646456456")),
            "07914346466554F601000B914316565811F9000004E8373B0C",
        ),
        (
            Submit(recipient=Number.of("+34654123456"), data=UserData(octets=b"hey yo", dcs=0x10)),
            "0001000B914356143254F6001006E8721E947F03",
        ),
        (
            Submit(recipient=Number.of("+34654123456"), data=UserData(octets=b"hey yo"), report=True),
            "0021000B914356143254F6000006E8721E947F03",
        ),
        (
            Submit(recipient=Number.of("+34654123456"), data=UserData(octets=text.encode("BÄRÇA äñ@").octets)),
            "0001000B914356143254F6000009C2AD341104EDFB00",
        ),
        (
            Submit(
                recipient=Number.of("01000000000"),
                smsc=Number.of("+44000000000"),
                data=UserData(octets=b"Hi there...", dcs=0x04),
            ),
            "07914400000000F001000B811000000000F000040B48692074686572652E2E2E",
        ),
        (
            Submit(
                recipient=SPAIN,
                smsc=Number.of("+34646456456"),
                data=UserData(octets="あ叶葉".encode("utf-16-be"), dcs=0x08),
            ),
            "07914346466554F601000B914316565811F9000806304253F68449",
        ),
        (
            Submit(
                recipient=Number.of("655345678"),
                validity=timedelta(days=4),
                data=UserData(
                    udh=concatenation(Fragment(reference=136, total=3, number=3)),
                    octets=b"a Man, my son",
                ),
            ),
            "005100098156355476F80000AA14050003880303C2A066D8CD02B5F3A0F9DB0D",
        ),
    ],
)
def test_our_octets_are_those_of_other_programs(message: Submit, pdu: str) -> None:
    assert tpdu.encode(message).hex().upper() == pdu
    assert tpdu.decode(pdu) == message


def test_without_the_service_centre_number() -> None:
    message = Submit(recipient=SPAIN, data=HOLA)
    octets = tpdu.encode(message, with_smsc=False)
    assert tpdu.decode(octets, with_smsc=False, direction=Direction.SENT) == message
    assert tpdu.tpdu_length(tpdu.encode(message)) == len(octets)


@pytest.mark.parametrize("first", [0x00, 0x02, 0x03])
def test_only_a_submit_can_be_sent(first: int) -> None:
    octets = bytes([first]) + tpdu.encode(Submit(recipient=SPAIN, data=HOLA), with_smsc=False)[1:]
    with pytest.raises(TpduError, match="type 1"):
        tpdu.decode(octets, with_smsc=False, direction=Direction.SENT)


def test_a_reserved_type_is_taken_for_a_deliver() -> None:
    octets = bytearray(tpdu.encode(Deliver(sender=SPAIN, data=HOLA)))
    octets[1] |= 3
    assert deliver(bytes(octets)).data.text == "hola"


# Numbers


@pytest.mark.parametrize(
    ("written", "octets"),
    [
        ("+8613800000007", "0D91683108000000F7"),
        ("10690001", "088101960010"),
        ("*123#", "05811A32FB"),
        ("12a", "038121FC"),
        ("Anhe", "07D04137BA0C"),
    ],
)
def test_numbers_as_they_are_written(written: str, octets: str) -> None:
    encoded = tpdu.encode(Submit(recipient=Number.of(written), data=HOLA), with_smsc=False)
    assert encoded[2:].hex().upper().startswith(octets)
    assert str(submit(encoded, with_smsc=False).recipient) == written


def test_a_number_ends_at_its_filler_whatever_its_length_says() -> None:
    found = deliver("00" + "04" + "0D816831F1" + "00" * 4 + "0000" + "42905291518000" + "00")
    assert found.sender == Number("86131")


def test_an_empty_service_centre_number_ends_where_it_says() -> None:
    """One octet of type and no digits: some modems print it when they know no centre."""
    found = deliver("0191" + tpdu.encode(Deliver(sender=SPAIN, data=HOLA), with_smsc=False).hex())
    assert found.smsc == Number("", Ton.INTERNATIONAL)
    assert found.data.text == "hola"


@pytest.mark.parametrize("sender", ["一", "abcdefghijkl", "1" * 21, "+١٣"])
def test_a_number_that_cannot_be_written(sender: str) -> None:
    with pytest.raises(TpduError):
        tpdu.encode(Deliver(sender=Number.of(sender), data=HOLA))


# Times


def with_time(octets: str) -> Deliver:
    return deliver("00" + "04" + "0B914316565811F9" + "0000" + octets + "04E8373B0C")


@pytest.mark.parametrize(
    ("octets", "at"),
    [
        ("42105291518023", datetime(2024, 1, 25, 19, 15, 8, tzinfo=timezone(timedelta(hours=8)))),
        ("42105291518000", datetime(2024, 1, 25, 19, 15, 8, tzinfo=UTC)),
        ("4210529151800A", datetime(2024, 1, 25, 19, 15, 8, tzinfo=timezone(-timedelta(hours=5)))),
        ("42105291518032", datetime(2024, 1, 25, 19, 15, 8, tzinfo=timezone(timedelta(hours=5, minutes=45)))),
        ("421052915180B1", datetime(2024, 1, 25, 19, 15, 8, tzinfo=timezone(timedelta(minutes=21 * 15)))),
        ("99202150750321", datetime(1999, 2, 12, 5, 57, 30, tzinfo=timezone(timedelta(hours=3)))),
        ("00000000000000", None),
        ("FFFFFFFFFFFFFF", None),
        ("42315291518023", None),  # month 13
        ("42200391518023", None),  # 30 February
        ("42105242518023", None),  # 24 o'clock
        ("4A105291518023", None),
    ],
)
def test_time_stamps(octets: str, at: datetime | None) -> None:
    found = with_time(octets)
    assert found.scts == at
    assert (found.scts and found.scts.utcoffset()) == (at and at.utcoffset())
    assert found.data.text == "hola"


@pytest.mark.parametrize(
    "at",
    [
        datetime(2024, 1, 1),  # noqa: DTZ001  # of no zone
        datetime(1989, 1, 1, tzinfo=UTC),
        datetime(2090, 1, 1, tzinfo=UTC),
        datetime(2024, 1, 1, tzinfo=timezone(timedelta(minutes=20))),
        datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=20))),
    ],
)
def test_a_time_that_cannot_be_written(at: datetime) -> None:
    with pytest.raises(TpduError):
        tpdu.encode(Deliver(sender=SPAIN, data=HOLA, scts=at))


# Data coding


@pytest.mark.parametrize(
    ("octets", "coding", "message_class"),
    [
        ((0x00, 0x0C, 0x40, 0x03), Coding.GSM7, None),
        ((0x10, 0x50, 0xF0, 0xF8), Coding.GSM7, 0),
        ((0x12, 0xF2), Coding.GSM7, 2),
        ((0x04, 0x44), Coding.BINARY, None),
        ((0x15, 0xF5, 0x55), Coding.BINARY, 1),
        ((0xF6,), Coding.BINARY, 2),
        ((0x08, 0x48), Coding.UCS2, None),
        ((0x18, 0x58), Coding.UCS2, 0),
        ((0x80, 0x84, 0x98, 0xA8, 0xBF), Coding.GSM7, None),
        ((0xC8, 0xD0, 0xD9), Coding.GSM7, None),
        ((0xE0, 0xE8), Coding.UCS2, None),
        ((0x20, 0x28, 0x24), Coding.BINARY, None),  # compressed: octets, no text
    ],
)
def test_data_coding(octets: tuple[int, ...], coding: Coding, message_class: int | None) -> None:
    for dcs in octets:
        assert UserData(octets=b"", dcs=dcs).coding is coding, hex(dcs)
        assert scheme(dcs).message_class == message_class, hex(dcs)


def test_data_coding_says_what_to_do_with_a_message() -> None:
    assert scheme(0xC8).indication == Indication(waiting=Waiting.VOICEMAIL, active=True, store=False)
    assert scheme(0xD1).indication == Indication(waiting=Waiting.FAX, active=False, store=True)
    assert scheme(0xEA).indication == Indication(waiting=Waiting.EMAIL, active=True, store=True)
    assert scheme(0x48).delete
    assert not scheme(0x08).delete
    assert scheme(0x20).compressed
    assert [data_coding(coding) for coding in Coding] == [0x00, 0x08, 0x04]
    assert data_coding(Coding.UCS2, 0) == 0x18


def test_binary_has_no_text() -> None:
    found = deliver(tpdu.encode(Deliver(sender=SPAIN, data=UserData(octets=b"\x01\xff\x00", dcs=0xF5))))
    assert found.data.octets == b"\x01\xff\x00"
    assert found.data.read() == (None, False)


@pytest.mark.parametrize(("octets", "read"), [(b"\xd8\x3d", "\ufffd"), (b"\0a\0\0", "a\ufffd"), (b"\0ab", "a\ufffd")])
def test_octets_that_are_no_text_are_replaced_and_said_so(octets: bytes, read: str) -> None:
    assert UserData(octets=octets, dcs=8).read() == (read, True)


@pytest.mark.parametrize("said", ["abcdefg@", "@" * 160, "@", "[€]", "§", "\f", "1234567", "12345678"])
def test_no_at_sign_is_lost(said: str) -> None:
    sent = UserData(octets=text.encode(said).octets)
    assert deliver(tpdu.encode(Deliver(sender=SPAIN, data=sent))).data.text == said


@pytest.mark.parametrize("said", ["😀", "𠀀", "བོད་ཡིག", "ᦟᦹᧉ"])
def test_what_gsm_lacks_goes_as_ucs2(said: str) -> None:
    sent = UserData(octets=text.encode(said).octets, dcs=8)
    assert deliver(tpdu.encode(Deliver(sender=SPAIN, data=sent))).data.text == said


# User data headers


def test_sixteen_bit_references_and_ports() -> None:
    udh = concatenation(Fragment(reference=0x1234, total=3, number=2, bits=16)) + bytes.fromhex("05040B8423F0")
    found = deliver(tpdu.encode(Deliver(sender=SPAIN, data=UserData(octets=b"hello, GSM world", udh=udh)))).data
    assert found.text == "hello, GSM world"
    assert found.fragment == Fragment(reference=0x1234, total=3, number=2, bits=16)
    assert found.ports == Ports(0x0B84, 0x23F0, 16)
    assert found.elements == (Element(8, b"\x12\x34\x03\x02"), Element(5, b"\x0b\x84\x23\xf0"))
    assert UserData(octets=b"", udh=bytes.fromhex("0402E2F0")).ports == Ports(0xE2, 0xF0, 8)


@pytest.mark.parametrize(
    "udh",
    [
        "0003010002",  # of none
        "0003010200",  # number none
        "0003010203",  # 3 of 2
        "00020102",  # too short
        "0804010203",  # runs over the end
        "00",
        "7003010201",  # an element we do not know
    ],
)
def test_a_header_that_says_nothing_of_parts(udh: str) -> None:
    assert UserData(octets=b"", udh=bytes.fromhex(udh)).fragment is None


def test_the_last_of_two_elements_counts() -> None:
    udh = bytes.fromhex("0003010201" + "0003050302")
    assert UserData(octets=b"", udh=udh).fragment == Fragment(reference=5, total=3, number=2)


@pytest.mark.parametrize("header", range(1, 40))
def test_septets_behind_a_header_of_any_length(header: int) -> None:
    udh = bytes([0x70, header - 2]) + bytes(header - 2) if header > 1 else b"\x70"
    sent = UserData(octets=b"abcdefg", udh=udh)
    assert deliver(tpdu.encode(Deliver(sender=SPAIN, data=sent))).data == sent


def test_national_languages() -> None:
    """Turkish: g with breve and dotless i are in its locking table, one septet each (23.038 A.3.1)."""
    turkish = UserData(octets=text.encode("ığ", tables=(1, 0)).octets, udh=bytes.fromhex("250101"))
    assert turkish.coding is Coding.GSM7
    assert deliver(tpdu.encode(Deliver(sender=SPAIN, data=turkish))).data.text == "ığ"
    spanish = UserData(octets=text.encode("áé", tables=(0, 2)).octets, udh=bytes.fromhex("240102"))
    assert deliver(tpdu.encode(Deliver(sender=SPAIN, data=spanish))).data.text == "áé"


# Validity


@pytest.mark.parametrize(
    ("step", "lasts"),
    [
        (0, timedelta(minutes=5)),
        (143, timedelta(hours=12)),
        (144, timedelta(hours=12, minutes=30)),
        (167, timedelta(days=1)),
        (168, timedelta(days=2)),
        (196, timedelta(days=30)),
        (197, timedelta(weeks=5)),
        (255, timedelta(weeks=63)),
    ],
)
def test_relative_validity(step: int, lasts: timedelta) -> None:
    octets = tpdu.encode(Submit(recipient=SPAIN, data=HOLA, validity=lasts), with_smsc=False)
    assert octets[12] == step
    assert submit(octets, with_smsc=False).validity == lasts


def test_validity_is_rounded_up_to_what_can_be_said() -> None:
    for asked, said in ((1, 5 * 60), (301, 600), (13 * 3600 + 1, 13 * 3600 + 1800), (10**9, 63 * 7 * 86400)):
        sent = Submit(recipient=SPAIN, data=HOLA, validity=timedelta(seconds=asked))
        assert submit(tpdu.encode(sent)).validity == timedelta(seconds=said)


@pytest.mark.parametrize(
    ("octets", "validity"),
    [
        ("00000000000000", Enhanced()),
        ("40000000000000", Enhanced(single_shot=True)),
        ("01AA0000000000", Enhanced(lasts=timedelta(days=4))),
        ("023C0000000000", Enhanced(lasts=timedelta(seconds=60))),
        ("43325476000000", Enhanced(lasts=timedelta(hours=23, minutes=45, seconds=67), single_shot=True)),
        ("82003C00000000", Enhanced(lasts=timedelta(seconds=60))),  # with an extension octet
    ],
)
def test_enhanced_validity(octets: str, validity: Enhanced) -> None:
    assert submit("00" + "0900" + "0B914316565811F9" + "0000" + octets + "04E8373B0C").validity == validity


# Status reports


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (0x00, State.DELIVERED),
        (0x01, State.SENT),
        (0x20, State.SENT),
        (0x30, State.SENT),
        (0x40, State.FAILED),
        (0x46, State.EXPIRED),
        (0x60, State.FAILED),
        (0xFF, State.FAILED),
    ],
)
def test_what_a_status_means(status: int, state: State) -> None:
    assert StatusReport(reference=1, recipient=SPAIN, status=status).state is state


PLAIN_REPORT = "00" + "06" + "27" + "0B914316565811F9" + "01208111134540" + "01208111740540" + "00"


@pytest.mark.parametrize(
    ("optional", "pid", "said"),
    [
        ("", None, None),
        ("00", None, None),
        ("FFFFFF", None, None),  # a padded record
        ("0139", 0x39, None),
        ("07390004E8373B0C", 0x39, "hola"),
        ("0604" + "02" + "4142", None, None),  # binary
        ("04" + "04E8373B0C", None, "hola"),  # without data coding: the default alphabet
        ("8100" + "39", 0x39, None),  # with an extension octet
    ],
)
def test_optional_parameters_of_a_report(optional: str, pid: int | None, said: str | None) -> None:
    found = report(PLAIN_REPORT + optional)
    assert found.reference == 0x27
    assert found.state is State.DELIVERED
    assert found.pid == pid
    assert (found.data and found.data.text) == said


# Wrong octets


@pytest.mark.parametrize(
    "pdu",
    [
        "",
        "0",
        "zz",
        "00",
        "07",
        "0C91683108000000F700000000",
        "00" + "04" + "15816831080000000000F70000" + "00" * 30,  # 21 half octets
        "00" + "04" + "0B914316565811F9" + "0000" + "42105291518023" + "05E8373B0C",  # one septet too many
        "00" + "04" + "0B914316565811F9" + "0008" + "42105291518023" + "054F5A",
        "00" + "04" + "0B914316565811F9" + "0000" + "42105291518023" + "04E8373B0C" + "41",  # one octet too many
        "00" + "44" + "0B914316565811F9" + "0000" + "42105291518023" + "00",  # no room for a header
        "00" + "44" + "0B914316565811F9" + "0000" + "42105291518023" + "04E8373B0C",  # a header longer than its data
        "00" + "44" + "0B914316565811F9" + "0000" + "42105291518023" + "0103E83B0C",
        "00" + "04" + "0B914316565811F9" + "0000" + "42105291518023" + "A1" + "00" * 141,
        "00" + "0900" + "0B914316565811F9" + "0000" + "FFFFFFFFFFFFFF" + "04E8373B0C",
        PLAIN_REPORT + "80",
        PLAIN_REPORT + "0739",
    ],
)
def test_wrong_lengths(pdu: str) -> None:
    with pytest.raises(TpduError):
        tpdu.decode(pdu)


def test_padding_behind_a_message_is_no_error() -> None:
    whole = tpdu.encode(Deliver(sender=SPAIN, data=HOLA))
    for padding in (b"\xff" * 50, b"\0" * 3):
        assert deliver(whole + padding).data.text == "hola"


@pytest.mark.parametrize(
    "message",
    [
        Deliver(sender=SPAIN, data=UserData(octets=b"a" * 161)),
        Deliver(sender=SPAIN, data=UserData(octets=b"a" * 141, dcs=4)),
        Deliver(sender=SPAIN, data=UserData(octets=b"a" * 153, udh=bytes(6))),
        Deliver(sender=SPAIN, data=UserData(octets=b"", udh=bytes(140))),
        Submit(recipient=SPAIN, data=HOLA, validity=Enhanced(lasts=timedelta(hours=100))),
        Submit(recipient=SPAIN, data=HOLA, validity=Enhanced(lasts=timedelta(0))),
    ],
)
def test_what_does_not_fit_is_not_cut(message: tpdu.Tpdu) -> None:
    with pytest.raises(TpduError):
        tpdu.encode(message)


# Round trips

digits = st.text("0123456789*#abc", max_size=20)
names = st.text(sorted(text.GSM7 - set("^{}\\[]~|€\f")), min_size=1, max_size=11)
numbers = st.one_of(
    st.builds(Number, digits, st.sampled_from([t for t in Ton if t != Ton.ALPHANUMERIC]), st.integers(0, 15)),
    st.builds(Number, names, st.just(Ton.ALPHANUMERIC), st.just(0)),
)
zones = st.integers(-48, 56).map(lambda quarters: timezone(timedelta(minutes=15) * quarters))
times = st.none() | st.datetimes(
    datetime(1990, 1, 1),  # noqa: DTZ001  # the zone is added below
    datetime(2089, 12, 31),  # noqa: DTZ001  # the zone is added below
    timezones=zones,
).map(lambda at: at.replace(microsecond=0))
headers = st.one_of(
    st.just(b""),
    st.builds(
        lambda reference, total, bits: concatenation(
            Fragment(reference=reference % 2**bits, total=total, number=1, bits=bits)
        ),
        st.integers(0, 65535),
        st.integers(1, 255),
        st.sampled_from([8, 16]),
    ),
    st.binary(min_size=1, max_size=30),
)


@st.composite
def user_data(draw: st.DrawFn) -> UserData:
    dcs, udh = draw(st.integers(0, 255)), draw(headers)
    meant = scheme(dcs)
    room = 140 - (len(udh) + 1 if udh else 0)
    if meant.coding is Coding.GSM7 and not meant.compressed:
        septets = draw(st.lists(st.integers(0, 127), max_size=room * 8 // 7))
        return UserData(octets=bytes(septets), dcs=dcs, udh=udh)
    return UserData(octets=draw(st.binary(max_size=room)), dcs=dcs, udh=udh)


octet = st.integers(0, 255)
smscs = st.none() | st.builds(Number, st.text("0123456789", max_size=20), st.sampled_from([0, 1]), st.just(1))
messages = st.one_of(
    st.builds(
        Deliver,
        sender=numbers,
        data=user_data(),
        scts=times,
        pid=octet,
        more=st.booleans(),
        loop=st.booleans(),
        reply_path=st.booleans(),
        report=st.booleans(),
        smsc=smscs,
    ),
    st.builds(
        Submit,
        recipient=numbers,
        data=user_data(),
        reference=octet,
        pid=octet,
        validity=times
        | st.sampled_from([timedelta(minutes=5), timedelta(days=3), timedelta(weeks=6)])
        | st.builds(
            Enhanced,
            lasts=st.none() | st.integers(1, 359_999).map(lambda seconds: timedelta(seconds=seconds)),
            single_shot=st.booleans(),
        ),
        report=st.booleans(),
        reject_duplicates=st.booleans(),
        reply_path=st.booleans(),
        smsc=smscs,
    ),
    st.builds(
        StatusReport,
        reference=octet,
        recipient=numbers,
        status=octet,
        scts=times,
        discharge=times,
        more=st.booleans(),
        loop=st.booleans(),
        of_command=st.booleans(),
        pid=st.none() | octet,
        data=st.none() | user_data(),
        smsc=smscs,
    ),
)


@given(messages, st.booleans())
@settings(max_examples=500)
def test_what_is_written_is_read_again(message: tpdu.Tpdu, with_smsc: bool) -> None:
    octets = tpdu.encode(message, with_smsc=with_smsc)
    found = tpdu.decode(octets, with_smsc=with_smsc)
    if not with_smsc:
        assert found.smsc is None
        assert tpdu.encode(found, with_smsc=False) == octets
    else:
        assert found == message
        assert tpdu.tpdu_length(octets) == len(octets) - 1 - octets[0]
    assert tpdu.decode(octets.hex(), with_smsc=with_smsc) == found


@given(st.binary(max_size=200))
@example(b"\x00\x44\x00\x80\x00\x00" + b"\xff" * 7 + b"\x8c\x8b" + bytes(139))
@settings(max_examples=2000)
def test_garbage_is_no_tpdu_or_a_readable_one(octets: bytes) -> None:
    _read_all(octets)


def test_a_hundred_thousand_mutated_tpdus_raise_only_the_codecs_own_error() -> None:
    chance = random.Random(2340)
    seeds = [bytes.fromhex(pdu) for pdu in MUTATED]
    read = 0
    for _ in range(100_000):
        octets = bytearray(chance.choice(seeds))
        for _ in range(chance.randrange(1, 4)):
            place = chance.randrange(len(octets) + 1)
            match chance.randrange(4):
                case 0:
                    octets[place : place + 1] = bytes([chance.randrange(256)])
                case 1:
                    del octets[place : place + chance.randrange(1, 8)]
                case 2:
                    octets[place:place] = chance.randbytes(chance.randrange(1, 4))
                case 3 if place < len(octets):
                    octets[place] ^= 1 << chance.randrange(8)
            octets = octets or bytearray(1)
        read += _read_all(bytes(octets))
    assert 20_000 < read < 80_000  # else the mutations test nothing


def _read_all(octets: bytes) -> bool:
    """Everything a reader of messages asks of these octets; only TpduError may be raised."""
    try:
        found = tpdu.decode(octets)
    except TpduError:
        return False
    if found.data is not None:
        said, _ = found.data.read()
        assert said is None or said.encode("utf-8") is not None
        assert "\0" not in (said or "")
        assert found.data.fragment is None or found.data.fragment.number >= 1
        assert found.data.ports is None or found.data.ports.bits in (8, 16)
        assert len(found.data.octets) <= 160
    return True


MUTATED = (
    "07917283010010F5040BC87238880900F10000993092516195800AE8329BFD4697D9EC37",
    "0011000B916407281553F80000AA0AE8329BFD4697D9EC37",
    "07914306073011F0040B914316709807F2000880604290224080084E2D5174901A8BAF",
    "07914306073011F006270B913426565711F7012081111345400120811174054043",
    "005100098156355476F80000AA14050003880303C2A066D8CD02B5F3A0F9DB0D",
    "07919333852804000412D0F7FBDD454FB75D693A0000903002801153402BCD301E9F0605D9E971191483C140412A35690D52832063D2F9040599"
    "A058EE05A3BD6430580E",
    PLAIN_REPORT + "07390004E8373B0C",
    "004004" + "91214300F542105291518023" + "0F06050415811581" + "4F60597D4E0A53480001",
)


# python-gsmmodem, where it is right: no section sign or backtick, no @ at the end of eight septets, 8-bit references,
# the basic plane, plain data codings, real times.

their_alphabet = sorted(text.GSM7 - set("`§\fÿ@\x1b"))
said_in_gsm = st.text(their_alphabet, min_size=1, max_size=70)
said_in_ucs2 = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=1, max_size=70)


@given(
    said_in_gsm | said_in_ucs2,
    st.integers(0, 99),
    st.datetimes(datetime(2000, 1, 1), datetime(2060, 1, 1), timezones=zones),  # noqa: DTZ001  # it gets one of `zones`
)
@settings(max_examples=300)
def test_python_gsmmodem_reads_our_delivers(said: str, number: int, at: datetime) -> None:
    at = at.replace(microsecond=0)
    encoded = text.encode(said)
    sent = Deliver(
        sender=Number.of(f"+86138000000{number:02}"),
        data=UserData(octets=encoded.octets, dcs=data_coding(encoded.coding)),
        scts=at,
        smsc=Number.of("+8613800100500"),
    )
    theirs = gsmmodem.pdu.decodeSmsPdu(tpdu.encode(sent).hex())
    assert theirs["type"] == "SMS-DELIVER"
    assert theirs["number"] == f"+86138000000{number:02}"
    assert theirs["smsc"] == "+8613800100500"
    assert theirs["text"] == said
    assert theirs["time"] == at
    assert theirs["tpdu_length"] == tpdu.tpdu_length(tpdu.encode(sent))


@given(said_in_gsm | said_in_ucs2, octet, st.booleans(), st.booleans())
@settings(max_examples=300)
def test_we_read_what_python_gsmmodem_sends(said: str, reference: int, report: bool, flash: bool) -> None:
    theirs = gsmmodem.pdu.encodeSmsSubmitPdu(
        "+8613800000007",
        said,
        reference=reference,
        validity=timedelta(days=1),
        requestStatusReport=report,
        sendFlash=flash,
    )
    found = [submit(str(pdu)) for pdu in theirs]
    assert "".join(part.data.text or "" for part in found) == said
    for number, part in enumerate(found, start=1):
        assert part.recipient == Number("8613800000007", Ton.INTERNATIONAL)
        assert part.report is report
        assert part.validity == timedelta(days=1)
        assert part.data.scheme.message_class == (0 if flash else None)
        fragment = part.data.fragment
        assert (fragment and (fragment.total, fragment.number)) == (None if len(found) == 1 else (len(found), number))
        assert tpdu.tpdu_length(str(theirs[number - 1])) == theirs[number - 1].tpduLength


@given(octet, octet, st.datetimes(datetime(2000, 1, 1), datetime(2060, 1, 1), timezones=zones))  # noqa: DTZ001  # as above
@settings(max_examples=100)
def test_python_gsmmodem_reads_our_status_reports(reference: int, status: int, at: datetime) -> None:
    at = at.replace(microsecond=0)
    sent = StatusReport(reference=reference, recipient=SPAIN, status=status, scts=at, discharge=at)
    theirs = gsmmodem.pdu.decodeSmsPdu(tpdu.encode(sent).hex())
    assert (theirs["type"], theirs["reference"], theirs["number"], theirs["status"]) == (
        "SMS-STATUS-REPORT",
        reference,
        "+34616585119",
        status,
    )
    assert theirs["time"] == theirs["discharge"] == at
