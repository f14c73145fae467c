//! Rows in which every two values of any two dimensions stand together, few of them (covering arrays of strength 2, by
//! the greedy way of AETG: Cohen, Dalal, Fredman, Patton 1997). Not every two can: a judge says what is wrong with a row.
//! A row is mended by values that nobody asked for yet; where none helps, the pair is refused, with the judge's reason.

use std::collections::HashSet;

use proptest::test_runner::{RngAlgorithm, TestRng};

use proptest::prelude::Rng as _;

/// For every dimension the index of its value.
pub type Row = Vec<usize>;

/// A value: its dimension, and which of its values.
pub type Point = (usize, usize);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cover {
    pub rows: Vec<Row>,
    /// Two values that no legal row has, and what is wrong with them.
    pub refused: Vec<(Point, Point, String)>,
}

/// Covers dimensions with so many values. The first value of each is what it has when nobody asks; a row of these alone
/// must be legal. `judge` says what is wrong with a row.
pub fn cover(sizes: &[usize], seed: u8, judge: &dyn Fn(&[usize]) -> Vec<String>) -> Cover {
    assert_eq!(judge(&vec![0; sizes.len()]), [""; 0], "what nobody asks for");
    let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut cover = Cover { rows: Vec::new(), refused: Vec::new() };
    let mut left = HashSet::new();
    for (one, other) in pairs(sizes) {
        match complete(sizes, &mut pair(sizes, one, other), judge) {
            Ok(()) => drop(left.insert((one, other))),
            Err(reason) => cover.refused.push((one, other, reason)),
        }
    }
    let legal = left.clone();
    for (one, other) in pairs(sizes) {
        if !left.contains(&(one, other)) {
            continue;
        }
        let mut wanted = pair(sizes, one, other);
        complete(sizes, &mut wanted, judge).expect("it was legal before");
        for dimension in shuffled(sizes.len(), &mut rng) {
            if wanted[dimension].is_none() {
                wanted = decided(sizes, &wanted, dimension, (&left, &legal), judge);
            }
        }
        let row: Row = wanted.into_iter().map(Option::unwrap).collect();
        left.retain(|(one, other)| !has(&row, *one) || !has(&row, *other));
        cover.rows.push(row);
    }
    cover
}

/// A row of which two values are asked for.
fn pair(sizes: &[usize], one: Point, other: Point) -> Vec<Option<usize>> {
    let mut wanted = vec![None; sizes.len()];
    wanted[one.0] = Some(one.1);
    wanted[other.0] = Some(other.1);
    wanted
}

pub fn has(row: &[usize], point: Point) -> bool {
    row[point.0] == point.1
}

type Pairs = HashSet<(Point, Point)>;

/// Every two values of two dimensions.
pub fn pairs(sizes: &[usize]) -> impl Iterator<Item = (Point, Point)> {
    let points = move |dimension: usize| (0..sizes[dimension]).map(move |value| (dimension, value));
    let dimensions = (0..sizes.len()).flat_map(move |one| (one + 1..sizes.len()).map(move |other| (one, other)));
    dimensions
        .flat_map(move |(one, other)| points(one).flat_map(move |one| points(other).map(move |other| (one, other))))
}

/// The row with the value of this dimension that brings the most new pairs, among those with which it can be legal.
fn decided(
    sizes: &[usize],
    wanted: &[Option<usize>],
    dimension: usize,
    (left, legal): (&Pairs, &Pairs),
    judge: &dyn Fn(&[usize]) -> Vec<String>,
) -> Vec<Option<usize>> {
    let known: Vec<Point> = wanted.iter().enumerate().filter_map(|(at, value)| Some((at, (*value)?))).collect();
    let among = |pairs: &Pairs, value: usize| {
        let point = (dimension, value);
        known.iter().filter(|other| pairs.contains(&(point.min(**other), point.max(**other)))).count()
    };
    let gain = |value: usize| among(left, value);
    let is_legal = |value: &usize| among(legal, *value) == known.len();
    let mut values: Vec<usize> = (0..sizes[dimension]).filter(is_legal).collect();
    values.sort_by_key(|value| std::cmp::Reverse(gain(*value)));
    let mut rows = values.into_iter().filter_map(|value| {
        let mut row = wanted.to_vec();
        row[dimension] = Some(value);
        complete(sizes, &mut row, judge).is_ok().then_some(row)
    });
    rows.next().expect("a legal row stays one with the value that it has")
}

