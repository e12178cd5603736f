//! Conversations and held runs as files, so that they outlive the program.

use std::fs;
use std::io;
use std::path::PathBuf;

use anyhow::Context;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tool_openai::{History, Suspended};
use uuid::Uuid;

/// A folder with a file for each. Its owner alone can change it: what a held run says is run.
#[derive(Clone, Debug)]
pub(crate) struct Store(PathBuf);

/// A run that waits for a decision.
#[derive(Serialize, Deserialize)]
pub(crate) struct Held {
    pub(crate) user: String,
    /// The id of this approval: an old one cannot decide on another call.
    pub(crate) approval: Uuid,
    pub(crate) run: Suspended,
}

/// A conversation, and whose it is.
#[derive(Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) user: String,
    pub(crate) history: History,
}

impl Store {
    pub(crate) fn open(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn file(&self, kind: &str, id: Uuid) -> PathBuf {
        self.path(&format!("{kind}-{id}.json"))
    }

    pub(crate) fn conversation(&self, id: Uuid) -> anyhow::Result<Option<Kept>> {
        self.read(&self.file("conversation", id))
    }

    pub(crate) fn keep_conversation(&self, id: Uuid, kept: &Kept) -> anyhow::Result<()> {
        self.write(&self.file("conversation", id), kept)
    }

    pub(crate) fn hold(&self, id: Uuid, held: &Held) -> anyhow::Result<()> {
        self.write(&self.file("held", id), held)
    }

    pub(crate) fn held(&self, id: Uuid) -> anyhow::Result<Option<Held>> {
        self.read(&self.file("held", id))
    }

    /// Takes a held run for one attempt to resume it: of two that ask at once, one gets it. The
    /// file stays, under another name, for a person who has to find out what happened to an attempt
    /// that ended with the program.
    pub(crate) fn take(&self, id: Uuid) -> io::Result<bool> {
        match fs::rename(self.file("held", id), self.file("taken", id)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn read<T: DeserializeOwned>(&self, path: &PathBuf) -> anyhow::Result<Option<T>> {
        match fs::read(path) {
            Ok(text) => {
                let value = serde_json::from_slice(&text);
                value.map(Some).with_context(|| path.display().to_string())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A file is whole or not there.
    fn write(&self, path: &PathBuf, value: &impl Serialize) -> anyhow::Result<()> {
        let new = path.with_extension("new");
        fs::write(&new, serde_json::to_vec(value)?)?;
        Ok(fs::rename(new, path)?)
    }
}
