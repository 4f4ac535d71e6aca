"""Which rights the published text keeps silent about, against the list in `law/rights.yaml`."""

from __future__ import annotations

from collections.abc import Iterator

from ansvar.policy.lint.check import Found, Matter, check, texts

_OWN_CHECK = frozenset({"automated_decision", "source"})
_REMEDY_EN = "state the right in the policy, and how to use it"
_REMEDY_SV = "ange rättigheten i policyn och hur den används"


@check(
    "lint.right_not_stated",
    "9",
    "GDPR Art. 13(2)(b)-(d)",
    "error",
    en="A right that must be stated is not",
    sv="En rättighet som ska anges saknas",
    remedy_en=_REMEDY_EN,
    remedy_sv=_REMEDY_SV,
    published=True,
)
def right_not_stated(matter: Matter) -> Iterator[Found]:
    """The notice names each right that the regulation gives; a right that nobody knows of is not used."""
    ids = {right.id for right in matter.policy.rights.rights}
    yield from _silent(matter, ids - _OWN_CHECK)


@check(
    "lint.automated_decision_right_not_stated",
    "9",
    "GDPR Art. 22, 13(2)(f)",
    "warning",
    en="The right not to be subject to automated decisions is not stated",
    sv="Rätten att inte bli föremål för automatiserade beslut anges inte",
    remedy_en=_REMEDY_EN,
    remedy_sv=_REMEDY_SV,
    published=True,
)
def automated_decision_right_not_stated(matter: Matter) -> Iterator[Found]:
    """A policy that speaks of profiling says what right stands against decisions made by it."""
    yield from _silent(matter, {"automated_decision"})


@check(
    "lint.source_right_not_stated",
    "9",
    "GDPR Art. 14(2)(f), 15(1)(g)",
    "warning",
    en="The right to be told the source of the data is not stated",
    sv="Rätten att få veta varifrån uppgifterna kommer anges inte",
    remedy_en=_REMEDY_EN,
    remedy_sv=_REMEDY_SV,
    published=True,
)
def source_right_not_stated(matter: Matter) -> Iterator[Found]:
    """Where data come from others, the person may know from whom."""
    yield from _silent(matter, {"source"})


def _silent(matter: Matter, ids: set[str]) -> Iterator[Found]:
    """The rights among `ids` that apply to this policy and that it does not state."""
    stated = matter.policy.statement.rights
    told = {right.id for right in stated.stated}
    bases = {basis.id for basis in matter.files.bases.bases}
    for right in matter.policy.rights.rights:
        if right.id in ids - told and (right.basis is None or right.basis in bases):
            yield Found(
                "statement",
                ("rights", "stated"),
                texts(
                    f"not stated: {right.label.en} ({right.article})",
                    f"anges inte: {right.label.sv} ({right.article})",
                ),
                stated.clause,
                f"{right.article}; {right.notice}" if right.notice not in right.article else right.article,
            )
