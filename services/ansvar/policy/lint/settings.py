"""What the company has chosen that makes the judgement milder than the policy or the law."""

from __future__ import annotations

from collections.abc import Iterator

from ansvar.policy.bundle import PROFILES
from ansvar.policy.clocks import CLOCKS, Clock
from ansvar.policy.lint.check import Found, Matter, check, texts
from ansvar.policy.rule import Rule
from ansvar.policy.rules import ALL_RULES

_SWITCHED: tuple[Rule | Clock, ...] = (*ALL_RULES, *CLOCKS)
_RULES = {rule.id: rule for rule in _SWITCHED}
LIST_AGE_DAYS = PROFILES["default"].nix_days


@check(
    "lint.rule_weakened",
    "–",
    "GDPR Art. 5(2), 24(1)",
    "warning",
    en="A rule is switched off or made milder",
    sv="En regel är avstängd eller mildrad",
    remedy_en="have the data protection officer confirm the reason, or remove the switch",
    remedy_sv="låt dataskyddsombudet bekräfta skälet, eller ta bort inställningen",
)
def rule_weakened(matter: Matter) -> Iterator[Found]:
    """A breach that no rule reports is still a breach; who looks away must know that they do."""
    for word, switch in matter.files.bundle.switches.items():
        if switch.severity == "off":
            en, sv = "off", "avstängd"
        elif switch.severity == "flag" and word in _RULES and _RULES[word].severity == "deny":
            en, sv = "a flag instead of a denial", "en flagga i stället för ett nej"
        else:
            continue
        message = texts(f"{word} is {en}: {switch.reason}", f"{word} är {sv}: {switch.reason}")
        clause = _RULES[word].clause if word in _RULES else None
        yield Found("bundle", ("switches", word), message, clause)


@check(
    "lint.nix_check_too_old",
    "4.2 A",
    "SFS 2008:486 §21",
    "warning",
    en="Lists may be older than the NIX register allows",
    sv="Listor får vara äldre än NIX-registret medger",
    remedy_en=f"set settings.nix_days to {LIST_AGE_DAYS} or fewer",
    remedy_sv=f"sätt settings.nix_days till högst {LIST_AGE_DAYS}",
)
def nix_check_too_old(matter: Matter) -> Iterator[Found]:
    """A person who joins the register is no longer called once the lists have been washed again."""
    days = matter.bundle.settings.nix_days
    if days > LIST_AGE_DAYS:
        message = texts(
            f"a list may be {days} days old, the register allows {LIST_AGE_DAYS}",
            f"en lista får vara {days} dagar gammal, registret medger {LIST_AGE_DAYS}",
        )
        yield Found("bundle", ("settings", "nix_days"), message)
