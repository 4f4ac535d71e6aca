"""What the published text promises, against the law's duties, the registers and the settings."""

from __future__ import annotations

from collections.abc import Iterator

from ansvar.policy.lint.check import Found, Matter, check, texts


@check(
    "lint.retention_not_stated",
    "8.2",
    "GDPR Art. 13(2)(a), 5(1)(e)",
    "error",
    en="Data are kept for a time that the policy does not state",
    sv="Uppgifter sparas under en tid som policyn inte anger",
    remedy_en="state the period, or the criteria that decide it, for each purpose and for the website",
    remedy_sv="ange lagringstiden, eller vad som avgör den, för varje ändamål och för webbplatsen",
    published=True,
)
def retention_not_stated(matter: Matter) -> Iterator[Found]:
    """People are told how long each kind of data is kept. For legal obligations the law itself tells it."""
    retention = matter.policy.statement.retention
    covered = {"legal_obligation", *(word for part in retention.stated for word in part.purposes)}
    for purpose in matter.files.purposes.purposes:
        if purpose.id not in covered:
            message = texts(
                f"no period is stated for data used for {purpose.label.en.lower()} ({purpose.id})",
                f"ingen lagringstid anges för uppgifter för {purpose.label.sv.lower()} ({purpose.id})",
            )
            yield Found("statement", ("retention", "stated"), message, retention.clause)
    if retention.website is None and matter.files.cookies.cookies:
        message = texts(
            "no period is stated for what the website gathers (cookies, IP addresses)",
            "ingen lagringstid anges för det som webbplatsen samlar in (kakor, IP-adresser)",
        )
        yield Found("statement", ("retention", "website"), message, retention.clause)


@check(
    "lint.erase_all_against_duty",
    "8.2",
    "GDPR Art. 17(3)(b); SFS 1999:1078 7:2",
    "error",
    en="The promise to erase everything collides with a duty to keep",
    sv="Löftet att radera allt strider mot en skyldighet att bevara",
    remedy_en="except from the promise what an act obliges the company to keep, and say for how long",
    remedy_sv="undanta från löftet det som en lag ålägger företaget att bevara, och ange hur länge",
    published=True,
)
def erase_all_against_duty(matter: Matter) -> Iterator[Found]:
    """Data that an act obliges the company to keep cannot be erased, so it must not be promised."""
    promise = matter.policy.statement.retention.erase_all
    if promise is None:
        return
    listed = matter.policy.statement.categories.listed
    terms = {c.id: c.iri for c in matter.bundle.categories.values() if c.id in listed}
    prefixes = matter.files.vocabulary.prefixes
    for act in matter.policy.acts.acts:
        if act.duty is None or act.number in promise.exceptions or not matter.holds(act):
            continue
        kept = {_iri(term, prefixes) for term in act.duty.data}
        words = ", ".join(word for word, iri in terms.items() if iri in kept)
        if words:
            yield Found(
                "statement",
                ("retention", "erase_all"),
                texts(
                    f"“erase all” against {act.label.en} ({act.number}) {act.duty.provision}: {words} are "
                    f"kept {act.duty.years} years from {act.duty.counted_from.en}",
                    f"”radera allt” mot {act.label.sv} ({act.number}) {act.duty.provision}: {words} "
                    f"bevaras {act.duty.years} år från {act.duty.counted_from.sv}",
                ),
                promise.clause,
                f"GDPR Art. 17(3)(b); SFS {act.number} {act.duty.provision}",
            )


def _iri(term: str, prefixes: dict[str, str]) -> str:
    prefix, _, name = term.partition(":")
    return prefixes[prefix] + name if prefix in prefixes else term


