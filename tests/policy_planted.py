"""What is planted in the sample company for each rule, clock and check of the policy to find.

Invariants: the counts of events are those that the stories of the sample year write down themselves. Only
what no story can plant is counted by asking: the bundle's register, its lint, a rule that the shipped bundle
leaves off, and a decision that nobody has annulled yet.

Not handled here: that the planted violations are found, no more and no fewer (`unit/sample`).
"""

from __future__ import annotations

from collections import Counter
from functools import cache

from msgspec.structs import replace

from ansvar.events.model import DisclosureEvent, TransferEvent
from ansvar.policy.bundle import PROFILES
from ansvar.policy.canonical import canonical
from ansvar.policy.clocks import annulled, due_of_bundle
from ansvar.policy.clocks.hindsight import ADEQUACY_ANNULLED
from ansvar.policy.evaluation import Evaluator
from ansvar.policy.lint import CHECKS, Finding, lint
from ansvar.policy.loader import read_source
from ansvar.policy.rules import ENGINE_CHAPTERS
from ansvar.sample import SAMPLE_BUNDLE, sample_bundle
from ansvar.sample.company import Year, generate

# Left off by the shipped bundle, so no event of the year shows it.
BY_THE_STRICT_PROFILE = "purpose.no_collection_record"


@cache
def _year() -> Year:
    """The year that is counted: of a fixed size and seed, and recorded, so that rules on recording show."""
    return generate(live=True)


def planted() -> dict[str, int]:
    """How often each rule, clock and check has something to find in the sample company."""
    year, bundle = _year(), sample_bundle()
    return {
        **year.planted,
        BY_THE_STRICT_PROFILE: _by_the_strict_profile(year),
        **year.clocks,
        **Counter(finding.rule for finding in due_of_bundle(bundle, year.as_of)),
        ADEQUACY_ANNULLED.id: _resting_on_an_appeal(year),
        **{check.id: 0 for check in CHECKS},
        **Counter(finding.check for finding in lint_findings()),
    }


def _by_the_strict_profile(year: Year) -> int:
    """On how many events of the year the rule fires that the shipped bundle leaves off."""
    strict = replace(sample_bundle(), settings=PROFILES["strict"])
    judge = Evaluator(strict, engine=max(ENGINE_CHAPTERS))
    return sum(
        finding.rule == BY_THE_STRICT_PROFILE for e in year.events for finding in judge.judge(e).findings
    )


def _resting_on_an_appeal(year: Year) -> int:
    """How many transfers of the year are listed if every decision under appeal is annulled at its end."""
    bundle, end = sample_bundle(), year.as_of
    decisions = {
        country: tuple(
            replace(d, period=replace(d.period, end=end)) if d.under_appeal is not None else d for d in each
        )
        for country, each in bundle.decisions.items()
    }
    new = replace(bundle, decisions=decisions)
    return sum(
        len(annulled(event, (0, seq), bundle, new, end))
        for seq, event in enumerate(year.events)
        if isinstance(event, TransferEvent | DisclosureEvent)
    )


@cache
def lint_findings() -> tuple[Finding, ...]:
    """What lint finds in the shipped bundle at the end of the year that is counted."""
    return lint(read_source(canonical(SAMPLE_BUNDLE)), _year().ends)
