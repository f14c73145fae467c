//! YAML edited in place: comments, order and blank lines of what an edit does not name stay byte for byte. Every edit
//! is proven by parsing its result.

mod apply;
mod parse;
#[cfg(test)]
mod tests;

use indexmap::IndexMap;
use serde_json::Value as Json;

use self::apply::{Editor, Unfit};
use self::parse::Node;
pub(super) use self::parse::comments;
use super::Sides;
use super::shape::Shape;
use super::tree::{Change, Clash, Value, expected, reconcile};

/// Sets the entry at a path of keys, or removes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    pub path: Vec<String>,
    pub value: Option<Json>,
}

/// Why a document cannot be edited; a program decides on it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    #[error("the document cannot be read: {0}")]
    Parse(String),
    #[error("`{0}` is not a map")]
    NotAMap(String),
    #[error("the document is written in a way that cannot be edited without losing something of it")]
    Unfit,
}

impl From<Unfit> for EditError {
    fn from(_: Unfit) -> Self {
        Self::Unfit
    }
}

impl From<Clash> for EditError {
    fn from(_: Clash) -> Self {
        Self::Unfit
    }
}

/// Applies edits to a document of one map. Missing maps on the way to a key are made; a map whose last entry goes, goes
/// as well. `order` is that of the document's own keys: a new one goes behind the last of those before it.
///
/// # Errors
/// The document cannot be read, a path leads through something that is no map, or the result would not be exactly what
/// the edits say.
pub fn edit(text: &str, edits: &[Edit], order: &[&str]) -> Result<String, EditError> {
    let (shape, text) = Shape::take(text);
    let before = json(&text)?;
    let mut wanted = before.clone();
    let mut patch = Patch::Inside(IndexMap::new());
    for edit in edits {
        apply(&mut wanted, edit)?;
        patch.add(&edit.path, edit.value.as_ref());
    }
    if wanted == before {
        return Ok(shape.restore(&text));
    }
    let mut documents = parse::parse(&text).map_err(EditError::Parse)?;
    if documents.len() > 1 {
        return Err(EditError::Parse("more than one document".to_owned()));
    }
    let ours = documents.pop();
    let next_text = emit(&patch.target());
    let next = parse::parse(&next_text).map_err(EditError::Parse)?.pop().ok_or(EditError::Unfit)?;
    let change = match (&patch, &ours) {
        (Patch::Set(_), _) | (Patch::Remove, _) => return Err(EditError::Unfit),
        (_, ours) => patch.change(ours.as_ref().map(|node| &node.value), Some(&next.value))?,
    };
    let mut editor = Editor::new(&text, &next_text, ours.as_ref(), order);
    match (&change, &ours) {
        // The last entry of the document.
        (Change::Remove, Some(Node { value: Value::Map(map), .. })) => {
            let all = map.keys().map(|key| (key.clone(), Change::Remove)).collect();
            editor.document(ours.as_ref(), &next, &Change::Map(all))?;
        }
        _ => editor.document(ours.as_ref(), &next, &change)?,
    }
    let result = editor.finish()?;
    if json(&result)? == wanted { Ok(shape.restore(&result)) } else { Err(EditError::Unfit) }
}

/// Takes the difference between base and next over to ours; None when both changed one thing, or when the result could
/// not be proven. The sides end with newlines.
pub(super) fn merge(sides: Sides<'_>) -> Option<String> {
    let [base, ours, next] = [sides.base, sides.ours, sides.next].map(|text| parse::parse(text).ok());
    let (base, ours, next) = (base?, ours?, next?);
    if base.len() != ours.len() || ours.len() != next.len() {
        return None;
    }
    let mut editor = Editor::new(sides.ours, sides.next, ours.first(), &[]);
    let mut wanted = Vec::new();
    for ((base, ours), next) in base.iter().zip(&ours).zip(&next) {
        let change = reconcile(Some(&base.value), Some(&ours.value), Some(&next.value)).ok()?;
        wanted.push(expected(Some(&ours.value), Some(&next.value), &change)?);
        editor.document(Some(ours), next, &change).ok()?;
    }
    let result = editor.finish().ok()?;
    let reached: Vec<Value> = parse::parse(&result).ok()?.into_iter().map(|node| node.value).collect();
    (reached == wanted).then_some(result)
}

/// Whether a reader would accept every document, duplicate keys and undefined aliases refused.
pub(super) fn parses(text: &str) -> bool {
    parse::parse(text).is_ok() && serde_saphyr::from_multiple::<serde::de::IgnoredAny>(text).is_ok()
}

