//! How much of what repeats a run takes, by `APPGEN_MATRIX`: with `commit`, which `tests/proof` sets, a part of it,
//! another for each commit; with `all`, which `tests/nightly` sets, everything; without, little.

use std::process::Command;

pub enum Extent {
    Little,
    /// The part that this commit takes: its first digits, as a number.
    Commit(usize),
    All,
}

/// What `APPGEN_MATRIX` says.
pub fn wanted() -> String {
    std::env::var("APPGEN_MATRIX").unwrap_or_default()
}

pub fn extent() -> Extent {
    match wanted().as_str() {
        "all" => Extent::All,
        "commit" => Extent::Commit(usize::from_str_radix(head().get(..8).unwrap_or("0"), 16).unwrap_or(0)),
        _ => Extent::Little,
    }
}

/// The commit that the tests are of.
pub fn head() -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    let head = Command::new("git").args(["rev-parse", "HEAD"]).current_dir(root).output().unwrap();
    // Without it every run would take the same part, and nobody would notice.
    assert!(head.status.success(), "{}", String::from_utf8_lossy(&head.stderr));
    String::from_utf8_lossy(&head.stdout).trim().to_owned()
}

/// Which of many of a kind a run takes, by their numbers from 0: some twenty of them, every third, or all. Few are all
/// taken.
pub fn share(count: usize) -> impl Iterator<Item = usize> {
    let (first, step) = match extent() {
        Extent::Little if count > 60 => (0, count / 20),
        Extent::Commit(part) if count > 20 => (part % 3, 3),
        Extent::Little | Extent::Commit(_) | Extent::All => (0, 1),
    };
    (first..count).step_by(step)
}
