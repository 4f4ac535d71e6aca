"""Legal bases and the balancing of interests (GDPR Art. 6). That every purpose has a basis: `check`."""

from __future__ import annotations

from collections.abc import Iterator

from ansvar.policy.lint.check import Found, Matter, check, texts


@check(
    "lint.basis_unused",
    "5.1",
    "GDPR Art. 13(1)(c)",
    "warning",
    en="A legal basis serves no purpose",
    sv="En rättslig grund tjänar inget ändamål",
    remedy_en="name the purposes that rest on it, or remove it from the bundle and the policy",
    remedy_sv="ange de ändamål som vilar på den, eller ta bort den ur paketet och policyn",
)
def basis_unused(matter: Matter) -> Iterator[Found]:
    """A basis is always the basis of something; without a purpose it misleads."""
    for i, basis in enumerate(matter.files.bases.bases):
        if not basis.purposes:
            message = texts(
                f"no purpose rests on {basis.id}", f"inget ändamål vilar på den rättsliga grunden {basis.id}"
            )
            yield Found("bases", ("bases", i, "purposes"), message, basis.clause)


@check(
    "lint.balancing_test_missing",
    "5.4",
    "GDPR Art. 6(1)(f), 5(2)",
    "error",
    en="A legitimate interest has no balancing test in force",
    sv="Ett berättigat intresse saknar gällande intresseavvägning",
    remedy_en="record the balancing test in balancing_tests.yaml, or stop relying on the interest",
    remedy_sv="för in intresseavvägningen i balancing_tests.yaml, eller sluta stödja er på intresset",
)
def balancing_test_missing(matter: Matter) -> Iterator[Found]:
    """Who relies on an interest must be able to show that it was weighed against those of the person."""
    weighed = {t.purpose for t in matter.files.balancing_tests.balancing_tests if matter.holds(t)}
    for i, basis in enumerate(matter.files.bases.bases):
        for j, purpose in enumerate(basis.purposes if basis.id == "legitimate_interest" else ()):
            if purpose not in weighed:
                message = texts(
                    f"no balancing test for {purpose} is in force on {matter.as_of}",
                    f"ingen intresseavvägning för {purpose} gäller den {matter.as_of}",
                )
                yield Found("bases", ("bases", i, "purposes", j), message, basis.clause)
