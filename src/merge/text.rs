//! The line-wise three-way merge, and lists of lines of which both sides may have added some.

use std::ops::Range;

use regex_lite::Regex;
use similar::{MergeResolution, TextMerge};

use super::Sides;

/// A merged file in pieces: lines that are settled, and those that both sides changed.
pub(super) enum Hunk<'a> {
    Settled(Vec<&'a str>),
    Conflict { base: Vec<&'a str>, ours: Vec<&'a str>, next: Vec<&'a str> },
}

/// The sides end with newlines and have no other line ends.
pub(super) fn merge<'a>(lists: &[String], sides: Sides<'a>) -> Vec<Hunk<'a>> {
    let [base, ours, next] = [sides.base, sides.ours, sides.next].map(lines);
    let patterns: Vec<Regex> = lists.iter().filter_map(|list| Regex::new(list).ok()).collect();
    let merge = TextMerge::from_lines(sides.base, sides.ours, sides.next);
    if [merge.base_len(), merge.ours_len(), merge.theirs_len()] != [base.len(), ours.len(), next.len()] {
        // Lines as similar counts them are not ours, as with a lone carriage return.
        return vec![Hunk::Conflict { base, ours, next }];
    }
    let mut hunks = Vec::new();
    for region in merge.regions() {
        let (b, o, n) = (region.base_range(), region.ours_range(), region.theirs_range());
        hunks.push(match region.resolution() {
            MergeResolution::Unchanged | MergeResolution::Ours | MergeResolution::Both => {
                Hunk::Settled(ours[o].to_vec())
            }
            MergeResolution::Theirs => Hunk::Settled(next[n].to_vec()),
            _ => {
                let sides = [(&base[..], b.clone()), (&ours[..], o.clone()), (&next[..], n.clone())];
                match patterns.iter().find_map(|list| settle_list(list, &sides)) {
                    Some(lines) => Hunk::Settled(lines),
                    None => Hunk::Conflict { base: base[b].to_vec(), ours: ours[o].to_vec(), next: next[n].to_vec() },
                }
            }
        });
    }
    hunks
}

/// Settles conflicts in which one side only added lines beside those that the other one changed.
pub(super) fn settle_additions(hunks: &mut [Hunk<'_>]) {
    for hunk in hunks {
        let Hunk::Conflict { base, ours, next } = hunk else { continue };
        let settled = beside(base, ours, next).or_else(|| beside(base, next, ours));
        if let Some(lines) = settled {
            *hunk = Hunk::Settled(lines);
        }
    }
}

/// `changed` with what `added` has before or behind base. What `changed` has more than base may stand in the same place
/// and what it has not may be what the addition belonged to; then it is a conflict.
fn beside<'a>(base: &[&'a str], added: &[&'a str], changed: &[&'a str]) -> Option<Vec<&'a str>> {
    if base.is_empty() || changed.is_empty() || changed.len() > base.len() {
        return None;
    }
    match (added.strip_prefix(base), added.strip_suffix(base)) {
        (Some(behind), _) => Some([changed, behind].concat()),
        (_, Some(before)) => Some([before, changed].concat()),
        _ => None,
    }
}

/// The text, each conflict as `choose` says.
pub(super) fn assemble<'a>(hunks: &[Hunk<'a>], choose: impl Fn(&Hunk<'a>) -> String) -> String {
    hunks.iter().map(|hunk| if let Hunk::Settled(lines) = hunk { lines.concat() } else { choose(hunk) }).collect()
}

/// A conflict with diff3 markers.
pub(super) fn marked(hunk: &Hunk<'_>) -> String {
    match hunk {
        Hunk::Settled(lines) => lines.concat(),
        Hunk::Conflict { base, ours, next } => format!(
            "<<<<<<< yours\n{}||||||| previous template\n{}=======\n{}>>>>>>> new template\n",
            ours.concat(),
            base.concat(),
            next.concat()
        ),
    }
}

fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// A hunk of a list to which both sides may have added. Where one of them put something else behind the list's end, or
/// before its beginning, the items stay with the list.
fn settle_list<'a>(list: &Regex, sides: &[(&[&'a str], Range<usize>); 3]) -> Option<Vec<&'a str>> {
    let fits = |line: &&&str| list.is_match(line.trim_end_matches('\n'));
    let [base, ours, next] = sides.each_ref().map(|(lines, hunk)| &lines[hunk.clone()]);
    if !base.iter().all(|line| fits(&line)) {
        return None;
    }
    let (lines, hunk) = &sides[0];
    let above = !base.is_empty() || lines[..hunk.start].last().is_some_and(|line| fits(&line));
    let below = lines[hunk.end..].first().is_some_and(|line| fits(&line));
    let items = |side: &[&str]| match above || !below {
        true => 0..side.iter().take_while(fits).count(),
        false => side.len() - side.iter().rev().take_while(fits).count()..side.len(),
    };
    let (our, new) = (items(ours), items(next));
    let other = |side: &[&str], items: &Range<usize>| items.len() < side.len();
    let kept = |items: &[&str]| (above || below) && base.iter().all(|line| items.contains(line));
    match (other(ours, &our), other(next, &new)) {
        (true, true) => return None,
        (true, false) if !kept(&ours[our.clone()]) => return None,
        (false, true) if !kept(&next[new.clone()]) => return None,
        _ => {}
    }
    let sorted = sides.iter().all(|(lines, hunk)| run(list, lines, hunk).is_sorted());
    let both = union(base, &ours[our.clone()], &next[new.clone()], sorted)?;
    Some([&ours[..our.start], &next[..new.start], &both, &ours[our.end..], &next[new.end..]].concat())
}

/// The lines of the list around a hunk: they tell whether it is kept sorted.
fn run<'a, 'l>(list: &Regex, lines: &'l [&'a str], hunk: &Range<usize>) -> &'l [&'a str] {
    let fits = |line: &&&str| list.is_match(line.trim_end_matches('\n'));
    let before = lines[..hunk.start].iter().rev().take_while(fits).count();
    let after = lines[hunk.end..].iter().take_while(fits).count();
    &lines[hunk.start - before..hunk.end + after]
}

/// Both sides' additions and removals. None when both put something else in the place of one line: keeping both would
/// keep one thing twice.
fn union<'a>(base: &[&'a str], ours: &[&'a str], next: &[&'a str], sorted: bool) -> Option<Vec<&'a str>> {
    let added = |side: &[&'a str], other: &[&'a str]| -> Vec<&'a str> {
        side.iter().filter(|line| !base.contains(line) && !other.contains(line)).copied().collect()
    };
    let removed_by_both = base.iter().any(|line| !ours.contains(line) && !next.contains(line));
    if removed_by_both && !added(ours, next).is_empty() && !added(next, ours).is_empty() {
        return None;
    }
    let mut lines: Vec<&str> =
        ours.iter().filter(|line| next.contains(line) || !base.contains(line)).copied().collect();
    lines.extend(added(next, ours));
    if sorted {
        lines.sort_unstable();
    }
    Some(lines)
}
