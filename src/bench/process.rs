//! What a process has cost so far: processor time and memory, as Linux tells them.
//!
//! ```text
//! /proc/PID/stat      .. (name) S ..  utime stime ..       fields 14 and 15, in clock ticks
//! /proc/PID/status    VmHWM:  1234 kB   VmRSS:  1234 kB
//! ```
//!
//! A tick is 10 ms as a rule, so what is measured should cost a second at least.

use std::time::Duration;

/// A process, by its id.
#[derive(Clone, Copy, Debug)]
pub struct Process(pub u32);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub cpu: Duration,
    pub rss_kib: u64,
    pub rss_peak_kib: u64,
}

impl Process {
    pub fn this() -> Process {
        Process(std::process::id())
    }

    /// None if there is no such process (any more), or no such file system.
    pub fn usage(self) -> Option<Usage> {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", self.0)).ok();
        let (stat, status) = (read("stat")?, read("status")?);
        let ticks_per_second = rustix::param::clock_ticks_per_second();
        let cpu = Duration::from_millis(cpu_ticks(&stat)? * 1_000 / ticks_per_second);
        Some(Usage { cpu, rss_kib: kib(&status, "VmRSS:")?, rss_peak_kib: kib(&status, "VmHWM:")? })
    }
}

/// The name may have spaces and brackets in it: fields are counted from the last bracket.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11).map(str::parse::<u64>);
    Some(fields.next()?.ok()? + fields.next()?.ok()?)
}

fn kib(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_any_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 120 0 0 0 31 11 0 0 20 0 1 0 55 8192 99";
        assert_eq!(cpu_ticks(stat), Some(42));
        assert_eq!(cpu_ticks("7 (a) S 1"), None);
        assert_eq!(kib("VmPeak:\t 9 kB\nVmHWM:\t  1234 kB\nVmRSS:\t 99 kB\n", "VmHWM:"), Some(1234));
        assert_eq!(kib("Name: x\n", "VmRSS:"), None);
    }

    #[test]
    fn this_process_costs_something() {
        let usage = Process::this().usage().unwrap();
        assert!(usage.rss_kib > 0 && usage.rss_peak_kib >= usage.rss_kib);
        assert_eq!(Process(u32::MAX).usage(), None);
    }
}