/// Decides as many more values as it takes to be legal.
fn complete(
    sizes: &[usize],
    wanted: &mut [Option<usize>],
    judge: &dyn Fn(&[usize]) -> Vec<String>,
) -> Result<(), String> {
    let problems = judged(wanted, judge);
    match mended(sizes, wanted, &problems, judge) {
        Some(row) => wanted.copy_from_slice(&row),
        None => return Err(problems.join("; ")),
    }
    Ok(())
}

/// Follows every value that changes the problems and adds none: an Ingress wants its host only once there is one.
fn mended(
    sizes: &[usize],
    wanted: &[Option<usize>],
    problems: &[String],
    judge: &dyn Fn(&[usize]) -> Vec<String>,
) -> Option<Vec<Option<usize>>> {
    if problems.is_empty() {
        return Some(wanted.to_vec());
    }
    let mut steps = Vec::new();
    for dimension in (0..sizes.len()).filter(|dimension| wanted[*dimension].is_none()) {
        for value in 1..sizes[dimension] {
            let mut with = wanted.to_vec();
            with[dimension] = Some(value);
            let after = judged(&with, judge);
            if after.is_empty() {
                return Some(with);
            }
            if after != problems && after.len() <= problems.len() {
                steps.push((with, after));
            }
        }
    }
    steps.sort_by_key(|(_, after)| after.len());
    steps.into_iter().find_map(|(with, after)| mended(sizes, &with, &after, judge))
}

fn judged(wanted: &[Option<usize>], judge: &dyn Fn(&[usize]) -> Vec<String>) -> Vec<String> {
    judge(&wanted.iter().map(|value| value.unwrap_or(0)).collect::<Row>())
}

fn shuffled(length: usize, rng: &mut TestRng) -> Vec<usize> {
    let mut order: Vec<usize> = (0..length).collect();
    for end in (1..length).rev() {
        order.swap(end, rng.next_u64() as usize % (end + 1));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: &[usize] = &[2, 5, 3, 1, 4, 2, 2, 3];

    #[test]
    fn every_pair_stands_in_a_row_and_the_same_ones_each_time() {
        let cover = cover(SIZES, 7, &|_| Vec::new());
        for (one, other) in pairs(SIZES) {
            assert!(cover.rows.iter().any(|row| has(row, one) && has(row, other)), "{one:?} {other:?}");
        }
        // The two longest dimensions alone take 20.
        assert!((20..=24).contains(&cover.rows.len()), "{}", cover.rows.len());
        assert_eq!(cover.refused, []);
        assert_eq!(cover, super::cover(SIZES, 7, &|_| Vec::new()));
        assert_ne!(cover, super::cover(SIZES, 8, &|_| Vec::new()));
    }

    #[test]
    fn what_needs_another_value_gets_it_and_what_excludes_another_is_refused() {
        // The second value of the first needs the last of the second; the last of the third excludes that one.
        let judge = |row: &[usize]| {
            let needs = (row[0] == 1 && row[1] != 4).then(|| "needs".to_owned());
            let excludes = (row[1] == 4 && row[2] == 2).then(|| "excludes".to_owned());
            needs.into_iter().chain(excludes).collect()
        };
        let cover = cover(SIZES, 7, &judge);
        assert!(cover.rows.iter().all(|row| judge(row).is_empty()));
        let mut refused: Vec<_> = cover.refused.iter().map(|(one, other, why)| (*one, *other, why.as_str())).collect();
        refused.sort_unstable();
        let needs = (0..4).map(|value| ((0, 1), (1, value), "needs"));
        let both = [((0, 1), (2, 2), "excludes"), ((1, 4), (2, 2), "excludes")];
        assert_eq!(refused.len(), 6, "{refused:?}");
        assert!(needs.chain([both[1]]).all(|pair| refused.contains(&pair)), "{refused:?}");
        for (one, other) in pairs(SIZES) {
            let stands = cover.rows.iter().any(|row| has(row, one) && has(row, other));
            assert_ne!(stands, refused.iter().any(|pair| (pair.0, pair.1) == (one, other)), "{one:?} {other:?}");
        }
    }
}
