//! Walks a schema and applies to each part its rule.

use serde_json::{Value, json};

use super::definitions::Definitions;
use super::limits;
use super::notes;
use super::reason::{NotStrictError, Obstacle};
use super::schema::{COMBINING, Object, allows_null, decides, is_assertion};
use super::shape::{describe, nullable};
use crate::Profile;

/// How deep schemas may be nested, references included; services take far less.
const DEEPEST: usize = 64;

/// How deep its JSON may be nested, so that it can be read and copied without care.
const DEEPEST_JSON: usize = 256;

/// How many schemas may be looked at before it is given up.
const MOST_STEPS: usize = 200_000;

/// A schema in the strict subset.
#[derive(Debug)]
pub(crate) struct Strict {
    pub(crate) schema: Value,
    /// A property that several forms of a value begin with, and where; some services cannot
    /// distinguish such variants.
    pub(crate) same_first_key: Option<(String, String)>,
}

pub(super) type Rewritten = Result<Object, NotStrictError>;

/// Rewrites the schema of an arguments object into the strict subset of a service.
/// `null_means_absent` says for which of the parameters `null` is known to mean the same as leaving
/// them out.
pub(crate) fn strict(
    schema: &Value,
    profile: &Profile,
    null_means_absent: &dyn Fn(&str) -> bool,
) -> Result<Strict, NotStrictError> {
    // Before anything recurses: the schema may come from another program.
    if is_deeper(schema, DEEPEST_JSON) {
        return Err(NotStrictError::new(&[], Obstacle::TooComplex));
    }
    let mut rewriter = Rewriter {
        root: schema,
        profile,
        null_means_absent,
        steps: MOST_STEPS,
        depth: 0,
        path: Vec::new(),
        definitions: Definitions::default(),
        inlined: Vec::new(),
    };
    let mut root = rewriter.root()?;
    let definitions = rewriter.definitions.in_order(schema);
    if !definitions.is_empty() {
        root.insert("$defs".to_owned(), definitions.into());
    }
    let schema = Value::Object(root);
    // Last: limits apply to the schema that is sent, not to the original.
    let same_first_key = limits::check(&schema, profile)?;
    Ok(Strict {
        schema,
        same_first_key,
    })
}

/// Whether values are nested deeper than that; stops looking there.
fn is_deeper(value: &Value, levels: usize) -> bool {
    match (levels.checked_sub(1), value) {
        (None, _) => true,
        (Some(left), Value::Object(object)) => object.values().any(|value| is_deeper(value, left)),
        (Some(left), Value::Array(values)) => values.iter().any(|value| is_deeper(value, left)),
        (Some(_), _) => false,
    }
}

pub(super) struct Rewriter<'s> {
    pub(super) root: &'s Value,
    pub(super) profile: &'s Profile,
    pub(super) null_means_absent: &'s dyn Fn(&str) -> bool,
    pub(super) path: Vec<String>,
    pub(super) definitions: Definitions,
    /// The references that are being read in place of themselves.
    pub(super) inlined: Vec<String>,
    steps: usize,
    depth: usize,
}

