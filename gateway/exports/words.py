"""What the papers say, in each language; `{...}` is filled in."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, Mapping[str, str]] = {
    "receipt": {"zh": "会费收据", "en": "Receipt for dues"},
    "receipt.voluntary": {"zh": "自愿交纳收据", "en": "Receipt for a voluntary contribution"},
    "number": {"zh": "收据号", "en": "Receipt number"},
    "from": {"zh": "交款人", "en": "Received from"},
    "member": {"zh": "成员号", "en": "Member number"},
    "branch": {"zh": "所属支部", "en": "Branch"},
    "amount": {"zh": "金额", "en": "Amount"},
    "capitals": {"zh": "大写", "en": "In words"},
    "method": {"zh": "方式", "en": "Paid by"},
    "for": {"zh": "用于", "en": "For"},
    "month": {"zh": "{month}会费", "en": "dues of {month}"},
    "months": {"zh": "{first}至{last}会费", "en": "dues of {first} to {last}"},
    "paid_to": {"zh": "会费交至", "en": "Dues paid to"},
    "credit": {"zh": "结余（抵以后会费）", "en": "Credit towards later dues"},
    "extra": {"zh": "其中自愿多交", "en": "Of it, voluntary"},
    "at": {"zh": "收款时间", "en": "Received on"},
    "note": {"zh": "凭据", "en": "Reference"},
    "reversed": {"zh": "已冲销", "en": "REVERSED"},
    "check": {
        "zh": "核对：用您登记的手机发短信“13 {number}”可查本收据；有疑问请发“16 {number}”。",
        "en": "To check: text 13 {number} from your phone and you get this receipt; to dispute it: 16 {number}.",
    },
    "hotline": {"zh": "人工电话 {hotline}。", "en": "Staff: {hotline}."},
    "printed": {"zh": "打印：{who}，{at}", "en": "Printed by {who}, {at}"},
    "cash": {"zh": "现金", "en": "cash"},
    "voucher": {"zh": "充值码", "en": "voucher"},
    "wallet": {"zh": "手机钱包", "en": "mobile wallet"},
    "paybill": {"zh": "钱包缴费", "en": "pay bill"},
    "bank": {"zh": "银行转账", "en": "bank transfer"},
    "prepaid": {"zh": "结余", "en": "credit"},
    "vouchers": {"zh": "会费充值码", "en": "Dues vouchers"},
    "voucher.value": {"zh": "会费充值码", "en": "Dues voucher"},
    "voucher.sms": {
        "zh": "发短信 14 加16位码{to}。",
        "en": "Text 14 and the 16 digits{to}.",
    },
    "voucher.to": {"zh": " 到 {number}", "en": " to {number}"},
    "voucher.ussd": {"zh": "或拨 {ussd} 选1再选4。", "en": " Or dial {ussd}, 1, then 4."},
    "voucher.once": {
        "zh": "一码一次。用前勿告诉任何人；未经支部启用无效。",
        "en": "Works once. Show it to nobody before. Not valid until your branch has activated it.",
    },
    "voucher.batch": {"zh": "批次 {number}　{branch}", "en": "Batch {number}, {branch}"},
    "voucher.page": {"zh": "第 {page} / {pages} 页", "en": "page {page} of {pages}"},
    "letter": {"zh": "手机绑定通知", "en": "Link your phone"},
    "letter.dear": {"zh": "{name}：", "en": "Dear {name},"},
    "letter.member": {"zh": "成员 {number}", "en": "member {number}"},
    "letter.why": {
        "zh": "您可以用任何手机（老人机也行）查会费、看通知、提问题，不用上网。"
        "请先用下面的8位码把您的手机号和成员号连起来。",
        "en": "With any phone, however plain, you can look up your dues, read notices and ask questions,"
        " without internet. First link your phone to your member number with this code of 8 digits.",
    },
    "letter.sms": {"zh": "发短信：81 {code}{to}", "en": "Text: 81 {code}{to}"},
    "letter.ussd": {
        "zh": "或拨 {ussd}，选8再选1，输入8位码。",
        "en": "Or dial {ussd}, choose 8, then 1, and enter the code.",
    },
    "letter.then": {
        "zh": "随后您会收到一条带4位码的短信，照短信回复即可。我们不会打电话问您的码。",
        "en": "You then get an SMS with a code of 4 digits; reply as it says. We never ask for these codes.",
    },
    "letter.until": {
        "zh": "本码有效到 {until}，只能用一次，请勿给别人看。过期请向支部要新码。",
        "en": "The code is good until {until}, once. Show it to nobody. Your branch can give you a new one.",
    },
    "letters": {"zh": "绑定通知", "en": "Invitation letters"},
}


def say(key: str, language: str, /, **values: object) -> str:
    texts = WORDS[key]
    return texts.get(language, texts["en"]).format_map(values)


def named(key: str, language: str) -> str:
    """The word for `key`, or `key` where there is none: a way to pay that came later is better than a gap."""
    return say(key, language) if key in WORDS else key
