//! `cargo run --example freeze -- VERSION`: freezes the templates of this checkout as those of a release. The set goes
//! into `frozen/`, from where it is compiled into every later binary; what it renders of `tests/cases` is recorded in
//! `frozen/fixtures/`, and `tests/frozen.rs` demands the same bytes for ever.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a tool of the developers")]

use std::error::Error;
use std::fs;
use std::path::Path;

use appgen::render::digests;
use appgen::spec::{Spec, SpecDocument};
use appgen::templates::{ARCHIVE, TemplateSet};

fn main() -> Result<(), Box<dyn Error>> {
    let version = std::env::args().nth(1).ok_or("usage: freeze VERSION [DIRECTORY]")?;
    let root = std::env::args().nth(2).unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").to_owned());
    let set = TemplateSet::embedded()?;
    let digest = set.version();
    let digest = digest.strip_prefix("dev+").ok_or("the set of this checkout is released already")?;
    let name = format!("{version}+{digest}");
    let frozen = Path::new(&root).join("frozen");
    let fixtures = frozen.join("fixtures").join(&name);
    fs::create_dir_all(&fixtures)?;
    fs::write(frozen.join(format!("{name}{ARCHIVE}")), set.to_archive()?)?;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases"))? {
        let path = entry?.path();
        let text = fs::read_to_string(&path)?;
        let spec = Spec::resolve(SpecDocument::parse("case", &text)?).map_err(|problems| format!("{problems:?}"))?;
        let recorded = serde_json::json!({ "spec": text, "files": digests(&spec, &set)? });
        let case = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        fs::write(fixtures.join(format!("{case}.json")), serde_json::to_string_pretty(&recorded)? + "\n")?;
    }
    println!("{name}: {}", frozen.display());
    Ok(())
}
