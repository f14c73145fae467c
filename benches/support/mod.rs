//! What the benchmarks measure with.

use std::process::Command;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

pub fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

/// User and system time of the children that ran meanwhile.
pub fn processor_time(body: impl FnOnce()) -> Duration {
    let children = || {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
        let total = usage.user_time() + usage.system_time();
        Duration::from_micros(total.num_microseconds().try_into().unwrap())
    };
    let before = children();
    body();
    children() - before
}

/// The median of ratios, and their range.
pub fn summary(ratios: &mut [f64]) -> String {
    ratios.sort_by(f64::total_cmp);
    let (least, most) = (ratios[0], ratios[ratios.len() - 1]);
    format!("median {:.2} ({least:.2} to {most:.2}), {} rounds", ratios[ratios.len() / 2], ratios.len())
}
