//! Why a schema cannot be carried over.

use std::fmt;

/// Why the parameters of a tool cannot be offered with `strict: true`: where in them, and what
/// is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotStrictError {
    path: String,
    parameter: Option<String>,
    obstacle: Obstacle,
}

impl NotStrictError {
    pub(super) fn new(path: &[String], obstacle: Obstacle) -> Self {
        let parameter = path
            .first()
            .filter(|step| *step == "properties")
            .and_then(|_| path.get(1))
            .cloned();
        Self {
            path: path.join("."),
            parameter,
            obstacle,
        }
    }

    /// Where in the schema, through references: `properties.visits.items.properties.date`. Empty
    /// for the whole.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The parameter that it is in, unless it is about all of them.
    pub fn parameter(&self) -> Option<&str> {
        self.parameter.as_deref()
    }

    /// What is there.
    pub fn obstacle(&self) -> &Obstacle {
        &self.obstacle
    }
}

impl fmt::Display for NotStrictError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.parameter, self.path.as_str()) {
            (Some(parameter), path) if path.strip_prefix("properties.") == Some(parameter) => {
                write!(f, "parameter `{parameter}`")?;
            }
            (Some(parameter), path) => write!(f, "parameter `{parameter}`, at `{path}`,")?,
            (None, "") => f.write_str("the schema")?,
            (None, path) => write!(f, "the schema, at `{path}`,")?,
        }
        write!(f, " {}", self.obstacle)
    }
}

impl std::error::Error for NotStrictError {}

/// What strict schemas cannot express.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Obstacle {
    /// Any JSON value is taken: `serde_json::Value`, or an empty schema.
    #[error("takes any JSON value; give it a type")]
    Anything,
    /// No value is taken.
    #[error("takes no value at all; leave it out")]
    Nothing,
    /// Not an object or a boolean, where a schema should be.
    #[error("is not a schema; write an object")]
    NoSchema,
    /// No `type`, nor anything that implies one.
    #[error("has no `type`; name one")]
    Untyped,
    /// A `type` that JSON does not have.
    #[error("has the type `{0}`, which JSON does not have; name another")]
    UnknownType(String),
    /// A property that may be left out and may be `null`: strict schemas have `null` for both.
    #[error(
        "may be left out and may be `null`, which may mean two things, and a strict schema has only `null`; require it, or take `null` out of its type"
    )]
    NullOrAbsent,
    /// A map: keys of any name.
    #[error(
        "is a map with keys of any name; take a list of entries, or list the names in `properties`"
    )]
    OpenMap,
    /// An object that neither lists properties nor says that there are none.
    #[error(
        "is an object that lists no properties; list them, or write `\"additionalProperties\": false` if there are none"
    )]
    Unlisted,
    /// An object without properties, which some services refuse.
    #[error("is an object without properties, which some services refuse; leave it out")]
    EmptyObject,
    /// A property that is required, but not described.
    #[error("requires `{0}`, which it does not list; describe it in `properties`")]
    Undescribed(String),
    /// A tuple of different types.
    #[error("is a tuple of different types; take an object with a property for each")]
    MixedTuple,
    /// A list without a schema of its items.
    #[error("is a list of anything; say in `items` what is in it")]
    ListOfAnything,
    /// A keyword that services refuse, and that says more than a description can.
    #[error("has `{0}`, which strict schemas do not; leave it out")]
    Keyword(&'static str),
    /// Parts that do not merge into one schema.
    #[error("is described in parts that do not merge, because of `{0}`; describe it in one")]
    Parts(String),
    /// A reference that leads out of the schema, or nowhere.
    #[error("refers to `{0}`, which is not in the schema; put it into `$defs`")]
    Reference(String),
    /// A reference that leads back to itself with nothing in between.
    #[error("refers to itself without end, by `{0}`; put a property or a list in between")]
    EndlessReference(String),
    /// A constant that is an object or a list.
    #[error("has a constant that is an object or a list; list its properties")]
    Constant,
    /// Arguments in one of several variants.
    #[error(
        "takes one of several variants; services require one plain object: move the choice into a parameter"
    )]
    Forms,
    /// Variants that begin with the same property, which some services cannot distinguish.
    #[error(
        "has forms that begin with the same property `{0}`; begin each with a constant of its own"
    )]
    SameFirstKey(String),
    /// More than services take in one schema.
    #[error("has {count} {what}, and services take {limit}; make it smaller, or several tools")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        count: usize,
        /// The most.
        limit: usize,
    },
    /// Nested or entangled beyond what is followed.
    #[error(
        "is too deeply nested, or refers to itself in too many ways, to be followed; make it simpler"
    )]
    TooComplex,
}
