//! The version of what is stored.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The newest format of stored values: what this program writes, and the last it can read.
const NEWEST: u64 = 1;

/// The version of a stored value. There is one format so far, so it holds nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Version;

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(NEWEST)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            1..=NEWEST => Ok(Self),
            0 => Err(D::Error::custom("there is no format 0")),
            later => Err(D::Error::custom(format!(
                "format {later} was written by a later version of tool-core; this one reads formats \
                 up to {NEWEST}, so update it"
            ))),
        }
    }
}
