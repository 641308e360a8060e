//! How much memory this machine has to spare.

/// Bytes that programs could have without others being pushed out, as the kernel estimates them; `None` where the kernel
/// does not tell.
#[must_use]
pub fn available() -> Option<u64> {
    available_in(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

fn available_in(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_available_is_more_than_what_is_free() {
        let text = "MemTotal:       24623924 kB\nMemFree:  100 kB\nMemAvailable:   12311962 kB\nBuffers: 1 kB\n";
        assert_eq!(available_in(text), Some(12_311_962 * 1024));
        assert_eq!(available_in("MemFree: 100 kB\n"), None);
        assert_eq!(available_in("MemAvailable: much\n"), None);
    }
}