enum Patch {
    Set(Json),
    Remove,
    Inside(IndexMap<String, Self>),
}

impl Patch {
    fn add(&mut self, path: &[String], value: Option<&Json>) {
        let Some((key, rest)) = path.split_first() else {
            *self = value.map_or(Self::Remove, |value| Self::Set(value.clone()));
            return;
        };
        match self {
            Self::Inside(children) => {
                children.entry(key.clone()).or_insert_with(|| Self::Inside(IndexMap::new())).add(rest, value);
            }
            Self::Set(json) => {
                let edit = Edit { path: path.to_vec(), value: value.cloned() };
                // A later edit inside of what an earlier one set; what cannot be applied is found out by `apply`.
                let _ = apply(json, &edit);
            }
            Self::Remove if value.is_some() => {
                let mut json = Json::Null;
                let _ = apply(&mut json, &Edit { path: path.to_vec(), value: value.cloned() });
                *self = Self::Set(json);
            }
            Self::Remove => {}
        }
    }

    /// The values to be set, at their places.
    fn target(&self) -> Json {
        match self {
            Self::Set(json) => json.clone(),
            Self::Remove => Json::Null,
            Self::Inside(children) => Json::Object(
                children
                    .iter()
                    .filter(|(_, child)| child.sets())
                    .map(|(key, child)| (key.clone(), child.target()))
                    .collect(),
            ),
        }
    }

    fn sets(&self) -> bool {
        match self {
            Self::Set(_) => true,
            Self::Remove => false,
            Self::Inside(children) => children.values().any(Self::sets),
        }
    }

    fn change(&self, ours: Option<&Value>, next: Option<&Value>) -> Result<Change, EditError> {
        match self {
            Self::Set(_) => Ok(reconcile(ours, ours, next)?),
            Self::Remove if ours.is_none() => Ok(Change::Keep),
            Self::Remove => Ok(Change::Remove),
            Self::Inside(children) => {
                let Some(Value::Map(map)) = ours else {
                    return Ok(if self.sets() { Change::Put } else { Change::Keep });
                };
                let mut changes = Vec::new();
                for (key, child) in children {
                    let next = if let Some(Value::Map(next)) = next { next.get(key) } else { None };
                    match child.change(map.get(key), next)? {
                        Change::Keep => {}
                        change => changes.push((key.clone(), change)),
                    }
                }
                let removed = changes.iter().filter(|(_, change)| *change == Change::Remove).count();
                let emptied = !map.is_empty() && removed == map.len() && removed == changes.len();
                Ok(if emptied { Change::Remove } else { Change::Map(changes) })
            }
        }
    }
}

/// One edit on the parsed value.
fn apply(json: &mut Json, edit: &Edit) -> Result<(), EditError> {
    fn at(json: &mut Json, path: &[String], depth: usize, value: Option<&Json>) -> Result<(), EditError> {
        let Some(key) = path.get(depth) else {
            *json = value.cloned().unwrap_or(Json::Null);
            return Ok(());
        };
        if json.is_null() {
            if value.is_none() {
                return Ok(());
            }
            *json = Json::Object(serde_json::Map::new());
        }
        let Json::Object(map) = json else { return Err(EditError::NotAMap(path[..depth].join("."))) };
        if value.is_none() && (depth + 1 == path.len() || !map.contains_key(key)) {
            map.shift_remove(key);
            return Ok(());
        }
        let child = map.entry(key.clone()).or_insert(Json::Null);
        let empty = |json: &Json| json.as_object().is_some_and(serde_json::Map::is_empty);
        let was_empty = empty(child);
        at(child, path, depth + 1, value)?;
        if value.is_none() && empty(child) && !was_empty {
            map.shift_remove(key);
        }
        Ok(())
    }
    at(json, &edit.path, 0, edit.value.as_ref())
}

/// The document's value; one without content is an empty map.
fn json(text: &str) -> Result<Json, EditError> {
    let options = serde_saphyr::options! { with_snippet: false };
    let json: Json =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| EditError::Parse(error.to_string()))?;
    Ok(if json.is_null() { Json::Object(serde_json::Map::new()) } else { json })
}

fn emit(json: &Json) -> String {
    let options = serde_saphyr::ser_options! { compact_list_indent: false, prefer_block_scalars: false };
    serde_saphyr::to_string_with_options(json, options).expect("JSON is made of maps, lists and scalars")
}
