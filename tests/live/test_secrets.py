"""What must be in no log, no figure, no report and no database: passwords, keys, codes, cookies, what is sealed."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

import pytest
from pypdf import PdfReader

from bench.harness import API_KEY, free_port, muster
from gateway.affairs.voucher_codes import in_fours
from tests.console.served import Browser
from tests.live.faults import Faults
from tests.live.house import Home, ended
from tests.live.operator import OK, TRY_AGAIN, Operator, Submitted, operator, until

pytestmark = pytest.mark.peer
_BIND, _STAFF, _PATH_KEY = "Kn4rie-8", "a horse called Kanarie", "kanarie-in-the-path"
_SEALED, _QUESTION = "48151623", "Kanarienvogel fragt nach dem Hof"
_NO_VOUCHER = "3141592653589793"
_SMS, _USSD = "8613800000007", "8613800000008"


def _tell(*arguments: str | Path, give: str = "") -> str:
    done = subprocess.run([muster(), *arguments], input=give, capture_output=True, text=True, timeout=90, check=True)
    return done.stdout + done.stderr


def test_no_secret_is_written_down(tmp_path: Path) -> None:
    console = free_port()
    home = Home(
        tmp_path,
        more=f"""
[console]
listen = "tcp:{console}:interface=127.0.0.1"
public_url = "http://127.0.0.1:{console}"

