//! Processor time of this process.

/// Seconds, user and system, of all threads; in steps of 10 ms.
pub fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields = stat.rsplit_once(") ").expect("the name of the process").1;
    let ticks = |field: usize| -> f64 {
        fields.split(' ').nth(field).and_then(|text| text.parse().ok()).expect("a count of ticks")
    };
    (ticks(11) + ticks(12)) / 100.0
}
