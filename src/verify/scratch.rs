//! What a run writes: all of it below `target/verify`, so that the working tree stays as it is. Logs are kept until the
//! next run, for people to read; the copy of the tree and the rendered manifests go with the run.
#![allow(clippy::disallowed_methods, reason = "below target/verify alone")]

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::files::Files;

const COPY: &str = "copy";
const MANIFESTS: &str = "manifests";
/// A relative path: checkov passes over what stands below a hidden directory, and the repository itself may stand there.
pub(super) const MANIFESTS_FROM_COPY: &str = "../manifests";
const DOCUMENTS: &str = "documents";

/// The directory of one run.
#[derive(Debug)]
pub(super) struct Scratch {
    directory: PathBuf,
    /// Held until the run ends: two of them would write each other's files.
    _lock: File,
}

impl Scratch {
    /// An empty directory below `target`, or none where another run has it.
    pub(super) fn open(target: &Path) -> io::Result<Option<Self>> {
        let directory = target.join("verify");
        let lock = directory.join("lock");
        // `target` itself may be elsewhere, where its user put it.
        if let Some(link) = [&directory, &lock].into_iter().find(|path| path.is_symlink()) {
            let message = format!("`{}` is a symbolic link, and appgen would follow it: remove it", link.display());
            return Err(io::Error::other(message));
        }
        fs::create_dir_all(&directory)?;
        let lock = File::create(lock)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let scratch = Self { directory, _lock: lock };
        clear(&scratch.directory)?;
        for entry in fs::read_dir(&scratch.directory)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "log") {
                fs::remove_file(path)?;
            }
        }
        fs::create_dir(scratch.directory.join(MANIFESTS))?;
        fs::create_dir(scratch.directory.join(DOCUMENTS))?;
        Ok(Some(scratch))
    }

    pub(super) fn log_path(&self, check: &str) -> PathBuf {
        self.directory.join(format!("{check}.log"))
    }

    pub(super) fn log(&self, check: &str) -> io::Result<File> {
        File::options().create(true).truncate(true).read(true).write(true).open(self.log_path(check))
    }

    /// Where the manifests of the environments are.
    pub(super) fn manifests(&self) -> PathBuf {
        self.directory.join(MANIFESTS)
    }

    pub(super) fn write_manifest(&self, environment: &str, text: &[u8]) -> io::Result<()> {
        fs::write(self.manifests().join(format!("{environment}.yaml")), text)
    }

    /// Where the same are as JSON.
    pub(super) fn documents(&self) -> PathBuf {
        self.directory.join(DOCUMENTS)
    }

    pub(super) fn write_document(&self, name: &str, text: &str) -> io::Result<()> {
        fs::write(self.documents().join(name), text)
    }

    /// Copies the tree, with something in the place of every secret that a file should bring.
    pub(super) fn copy(&self, root: &Path, files: &Files) -> io::Result<PathBuf> {
        let copy = self.directory.join(COPY);
        let mut copied = Vec::new();
        for path in files.all() {
            let to = copy.join(path);
            fs::create_dir_all(to.parent().unwrap_or(&copy))?;
            match fs::copy(root.join(path), &to) {
                // Gone since the tree was looked at, as an editor's own file is.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(io::Error::new(error.kind(), format!("cannot copy `{path}`: {error}"))),
                Ok(_) => copied.push(path),
            }
        }
        for path in copied {
            let name = path.rsplit('/').next().unwrap_or_default();
            if name == "kustomization.yaml" || name.contains("compose") && name.ends_with(".yaml") {
                stand_in_for_secrets(&copy.join(path))?;
            }
        }
        Ok(copy)
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }
}

/// Removes what is of no use after a run.
pub(super) fn clear(directory: &Path) -> io::Result<()> {
    for name in [COPY, MANIFESTS, DOCUMENTS] {
        match fs::remove_dir_all(directory.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The next run removes what this one could not.
        let _ = clear(&self.directory);
    }
}

/// Secrets are in no tree that git keeps: each file that is named for one, and is not there, is written.
fn stand_in_for_secrets(file: &Path) -> io::Result<()> {
    let document: Value = serde_saphyr::from_str(&fs::read_to_string(file)?).unwrap_or_default();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let generated = list(&document["secretGenerator"]).into_iter().flat_map(|secret| list(&secret["files"]));
    let composed = document["secrets"].as_object().into_iter().flatten().map(|(_, secret)| secret["file"].clone());
    for named in generated.chain(composed) {
        let Some(named) = named.as_str() else { continue };
        // kustomize: `key=path`, or a path alone.
        let path = named.split_once('=').map_or(named, |(_, path)| path);
        let secret = file.with_file_name(path);
        let stays = !path.split('/').any(|part| part == "..") && !path.starts_with('/') && !path.contains('$');
        if stays && !secret.exists() {
            fs::create_dir_all(secret.parent().unwrap_or(file))?;
            fs::write(secret, "not-a-secret")?;
        }
    }
    Ok(())
}