@check(
    "lint.retention_setting_differs",
    "8.2",
    "GDPR Art. 5(1)(a), 5(1)(e)",
    "error",
    en="Data are kept longer for marketing than the policy says",
    sv="Uppgifter sparas längre för marknadsföring än policyn säger",
    remedy_en="set settings.retention_months to what the policy says, or publish another period first",
    remedy_sv="sätt settings.retention_months till vad policyn säger, eller publicera en annan tid först",
    published=True,
)
def retention_setting_differs(matter: Matter) -> Iterator[Found]:
    """The judgement of retention must not be milder than the promise."""
    for part in matter.policy.statement.retention.stated:
        months, kept = part.months_after_contract, matter.bundle.settings.retention_months
        if "marketing" in part.purposes and months is not None and kept > months:
            message = texts(
                f"kept {kept} months after the contract, promised {months}",
                f"sparas {kept} månader efter avtalet, utlovat {months}",
            )
            yield Found("bundle", ("settings", "retention_months"), message, part.clause)


@check(
    "lint.system_against_promise",
    "6.3, 4.1",
    "GDPR Art. 5(1)(a), 22, 44",
    "error",
    en="A system is not what the policy promises of all systems",
    sv="Ett system är inte vad policyn lovar om alla system",
    remedy_en="move or stop the system, or publish what is true",
    remedy_sv="flytta eller stäng av systemet, eller publicera vad som är sant",
    published=True,
)
def system_against_promise(matter: Matter) -> Iterator[Found]:
    """A promise without a limit is broken by one system that is elsewhere, or that decides by itself."""
    claims = {claim.id: claim.clause for claim in matter.policy.statement.claims}
    for i, system in enumerate(matter.files.systems.systems):
        if not matter.holds(system):
            continue
        inside = matter.bundle.standing(system.country, matter.at) == "inside"
        if "systems_inside_eea" in claims and not inside:
            message = texts(
                f"{system.id} runs in {system.country}, outside the EU/EEA",
                f"{system.id} körs i {system.country}, utanför EU/EES",
            )
            clause = claims["systems_inside_eea"]
            yield Found("systems", ("systems", i, "country"), message, clause, "GDPR Art. 5(1)(a), 44")
        if "no_automated_decisions" in claims and system.automated:
            message = texts(f"{system.id} decides without a human", f"{system.id} beslutar utan en människa")
            clause = claims["no_automated_decisions"]
            yield Found("systems", ("systems", i, "automated"), message, clause, "GDPR Art. 5(1)(a), 22")


@check(
    "lint.recipient_type_not_stated",
    "6.1, 6.4",
    "GDPR Art. 13(1)(e), 14(1)(e)",
    "error",
    en="Data go to a kind of recipient that the policy does not name",
    sv="Uppgifter lämnas till en typ av mottagare som policyn inte anger",
    remedy_en="name the kind of recipient in the policy",
    remedy_sv="ange typen av mottagare i policyn",
    published=True,
)
def recipient_type_not_stated(matter: Matter) -> Iterator[Found]:
    """People are told the recipients, or the categories of recipients."""
    told = {part.type for part in matter.policy.statement.recipients}
    for i, recipient in enumerate(matter.files.recipients.recipients):
        if recipient.type not in told:
            message = texts(
                f"{recipient.id} is of a kind that is not named: {recipient.type}",
                f"{recipient.id} är av en typ som inte anges: {recipient.type}",
            )
            yield Found("recipients", ("recipients", i, "type"), message)


@check(
    "lint.recipient_type_unused",
    "6.1, 6.4",
    "GDPR Art. 13(1)(e)",
    "note",
    en="The policy names a kind of recipient that the register does not have",
    sv="Policyn anger en typ av mottagare som saknas i registret",
    remedy_en="strike it from the policy, or add the recipients that are missing",
    remedy_sv="stryk den ur policyn, eller lägg till de mottagare som saknas",
    published=True,
)
def recipient_type_unused(matter: Matter) -> Iterator[Found]:
    """Either people are told of recipients that do not exist, or the register lacks some that do."""
    used = {recipient.type for recipient in matter.files.recipients.recipients}
    for i, part in enumerate(matter.policy.statement.recipients):
        if part.type not in used:
            message = texts(
                f"no recipient of the kind {part.type} is registered",
                f"ingen mottagare av typen {part.type} finns i registret",
            )
            yield Found("statement", ("recipients", i, "type"), message, part.clause)
