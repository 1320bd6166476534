"""How moments are said: `2 minutes ago`, `yesterday at 1:04 pm`, `April 28, 2013`.

It knows neither files nor locales, only how to have a text translated: what a date is made of are texts like others.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    class Translate(Protocol):
        """`Locale.translate`."""

        def __call__(self, message: str, plural_message: str | None = None, count: int | None = None, /) -> str: ...


MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

# From here on a date without its year could be taken for one of the year before.
_DAYS_OF_A_YEAR: Final = 334


@dataclass(frozen=True, slots=True)
class Calendar:
    """The dates of one locale."""

    code: str
    translate: Translate
    months: Sequence[str]
    """Their names, translated."""
    weekdays: Sequence[str]
    """Theirs, from Monday."""

    def format_date(
        self, date: float | dt.datetime, gmt_offset: int, relative: bool, shorter: bool, full_format: bool
    ) -> str:
        """See `Locale.format_date`."""
        date = _aware(date)
        now = dt.datetime.now(dt.UTC)
        if date > now:
            if relative and (date - now).total_seconds() < 60:
                date = now  # clocks are not that exact
            else:
                full_format = True
        ago = now - date
        if not full_format and relative and ago.days == 0:
            return self._time_ago(ago.seconds)
        local = date - dt.timedelta(minutes=gmt_offset)
        yesterday = now - dt.timedelta(minutes=gmt_offset, days=1)
        if full_format:
            form = self._full_form(shorter)
        elif ago.days == 0:
            form = self.translate("%(time)s")
        else:
            is_yesterday = relative and ago.days == 1 and local.day == yesterday.day
            form = self._past_form(ago.days, is_yesterday, shorter)
        return form % self._parts(local)

    def _time_ago(self, seconds: int) -> str:
        if seconds < 50:
            return self.translate("1 second ago", "%(seconds)d seconds ago", seconds) % {"seconds": seconds}
        if seconds < 50 * 60:
            minutes = round(seconds / 60)
            return self.translate("1 minute ago", "%(minutes)d minutes ago", minutes) % {"minutes": minutes}
        hours = round(seconds / 3600)
        return self.translate("1 hour ago", "%(hours)d hours ago", hours) % {"hours": hours}

    def _past_form(self, days: int, is_yesterday: bool, shorter: bool) -> str:
        if is_yesterday:
            return self.translate("yesterday" if shorter else "yesterday at %(time)s")
        if days < 5:
            return self.translate("%(weekday)s" if shorter else "%(weekday)s at %(time)s")
        if days < _DAYS_OF_A_YEAR:
            return self.translate("%(month_name)s %(day)s" if shorter else "%(month_name)s %(day)s at %(time)s")
        return self._full_form(shorter)

    def _full_form(self, shorter: bool) -> str:
        return self.translate(
            "%(month_name)s %(day)s, %(year)s" if shorter else "%(month_name)s %(day)s, %(year)s at %(time)s"
        )

    def _parts(self, local: dt.datetime) -> dict[str, str]:
        return {
            "month_name": self.months[local.month - 1],
            "weekday": self.weekdays[local.weekday()],
            "day": str(local.day),
            "year": str(local.year),
            "time": self._time(local),
        }

    def _time(self, local: dt.datetime) -> str:
        hour = local.hour % 12 or 12
        if self.code in ("en", "en_US"):
            return f"{hour}:{local.minute:02} {'pm' if local.hour >= 12 else 'am'}"
        if self.code == "zh_CN":
            return f"{'下午' if local.hour >= 12 else '上午'}{hour}:{local.minute:02}"
        return f"{local.hour}:{local.minute:02}"

    def format_day(self, date: dt.datetime, gmt_offset: int, dow: bool) -> str:
        """See `Locale.format_day`."""
        local = date - dt.timedelta(minutes=gmt_offset)
        form = "%(weekday)s, %(month_name)s %(day)s" if dow else "%(month_name)s %(day)s"
        return self.translate(form) % self._parts(local)


def _aware(date: float | dt.datetime) -> dt.datetime:
    if isinstance(date, (int, float)):
        return dt.datetime.fromtimestamp(date, dt.UTC)
    if not isinstance(date, dt.datetime):  # pyright: ignore[reportUnnecessaryIsInstance] - anything may come
        raise TypeError(f"date must be a number of seconds or a datetime, not {date!r}")
    return date if date.tzinfo is not None else date.replace(tzinfo=dt.UTC)
