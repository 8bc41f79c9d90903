//! strftime_now: the time of a rendering, given from outside so that it can be fixed.

use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr};
use minijinja::Error;

use super::bad;

pub const VARIABLE: &str = "\u{1}clock";

/// A moment as seconds since 1970 and the local clock's distance from UTC.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    pub epoch_seconds: i64,
    pub utc_offset_seconds: i32,
}

impl Object for Clock {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

struct Date {
    year: i64,
    month: i64,
    day: i64,
    /// 0 is Monday.
    weekday: i64,
    /// 1 is January 1st.
    day_of_year: i64,
}

const DAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
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

/// Days to the civil date in the Gregorian calendar, by 400-year eras beginning on March 1st.
fn date_of(days: i64) -> Date {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let from_march = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * from_march + 2) / 153;
    let day = from_march - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334][(month - 1) as usize];
    let day_of_year = before + day + i64::from(leap && month > 2);
    Date { year, month, day, weekday: (days + 3).rem_euclid(7), day_of_year }
}

impl Clock {
    pub fn format(&self, format: &str) -> Result<String, Error> {
        let local = self.epoch_seconds + i64::from(self.utc_offset_seconds);
        let date = date_of(local.div_euclid(86_400));
        let second_of_day = local.rem_euclid(86_400);
        let mut out = String::new();
        let mut chars = format.chars().peekable();
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            let flag = chars.next_if(|c| matches!(c, '-' | '_' | '0'));
            let Some(field) = chars.next() else {
                return Err(bad("strftime_now: the format ends in %"));
            };
            out.push_str(&self.field(field, flag, &date, second_of_day)?);
        }
        Ok(out)
    }

    fn field(&self, f: char, flag: Option<char>, d: &Date, second: i64) -> Result<String, Error> {
        let (hour, minute) = (second / 3600, second / 60 % 60);
        let hour12 = (hour + 11) % 12 + 1;
        let number = |value: i64, width: usize, fill: char| {
            let fill = match flag {
                Some('_') => ' ',
                Some('0') => '0',
                _ => fill,
            };
            match (flag, fill) {
                (Some('-'), _) => value.to_string(),
                (_, ' ') => format!("{value:>width$}"),
                _ => format!("{value:0>width$}"),
            }
        };
        let again = |format: &str| self.format(format);
        Ok(match f {
            'Y' => d.year.to_string(),
            'C' => number(d.year.div_euclid(100), 2, '0'),
            'y' => number(d.year.rem_euclid(100), 2, '0'),
            'm' => number(d.month, 2, '0'),
            'd' => number(d.day, 2, '0'),
            'e' => number(d.day, 2, ' '),
            'j' => number(d.day_of_year, 3, '0'),
            'H' => number(hour, 2, '0'),
            'k' => number(hour, 2, ' '),
            'I' => number(hour12, 2, '0'),
            'l' => number(hour12, 2, ' '),
            'M' => number(minute, 2, '0'),
            'S' => number(second % 60, 2, '0'),
            'f' => "000000".to_owned(),
            's' => self.epoch_seconds.to_string(),
            'p' => if hour < 12 { "AM" } else { "PM" }.to_owned(),
            'A' => DAYS[d.weekday as usize].to_owned(),
            'a' => DAYS[d.weekday as usize][..3].to_owned(),
            'B' => MONTHS[(d.month - 1) as usize].to_owned(),
            'b' | 'h' => MONTHS[(d.month - 1) as usize][..3].to_owned(),
            'u' => (d.weekday + 1).to_string(),
            'w' => ((d.weekday + 1) % 7).to_string(),
            'U' => number((d.day_of_year + 6 - (d.weekday + 1) % 7) / 7, 2, '0'),
            'W' => number((d.day_of_year + 6 - d.weekday) / 7, 2, '0'),
            'z' | 'Z' => String::new(), // datetime.now() knows no zone
            'D' | 'x' => again("%m/%d/%y")?,
            'F' => again("%Y-%m-%d")?,
            'T' | 'X' => again("%H:%M:%S")?,
            'R' => again("%H:%M")?,
            'r' => again("%I:%M:%S %p")?,
            'c' => again("%a %b %e %H:%M:%S %Y")?,
            'n' => "\n".to_owned(),
            't' => "\t".to_owned(),
            '%' => "%".to_owned(),
            other => return Err(bad(format!("strftime_now: unknown field %{other}"))),
        })
    }
}
