//! The shapes that arguments are nested from, beside those of the standard library and of other
//! crates.
//!
//! `x-buffered` in a schema marks what serde may read into memory before it decodes it.

#![expect(dead_code, reason = "what is decoded is not looked at")]

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Page<T> {
    items: Vec<T>,
    next: Option<String>,
    #[serde(default)]
    total: u32,
    #[serde(rename = "page-number")]
    number: u8,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Visit<T> {
    first_seen: T,
    last_seen: Option<T>,
    #[serde(default = "seven")]
    days_between: u8,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Solo<T> {
    only: T,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Ward<T>(T);

#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct Clear<T> {
    inner: T,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Couple<A, B>(A, B);

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Tree<T> {
    value: T,
    #[serde(default)]
    label: String,
    children: Vec<Tree<T>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Chain {
    value: i64,
    next: Option<Box<Chain>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// From the smallest.
    RisingFirst,
    FallingFirst,
    #[serde(rename = "as it comes")]
    Any,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) enum External<A, B> {
    Point,
    Circle(A),
    Line(A, B),
    #[serde(rename_all = "kebab-case")]
    Box {
        wide_side: A,
        high_side: Option<B>,
    },
}

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "kind", content = "of")]
#[schemars(extend("x-buffered" = true))]
pub(crate) enum Adjacent<A, B> {
    Nothing,
    One(A),
    Both(A, B),
    Named { left: B },
}

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "kind")]
#[schemars(extend("x-buffered" = true))]
pub(crate) enum Internal<T> {
    Free,
    Card { number: T },
    Cash(Visit<T>),
    Page(Page<T>),
    Inside(Ward<Solo<T>>),
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("x-buffered" = true))]
pub(crate) enum Untagged<A, B> {
    One(A),
    Named { left: A, right: Option<B> },
    Other(B),
}

#[derive(Deserialize, JsonSchema)]
#[schemars(extend("x-buffered" = true))]
pub(crate) struct WithStruct<T> {
    due: String,
    #[serde(flatten)]
    page: Page<T>,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(extend("x-buffered" = true))]
pub(crate) struct WithTagged<T> {
    due: String,
    #[serde(flatten)]
    payment: Internal<T>,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(extend("x-buffered" = true))]
pub(crate) struct WithAdjacent<A, B> {
    due: Option<u8>,
    #[serde(flatten)]
    adjacent: Adjacent<A, B>,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(extend("x-buffered" = true))]
pub(crate) struct WithMap<T> {
    due: u8,
    #[serde(flatten)]
    rest: BTreeMap<String, T>,
}

/// Two flattened enums cannot be joined into one object.
#[derive(Deserialize, JsonSchema)]
#[schemars(extend("x-buffered" = true))]
pub(crate) struct WithTwo<T> {
    #[serde(flatten)]
    payment: Payment<T>,
    #[serde(flatten)]
    route: Route,
}

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "kind")]
pub(crate) enum Payment<T> {
    Free,
    Card { number: T },
}

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "by")]
pub(crate) enum Route {
    Post { address: String },
    Hand,
}

/// What is sent as `{}`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Empty {}

/// What is sent as `null`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Nothing;

fn seven() -> u8 {
    7
}
