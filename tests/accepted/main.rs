//! Uses of the macros that compile; a module per topic.

#![deny(warnings, future_incompatible, rust_2024_compatibility)]
// Anything that the language allows, whatever its style.
#![allow(clippy::all, unreachable_pub)]
#![cfg(test)] // for clippy, which allows `unwrap` in tests

mod args;
mod attributes_kept;
mod behavior;
mod blanket_traits;
mod cfg;
mod cfg_parameters;
mod context;
mod crate_option;
mod defaults;
mod denied_lints;
mod descriptions;
mod forbidden_lints;
mod function_shapes;
mod lengths;
mod macro_rules;
mod names_of_methods;
mod no_implicit_prelude;
mod parameter_types;
mod patterns;
mod provide;
mod provide_own_type;
mod ranges;
mod raw_identifiers;
mod results;
mod serde_attributes;
mod shadowed_names;
mod state;
mod toolbox;
mod toolbox_attributes;
mod toolbox_generic;
mod toolbox_places;
mod toolbox_self;
mod toolset_from_function;
mod type_names;
mod visibility;
