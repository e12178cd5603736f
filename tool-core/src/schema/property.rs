//! What a schema is made of.

use schemars::{Schema, SchemaGenerator};

/// One property of an arguments object.
pub trait Property {
    /// The property's name.
    fn name(&self) -> &'static str;

    /// Whether the model must supply it.
    fn is_required(&self) -> bool;

    /// Whether `null` means the same as leaving it out.
    fn null_means_absent(&self) -> bool;

    /// The property's schema; named types go into the generator's definitions.
    fn property(&self, generator: &mut SchemaGenerator) -> Schema;
}
