"""What becomes of each row that a query or a file gives, as SQL predicates: kept, set aside in quarantine, or dropped;
and what is counted on the way. Made from expectations (`quality.gate`), carried out by `refresh.sifting`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

ROWS, DROPPED, QUARANTINED = "rows", "dropped", "quarantined"  # counted for every dataset that has a sieve

# The columns of a quarantine table beside the dataset's own.
FAILED_EXPECTATIONS, FINGERPRINTS = "_failed_expectations", "_fingerprints"
QUARANTINED_BY, QUARANTINED_EPOCH, QUARANTINED_AT = "_quarantined_by", "_quarantined_epoch", "_quarantined_at"
VERSIONS_READ = "_versions_read"
META = (FAILED_EXPECTATIONS, FINGERPRINTS, QUARANTINED_BY, QUARANTINED_EPOCH, QUARANTINED_AT, VERSIONS_READ)


@dataclass(frozen=True, slots=True)
class RejectReason:
    """A predicate (by its place) that sends rows to quarantine, with the name and the fingerprint of its rule."""

    place: int
    name: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sieve:
    """`predicates` are SQL booleans over a row, never NULL; the others name them by their places.

    `counters` are counted over all rows. A row that meets one of `quarantined` is set aside with all `reasons` that
    it meets, whatever else it meets: what one rule wants to look at again, another must not lose. One that meets one
    of `dropped` is left out.
    """

    predicates: tuple[str, ...] = ()
    counters: Mapping[str, int] = field(default_factory=dict)
    dropped: frozenset[int] = frozenset()
    quarantined: frozenset[int] = frozenset()
    reasons: tuple[RejectReason, ...] = ()

    @property
    def rejects(self) -> bool:
        """Whether any row may be kept out of the table."""
        return bool(self.dropped or self.quarantined)

    def only_aside(self) -> Sieve:
        """What tells the rows that are set aside, and why, and nothing else."""
        moved = {place: number for number, place in enumerate(sorted(self.quarantined))}
        return Sieve(
            predicates=tuple(self.predicates[place] for place in moved),
            quarantined=frozenset(moved.values()),
            reasons=tuple(replace(reason, place=moved[reason.place]) for reason in self.reasons),
        )


NO_SIEVE = Sieve()
