//! What the tools work on, and the message they are called by: the same in every crate.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;

pub struct Db(HashMap<&'static str, Vec<u32>>);

impl Db {
    pub fn new() -> Self {
        Self([("P-00123", vec![3, 1, 4, 1, 5, 9, 2]), ("P-00456", vec![2, 7])].into())
    }

    pub async fn find(&self, patient_id: &str) -> Result<Vec<u32>, DbError> {
        self.0.get(patient_id).cloned().ok_or_else(|| DbError(patient_id.to_owned()))
    }
}

#[derive(Debug)]
pub struct DbError(String);

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no patient `{}`", self.0)
    }
}

impl Error for DbError {}

pub const CALLS: [(&str, &str); 4] = [
    ("look_up_000", r#"{"patient_id": "P-00123"}"#),
    ("look_up_033", r#"{"patient_id": "P-00123", "limit": 2, "newest_first": true}"#),
    ("look_up_066", r#"{"patient_id": "P-99999"}"#),
    ("look_up_099", r#"{"patient_id": "P-00456", "limit": null}"#),
];
