//! What the system says about a process.

use anyhow::{Context, Result};

/// Clock ticks a second in /proc, the same on every Linux of today.
const TICKS: f64 = 100.0;

/// CPU time a process has used, in seconds: user and system, all its threads.
///
/// # Errors
/// If there is no such process.
pub fn cpu_seconds(process: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let (_, fields) = stat.rsplit_once(") ").context("stat without a name")?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: f64 = fields.next().context("no user time")?.parse()?;
    let system: f64 = fields.next().context("no system time")?.parse()?;
    Ok((user + system) / TICKS)
}

/// CPU time that the threads a process has now have used, as exactly as the kernel knows it.
///
/// # Errors
/// If there is no such process.
pub fn cpu_nanoseconds(process: u32) -> Result<u64> {
    let mut sum = 0;
    for task in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let stat = std::fs::read_to_string(task?.path().join("schedstat"))?;
        let time = stat.split_whitespace().next().context("no time")?;
        sum += time.parse::<u64>()?;
    }
    Ok(sum)
}

/// Memory a process holds in RAM, in kilobytes (1,024 bytes).
///
/// # Errors
/// If there is no such process.
pub fn resident_kb(process: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let figure = line.and_then(|line| line.split_whitespace().next());
    Ok(figure.context("no VmRSS")?.parse()?)
}
