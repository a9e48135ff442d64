//! Durations as people read them.

use std::time::Duration;

/// `0.4 s`, `12.3 s`, `1 min 05 s`, `2 h 03 min`.
pub(crate) fn readable(duration: Duration) -> String {
    let tenths = (duration.as_secs_f64() * 10.0).round();
    if tenths < 600.0 {
        return format!("{:.1} s", tenths / 10.0);
    }
    let seconds = duration.as_secs_f64().round() as u64;
    match seconds {
        0..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_say_them() {
        let cases = [
            (Duration::from_millis(4), "0.0 s"),
            (Duration::from_millis(449), "0.4 s"),
            (Duration::from_millis(59_940), "59.9 s"),
            (Duration::from_millis(59_960), "1 min 00 s"),
            (Duration::from_secs(65), "1 min 05 s"),
            (Duration::from_secs(3599), "59 min 59 s"),
            (Duration::from_secs(7385), "2 h 03 min"),
        ];
        for (duration, expected) in cases {
            assert_eq!(readable(duration), expected);
        }
    }
}
