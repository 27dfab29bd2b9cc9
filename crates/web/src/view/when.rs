//! Moments in the words of a list: clock, weekday, date. Never reads the clock.

use roost_wire::Seconds;

const MINUTE: i64 = 60;
const DAY: i64 = 86_400;
const WEEKDAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Minutes east of Greenwich at a moment.
pub type Zone = fn(Seconds) -> i32;

/// A moment as people nearby would say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Local {
    /// Seconds since 1970 as if the place were at Greenwich.
    seconds: i64,
    utc: i64,
}

impl Local {
    #[must_use]
    pub fn at(time: Seconds, zone: Zone) -> Self {
        let utc = i64::try_from(time.get())
            .unwrap_or(i64::MAX / 2)
            .min(i64::MAX / 2);
        Self {
            seconds: utc.saturating_add(i64::from(zone(time)).saturating_mul(MINUTE)),
            utc,
        }
    }

    /// `09:41`.
    #[must_use]
    pub fn clock(self) -> String {
        let minutes = self.seconds.rem_euclid(DAY) / MINUTE;
        format!("{:02}:{:02}", minutes / 60, minutes % 60)
    }

    /// Days since 1970, where the person is.
    #[must_use]
    pub fn day(self) -> i64 {
        self.seconds.div_euclid(DAY)
    }

    /// `Today`, `Yesterday`, `Sunday`, `Sunday, 7 June`, `7 June 2024`.
    #[must_use]
    pub fn day_line(self, now: Self) -> String {
        let ago = now.day().saturating_sub(self.day());
        let (year, month, day) = date(self.day());
        match ago {
            0 => "Today".to_owned(),
            1 => "Yesterday".to_owned(),
            2..=6 => weekday(self.day()).to_owned(),
            _ if year == date(now.day()).0 => format!("{}, {day} {month}", weekday(self.day())),
            _ => format!("{day} {month} {year}"),
        }
    }

    /// As short as a list needs: `09:41`, `Sun`, `7 Jun`, `7 Jun 2024`.
    #[must_use]
    pub fn short(self, now: Self) -> String {
        let ago = now.day().saturating_sub(self.day());
        let (year, month, day) = date(self.day());
        let month: String = month.chars().take(3).collect();
        match ago {
            0 => self.clock(),
            1..=6 => weekday(self.day()).chars().take(3).collect(),
            _ if year == date(now.day()).0 => format!("{day} {month}"),
            _ => format!("{day} {month} {year}"),
        }
    }

    /// For the `datetime` attribute, in UTC.
    #[must_use]
    pub fn machine(self) -> String {
        let (year, month, day) = civil(self.utc.div_euclid(DAY));
        let second = self.utc.rem_euclid(DAY);
        let (hour, minute) = (second / 3_600, second / MINUTE % 60);
        format!(
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}Z",
            second % MINUTE
        )
    }
}

fn weekday(day: i64) -> &'static str {
    // The first day of 1970 was a Thursday.
    usize::try_from(day.saturating_add(3).rem_euclid(7))
        .ok()
        .and_then(|at| WEEKDAYS.get(at).copied())
        .unwrap_or_default()
}

fn date(day: i64) -> (i64, &'static str, i64) {
    let (year, month, day) = civil(day);
    let name = usize::try_from(month.saturating_sub(1))
        .ok()
        .and_then(|at| MONTHS.get(at).copied())
        .unwrap_or_default();
    (year, name, day)
}

/// Year, month and day in the Gregorian calendar, by Howard Hinnant's `civil_from_days`.
fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day.saturating_add(719_468);
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era.saturating_mul(400) + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Local {
        Local::at(Seconds::new(seconds), |_| 0)
    }

    #[test]
    fn dates_follow_the_calendar() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(19_782), (2024, 2, 29));
        assert_eq!(at(1_709_164_800).machine(), "2024-02-29T00:00:00Z");
    }

    #[test]
    fn near_days_have_names_and_far_ones_dates() {
        let now = at(1_780_822_860); // Sunday, 7 June 2026, 09:01
        let ago = |days: u64| at(1_780_822_860 - days * 86_400);

        assert_eq!(ago(0).day_line(now), "Today");
        assert_eq!(ago(1).day_line(now), "Yesterday");
        assert_eq!(ago(2).day_line(now), "Friday");
        assert_eq!(ago(7).day_line(now), "Sunday, 31 May");
        assert_eq!(ago(400).day_line(now), "3 May 2025");
        assert_eq!(ago(0).short(now), "09:01");
        assert_eq!(ago(1).short(now), "Sat");
        assert_eq!(ago(30).short(now), "8 May");
    }

    #[test]
    fn the_day_begins_at_midnight_where_the_person_is() {
        let east = Local::at(Seconds::new(86_400 - 1_800), |_| 60);

        assert_eq!(east.day(), 1);
        assert_eq!(east.clock(), "00:30");
    }

    #[test]
    fn no_moment_panics() {
        for seconds in [0, 1, u64::MAX, u64::MAX / 2] {
            let moment = Local::at(Seconds::new(seconds), |_| i32::MIN);
            let _ = (moment.clock(), moment.machine(), moment.short(at(0)));
        }
    }
}
