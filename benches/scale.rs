//! `cargo bench --bench scale`: what appgen costs as repositories grow. Processor time of rendering alone, of `new`, and
//! of changes in an existing repository; each a median, and as a ratio to what was measured beside it: the same bytes
//! written and fsynced, rendering once, `git merge` of the same trees. `new` writes to the disk, changes are made in memory.
//! With `-- DIRECTORY` the table and a plot go there.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a benchmark may"
)]

#[path = "support/sets.rs"]
mod sets;
mod support;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use plotters::prelude::*;
use sets::{CHANGED, branches, child, git, reset};
use support::{floor, in_memory, median, pack, peak, processor_time, run};

/// Entities and handlers, environments.
const SIZES: &[(usize, usize)] = &[(1, 3), (10, 3), (100, 3), (1000, 3), (10, 1), (10, 10), (10, 100), (100, 20)];

/// Columns of the table.
const COLUMNS: &[&str] = &[
    "entities and handlers",
    "environments",
    "files",
    "render ms",
    "new ms",
    "new / floor",
    "new MiB",
    "add-handler ms",
    "/ render",
    "sync ms",
    "/ render",
    "upgrade ms",
    "/ render",
    "/ git merge",
];

struct Row {
    things: usize,
    environments: usize,
    files: usize,
    /// Processor time in seconds.
    render: f64,
    new: f64,
    floor: f64,
    /// Peak memory in MiB.
    memory: f64,
    handler: f64,
    sync: f64,
    upgrade: f64,
    merge: f64,
}

fn main() {
    if support::is_helper() || sets::is_child() {
        return;
    }
    let rows: Vec<Row> = SIZES.iter().map(|(things, environments)| measure(*things, *environments)).collect();
    let table = table(&rows);
    print!("{table}");
    let directory = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    if let Some(directory) = directory {
        fs::write(Path::new(&directory).join("scale.md"), table).unwrap();
        plot(&rows, &Path::new(&directory).join("scale.svg"));
    }
}

fn measure(things: usize, environments: usize) -> Row {
    let rounds = if things >= 1000 { 1 } else { 9 };
    let (place, disk) = (in_memory(), tempfile::tempdir().unwrap());
    let (place, disk) = (place.path(), disk.path());
    let (old, next) = (place.join("old"), place.join("next"));
    for (directory, set) in [(&old, "old"), (&next, "new")] {
        fs::create_dir(directory).unwrap();
        fs::write(directory.join("spec.yaml"), spec(things, environments)).unwrap();
        run(&mut child(set, directory, &["new", "--spec", "spec.yaml"]));
    }
    let (old, fresh) = (old.join("a"), next.join("a"));
    branches(&old, &fresh);
    fs::write(disk.join("spec.yaml"), spec(things, environments)).unwrap();
    let packed = disk.join("packed.json");
    let (files, _) = pack(&fresh, &packed);
    let memory = peak(disk, &["new", "--spec", "spec.yaml", "--no-git"]);
    fs::remove_dir_all(disk.join("a")).unwrap();

    let mut times: [Vec<f64>; 7] = Default::default();
    for _ in 0..rounds {
        let mut time = |at: usize, body: &mut dyn FnMut()| times[at].push(processor_time(body).as_secs_f64());
        time(0, &mut || run(&mut child("new", disk, &["new", "--spec", "spec.yaml", "--no-git", "-n"])));
        time(1, &mut || run(&mut child("new", disk, &["new", "--spec", "spec.yaml", "--no-git"])));
        fs::remove_dir_all(disk.join("a")).unwrap();
        time(2, &mut || run(&mut floor(&packed, disk)));
        fs::remove_dir_all(disk.join("floor")).unwrap();
        time(3, &mut || run(&mut child("new", &fresh, &["add-handler", "one-more"])));
        reset(&fresh);
        one_more_entity(&fresh);
        time(4, &mut || run(&mut child("new", &fresh, &["sync"])));
        reset(&fresh);
        time(5, &mut || run(&mut child("new", &old, &["upgrade"])));
        reset(&old);
        time(6, &mut || run(&mut git(&old, &["merge", "--quiet", "--no-edit", "next"])));
        run(&mut git(&old, &["reset", "--quiet", "--hard", "HEAD^1"]));
    }
    let [render, new, floor, handler, sync, upgrade, merge] = times.map(|mut times| median(&mut times));
    Row { things, environments, files, render, new, floor, memory, handler, sync, upgrade, merge }
}

