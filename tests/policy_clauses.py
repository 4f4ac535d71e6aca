"""The rows of the coverage table: the clauses of the policy, and what rules cite in place of one.

Not handled here: which rules cite them (`policy_coverage`).
"""

from __future__ import annotations

from collections.abc import Mapping

# The clauses of the policy that ask for something, in its order, in a few words of ours.
CLAUSES: Mapping[str, str] = {
    "2.2": "what personal data are, IP addresses included",
    "2.3": "whatever is done with them is processing",
    "2.4": "the categories that are processed",
    "2.5": "where data come from, and that people are told",
    "3.1": "the purposes",
    "3.2": "never for a purpose that does not fit that of collection",
    "4.1": "profiling of segments, no automated decisions",
    "4.2": "nobody who does not want it is approached",
    "4.2 A": "telephone lists are washed against NIX",
    "5.1": "a legal basis, and which the policy uses",
    "5.2": "contract",
    "5.3": "legal obligation",
    "5.4": "legitimate interest, once it has been balanced",
    "6.1": "with whom data are shared",
    "6.2": "processors are vetted and act on instructions",
    "6.3": "inside the EU/EEA, or protected as there",
    "6.4": "authorities",
    "7.1": "legal requests, crime and fraud",
    "8.1": "not longer than necessary",
    "8.2": "until the contract ends, and twelve months for marketing",
    "9": "the rights as a whole",
    "9.1": "access",
    "9.2": "rectification, and recipients are told of it",
    "9.3": "erasure",
    "9.4": "portability",
    "9.5": "objection",
    "10.1": "complaints, and the authority",
    "10.2": "the data protection officer",
    "11.1": "customers that are companies",
    "11.2": "changes of the policy are announced, and versions kept",
    "cookie policy": "the kinds of cookie, and third parties on the website",
}
NO_CLAUSE = "–"
OTHERS: Mapping[str, str] = {
    "Act 2018:218 3:10": "personal identity numbers",
    "Schrems II": "judgment C-311/18: assess the law of the country",
    "Art. 12(3)": "a month to answer",
    "Art. 12(4)": "a refusal gives its reasons",
    "Art. 18": "restriction of processing",
    "Art. 33": "breaches are notified within 72 hours",
    NO_CLAUSE: "of the log and of the bundle themselves (Art. 5(2))",
}
# A clause that rules serve which cite another one, each with the reason.
ALSO: Mapping[str, tuple[str, ...]] = {
    "2.2": ("category.undeclared",),  # what counts as data is the vocabulary of categories
    "2.3": ("purpose.missing", "basis.missing"),  # asked of every operation, transfer and disclosure
    "8.1": ("retention.expired", "retention.overdue", "lint.retention_not_stated"),  # the period is in 8.2
    "9.2": ("rights.late",),  # a correction is answered within the month, too
    "10.1": ("rights.unknown_request",),  # a complaint is a request with steps like the others
}


# Fields of bundle.yaml that no bundle may be without, with the clause that they serve.
LOADING = (
    ("authority", "10.1", "GDPR Art. 13(2)(d)"),
    ("data_protection_officer", "10.2", "GDPR Art. 13(1)(b)"),
)


def clauses_of(cited: str) -> frozenset[str]:
    """The clauses in a citation: `5.2–5.4` is three, `5.4 D` belongs to 5.4 (4.2 A has a row of its own)."""
    known = [*CLAUSES]
    found: set[str] = set()
    for part in cited.split(", "):
        first, dash, last = part.partition("–")
        if dash and first and last:
            found |= set(known[known.index(first) : known.index(last) + 1])
        elif part in CLAUSES or part.rpartition(" ")[0] not in CLAUSES:
            found.add(part)
        else:
            found.add(part.rpartition(" ")[0])
    return frozenset(found)
