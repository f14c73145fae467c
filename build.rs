//! Tells the binary its version, with the commit it was built from where that can be read, packs the templates that are
//! embedded, and tells their digest.

#![allow(clippy::disallowed_methods, reason = "those are rules for the program")]

#[path = "src/digest.rs"]
mod digest;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use flate2::Compression;
use flate2::read::DeflateEncoder;

fn main() {
    println!("cargo:rerun-if-changed=templates");
    println!("cargo:rerun-if-changed=frozen");
    // A file that is not there, as in a worktree or in the packed crate, would be a change at every build.
    if Path::new(".git/HEAD").exists() {
        println!("cargo:rerun-if-changed=.git/HEAD");
    }
    let version = env!("CARGO_PKG_VERSION");
    let version = match commit() {
        Some(commit) => format!("{version} ({commit})"),
        None => version.to_owned(),
    };
    println!("cargo:rustc-env=APPGEN_VERSION={version}");
    let mut templates = BTreeMap::new();
    match read(Path::new("templates"), "", &mut templates).and_then(|()| embed(&templates)) {
        Ok(()) => println!("cargo:rustc-env=APPGEN_TEMPLATES_DIGEST={}", digest::digest(&templates)),
        Err(error) => println!("cargo:error=reading the templates: {error}"),
    }
}

/// Writes two tables for `src/templates.rs`: every template with its packed text and the length of the unpacked one, and
/// every archive of a released set.
fn embed(templates: &BTreeMap<String, String>) -> io::Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let mut tables = String::from("static EMBEDDED: &[(&str, &[u8], usize)] = &[\n");
    for (index, (name, text)) in templates.iter().enumerate() {
        let file = out.join(format!("template-{index}"));
        let mut packed = Vec::new();
        DeflateEncoder::new(text.as_bytes(), Compression::best()).read_to_end(&mut packed)?;
        fs::write(&file, packed)?;
        let _ = writeln!(tables, "    ({name:?}, include_bytes!({file:?}), {}),", text.len());
    }
    tables.push_str("];\nstatic FROZEN: &[(&str, &[u8])] = &[\n");
    let directory = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("frozen");
    let mut archives = fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    archives.sort();
    for archive in &archives {
        let name = archive.file_name().unwrap_or_default().to_string_lossy();
        let _ = writeln!(tables, "    ({name:?}, include_bytes!({archive:?})),");
    }
    tables.push_str("];\n");
    fs::write(out.join("sets.rs"), tables)
}

/// Every file below a directory, by its path with slashes.
fn read(directory: &Path, prefix: &str, files: &mut BTreeMap<String, String>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            read(&entry.path(), &format!("{name}/"), files)?;
        } else {
            files.insert(name, fs::read_to_string(entry.path())?);
        }
    }
    Ok(())
}

/// The commit of the checkout, or the one that `cargo package` wrote down. git itself need not be there.
fn commit() -> Option<String> {
    let head = match fs::read_to_string(".git/HEAD") {
        Ok(head) => match head.trim().strip_prefix("ref: ") {
            Some(reference) => {
                println!("cargo:rerun-if-changed=.git/{reference}");
                fs::read_to_string(Path::new(".git").join(reference)).ok().or_else(|| packed(reference))?
            }
            None => head,
        },
        Err(_) => {
            let info = fs::read_to_string(".cargo_vcs_info.json").ok()?;
            info.split("\"sha1\"").nth(1)?.split('"').nth(1)?.to_owned()
        }
    };
    head.trim().get(..12).map(str::to_owned)
}

fn packed(reference: &str) -> Option<String> {
    let packed = fs::read_to_string(".git/packed-refs").ok()?;
    packed.lines().find(|line| line.ends_with(reference)).map(str::to_owned)
}
