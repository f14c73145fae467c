//! What root makes in somebody's repository belongs to him: he could not edit it otherwise.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown, lchown};
use std::path::Path;

/// Makes a directory that belongs to whoever owns the repository, unless one is there.
pub(super) fn make_directory(root: &Path, directory: &Path) -> io::Result<()> {
    // Not one that a link leads to.
    let is_there = || fs::symlink_metadata(directory).is_ok_and(|found| found.is_dir());
    if is_there() {
        return Ok(());
    }
    match fs::create_dir(directory) {
        // Another appgen made it between question and answer.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && is_there() => return Ok(()),
        made => made?,
    }
    let (owner, made) = (fs::metadata(root)?, fs::symlink_metadata(directory)?);
    if made.uid() == owner.uid() {
        return Ok(());
    }
    or_not_permitted(lchown(directory, Some(owner.uid()), Some(owner.gid())))
}

/// Gives a new file to whoever owns the repository.
pub(super) fn give(root: &Path, file: &File) -> io::Result<()> {
    let (owner, made) = (fs::metadata(root)?, file.metadata()?);
    if made.uid() == owner.uid() {
        return Ok(());
    }
    or_not_permitted(fchown(file, Some(owner.uid()), Some(owner.gid())))
}

/// Makes owner and mode of a file those of the one whose place it will take.
pub(super) fn resemble(there: &Metadata, file: &File) -> io::Result<()> {
    let made = file.metadata()?;
    // The group first, and alone: its members may give a file to it, and to nobody else.
    if made.gid() != there.gid() {
        or_not_permitted(fchown(file, None, Some(there.gid())))?;
    }
    if made.uid() != there.uid() {
        or_not_permitted(fchown(file, Some(there.uid()), None))?;
    }
    // Last: a new owner takes the special bits away.
    file.set_permissions(Permissions::from_mode(there.permissions().mode() & 0o7777))
}

/// Only root may give files away; for everybody else they stay his own.
pub(super) fn or_not_permitted(given: io::Result<()>) -> io::Result<()> {
    match given {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
        done => done,
    }
}