fn spec(things: usize, environments: usize) -> String {
    let mut spec = "version: 1\nservice: { name: a }\nenvironments:\n".to_owned();
    (0..environments).for_each(|index| writeln!(spec, "  env-{index}: {{}}").unwrap());
    spec.push_str("entities:\n");
    (0..things).for_each(|index| spec.push_str(&entity(index)));
    spec.push_str("handlers:\n");
    for index in 0..things {
        writeln!(spec, "  get-{index}: {{ method: GET, path: \"/api/v2/get-{index}/{{key}}\" }}").unwrap();
    }
    spec
}

fn entity(index: usize) -> String {
    format!(
        "  thing-{index}:\n    fields:\n      code: {{ type: text, length: 20, required: true, unique: true }}\n      \
         amount: {{ type: decimal, precision: 12, scale: 2 }}\n      due: {{ type: date, required: true }}\n"
    )
}

/// As an edit of `appgen.yaml` by hand.
fn one_more_entity(repository: &Path) {
    let file = repository.join("appgen.yaml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("\nentities:\n"));
    fs::write(&file, text.replacen("\nentities:\n", &format!("\nentities:\n{}", entity(5000)), 1)).unwrap();
}

fn table(rows: &[Row]) -> String {
    let mut table = format!("| {} |\n|{}\n", COLUMNS.join(" | "), "--:|".repeat(COLUMNS.len()));
    for row in rows {
        let ms = |seconds: f64| format!("{:.1}", seconds * 1e3);
        let ratio = |part: f64, whole: f64| format!("{:.2}", part / whole);
        let cells = [
            row.things.to_string(),
            row.environments.to_string(),
            row.files.to_string(),
            ms(row.render),
            ms(row.new),
            ratio(row.new, row.floor),
            format!("{:.1}", row.memory),
            ms(row.handler),
            ratio(row.handler, row.render),
            ms(row.sync),
            ratio(row.sync, row.render),
            ms(row.upgrade),
            ratio(row.upgrade, row.render),
            ratio(row.upgrade, row.merge),
        ];
        writeln!(table, "| {} |", cells.join(" | ")).unwrap();
    }
    let render = |things: usize| rows.iter().find(|row| (row.things, row.environments) == (things, 3)).unwrap().render;
    let exponent = (render(1000) / render(100)).log10();
    writeln!(table, "\nRendering grows with the {exponent:.2}th power from 100 to 1000 entities and handlers.")
        .unwrap();
    writeln!(table, "An upgrade changes {} files, each of which has an edit.", CHANGED.len()).unwrap();
    table
}

fn plot(rows: &[Row], file: &Path) {
    let rows: Vec<&Row> = rows.iter().filter(|row| row.environments == 3).collect();
    type Value = fn(&Row) -> f64;
    let lines: [(&str, Value); 6] = [
        ("render", |row| row.render),
        ("new", |row| row.new),
        ("write and fsync", |row| row.floor),
        ("add-handler", |row| row.handler),
        ("upgrade", |row| row.upgrade),
        ("git merge", |row| row.merge),
    ];
    let drawing = SVGBackend::new(file, (800, 500)).into_drawing_area();
    drawing.fill(&WHITE).unwrap();
    let mut chart = ChartBuilder::on(&drawing)
        .margin(20)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d((1.0..1000.0).log_scale(), (0.001..20.0).log_scale())
        .unwrap();
    chart.configure_mesh().x_desc("entities and handlers").y_desc("seconds of processor").draw().unwrap();
    for (index, (name, value)) in lines.into_iter().enumerate() {
        let colour = Palette99::pick(index).to_rgba();
        let points = rows.iter().map(|row| (row.things as f64, value(row)));
        let series = chart.draw_series(LineSeries::new(points, colour.stroke_width(2))).unwrap();
        series.label(name).legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2)));
    }
    let mut labels = chart.configure_series_labels();
    labels.position(SeriesLabelPosition::UpperLeft).border_style(BLACK).background_style(WHITE).draw().unwrap();
    drawing.present().unwrap();
}
