//! Times: a count of milliseconds, microseconds or nanoseconds since 1970 becomes epoch milliseconds, or RFC 3339
//! in UTC with six digits after the second: `"2018-03-22T18:56:35.176577Z"`.
//!
//! A finer count is rounded down, before 1970 too. Local timestamps are shown as if they were UTC: Avro does not
//! say which zone they are in.

use super::number::write_integer;
use crate::decode::Poison;

/// What a timestamp counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeUnit {
    Millis,
    Micros,
    Nanos,
}

/// How the payload shows a timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeForm {
    EpochMillis,
    Rfc3339Micros,
}

pub fn write_timestamp(count: i64, unit: TimeUnit, form: TimeForm, json: &mut Vec<u8>) -> Result<(), Poison> {
    match form {
        TimeForm::EpochMillis => write_integer(epoch_millis(count, unit), json),
        TimeForm::Rfc3339Micros => write_rfc3339_micros(epoch_micros(count, unit)?, json)?,
    }
    Ok(())
}

fn epoch_millis(count: i64, unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Millis => count,
        TimeUnit::Micros => count.div_euclid(1_000),
        TimeUnit::Nanos => count.div_euclid(1_000_000),
    }
}

fn epoch_micros(count: i64, unit: TimeUnit) -> Result<i64, Poison> {
    match unit {
        TimeUnit::Millis => count.checked_mul(1_000).ok_or(Poison::DateOutOfRange),
        TimeUnit::Micros => Ok(count),
        TimeUnit::Nanos => Ok(count.div_euclid(1_000)),
    }
}

fn write_rfc3339_micros(epoch_micros: i64, json: &mut Vec<u8>) -> Result<(), Poison> {
    const MICROS_PER_DAY: i64 = 86_400_000_000;
    let (year, month, day) = civil_date(epoch_micros.div_euclid(MICROS_PER_DAY));
    if !(1..=9999).contains(&year) {
        return Err(Poison::DateOutOfRange);
    }
    let micros = epoch_micros.rem_euclid(MICROS_PER_DAY);
    let seconds = micros / 1_000_000;
    json.push(b'"');
    write_padded(year, 4, b'-', json);
    write_padded(month, 2, b'-', json);
    write_padded(day, 2, b'T', json);
    write_padded(seconds / 3_600, 2, b':', json);
    write_padded(seconds / 60 % 60, 2, b':', json);
    write_padded(seconds % 60, 2, b'.', json);
    write_padded(micros % 1_000_000, 6, b'Z', json);
    json.push(b'"');
    Ok(())
}

fn write_padded(value: i64, width: usize, end: u8, json: &mut Vec<u8>) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(value).as_bytes();
    json.extend(std::iter::repeat_n(b'0', width.saturating_sub(digits.len())));
    json.extend_from_slice(digits);
    json.push(end);
}

/// The proleptic Gregorian date of a day counted from 1970-01-01.
///
/// Years begin in March here, so that the leap day comes last, and days are counted from 0000-03-01: every
/// 400 years (146,097 days) the calendar repeats, and 153 days are five months from March on.
fn civil_date(epoch_day: i64) -> (i64, i64, i64) {
    const DAYS_BEFORE_1970: i64 = 719_468;
    const DAYS_PER_400_YEARS: i64 = 146_097;
    let days = epoch_day + DAYS_BEFORE_1970;
    let day_of_era = days.rem_euclid(DAYS_PER_400_YEARS);
    let leap_days = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, next_year) =
        if month_from_march < 10 { (month_from_march + 3, 0) } else { (month_from_march - 9, 1) };
    (400 * days.div_euclid(DAYS_PER_400_YEARS) + year_of_era + next_year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(count: i64, unit: TimeUnit, form: TimeForm, expected: Result<&str, Poison>) {
        let mut json = Vec::new();
        let outcome = write_timestamp(count, unit, form, &mut json);
        assert_eq!(outcome.map(|()| String::from_utf8(json).unwrap()), expected.map(str::to_owned));
    }

    #[test]
    fn rfc3339() {
        let micros = |count, expected| check(count, TimeUnit::Micros, TimeForm::Rfc3339Micros, Ok(expected));
        micros(1_521_744_995_176_577, "\"2018-03-22T18:56:35.176577Z\"");
        micros(0, "\"1970-01-01T00:00:00.000000Z\"");
        micros(-1, "\"1969-12-31T23:59:59.999999Z\"");
        micros(951_782_400_000_000, "\"2000-02-29T00:00:00.000000Z\"");
        micros(-62_135_596_800_000_000, "\"0001-01-01T00:00:00.000000Z\"");
        micros(253_402_300_799_999_999, "\"9999-12-31T23:59:59.999999Z\"");
        check(1, TimeUnit::Millis, TimeForm::Rfc3339Micros, Ok("\"1970-01-01T00:00:00.001000Z\""));
        check(-1, TimeUnit::Nanos, TimeForm::Rfc3339Micros, Ok("\"1969-12-31T23:59:59.999999Z\""));
    }

    #[test]
    fn years_that_rfc3339_cannot_write() {
        for (count, unit) in [
            (-62_135_596_800_000_001, TimeUnit::Micros),
            (253_402_300_800_000_000, TimeUnit::Micros),
            (i64::MIN, TimeUnit::Micros),
            (i64::MAX, TimeUnit::Millis),
        ] {
            check(count, unit, TimeForm::Rfc3339Micros, Err(Poison::DateOutOfRange));
        }
    }

    #[test]
    fn epoch_milliseconds_round_down() {
        check(i64::MIN, TimeUnit::Millis, TimeForm::EpochMillis, Ok("-9223372036854775808"));
        check(1_999, TimeUnit::Micros, TimeForm::EpochMillis, Ok("1"));
        check(-1, TimeUnit::Micros, TimeForm::EpochMillis, Ok("-1"));
        check(-1, TimeUnit::Nanos, TimeForm::EpochMillis, Ok("-1"));
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut previous = civil_date(-719_162);
        assert_eq!(previous, (1, 1, 1));
        for epoch_day in -719_161..2_932_897 {
            let (year, month, day) = civil_date(epoch_day);
            let (last_year, last_month, last_day) = previous;
            assert!(
                (year, month, day) == (last_year, last_month, last_day + 1)
                    || (year, month, day) == (last_year, last_month + 1, 1) && last_day >= 28
                    || (year, month, day) == (last_year + 1, 1, 1) && (last_month, last_day) == (12, 31)
            );
            previous = (year, month, day);
        }
        assert_eq!(previous, (9999, 12, 31));
    }
}