impl Rewriter<'_> {
    fn root(&mut self) -> Rewritten {
        let Some(object) = self.root.as_object() else {
            return Err(self.because(Obstacle::NoSchema));
        };
        let mut root = match COMBINING.iter().any(|key| object.contains_key(*key)) {
            false => self.plain(object)?,
            true => {
                let mut forms = self.forms(object)?;
                // The root has to be one plain object, so a choice at the top is not possible.
                let (Some(form), true) = (forms.pop(), forms.is_empty()) else {
                    return Err(self.because(Obstacle::Forms));
                };
                describe(self.plain(&form)?, &notes::of(&form))
            }
        };
        // Arguments are never `null`.
        if root.get("type") == Some(&json!(["object", "null"])) {
            root.insert("type".to_owned(), "object".into());
        }
        if root.get("type").is_none_or(|name| name != "object")
            || root.contains_key("enum")
            || root.contains_key("const")
        {
            return Err(self.because(Obstacle::Forms));
        }
        Ok(describe(root, &notes::of(object)))
    }

    /// One schema and all in it.
    pub(super) fn schema(&mut self, schema: &Value) -> Rewritten {
        self.count_steps(1)?;
        self.deeper(|this| match schema {
            Value::Bool(true) => Err(this.because(Obstacle::Anything)),
            Value::Bool(false) => Err(this.because(Obstacle::Nothing)),
            Value::Object(object) if !decides(object) => Err(this.because(Obstacle::Anything)),
            Value::Object(object) => this.object_of(object),
            _ => Err(this.because(Obstacle::NoSchema)),
        })
    }

    /// Bounds how deep it goes.
    pub(super) fn deeper<T>(
        &mut self,
        go: impl FnOnce(&mut Self) -> Result<T, NotStrictError>,
    ) -> Result<T, NotStrictError> {
        if self.depth >= DEEPEST {
            return Err(self.because(Obstacle::TooComplex));
        }
        self.depth += 1;
        let gone = go(self);
        self.depth -= 1;
        gone
    }

    /// As [`schema`](Self::schema), one step further down.
    pub(super) fn schema_at(&mut self, steps: &[&str], schema: &Value) -> Rewritten {
        let depth = self.path.len();
        self.path
            .extend(steps.iter().map(|step| (*step).to_owned()));
        let rewritten = self.schema(schema)?;
        self.path.truncate(depth); // kept in an error's path otherwise
        Ok(rewritten)
    }

    fn object_of(&mut self, object: &Object) -> Rewritten {
        let own = object.keys().any(|key| is_assertion(key));
        let reference = object.get("$ref");
        let lists: Vec<(&str, &Value)> = ["anyOf", "oneOf", "allOf"]
            .into_iter()
            .filter_map(|key| Some((key, object.get(key)?)))
            .collect();
        // A single kind of keyword keeps its form; only mixtures have to be merged.
        let rewritten = match (own, reference, lists.as_slice()) {
            (true, None, []) => {
                return self
                    .plain(object)
                    .map(|plain| self.or_null(describe(plain, &notes::of(object)), object));
            }
            (false, Some(reference), []) => self.reference(reference)?,
            (false, None, [("allOf", Value::Array(parts))]) if parts.len() == 1 => {
                self.schema_at(&["allOf[0]"], &parts[0])?
            }
            (false, None, [(key, Value::Array(branches))]) if *key != "allOf" => {
                self.union(key, branches)?
            }
            _ => self.joined(object)?,
        };
        Ok(self.or_null(describe(rewritten, &notes::of(object)), object))
    }

    /// `nullable` of OpenAPI.
    fn or_null(&self, rewritten: Object, object: &Object) -> Object {
        if object.get("nullable") == Some(&Value::Bool(true)) {
            nullable(rewritten)
        } else {
            rewritten
        }
    }

    /// A schema in parts, as one, or as one of several.
    fn joined(&mut self, object: &Object) -> Rewritten {
        let mut forms = self.forms(object)?;
        match forms.len() {
            0 => Err(self.because(Obstacle::Nothing)),
            1 => {
                let form = forms.remove(0);
                if !decides(&form) {
                    return Err(self.because(Obstacle::Anything));
                }
                let plain = self.plain(&form)?;
                Ok(describe(plain, &notes::of(&form)))
            }
            _ => {
                let forms: Vec<Value> = forms.into_iter().map(Value::Object).collect();
                self.union("anyOf", &forms)
            }
        }
    }

    /// Keeps a reference; what it refers to is rewritten once.
    fn reference(&mut self, reference: &Value) -> Rewritten {
        let pointer = reference.as_str().unwrap_or_default();
        // The root is not a definition: services take the reference as it is.
        if pointer == "#" {
            return Ok(Object::from_iter([("$ref".to_owned(), pointer.into())]));
        }
        let root = self.root;
        let Some(target) = super::target(root, pointer) else {
            return Err(self.because(Obstacle::Reference(
                reference
                    .as_str()
                    .map_or_else(|| reference.to_string(), str::to_owned),
            )));
        };
        let (place, new) = self.definitions.place(root, pointer);
        // Once for each target, or a recursive type would never end.
        if new {
            let rewritten = self.schema(target)?;
            self.definitions.set(place, rewritten);
        }
        Ok(Object::from_iter([(
            "$ref".to_owned(),
            self.definitions.reference(place).into(),
        )]))
    }

    pub(super) fn allows_null(&mut self, schema: &Value) -> bool {
        allows_null(self.root, schema, &mut self.steps)
    }

    pub(super) fn count_steps(&mut self, steps: usize) -> Result<(), NotStrictError> {
        self.steps = self
            .steps
            .checked_sub(steps)
            .ok_or_else(|| self.because(Obstacle::TooComplex))?;
        Ok(())
    }

    pub(super) fn because(&self, obstacle: Obstacle) -> NotStrictError {
        NotStrictError::new(&self.path, obstacle)
    }
}
