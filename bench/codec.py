"""What a PDU costs to write and to read, ours against smpplib, and what a round trip costs the link.

Run `python -m bench.codec`: microseconds of CPU, the best of five rounds. The budget is 8 us a PDU each way, and 40 us
for a round trip: deliver_sm in, its answer and a submit_sm out, the answer to that in.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable
from typing import Any

import click
from smpplib.smpp import make_pdu, parse_pdu
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from zope.interface import implementer

from config.model import SmppLink as Settings
from gateway.core.model import Address, AddressKind, Inbound, LinkState, Outbound, Part, Report
from smpp import pdu
from smpp.link import SmppLink
from smpp.pdu import PduError, Tag

TEXT = "【安河组织】您好，您本月的会费已经收到，金额十二元五角。如有疑问请回复七十一加您的问题。"
SUBMIT = pdu.SubmitSm(
    source_addr_ton=3,
    source_addr="10690001",
    dest_addr_ton=1,
    dest_addr_npi=1,
    destination_addr="8613800000001",
    registered_delivery=1,
    data_coding=8,
    short_message=TEXT.encode("utf-16-be"),
)
DELIVER = pdu.DeliverSm(
    source_addr_ton=1,
    source_addr_npi=1,
    source_addr="8613800000001",
    dest_addr_ton=3,
    destination_addr="10690001",
    short_message=b"DUES",
)
RECEIPT = DELIVER._replace(
    esm_class=4,
    short_message=b"id:1234567890 sub:001 dlvrd:001 submit date:2603010900 done date:2603010901 stat:DELIVRD err:000",
    tlvs=(
        (Tag.RECEIPTED_MESSAGE_ID, b"1234567890\0"),
        (Tag.MESSAGE_STATE, b"\2"),
        (Tag.NETWORK_ERROR_CODE, b"\3\0\0"),
    ),
)
PDUS: tuple[tuple[str, pdu.Body], ...] = (
    ("submit_sm, Chinese", SUBMIT),
    ("submit_sm_resp", pdu.SubmitSmResp("1234567890")),
    ("deliver_sm, text", DELIVER),
    ("deliver_sm, receipt", RECEIPT),
    ("deliver_sm_resp", pdu.DeliverSmResp()),
    ("enquire_link", pdu.EnquireLink()),
)


class Client:
    """All that smpplib needs of one."""

    sequence = 7

    def next_sequence(self) -> int:
        return self.sequence


def cost(work: Callable[[], object], times: int) -> float:
    """Microseconds of CPU."""
    best = float("inf")
    for _ in range(5):
        before = time.process_time()
        for _ in range(times):
            work()
        best = min(best, time.process_time() - before)
    return best / times * 1e6


def smpplib_writes(body: pdu.Body) -> Callable[[], object]:
    name = pdu.COMMAND_NAMES[pdu.command_of(body)]
    fields: dict[str, Any] = {
        field: value for field, value in body._asdict().items() if field != "tlvs" and value not in ("", 0)
    }
    for tag, value in body.tlvs:
        text = value.rstrip(b"\0").decode("latin-1")
        fields[pdu.TAG_NAMES[tag]] = {Tag.RECEIPTED_MESSAGE_ID: text, Tag.MESSAGE_STATE: 2}.get(tag, value)
    return lambda: make_pdu(name, client=Client(), **fields).generate()


@click.command()
@click.option("--times", default=20_000, show_default=True, help="How often each PDU is written and read in a round.")
@click.option("--mutated", default=100_000, show_default=True, help="Mutated PDUs to read.")
def main(times: int, mutated: int) -> None:
    """Print the cost of each PDU, then of nonsense."""
    click.echo(f"{'us a PDU':22} {'ours: write':>12} {'read':>7} {'smpplib: write':>15} {'read':>7}")
    for name, body in PDUS:
        octets = pdu.encode(body, 7)
        theirs = smpplib_writes(body)
        figures = (
            cost(lambda body=body: pdu.encode(body, 7), times),  # type: ignore[misc]  # bound now
            cost(lambda octets=octets: pdu.decode(octets), times),  # type: ignore[misc]  # bound now
            cost(theirs, times // 10),
            cost(lambda octets=octets: parse_pdu(octets, client=Client()), times // 10),  # type: ignore[misc]  # bound now
        )
        click.echo("{:22} {:12.2f} {:7.2f} {:15.2f} {:7.2f}".format(name, *figures))
    nonsense(mutated)
    click.echo(f"a round trip over the link: {round_trip(times):.1f} us")


def round_trip(times: int) -> float:
    """Microseconds of CPU the link takes, without sockets, database or what is answered."""
    clock = Clock()
    operator = Wired()
    link = SmppLink(
        Settings(name="x", endpoint="tcp:127.0.0.1:1", system_id="x", password="x", source="10690001", window=100),
        Echo(),
        clock,
        random.Random(1),
        itertools.count(1).__next__,
        lambda text, ton, npi: Address(kind=AddressKind.E164, text="+" + text),
        endpoint=lambda: operator,
    )
    link.startService()
    wire, protocol = operator.wire, operator.protocol
    protocol.dataReceived(pdu.encode(pdu.BindTransceiverResp(), 1))
    (answer,) = link.split(Outbound(id=1, to="+8613800000001", text=TEXT))
    sequence = 1

    def one_read() -> None:
        """A window of messages in one read, all answered in one turn."""
        nonlocal sequence
        wire.clear()
        protocol.dataReceived(messages)
        for _ in range(100):
            link.send(answer)
        clock.advance(0)
        responses = []
        for _ in range(100):
            sequence += 1
            responses.append(pdu.encode(pdu.SubmitSmResp("1234567890"), sequence))
        wire.clear()
        protocol.dataReceived(b"".join(responses))

    messages = b"".join(pdu.encode(DELIVER, number) for number in range(100))
    whole = cost(one_read, times // 100) / 100
    encoding = cost(lambda: pdu.encode(pdu.SubmitSmResp("1234567890"), 9), times)  # the operator's own work
    return whole - encoding


class Echo:
    """A Receiver that has everything safe at once."""

    def accept(self, message: Inbound) -> Deferred[Part | None]:
        return succeed(None)

    def report(self, report: Report) -> Deferred[None]:
        return succeed(None)

    def changed(self, state: LinkState) -> None:
        """Nobody looks."""


@implementer(IStreamClientEndpoint)
class Wired:
    """Connects to a transport of strings."""

    protocol: Any

    def __init__(self) -> None:
        self.wire = StringTransport()

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        self.protocol = protocolFactory.buildProtocol(self.wire.getPeer())
        self.protocol.makeConnection(self.wire)
        return succeed(self.protocol)


def nonsense(count: int) -> None:
    chance = random.Random(1)
    whole = [pdu.encode(body, 7) for _, body in PDUS]
    refused = 0
    total = worst = 0.0
    for _ in range(count):
        octets = bytearray(chance.choice(whole))
        for _ in range(chance.randint(1, 4)):
            octets[chance.randrange(16, len(octets)) if len(octets) > 16 else 9] = chance.randrange(256)
        before = time.process_time()
        try:
            pdu.decode(bytes(octets))
        except PduError:
            refused += 1
        spent = time.process_time() - before
        total += spent
        worst = max(worst, spent)
    click.echo(
        f"{count} mutated PDUs: {refused} refused, {total / count * 1e6:.2f} us each, the worst {worst * 1e3:.2f} ms"
    )


if __name__ == "__main__":
    main()