[ussd_http.africastalking]
path_key = "{_PATH_KEY}"
""",
    )
    home.config.write_text(home.config.read_text("utf-8").replace('password = "secret"', f'password = "{_BIND}"'))
    told = [_tell("staff", "add", home.config, "li", "--role", "lead", "--password-stdin", give=f"{_STAFF}\n")]
    link = _tell("staff", "add", home.config, "zhao", "--role", "agent")
    invitations = _invited(home)
    told += [_tell("check", home.config), _tell("staff", "list", home.config)]
    secrets = {
        "no voucher": _NO_VOUCHER,
        "bind": _BIND,
        "staff": _STAFF,
        "key": API_KEY,
        "path": _PATH_KEY,
        "sealed": _SEALED,
    }
    secrets |= {f"invitation {n}": code for n, code in enumerate(invitations)}
    vouchers = _printed(home)
    secrets |= {f"voucher {n}": code for n, code in enumerate(vouchers)}
    secrets |= {f"voucher {n} in fours": in_fours(code) for n, code in enumerate(vouchers)}
    secrets["link"] = re.findall(r"/sign-in/link/(\S+)", link)[0]
    spoken = {}
    faults = Faults(tmp_path / "faults")
    with (
        operator(home.port) as smsc,
        home.gateway("links,api,console", says="mobile: bound", environment=faults.environment) as process,
    ):
        # By SMS: an invitation, the code that comes back, a wrong code, what looks like a secret, a question.
        code = _bound_by_sms(smsc, invitations[0])
        spoken["code by SMS"] = code
        for text in (_SEALED, "81 99999999", f"71 {_QUESTION}"):
            assert smsc.line.status(smsc.line.deliver(_SMS, text)) == OK
        # By USSD: an invitation in a session.
        _dial(home, "")
        _dial(home, "8")
        _dial(home, "8*1")
        _dial(home, f"8*1*{invitations[1]}")
        until(lambda: _code(smsc.to(_USSD)))
        spoken["code by USSD"] = _code(smsc.to(_USSD))
        # Vouchers: by SMS, once more, in fours, one that is none, one behind a slip of the finger, and by USSD.
        texts = (f"14 {vouchers[0]}", f"14 {vouchers[0]}", f"14 {in_fours(vouchers[1])}", f"14 {_NO_VOUCHER}")
        for text in (*texts, vouchers[3], f"VUOCHER {vouchers[3]}"):
            assert smsc.line.status(smsc.line.deliver(_SMS, text)) == OK
        until(lambda: sum("Voucher accepted: 5.00 CNY" in one.text for one in smsc.to(_SMS)) == 2)
        until(lambda: any("has been used" in one.text for one in smsc.to(_SMS)))
        assert smsc.line.status(smsc.line.deliver(_USSD, f"Y {spoken['code by USSD']}")) == OK
        until(lambda: any("1002" in one.text for one in smsc.to(_USSD)))
        for text in ("", "1", "1*4"):
            _dial(home, text, session="s2")
        assert "Voucher accepted" in _dial(home, f"1*4*{vouchers[2]}", session="s2")
        # When the database fails, errors quote statements.
        faults.full(True)
        assert smsc.line.status(smsc.line.deliver(_USSD, f"81 {invitations[1]}")) == TRY_AGAIN
        home.ask("/v1/messages", {"to": "+8613900000001", "text": _QUESTION})
        faults.full(False)
        # Staff: by password, wrong password and link.
        browser = Browser(console)
        browser.sign_in("li", _STAFF)
        secrets["cookie"] = browser.cookies["muster"]
        assert browser.get("/").status in (200, 303)
        Browser(console).sign_in("li", _STAFF + "x")
        Browser(console).get(f"/sign-in/link/{secrets['link']}")
        assert home.ask("/v1/messages", {"to": "+8613900000001", "text": "with a key"})[0] == 202
        told += [str(home.ask(path)[1]) for path in ("/metrics", "/readyz", "/healthz")]
        until(lambda: home.states().get("queued") is None)
        process.send_signal(signal.SIGTERM)
        assert ended(process, 15) == 0
    log = (tmp_path / "log").read_text()
    assert "full" in log, "the log was written to"
    for name, secret in secrets.items():
        assert secret not in log, name
        assert not any(secret in text for text in told), name
    said = re.sub(r"^\S+ ", "", log, flags=re.MULTILINE)  # four digits may stand in a time
    for text in (_QUESTION, _SMS, _USSD, *spoken.values()):
        assert not re.search(rf"(?<![\d*]){re.escape(text)}(?!\d)", said), text
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("muster.db*"))
    assert b"Kanarienvogel" in stored, "a question is kept: the search would find what is there"
    for name in secrets.keys() - {"key"}:
        assert secrets[name].encode() not in stored, name
    for name, sentence in spoken.items():
        assert f"Y {sentence}".encode() not in stored, name


def _invited(home: Home) -> list[str]:
    folder = home.folder
    (folder / "b.csv").write_text("code,name,parent_code\n53,安河县,\n", "utf-8")
    head = "member_no,phone,branch_code,name,language,dues_class,monthly_amount\n"
    rows = f"1001,{_SMS[2:]},53,李,en,A,5.00\n1002,{_USSD[2:]},53,王,en,A,5.00\n"
    (folder / "m.csv").write_text(head + rows, "utf-8")
    _tell("import", home.config, "branches", folder / "b.csv")
    _tell("import", home.config, "members", folder / "m.csv", "--invite")
    codes = re.findall(r"^100\d,.,53,(\d{8}),", (folder / "m.codes.csv").read_text("utf-8-sig"), re.MULTILINE)
    assert len(codes) == 2
    return codes


def _printed(home: Home) -> list[str]:
    """The codes of a batch that is active."""
    sheets = home.folder / "vouchers.pdf"
    said = _tell("vouchers", "print", home.config, "--count", "4", "--value", "5", "--branch", "53", sheets)
    _tell("vouchers", "activate", home.config, re.findall(r"batch (\d+)", said)[0], "--by", "li")
    text = PdfReader(sheets).pages[0].extract_text()
    codes = [found.replace(" ", "") for found in re.findall(r"\d{4} \d{4} \d{4} \d{4}", text)]
    assert len(codes) == 4
    return codes


def _code(submitted: list[Submitted]) -> str:
    """The code in the newest text that has one."""
    found = [re.search(r"Y ?(\d{4})", one.text) for one in submitted]
    return next((match[1] for match in reversed(found) if match), "")


def _bound_by_sms(smsc: Operator, invitation: str) -> str:
    assert smsc.line.status(smsc.line.deliver(_SMS, f"JOIN {invitation}")) == OK
    until(lambda: _code(smsc.to(_SMS)))
    code = _code(smsc.to(_SMS))
    assert smsc.line.status(smsc.line.deliver(_SMS, f"Y {code}")) == OK
    until(lambda: len(smsc.to(_SMS)) == 2)
    assert "1001" in smsc.to(_SMS)[1].text
    return code


def _dial(home: Home, text: str, session: str = "s1") -> str:
    """One step of a session at the vendor's."""
    form = {"sessionId": session, "phoneNumber": f"+{_USSD}", "serviceCode": "*123#", "text": text}
    url = f"http://127.0.0.1:{home.api}/ussd/africastalking/{_PATH_KEY}"
    with build_opener(ProxyHandler({})).open(url, urlencode(form).encode(), timeout=10) as answer:
        return str(answer.read().decode())
