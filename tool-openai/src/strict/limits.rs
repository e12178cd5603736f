//! Limits of services for a whole schema.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::reason::{NotStrictError, Obstacle};
use super::schema::Object;
use super::union::{has_properties, values_of};
use crate::Profile;

/// The most that a service takes in one strict schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) properties: usize,
    /// Objects within objects.
    pub(crate) levels: usize,
    /// Of the names of properties and definitions, and of constants.
    pub(crate) characters: usize,
    /// In all enums together.
    pub(crate) values: usize,
    /// In one enum of more than 250 strings.
    pub(crate) characters_of_one: usize,
}

/// How many references may be followed before it is given up.
const MOST_STEPS: usize = 100_000;

/// Checks a schema of the subset as a whole. Returns where forms begin with the same property, if
/// the service takes that.
pub(crate) fn check(
    schema: &Value,
    profile: &Profile,
) -> Result<Option<(String, String)>, NotStrictError> {
    let mut look = Look {
        root: schema,
        steps: MOST_STEPS,
        counts: Counts::default(),
        same: None,
        path: Vec::new(),
    };
    // Counted once, at the end: services count the schema as it is sent, definitions included.
    look.at(schema)?;
    let levels = look.levels(schema, &mut Vec::new(), &mut HashMap::new())?.0;
    let (counts, limits) = (&look.counts, &profile.limits);
    for (what, count, limit) in [
        ("properties", counts.properties, limits.properties),
        ("levels of objects", levels, limits.levels),
        (
            "characters in names and constants",
            counts.characters,
            limits.characters,
        ),
        ("values in enums", counts.values, limits.values),
        (
            "characters in one long enum",
            counts.characters_of_one,
            limits.characters_of_one,
        ),
    ] {
        // One over a limit and the service refuses the whole request, with all other tools in it.
        if count > limit {
            return Err(NotStrictError::new(
                &[],
                Obstacle::TooMany { what, count, limit },
            ));
        }
    }
    match look.same {
        // A service that does not accept such variants would refuse the whole request.
        Some((path, key)) if !profile.same_first_key => {
            Err(NotStrictError::new(&path, Obstacle::SameFirstKey(key)))
        }
        same => Ok(same.map(|(path, key)| (path.join("."), key))),
    }
}

#[derive(Default)]
struct Counts {
    properties: usize,
    characters: usize,
    values: usize,
    characters_of_one: usize,
}

struct Look<'s> {
    root: &'s Value,
    steps: usize,
    counts: Counts,
    same: Option<(Vec<String>, String)>,
    path: Vec<String>,
}

impl<'s> Look<'s> {
    /// Counts a schema and those inside it; definitions where they are defined, not where they are
    /// referred to.
    fn at(&mut self, schema: &'s Value) -> Result<(), NotStrictError> {
        // `true` and `false` have nothing to count.
        let Some(object) = schema.as_object() else {
            return Ok(());
        };
        self.count_values(object);
        for key in ["properties", "$defs"] {
            for (name, schema) in object
                .get(key)
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
            {
                // Names of definitions count as characters, but are not properties.
                self.counts.properties += usize::from(key == "properties");
                self.counts.characters += name.chars().count();
                self.path.extend([key.to_owned(), name.clone()]);
                self.at(schema)?;
                self.path.truncate(self.path.len() - 2);
            }
        }
        if let Some(items) = object.get("items") {
            self.path.push("items".to_owned());
            self.at(items)?;
            self.path.pop();
        }
        if object.contains_key("$ref") {
            // Finds a reference that leads back to itself with nothing in between.
            self.objects(schema, &mut Vec::new(), &mut Vec::new())?;
        }
        let Some(Value::Array(branches)) = object.get("anyOf") else {
            return Ok(());
        };
        for (position, branch) in branches.iter().enumerate() {
            self.path.push(format!("anyOf[{position}]"));
            self.at(branch)?;
            self.path.pop();
        }
        self.look_for_same_first_key(schema)
    }

    fn count_values(&mut self, object: &Object) {
        let length = |value: &Value| value.as_str().map_or(0, |text| text.chars().count());
        self.counts.characters += object.get("const").map_or(0, length);
        let Some(Value::Array(values)) = object.get("enum") else {
            return;
        };
        let characters = values.iter().map(length).sum();
        self.counts.values += values.len();
        self.counts.characters += characters;
        // The documented limit applies to long enums only.
        if values.len() > 250 {
            self.counts.characters_of_one = self.counts.characters_of_one.max(characters);
        }
    }

