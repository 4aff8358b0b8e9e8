//! Properties of the calendars and of the steps between time units, over thousands of random cases.

#![allow(clippy::unwrap_used, reason = "allowed in tests, also in the functions they share")]

use proptest::prelude::*;

use vzarr_publish::model::calendar::{Calendar, DAY, Instant, SECOND};
use vzarr_publish::model::dtype::{ByteOrder, DataType};
use vzarr_publish::model::dyadic::Dyadic;
use vzarr_publish::model::time_units::{Rebase, TimeUnits};

fn calendars() -> impl Strategy<Value = Calendar> {
    prop::sample::select(vec![
        Calendar::Standard,
        Calendar::ProlepticGregorian,
        Calendar::Julian,
        Calendar::NoLeap,
        Calendar::AllLeap,
        Calendar::Day360,
    ])
}

/// Units of a word and a reference date between the years 1 and 9999.
fn units(calendar: Calendar) -> impl Strategy<Value = TimeUnits> {
    let words = vec!["days", "hours", "minutes", "seconds", "milliseconds", "microseconds"];
    (prop::sample::select(words), 1i64..9999, 1u32..13, 1u32..32, 0u32..86_400).prop_filter_map(
        "no such date",
        move |(word, year, month, day, second)| {
            let time = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
            let text = format!("{word} since {year:04}-{month:02}-{day:02} {time}");
            TimeUnits::parse(&text, calendar)
        },
    )
}

fn two_units() -> impl Strategy<Value = (TimeUnits, TimeUnits)> {
    calendars().prop_flat_map(|calendar| (units(calendar), units(calendar)))
}

/// Times as files hold them: any number, small ones with few binary places, and integers.
fn times() -> impl Strategy<Value = f64> {
    let short = (-40_000_000i32..40_000_000, 0i32..12)
        .prop_map(|(number, places)| f64::from(number) / 2f64.powi(places));
    prop_oneof![short, -1e7..1e7, (-1_000_000i32..1_000_000).prop_map(f64::from)]
}

/// What an instant is, without any of the program: nanoseconds as a fraction `.0 / 2^.1`.
fn fraction(units: &TimeUnits, time: f64) -> (i128, u32) {
    let places = (0..60).find(|&places| (time * 2f64.powi(places)).fract() == 0.0).unwrap();
    #[allow(clippy::cast_possible_truncation)]
    let number = (time * 2f64.powi(places)) as i128;
    let places = u32::try_from(places).unwrap();
    (number * units.unit + (units.reference << places), places)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..Default::default() })]

    #[test]
    fn dates_come_back_from_their_numbers(
        calendar in calendars(), year in -5_000i64..100_000, month in 1u32..13, day in 1u32..32,
    ) {
        if let Some(number) = calendar.day_number(year, month, day) {
            prop_assert_eq!(calendar.date_of_day(number), Some((year, month, day)));
        }
    }

    #[test]
    fn numbers_come_back_from_their_dates(calendar in calendars(), number in -2_000_000i64..40_000_000) {
        let (year, month, day) = calendar.date_of_day(number).unwrap();
        prop_assert_eq!(calendar.day_number(year, month, day), Some(number));
        let (next_year, next_month, next_day) = calendar.date_of_day(number + 1).unwrap();
        prop_assert!((year, month, day) < (next_year, next_month, next_day));
    }

    #[test]
    fn instants_show_their_date_and_time(
        calendar in calendars(), number in 0i64..3_000_000, nanosecond in 0..DAY,
    ) {
        let date = calendar.date(Instant::from(number) * DAY + nanosecond).unwrap();
        prop_assert_eq!(calendar.day_number(date.year, date.month, date.day), Some(number));
        prop_assert_eq!(Instant::from(date.nanosecond), nanosecond);
        let second = nanosecond / SECOND;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let shown = date.to_string();
        prop_assert!(shown.ends_with(&format!("T{hour:02}:{minute:02}:{second:02}")), "{}", shown);
    }

    #[test]
    fn a_moved_time_is_the_same_instant((from, to) in two_units(), time in times()) {
        if let Some(moved) = from.rebase_to(&to).apply(Dyadic::from_f64(time).unwrap())
            && let Some(moved) = moved.to_f64()
            // The fractions to compare by must not overflow, either.
            && moved.abs() < 1e15
        {
            let (own, own_places) = fraction(&from, time);
            let (other, other_places) = fraction(&to, moved);
            let places = own_places.max(other_places);
            prop_assert_eq!(own << (places - own_places), other << (places - other_places));
        }
    }

    #[test]
    fn a_time_is_refused_only_if_no_number_is_the_same_instant(
        (from, to) in two_units(), time in times(),
    ) {
        let (number, places) = fraction(&from, time);
        let distance = number - (to.reference << places);
        let moved = from.rebase_to(&to).apply(Dyadic::from_f64(time).unwrap());
        // A fraction of powers of two exists where the odd part of the unit divides the distance.
        let odd = to.unit >> to.unit.trailing_zeros();
        prop_assert_eq!(moved.is_some(), distance % odd == 0);
    }

    #[test]
    fn there_and_back_is_nothing((from, to) in two_units(), time in times()) {
        let time = Dyadic::from_f64(time).unwrap();
        if let Some(moved) = from.rebase_to(&to).apply(time) {
            prop_assert_eq!(to.rebase_to(&from).apply(moved), Some(time));
        }
        prop_assert_eq!(from.rebase_to(&from), Rebase::IDENTITY);
    }

    #[test]
    fn types_give_back_what_they_take(bytes in any::<[u8; 8]>()) {
        let sizes = [1, 2, 4, 8];
        let types = sizes
            .into_iter()
            .flat_map(|size| [DataType::Int(size, ByteOrder::Little), DataType::UInt(size, ByteOrder::Little)])
            .chain([4, 8].map(|size| DataType::Float(size, ByteOrder::Little)));
        for dtype in types {
            let size = usize::try_from(dtype.size().unwrap()).unwrap();
            if let Some(number) = Dyadic::decode(&bytes[..size], dtype)
                && let Some(encoded) = number.encode(dtype)
            {
                let zero = Dyadic::new(0, 0);
                // There are two zeros among floating-point numbers.
                prop_assert!(encoded == bytes[..size] || number == zero, "{dtype} {bytes:?}");
            }
        }
    }

    #[test]
    fn numbers_are_ordered_as_numbers(a in any::<f64>(), b in any::<f64>(), n in any::<i64>()) {
        if let (Some(x), Some(y)) = (Dyadic::from_f64(a), Dyadic::from_f64(b)) {
            prop_assert_eq!(x.partial_cmp(&y), a.partial_cmp(&b));
            // 2^63 and above is beyond every integer of 64 bits.
            let floor = x.floor().filter(|_| a.abs() < 9.2e18);
            if let Some(floor) = floor {
                prop_assert_eq!(Dyadic::new(n.into(), 0) > x, i128::from(n) > floor);
            }
        }
    }
}
