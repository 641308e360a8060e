//! How much memory this machine has, and has to spare.

/// Bytes that programs could have without others being pushed out, as the kernel estimates them; `None` where the kernel
/// does not tell.
#[must_use]
pub fn available() -> Option<u64> {
    told(&std::fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")
}

/// Bytes of memory that the machine has; `None` where the kernel does not tell.
#[must_use]
pub fn total() -> Option<u64> {
    told(&std::fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")
}

fn told(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_available_is_more_than_what_is_free() {
        let text = "MemTotal:       24623924 kB\nMemFree:  100 kB\nMemAvailable:   12311962 kB\nBuffers: 1 kB\n";
        assert_eq!(told(text, "MemAvailable:"), Some(12_311_962 * 1024));
        assert_eq!(told(text, "MemTotal:"), Some(24_623_924 * 1024));
        assert_eq!(told("MemFree: 100 kB\n", "MemAvailable:"), None);
        assert_eq!(told("MemAvailable: much\n", "MemAvailable:"), None);
    }
}
