"""Numbers and instants as people read them. Pure."""

from __future__ import annotations

from datetime import datetime, timezone

_BYTE_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_AGES = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"))


def count(number: int | None) -> str:
    """A count with its thousands apart; a dash where it is not known.

    >>> count(336776), count(None)
    ('336,776', '-')
    """
    return "-" if number is None else f"{number:,}"


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A count with its noun.

    >>> counted(1, "file"), counted(1200, "file"), counted(2, "query", "queries")
    ('1 file', '1,200 files', '2 queries')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def duration(seconds: float | None) -> str:
    """Wall time, as exact as it matters.

    >>> duration(0.04), duration(8.26), duration(83), duration(3725), duration(None)
    ('0.0 s', '8.3 s', '1 min 23 s', '1 h 02 min', '-')
    """
    if seconds is None:
        return "-"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def size(length: int | None) -> str:
    """A length in bytes, in decimal units.

    >>> size(17), size(1970), size(87_000_000)
    ('17 B', '2.0 kB', '87.0 MB')
    """
    if length is None:
        return "-"
    amount = float(length)
    for unit in _BYTE_UNITS:
        if amount < 999.95 or unit == _BYTE_UNITS[-1]:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    raise AssertionError("the last unit takes every amount")


def instant(moment: datetime | None) -> str:
    """An instant to the second, in UTC, in the form that `--at` reads.

    >>> instant(datetime(2013, 12, 1, 5, 0, 0, 250, tzinfo=timezone.utc))
    '2013-12-01T05:00:00'
    """
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S") if moment else "-"


def age(moment: datetime | None, now: datetime) -> str:
    """How long ago an instant was.

    >>> noon = datetime(2013, 12, 1, 12, tzinfo=timezone.utc)
    >>> age(datetime(2013, 12, 1, 11, 58, tzinfo=timezone.utc), noon), age(noon, noon), age(None, noon)
    ('2 min ago', 'just now', '-')
    """
    if moment is None:
        return "-"
    seconds = (now - moment).total_seconds()
    for length, unit in _AGES:
        if seconds >= length:
            return f"{int(seconds // length)} {unit} ago"
    return "just now"


def few(names: list[str], most: int = 3) -> str:
    """The first names, and how many there are beside them.

    >>> few(["a", "b"]), few(["a", "b", "c", "d", "e"])
    ('a, b', 'a, b, c and 2 more')
    """
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
