//! Settings: one table with name, default, range, unit and help of each, and the typed values.
//!
//! [`SETTINGS`] is the only place that knows them. The extension makes its INI entries and its
//! phpinfo section from it, and the README's table is tested against it.

pub mod save_path;

use crate::error::{Error, ErrorKind, Result, shown};
use crate::limits::DATA_BYTES_MAX;
use std::ffi::CStr;
use std::time::Duration;

/// The settings' values, typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a request waits for a session that another one holds.
    pub lock_wait: Duration,
    /// Largest session, in bytes.
    pub max_size: u64,
    /// Whether a commit waits for the disk.
    pub sync: bool,
    /// Whether ended sessions are removed at the end of requests, whatever `session.gc_probability`
    /// is.
    pub auto_gc: bool,
}

impl Default for Settings {
    /// The values that [`SETTINGS`] gives as defaults.
    fn default() -> Self {
        let mut settings =
            Self { lock_wait: Duration::ZERO, max_size: 0, sync: false, auto_gc: false };
        for setting in &SETTINGS {
            setting.apply(&mut settings, setting.default.to_bytes()).expect("defaults are valid");
        }
        settings
    }
}

/// One setting.
pub struct Setting {
    /// Its name in php.ini.
    pub name: &'static CStr,
    /// Its default, as one would write it.
    pub default: &'static CStr,
    /// What may be written.
    pub range: &'static str,
    /// What it does, in a sentence.
    pub help: &'static str,
    kind: Kind,
}

/// How a setting's text becomes a value, and where the value goes.
enum Kind {
    Time { max: Duration, field: fn(&mut Settings) -> &mut Duration },
    Size { min: u64, max: u64, field: fn(&mut Settings) -> &mut u64 },
    Switch { field: fn(&mut Settings) -> &mut bool },
}

const HOUR: Duration = Duration::from_secs(3600);

/// All settings, in the order of the README's table. Each can be changed anywhere: php.ini, the
/// server's configuration, `ini_set()`; a session in use keeps the values it was started with.
pub static SETTINGS: [Setting; 4] = [
    Setting {
        name: c"sessclust.lock_wait",
        default: c"30s",
        range: "0 to 1h",
        help: "How long a request waits for a session that another request holds, before \
               session_start() fails. 0 does not wait.",
        kind: Kind::Time { max: HOUR, field: |settings| &mut settings.lock_wait },
    },
    Setting {
        name: c"sessclust.max_size",
        default: c"64M",
        range: "1K to 1G",
        help: "Largest session, serialized. A larger one is not saved, and the warning names both \
               sizes.",
        kind: Kind::Size {
            min: 1024,
            max: DATA_BYTES_MAX,
            field: |settings| &mut settings.max_size,
        },
    },
    Setting {
        name: c"sessclust.sync",
        default: c"off",
        range: "on or off",
        help: "Embedded store: whether a commit waits until the disk has the session (fdatasync). \
               Off, a power cut may cost the last seconds; a crash of PHP costs nothing either \
               way.",
        kind: Kind::Switch { field: |settings| &mut settings.sync },
    },
    Setting {
        name: c"sessclust.auto_gc",
        default: c"on",
        range: "on or off",
        help: "Embedded store: whether ended sessions are removed bit by bit at the end of \
               requests, even with session.gc_probability = 0 (Debian's default).",
        kind: Kind::Switch { field: |settings| &mut settings.auto_gc },
    },
];

impl Setting {
    /// Parses `text` and puts the value into `settings`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], naming the setting, the text and what would be right.
    pub fn apply(&self, settings: &mut Settings, text: &[u8]) -> Result<()> {
        let parsed = match &self.kind {
            Kind::Time { max, field } => {
                parse_time(text).filter(|time| time <= max).map(|time| *field(settings) = time)
            }
            Kind::Size { min, max, field } => parse_size(text)
                .filter(|size| (min..=max).contains(&size))
                .map(|size| *field(settings) = size),
            Kind::Switch { field } => parse_switch(text).map(|on| *field(settings) = on),
        };
        parsed.ok_or_else(|| {
            let (name, text) = (self.name.to_string_lossy(), shown(text));
            let example = self.default.to_string_lossy();
            let range = self.range;
            Error::new(
                ErrorKind::Config,
                format!("{name}: \"{text}\" is not a value of it ({range}, such as {example})"),
            )
        })
    }

    /// The value in use, with its unit.
    pub fn effective(&self, settings: &Settings) -> String {
        let mut settings = *settings;
        match &self.kind {
            Kind::Time { field, .. } => time_with_unit(*field(&mut settings)),
            Kind::Size { field, .. } => format!("{} bytes", field(&mut settings)),
            Kind::Switch { field } => (if *field(&mut settings) { "on" } else { "off" }).into(),
        }
    }
}

