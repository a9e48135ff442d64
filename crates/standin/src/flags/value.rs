//! The types a flag's value can have, and how their text reads.

use std::time::Duration;

/// The type of a flag's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    /// A signed whole number.
    Int,
    /// A size or count.
    Count,
    /// A port number.
    Port,
    /// A number with a fraction.
    Number,
    /// `10secs`, `1.5mins`, `500ms`.
    Duration,
    /// `2GB`, `512MB`.
    Bytes,
    /// Any text.
    Text,
    /// Any text that may hold a password: shown as it was given, a file by its name.
    Secret,
    /// A path: never replaced by the file's content.
    Path,
    /// JSON, or the path of a file that holds it.
    Json,
}

impl Kind {
    /// Whether the text is a value of this type; if not, why, in the words of the daemons.
    pub(crate) fn check(self, text: &str) -> Result<(), String> {
        let number = || format!("Failed to convert '{text}' to number");
        match self {
            Self::Bool => match text {
                "true" | "1" | "false" | "0" => Ok(()),
                _ => Err("Expecting a boolean (e.g., true or false)".to_owned()),
            },
            Self::Int => text.trim().parse::<i32>().map(drop).map_err(|_| number()),
            Self::Count => text.trim().parse::<u64>().map(drop).map_err(|_| number()),
            Self::Port => text.trim().parse::<u16>().map(drop).map_err(|_| number()),
            Self::Number => match text.trim().parse::<f64>() {
                Ok(value) if value.is_finite() => Ok(()),
                _ => Err(number()),
            },
            Self::Duration => duration(text).map(drop),
            Self::Bytes => bytes(text).map(drop),
            Self::Text | Self::Secret | Self::Path => Ok(()),
            Self::Json => json(text),
        }
    }
}

/// Reads `10secs`: a number and one of ns, us, ms, secs, mins, hrs, days, weeks (the last five also without the s).
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let invalid = || format!("Invalid duration '{text}'");
    let split = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(invalid)?;
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().map_err(|_| invalid())?;
    let seconds = match unit {
        "ns" => 1e-9,
        "us" => 1e-6,
        "ms" => 1e-3,
        "sec" | "secs" => 1.0,
        "min" | "mins" => 60.0,
        "hr" | "hrs" => 3600.0,
        "day" | "days" => 86_400.0,
        "week" | "weeks" => 604_800.0,
        _ => return Err(format!("Unknown duration unit '{unit}'")),
    };
    Duration::try_from_secs_f64(number * seconds).map_err(|_| invalid())
}

/// Reads `2GB`: a whole number and one of B, KB, MB, GB, TB.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let invalid = || format!("Invalid bytes '{text}'");
    let split = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(invalid)?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.trim().parse().map_err(|_| invalid())?;
    let shift = match unit.to_ascii_uppercase().as_str() {
        "B" => 0,
        "KB" => 10,
        "MB" => 20,
        "GB" => 30,
        "TB" => 40,
        _ => return Err(format!("Unknown bytes unit '{unit}'")),
    };
    number.checked_mul(1 << shift).ok_or_else(invalid)
}

fn json(text: &str) -> Result<(), String> {
    let content = match text.starts_with('/') {
        true => {
            std::fs::read_to_string(text).map_err(|error| format!("Error reading file '{text}': {error}"))?
        }
        false => text.to_owned(),
    };
    match serde_json::from_str::<serde_json::Value>(&content) {
        Ok(serde_json::Value::Object(_) | serde_json::Value::Array(_)) => Ok(()),
        Ok(_) => Err("it is JSON, but no object or array".to_owned()),
        Err(_) => Err("it is neither JSON nor the path of a file".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_read_in_all_units() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("10secs", 10_000),
            ("1sec", 1000),
            ("1.5mins", 90_000),
            ("2hrs", 7_200_000),
            ("1weeks", 604_800_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        assert_eq!(duration("10seconds"), Err("Unknown duration unit 'seconds'".into()));
        assert_eq!(duration("secs"), Err("Invalid duration 'secs'".into()));
        assert_eq!(duration("-1secs"), Err("Invalid duration '-1secs'".into()));
    }

    #[test]
    fn byte_sizes_read_in_all_units() {
        assert_eq!(bytes("2GB"), Ok(2 << 30));
        assert_eq!(bytes("512MB"), Ok(512 << 20));
        assert_eq!(bytes("10XB"), Err("Unknown bytes unit 'XB'".into()));
        assert!(bytes("99999999999999TB").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,30}") {
            let _ = duration(&text);
            let _ = bytes(&text);
            for kind in [Kind::Bool, Kind::Int, Kind::Count, Kind::Port, Kind::Number] {
                let _ = kind.check(&text);
            }
        }
    }
}
