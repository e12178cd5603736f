//! The version of what is stored.

use serde::{Deserialize, Serialize};

/// The newest format of stored values: what this program writes, and the last it can read.
const NEWEST: u64 = 1;

/// The version of a stored value. There is one format so far, so it holds nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub(crate) struct Version;

impl From<Version> for u64 {
    fn from(_: Version) -> Self {
        NEWEST
    }
}

impl TryFrom<u64> for Version {
    type Error = String;

    fn try_from(version: u64) -> Result<Self, String> {
        match version {
            1..=NEWEST => Ok(Self),
            0 => Err("there is no format 0".to_owned()),
            later => Err(format!(
                "format {later} was written by a later version of tool-openai; this one reads \
                 formats up to {NEWEST}, so update it"
            )),
        }
    }
}
