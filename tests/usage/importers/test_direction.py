"""The direction rule: its defaults, its file, its refusals."""

import pytest

from tollbook.errors import Invalid
from tollbook.usage.importers.direction import DirectionRule, Leg, load


def direction(rule: DirectionRule | None = None, **said: str) -> str | None:
    leg = Leg(**({"context": "", "caller": "12125550101", "called": "12125550142"} | said))
    return leg.direction(rule or DirectionRule())


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ("from-pstn", "inbound"),
        ("from-trunk-sip-acme", "inbound"),
        ("stadion-pstn", "inbound"),
        ("Incoming_Acme", "inbound"),
        ("inbound", "inbound"),
        ("public", "inbound"),
        ("from-internal", "outbound"),
        ("from-internal-xfer", "outbound"),
        ("outbound-allroutes", "outbound"),
        ("to-pstn", "outbound"),
        ("parkedcalls", "internal"),
        ("mystery", None),
        ("", None),
    ],
)
def test_contexts_of_common_set_ups_have_a_direction(context, expected):
    assert direction(context=context) == expected


def test_without_a_telling_context_whoever_has_a_phone_is_inside():
    assert direction(context="x", channel="PJSIP/301", far_channel="PJSIP/acme") == "outbound"
    assert direction(context="x", channel="PJSIP/acme", far_channel="PJSIP/301") == "inbound"
    assert direction(context="x", channel="PJSIP/302", far_channel="PJSIP/301") == "internal"
    assert direction(context="x", caller="301") == "outbound"
    assert direction(context="x", called="301") == "inbound"


def test_named_trunks_decide_where_the_context_does_not():
    rule = DirectionRule(trunks=("PJSIP/acme*",))
    assert direction(rule, context="x", channel="PJSIP/acme-east", far_channel="PJSIP/queue") == "inbound"
    assert direction(rule, context="x", channel="PJSIP/dialer", far_channel="PJSIP/acme-east") == "outbound"


def test_feature_codes_and_extensions_dialled_from_inside_are_internal():
    assert direction(context="from-internal", called="*97") == "internal"
    assert direction(context="from-internal", called="302") == "internal"
    assert direction(context="from-internal", called="302555") == "outbound"


def test_the_longest_dial_prefix_is_replaced_for_rating():
    rule = DirectionRule(dial_prefixes={"9": "", "9011": "", "00": ""})
    assert rule.rated_number("9011442079460000") == "442079460000"
    assert rule.rated_number("912125550142") == "12125550142"
    assert rule.rated_number("12125550142") == "12125550142"


def test_a_rules_file_replaces_what_it_names_and_keeps_the_rest(tmp_path):
    (tmp_path / "rules.toml").write_text(
        'inbound_contexts = ["acme-in*"]\ntrunks = ["SIP/acme*"]\nextension_digits = 4\n[dial_prefixes]\n"9" = ""\n'
    )
    rule = load(tmp_path / "rules.toml")
    assert rule.inbound_contexts == ("acme-in*",)
    assert rule.outbound_contexts == DirectionRule().outbound_contexts
    assert (rule.trunks, rule.extension_digits, rule.dial_prefixes) == (("SIP/acme*",), 4, {"9": ""})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("inbound_context = []", "unknown key 'inbound_context'"),
        ('trunks = "SIP/acme"', "trunks must be a list of patterns"),
        ("trunks = [1]", "trunks must be a list of patterns"),
        ("extension_digits = true", "extension_digits must be a whole number"),
        ('json_legs = "b"', 'json_legs must be "trunk" or "a"'),
        ("dial_prefixes = 9", "dial_prefixes must be a table"),
        ("trunks = [", "not valid TOML"),
    ],
)
def test_a_rules_file_that_is_wrong_says_what_to_mend(tmp_path, text, reason):
    (tmp_path / "rules.toml").write_text(text)
    with pytest.raises(Invalid, match=reason):
        load(tmp_path / "rules.toml")


def test_a_rules_file_that_is_missing_says_so(tmp_path):
    with pytest.raises(Invalid, match="can't be read"):
        load(tmp_path / "none.toml")
