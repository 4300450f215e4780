//! Tables, sizes and times for people.

use std::time::Duration;

/// Rows as lines, each column as wide as its widest cell.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column| {
        let cells = rows.iter().filter_map(|row| row.get::<usize>(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        format!("{}\n", line.trim_end())
    };
    rows.iter().map(line).collect()
}

/// A row of a table.
pub(crate) fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).into()
}

/// `-` for what is not known.
pub(crate) fn or_dash<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map_or("-".into(), show)
}

/// `512`, `1.5K`, `64M`: bytes with the units of php.ini.
pub(crate) fn size(bytes: u64) -> String {
    let units = [("G", 1_u64 << 30), ("M", 1 << 20), ("K", 1 << 10)];
    match units.into_iter().find(|(_, unit)| bytes >= *unit) {
        None => bytes.to_string(),
        Some((name, unit)) => {
            let tenths = (u128::from(bytes) * 10 / u128::from(unit)) as u64;
            match (tenths / 10, tenths % 10) {
                (whole, 0) => format!("{whole}{name}"),
                (whole, tenth) => format!("{whole}.{tenth}{name}"),
            }
        }
    }
}

/// `45s`, `23m 10s`, `5h 12m`, `3d 4h`: the two largest units.
pub(crate) fn span(seconds: u64) -> String {
    let (minute, hour, day) = (60, 3600, 86400);
    match seconds {
        s if s < minute => format!("{s}s"),
        s if s < hour => format!("{}m {}s", s / minute, s % minute),
        s if s < day => format!("{}h {}m", s / hour, s % hour / minute),
        s => format!("{}d {}h", s / day, s % day / hour),
    }
}

/// The time that a copy has left.
pub(crate) fn left(time: Duration) -> String {
    match time {
        Duration::MAX => "no end".into(),
        time => span(time.as_secs()),
    }
}

/// `s` where there is not one of a thing.
pub(crate) fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_columns() {
        let rows = [row(["NODE", "X"]), row(["a:1", "-"]), row(["longer:11211", ""])];
        assert_eq!(table(&rows), "NODE          X\na:1           -\nlonger:11211\n");
    }

    #[test]
    fn sizes_have_the_units_of_php_ini() {
        let cases = [
            (0, "0"),
            (1023, "1023"),
            (1024, "1K"),
            (1536, "1.5K"),
            (64 << 20, "64M"),
            ((1 << 30) - 1, "1023.9M"),
            (u64::MAX, "17179869183.9G"),
        ];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn times_have_two_units() {
        let cases = [(0, "0s"), (59, "59s"), (60, "1m 0s"), (3599, "59m 59s"), (3600, "1h 0m")];
        let longer = [(86399, "23h 59m"), (86400, "1d 0h"), (100 * 86400 + 7200, "100d 2h")];
        for (seconds, text) in cases.into_iter().chain(longer) {
            assert_eq!(span(seconds), text);
        }
        assert_eq!(left(Duration::MAX), "no end");
    }
}
