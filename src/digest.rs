//! The digest of a template set. The build script uses this file too: hashing the embedded set at every start would
//! cost more than rendering it.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

/// Sixteen hexadecimal digits that change with every name and every byte of the set's files.
pub(crate) fn digest<T: AsRef<str>>(sources: &BTreeMap<String, T>) -> String {
    let mut hash = Sha256::new();
    for (name, text) in sources {
        let text = text.as_ref();
        hash.update(format!("{name}\0{}\0", text.len()));
        hash.update(text.as_bytes());
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
