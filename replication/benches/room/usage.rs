//! Processor time of this process, and of everybody on the machine.

/// Seconds, user and system, of all threads; in steps of 10 ms.
pub fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields = stat.rsplit_once(") ").expect("the name of the process").1;
    let ticks = |field: usize| -> f64 {
        fields.split(' ').nth(field).and_then(|text| text.parse().ok()).expect("a count of ticks")
    };
    (ticks(11) + ticks(12)) / 100.0
}

/// Seconds that the processors of the machine were busy, whoever with; in steps of 10 ms.
pub fn machine_cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/stat").expect("Linux");
    let line = stat.lines().next().expect("a line for all processors");
    let ticks: Vec<f64> = line.split_whitespace().skip(1).filter_map(|text| text.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal.
    let idle = ticks[3] + ticks[4];
    (ticks[..8].iter().sum::<f64>() - idle) / 100.0
}
