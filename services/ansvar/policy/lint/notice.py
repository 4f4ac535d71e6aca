"""What the published text says that is outdated, missing or at odds with itself (GDPR Art. 12 to 14)."""

from __future__ import annotations

from collections.abc import Iterator

from ansvar.policy.lint.check import Found, Matter, check, texts
from ansvar.policy.statement import ActPart

_CLAIMED_AS = ("privacy_shield", "safe_harbor")


@check(
    "lint.statement_missing",
    "11.2",
    "GDPR Art. 13, 14",
    "warning",
    en="The bundle does not say what the published policy says",
    sv="Paketet anger inte vad den publicerade policyn säger",
    remedy_en="write statement.yaml, as in the sample bundle, so that the text itself can be checked",
    remedy_sv="skriv statement.yaml, som i exempelpaketet, så att själva texten kan granskas",
)
def statement_missing(matter: Matter) -> Iterator[Found]:
    """People are bound to nothing but the text they read; a bundle alone does not show that text."""
    if matter.published is None:
        yield Found(
            "bundle",
            (),
            texts(
                "there is no statement.yaml: the published text is not checked",
                "statement.yaml saknas: den publicerade texten granskas inte",
            ),
        )


@check(
    "lint.safeguard_invalid",
    "6.3",
    "GDPR Art. 45, 46; C-311/18",
    "error",
    en="The policy names a safeguard that is no longer valid",
    sv="Policyn anger en skyddsåtgärd som inte längre gäller",
    remedy_en="strike the safeguard from the policy; name the adequacy decisions and standard clauses in use",
    remedy_sv="stryk skyddsåtgärden ur policyn; ange de adekvansbeslut och klausuler som används",
    published=True,
)
def safeguard_invalid(matter: Matter) -> Iterator[Found]:
    """A transfer needs a safeguard that holds when it happens; an annulled decision protects nobody."""
    for i, part in enumerate(matter.policy.statement.safeguards):
        if part.id not in _CLAIMED_AS:
            continue
        decisions = [d for d in matter.files.adequacy.decisions if d.claimed_as == part.id]
        if any(matter.holds(decision) for decision in decisions):
            continue
        ends = [d.valid_to for d in decisions if d.valid_to and d.valid_to <= matter.as_of]
        en = f"has been invalid since {max(ends)}" if ends else "is not in force"
        sv = f"är ogiltig sedan {max(ends)}" if ends else "gäller inte"
        yield Found(
            "statement",
            ("safeguards", i, "id"),
            texts(
                f"{part.id} is named as a safeguard and {en}", f"{part.id} anges som skyddsåtgärd och {sv}"
            ),
            part.clause,
        )


@check(
    "lint.authority_renamed",
    "10.1",
    "GDPR Art. 13(2)(d), 77",
    "warning",
    en="The supervisory authority is called by a name that is not its own",
    sv="Tillsynsmyndigheten anges med ett namn som inte är dess eget",
    remedy_en="write the authority's present name, as in law/authorities.yaml",
    remedy_sv="skriv myndighetens nuvarande namn, som i law/authorities.yaml",
    published=True,
)
def authority_renamed(matter: Matter) -> Iterator[Found]:
    """Whoever wants to complain must find the authority, so its name must be the one it goes by."""
    stated = matter.policy.statement.authority
    named = (
        ("statement", ("authority", "name"), stated.name, stated.clause),
        ("bundle", ("authority", "name"), matter.files.bundle.authority.name, stated.clause),
    )
    names = matter.policy.authorities.authorities
    current = [part for part in names if matter.holds(part)]
    allowed = {part.name for part in current} | {f"{p.name} ({p.abbreviation})" for p in current}
    now = ", ".join(part.name for part in current)
    for file, path, name, clause in named:
        if name in allowed or not names:
            continue
        lost = [p.valid_to for p in names if p.name == name and p.valid_to and p.valid_to <= matter.as_of]
        en = f"lost that name on {max(lost)}" if lost else "goes by no such name"
        sv = f"bytte namn den {max(lost)}" if lost else "heter inte så"
        yield Found(
            file,
            path,
            texts(f"{name}: the authority {en}; it is {now}", f"{name}: myndigheten {sv}; den heter {now}"),
            clause,
        )


@check(
    "lint.act_replaced",
    "cookie policy",
    "GDPR Art. 12(1)",
    "warning",
    en="The policy cites an act that is not in force",
    sv="Policyn hänvisar till en lag som inte gäller",
    remedy_en="cite the act that is in force, and read whether it asks for more",
    remedy_sv="hänvisa till den lag som gäller och läs om den kräver mer",
    published=True,
)
def act_replaced(matter: Matter) -> Iterator[Found]:
    """Information must be correct to be transparent; a repealed act gives nobody a right or a duty."""
    acts = matter.policy.acts.acts
    for i, cited in enumerate(matter.policy.statement.acts):
        known = [act for act in acts if act.number == cited.number]
        if not known or any(matter.holds(act) for act in known):
            continue
        yield Found("statement", ("acts", i, "number"), _replaced(known[-1], matter), cited.clause)


def _replaced(act: ActPart, matter: Matter) -> dict[str, str]:
    if act.valid_to is None or act.valid_to > matter.as_of:
        return {
            "en": f"act {act.number} is in force only from {act.valid_from}",
            "sv": f"lag {act.number} gäller först från {act.valid_from}",
        }
    by = (f"; act {act.replaced_by} replaced it", f"; lag {act.replaced_by} har ersatt den")
    en, sv = by if act.replaced_by else ("", "")
    return {
        "en": f"act {act.number} has not been in force since {act.valid_to}{en}",
        "sv": f"lag {act.number} gäller inte sedan {act.valid_to}{sv}",
    }