    /// Remembers the first place where two variants of a union begin with the same property, and no
    /// constant distinguishes them.
    fn look_for_same_first_key(&mut self, schema: &'s Value) -> Result<(), NotStrictError> {
        let mut objects = Vec::new();
        self.objects(schema, &mut Vec::new(), &mut objects)?;
        let mut seen: HashMap<&str, Option<HashSet<String>>> = HashMap::new();
        for object in objects {
            let Some((key, tag)) = object
                .get("properties")
                .and_then(Value::as_object)
                .and_then(|properties| properties.iter().next())
            else {
                continue;
            };
            let values = values_of(tag);
            let same = match (seen.get_mut(key.as_str()), values) {
                // A first variant with this key cannot be confused with another.
                (None, values) => {
                    seen.insert(key, values);
                    false
                }
                // Different constants distinguish the variants, equal ones do not.
                (Some(Some(seen)), Some(values)) => {
                    values.into_iter().any(|value| !seen.insert(value))
                }
                _ => true,
            };
            // The first is enough: the message names one place to fix.
            if same && self.same.is_none() {
                self.same = Some((self.path.clone(), key.clone()));
            }
        }
        Ok(())
    }

    /// The objects that a value may be, at its outermost.
    fn objects(
        &mut self,
        schema: &'s Value,
        within: &mut Vec<&'s str>,
        found: &mut Vec<&'s Object>,
    ) -> Result<(), NotStrictError> {
        self.step()?;
        let Some(object) = schema.as_object() else {
            return Ok(());
        };
        if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
            if within.contains(&reference) {
                return Err(NotStrictError::new(
                    &self.path,
                    Obstacle::EndlessReference(reference.to_owned()),
                ));
            }
            // Only while it is followed: the same reference elsewhere is not a loop.
            within.push(reference);
            if let Some(target) = super::target(self.root, reference) {
                self.objects(target, within, found)?;
            }
            within.pop();
        }
        for branch in object
            .get("anyOf")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            self.objects(branch, within, found)?;
        }
        found.extend(Some(object).filter(|object| has_properties(object)));
        Ok(())
    }

    /// The most objects within objects, a reference to what is around it not counted; and whether
    /// there was none.
    fn levels(
        &mut self,
        schema: &'s Value,
        within: &mut Vec<&'s str>,
        known: &mut HashMap<&'s str, usize>,
    ) -> Result<(usize, bool), NotStrictError> {
        self.step()?;
        let Some(object) = schema.as_object() else {
            return Ok((0, true));
        };
        if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
            // A recursive type has no depth of its own; the result is not reusable elsewhere.
            if within.contains(&reference) {
                return Ok((0, false));
            }
            if reference == "#" {
                return Ok((0, true));
            }
            if let Some(levels) = known.get(reference) {
                return Ok((*levels, true));
            }
            within.push(reference);
            let target = super::target(self.root, reference).unwrap_or(&Value::Null);
            let (levels, whole) = self.levels(target, within, known)?;
            within.pop();
            // Remembered only if no loop was cut off, or another path would get too small a number.
            if whole {
                known.insert(reference, levels);
            }
            return Ok((levels, whole));
        }
        let (mut most, mut whole) = (0, true);
        // Only objects count as levels; lists and unions between them do not.
        let properties = object.get("properties").and_then(Value::as_object);
        let branches = object.get("anyOf").and_then(Value::as_array);
        for below in branches
            .into_iter()
            .flatten()
            .chain(object.get("items"))
            .chain(properties.into_iter().flat_map(Object::values))
        {
            let (levels, all) = self.levels(below, within, known)?;
            most = most.max(levels);
            whole &= all;
        }
        Ok((most + usize::from(properties.is_some()), whole))
    }

    /// References can make a small schema describe exponentially many paths.
    fn step(&mut self) -> Result<(), NotStrictError> {
        self.steps = self
            .steps
            .checked_sub(1)
            .ok_or_else(|| NotStrictError::new(&self.path, Obstacle::TooComplex))?;
        Ok(())
    }
}
