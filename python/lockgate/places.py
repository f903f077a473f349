"""Countries and networks, as rules of places name them."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from lockgate.scalars import Scalar, refusal, shown

_CODES: Final = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW "
    "BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI "
    "FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN "
    "IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME "
    "MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF "
    "PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV "
    "SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE "
    "YT ZA ZM ZW XK"
)

COUNTRIES: Final = frozenset(_CODES.split())
"""ISO 3166-1 alpha-2, and `XK`: Kosovo has no code of its own there, and databases use this one."""

MEANT: Final = {"UK": "GB", "EN": "GB", "EL": "GR", "SU": "RU", "USA": "US", "GBR": "GB", "DEU": "DE", "CHN": "CN"}
"""What people write who mean another."""

MAX_NETWORK: Final = 2**32 - 1

_NETWORK: Final = re.compile(r"(?:AS)?([0-9]{1,10})", re.IGNORECASE)


def parse_country(value: object) -> str:
    """The two capital letters of a country."""
    allowed = "two letters of ISO 3166-1, such as `DE`"
    code = value.upper() if isinstance(value, str) else ""
    if code in COUNTRIES:
        return code
    meant = MEANT.get(code)
    hint = f"did you mean `{meant}`?" if meant is not None else None
    raise refusal("country-unknown", f"{shown(value)} is not a country", allowed=allowed, hint=hint)


def parse_network_number(value: object) -> int:
    """The number of an autonomous system, from `64500` or `AS64500`."""
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    found = _NETWORK.fullmatch(text)
    if found is None or not 0 < int(found[1]) <= MAX_NETWORK:
        raise refusal(
            "network-number-malformed",
            f"{shown(value)} is not the number of a network",
            allowed="the number of an autonomous system, such as `64500` or `AS64500`",
            hint="networks of addresses go into `allow` and `deny`" if "." in text or ":" in text else None,
        )
    return int(found[1])


_COUNTRY_SCHEMA: Final[dict[str, Any]] = {"type": "string", "pattern": "^[A-Za-z]{2}$"}
_NUMBER_SCHEMA: Final[dict[str, Any]] = {"type": ["integer", "string"], "pattern": "^([Aa][Ss])?[0-9]{1,10}$"}

Country = Annotated[str, Scalar(parse_country, _COUNTRY_SCHEMA)]
NetworkNumber = Annotated[int, Scalar(parse_network_number, _NUMBER_SCHEMA)]