@check(
    "lint.cookie_consent_inferred",
    "cookie policy",
    "SFS 2022:482 9:28; GDPR Art. 4(11); C-673/17",
    "error",
    en="Consent to cookies is inferred from what is no consent",
    sv="Samtycke till kakor utläses ur något som inte är ett samtycke",
    remedy_en="ask before any cookie that is not necessary is set; refusing must be as easy as agreeing",
    remedy_sv="fråga innan en kaka som inte är nödvändig sätts; att neka ska vara lika lätt som att godta",
    published=True,
)
def cookie_consent_inferred(matter: Matter) -> Iterator[Found]:
    """Consent is an active choice: neither silence, nor a ticked box, nor going on surfing is one."""
    cookies = matter.policy.statement.cookies
    if cookies is None or cookies.consent not in ("surfing_on", "opt_out"):
        return
    words = {
        "surfing_on": ("surfing on", "att besökaren surfar vidare"),
        "opt_out": ("not objecting", "att besökaren inte invänder"),
    }
    en, sv = words[cookies.consent]
    yield Found(
        "statement",
        ("cookies", "consent"),
        texts(f"consent to cookies is inferred from {en}", f"samtycke till kakor utläses ur {sv}"),
        cookies.clause,
    )


@check(
    "lint.interest_without_purpose",
    "5.4, 3.1",
    "GDPR Art. 13(1)(c)-(d)",
    "error",
    en="A legitimate interest serves no purpose that the policy lists",
    sv="Ett berättigat intresse motsvaras inte av något ändamål som policyn räknar upp",
    remedy_en="add the purpose to the list of purposes, or strike the interest",
    remedy_sv="lägg till ändamålet bland ändamålen eller stryk intresset",
    published=True,
)
def interest_without_purpose(matter: Matter) -> Iterator[Found]:
    """People are told the purposes as well as the interests; one without the other tells half."""
    statement = matter.policy.statement
    for i, interest in enumerate(statement.interests):
        if interest.purpose not in statement.purposes.listed:
            en, sv = interest.label.en, interest.label.sv
            yield Found(
                "statement",
                ("interests", i, "purpose"),
                texts(
                    f"the interest “{en}” has no purpose in {statement.purposes.clause}",
                    f"intresset ”{sv}” har inget ändamål i {statement.purposes.clause}",
                ),
                f"{interest.clause}, {statement.purposes.clause}",
            )


@check(
    "lint.purpose_not_stated",
    "3.1",
    "GDPR Art. 13(1)(c), 14(1)(c)",
    "error",
    en="Data are used for a purpose that the policy does not list",
    sv="Uppgifter används för ett ändamål som policyn inte räknar upp",
    remedy_en="add the purpose to the published list, or stop using it",
    remedy_sv="lägg till ändamålet i den publicerade listan eller sluta använda det",
    published=True,
)
def purpose_not_stated(matter: Matter) -> Iterator[Found]:
    """Every purpose is told beforehand. One that is named as an interest only: `interest_without_purpose`."""
    statement = matter.policy.statement
    told = {*statement.purposes.listed, *(interest.purpose for interest in statement.interests)}
    for i, purpose in enumerate(matter.files.purposes.purposes):
        if purpose.id not in told:
            yield Found(
                "purposes",
                ("purposes", i, "id"),
                texts(
                    f"{purpose.id} is not among the purposes in {statement.purposes.clause}",
                    f"{purpose.id} finns inte bland ändamålen i {statement.purposes.clause}",
                ),
                statement.purposes.clause,
            )


@check(
    "lint.category_not_listed",
    "2.4",
    "GDPR Art. 14(1)(d), 5(1)(a)",
    "error",
    en="Data are processed that the policy's list of categories leaves out",
    sv="Uppgifter behandlas som saknas i policyns lista över kategorier",
    remedy_en="add the category to the published list, or stop collecting it",
    remedy_sv="lägg till kategorin i den publicerade listan eller sluta samla in den",
    published=True,
)
def category_not_listed(matter: Matter) -> Iterator[Found]:
    """A list that claims to be the list of what is processed must hold all of it."""
    listed = matter.policy.statement.categories
    for i, category in enumerate(matter.files.categories.categories):
        if category.id not in listed.listed:
            yield Found(
                "categories",
                ("categories", i, "id"),
                texts(
                    f"{category.id} ({category.clause}) is not in the list of {listed.clause}",
                    f"{category.id} ({category.clause}) finns inte i listan i {listed.clause}",
                ),
                f"{listed.clause}, {category.clause}" if category.clause != listed.clause else listed.clause,
            )


@check(
    "lint.version_missing",
    "11.2",
    "GDPR Art. 5(2), 12(1)",
    "warning",
    en="The policy bears no version or no date",
    sv="Policyn saknar version eller datum",
    remedy_en="print a version and the day from which it holds, and keep the earlier ones",
    remedy_sv="skriv ut en version och den dag den gäller från, och spara de tidigare",
    published=True,
)
def version_missing(matter: Matter) -> Iterator[Found]:
    """Who was told what, and when, can be shown only if each text can be told from the next."""
    published = matter.policy.statement.published
    for field, en, sv in (("version", "no version", "ingen version"), ("day", "no date", "inget datum")):
        if getattr(published, field) is None:
            message = texts(f"the policy bears {en}", f"policyn bär {sv}")
            yield Found("statement", ("published", field), message, published.clause)