/// Splits a number from the unit behind it.
fn number_and_unit(text: &[u8]) -> Option<(u64, &str)> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim_start()))
}

/// `250ms`, `10s`, `5m`, `1h`; a number without a unit says too little, but for 0.
fn parse_time(text: &[u8]) -> Option<Duration> {
    let (number, unit) = number_and_unit(text)?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "" if number == 0 => 1,
        _ => return None,
    };
    number.checked_mul(unit_ms).map(Duration::from_millis)
}

/// A time as [`parse_time`] reads it.
pub(crate) fn time_with_unit(time: Duration) -> String {
    match (time.as_millis(), time.as_secs()) {
        (0, _) => "0".into(),
        (ms, s) if ms % 1000 == 0 => format!("{s}s"),
        (ms, _) => format!("{ms}ms"),
    }
}

/// `64M`, `512K`, `1G`, as in php.ini; a number without a unit is bytes.
fn parse_size(text: &[u8]) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let unit_bytes = match unit {
        "" => 1,
        "k" | "K" => 1 << 10,
        "m" | "M" => 1 << 20,
        "g" | "G" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(unit_bytes)
}

/// `on` and `off`, and what PHP's INI parser makes of them and of their synonyms.
fn parse_switch(text: &[u8]) -> Option<bool> {
    match text.to_ascii_lowercase().as_slice() {
        b"on" | b"1" | b"yes" | b"true" => Some(true),
        b"off" | b"0" | b"no" | b"false" | b"" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(name: &str) -> &'static Setting {
        SETTINGS.iter().find(|setting| setting.name.to_bytes() == name.as_bytes()).expect(name)
    }

    fn set(name: &str, text: &str) -> Result<Settings> {
        let mut settings = Settings::default();
        setting(name).apply(&mut settings, text.as_bytes()).map(|()| settings)
    }

    #[test]
    fn the_defaults_are_those_of_the_table() {
        let expected = Settings {
            lock_wait: Duration::from_secs(30),
            max_size: 64 << 20,
            sync: false,
            auto_gc: true,
        };
        assert_eq!(Settings::default(), expected);
    }

    #[test]
    fn times_have_units() {
        let time = |text| set("sessclust.lock_wait", text).map(|settings| settings.lock_wait).ok();
        for (text, ms) in [("250ms", 250), ("10s", 10_000), (" 5 m ", 300_000), ("1h", 3_600_000)] {
            assert_eq!(time(text), Some(Duration::from_millis(ms)), "{text}");
        }
        assert_eq!(time("0"), Some(Duration::ZERO));
        for text in ["", "30", "-1s", "1.5s", "s", "10 parsecs", "3601s", "99999999999999999999s"] {
            assert_eq!(time(text), None, "{text}");
        }
        assert_eq!(time("18446744073709551615h"), None);
    }

    #[test]
    fn sizes_are_within_the_range() {
        let size = |text| set("sessclust.max_size", text).map(|settings| settings.max_size).ok();
        for (text, bytes) in [("1K", 1024), ("1024", 1024), ("2m", 2 << 20), ("1G", 1 << 30)] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for text in ["1023", "1025M", "", "1T", "x", "-5M", "18446744073709551615G"] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn switches_take_what_php_makes_of_them() {
        let sync = |text| set("sessclust.sync", text).map(|settings| settings.sync).ok();
        assert_eq!(
            (sync("1"), sync("On"), sync(""), sync("off")),
            (Some(true), Some(true), Some(false), Some(false))
        );
        assert_eq!(sync("perhaps"), None);
    }

    #[test]
    fn an_error_names_setting_text_and_range() {
        let error = set("sessclust.max_size", "2\0G").expect_err("out of range");
        assert_eq!(error.kind(), ErrorKind::Config);
        let expected =
            "sessclust.max_size: \"2\\x00G\" is not a value of it (1K to 1G, such as 64M)";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn effective_values_have_units() {
        let settings = Settings::default();
        let effective = |name| setting(name).effective(&settings);
        assert_eq!(effective("sessclust.lock_wait"), "30s");
        for text in ["0", "250ms", "1500ms", "3600s"] {
            let settings = set("sessclust.lock_wait", text).expect(text);
            assert_eq!(setting("sessclust.lock_wait").effective(&settings), text);
        }
        assert_eq!(effective("sessclust.max_size"), "67108864 bytes");
        assert_eq!(effective("sessclust.auto_gc"), "on");
    }
}
