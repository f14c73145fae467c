//! Whether a merged Rust file may stand: it parses, and nothing is declared twice that was declared once.

use std::collections::HashMap;

use syn::Item;

use super::Sides;

pub(super) fn accepts(sides: Sides<'_>, text: &str) -> bool {
    let Ok(file) = syn::parse_file(text) else { return syn::parse_file(sides.ours).is_err() };
    let declared = declarations(&file);
    let [ours, next] = [sides.ours, sides.next].map(|text| syn::parse_file(text).map(|file| declarations(&file)));
    let (ours, next) = (ours.unwrap_or_default(), next.unwrap_or_default());
    declared.iter().all(|(name, count)| {
        let known = [&ours, &next].map(|side| side.get(name).copied().unwrap_or_default());
        *count <= 1 || *count <= known[0].max(known[1])
    })
}

/// How often each name is declared at the top of a file, by namespace. Twice is an error of the compiler, except under
/// `cfg`, of which both sides know.
fn declarations(file: &syn::File) -> HashMap<(&'static str, String), usize> {
    let mut declared = HashMap::new();
    for item in &file.items {
        let name = match item {
            Item::Const(item) => Some(("value", &item.ident)),
            Item::Fn(item) => Some(("value", &item.sig.ident)),
            Item::Static(item) => Some(("value", &item.ident)),
            Item::Enum(item) => Some(("type", &item.ident)),
            Item::Mod(item) => Some(("type", &item.ident)),
            Item::Struct(item) => Some(("type", &item.ident)),
            Item::Trait(item) => Some(("type", &item.ident)),
            Item::Type(item) => Some(("type", &item.ident)),
            Item::Union(item) => Some(("type", &item.ident)),
            _ => None,
        };
        if let Some((space, name)) = name {
            *declared.entry((space, name.to_string())).or_default() += 1;
        }
    }
    declared
}
