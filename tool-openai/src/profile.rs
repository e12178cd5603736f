//! Provider profiles: what a provider accepts, where providers differ.

use crate::strict::Limits;

/// Provider profile: what an OpenAI-compatible provider accepts. Which schemas it can enforce, the
/// form of call ids, which keys of answers are sent back, and where images of results go.
///
/// [`chat::tools_for`](crate::chat::tools_for) offers tools in the form that a profile asks for;
/// [`chat::tools`](crate::chat::tools) in that of [`Profile::openai`], which is also the default.
///
/// ```
/// use tool_core::{tool, tools};
/// use tool_openai::{Profile, chat};
///
/// /// Find a patient.
/// #[tool]
/// fn find(name: &str, limit: Option<u8>) -> String {
///     format!("{name}, at most {limit:?}")
/// }
///
/// let enforced = chat::tools_for(&tools![find], &Profile::openai())?;
/// assert_eq!(enforced[0].function.strict, Some(true));
/// let plain = chat::tools_for(&tools![find], &Profile::openai().without_strict())?;
/// assert_eq!(plain[0].function.strict, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    strict: bool,
    pub(crate) constraints: bool,
    pub(crate) lengths: bool,
    /// Whether to keep to what every strict service takes, where api.openai.com takes more than it
    /// documents.
    pub(crate) cautious: bool,
    pub(crate) same_first_key: bool,
    pub(crate) limits: Limits,
    /// Whether `null` is written as `nullable`.
    pub(crate) nullable: bool,
    short_ids: bool,
    /// The most characters of a call's id.
    longest_id: usize,
    /// Which keys of answers, beside content and calls, are sent back.
    returned_keys: &'static [&'static str],
    alternates: bool,
    images: bool,
    /// Whether results may have images in them: only users may in chat completions.
    images_in_results: bool,
}

/// Keys in which services write reasoning.
pub(crate) const REASONING_KEYS: [&str; 7] = [
    "extra_content",
    "provider_specific_fields",
    "reasoning",
    "reasoning_content",
    "reasoning_details",
    "thinking_blocks",
    "thought_signature",
];

/// Where the images of results go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Images {
    /// Nowhere: a text says that there is one.
    Nowhere,
    /// In one user message behind the results.
    Behind,
    /// In the results.
    Within,
}

impl Profile {
    /// api.openai.com: `strict` with 5 000 properties in 10 levels, bounds of numbers and lists
    /// included.
    pub fn openai() -> Self {
        let limits = Limits {
            properties: 5_000,
            levels: 10,
            characters: 120_000,
            values: 1_000,
            characters_of_one: 15_000,
        };
        Self {
            strict: true,
            constraints: true,
            lengths: false,
            cautious: false,
            same_first_key: true,
            limits,
            nullable: false,
            short_ids: false,
            longest_id: 40,
            returned_keys: &[],
            alternates: false,
            images: true,
            images_in_results: false,
        }
    }

    /// Azure: `strict` without any bounds, patterns or formats, with 100 properties in 5 levels.
    /// What cannot be enforced is written in the descriptions.
    ///
    /// Azure does not enforce schemas beside parallel calls. To have both, do without:
    /// `Profile::azure().without_strict()`; or send `parallel_tool_calls: false`.
    pub fn azure() -> Self {
        let limits = Limits {
            properties: 100,
            levels: 5,
            characters: 15_000,
            values: 500,
            characters_of_one: 7_500,
        };
        Self {
            constraints: false,
            same_first_key: false,
            limits,
            ..Self::openai()
        }
    }

    /// Any service that knows `strict`: only what all of them take, and no images. Reasoning is
    /// sent back, since some services refuse a call without the reasoning before it; ids are
    /// sent back as they came.
    pub fn portable() -> Self {
        Self {
            cautious: true,
            same_first_key: false,
            images: false,
            longest_id: usize::MAX,
            returned_keys: &REASONING_KEYS,
            ..Self::openai()
        }
    }

    /// Mistral: ids of nine letters and digits, an assistant message between tool results and the
    /// user, and no keys that it does not document.
    pub fn mistral() -> Self {
        Self {
            returned_keys: &[],
            ..Self::portable().with_short_ids().with_alternating_roles()
        }
    }

    /// Gemini behind its OpenAI-compatible API: no `strict`, `nullable` in place of a list of types,
    /// which it refuses, images, and the signatures of reasoning.
    pub fn gemini() -> Self {
        Self {
            nullable: true,
            returned_keys: &["extra_content"],
            ..Self::portable().without_strict().with_images()
        }
    }

    /// Sends no `strict`, and schemas in the fewest bytes: for services that do not know the key,
    /// or refuse it.
    #[must_use]
    pub fn without_strict(self) -> Self {
        Self {
            strict: false,
            ..self
        }
    }

    /// Keeps `minLength` and `maxLength` in strict schemas. api.openai.com takes them, though it
    /// does not say so; others refuse the whole request. Without this, they are written in the
    /// descriptions.
    #[must_use]
    pub fn with_lengths(self) -> Self {
        Self {
            lengths: true,
            ..self
        }
    }

    /// Sends ids of exactly nine letters and digits, as Mistral demands them: others are replaced.
    #[must_use]
    pub fn with_short_ids(self) -> Self {
        Self {
            short_ids: true,
            ..self
        }
    }

    /// Replaces ids of calls that are longer than that, counted in characters. OpenAI's chat
    /// completions take 40, its Responses 64.
    #[must_use]
    pub fn with_longest_id(self, characters: usize) -> Self {
        Self {
            longest_id: characters,
            ..self
        }
    }

    /// Sets which of the keys that a model's answers have beside content and calls go back to the
    /// service, in messages and in calls: `reasoning_content`, `reasoning_details` or `extra_content`
    /// for example. Others stay in the history. A model never gets those of another.
    ///
    /// ```
    /// use tool_openai::Profile;
    ///
    /// let kimi = Profile::portable().with_returned_keys(&["reasoning_content"]);
    /// assert_ne!(kimi, Profile::portable());
    /// ```
    #[must_use]
    pub fn with_returned_keys(self, keys: &'static [&'static str]) -> Self {
        Self {
            returned_keys: keys,
            ..self
        }
    }

    /// Whether a key of an answer goes back.
    pub(crate) fn returns(&self, key: &str) -> bool {
        self.returned_keys.contains(&key)
    }

    /// Whether the service takes the id of a call.
    pub(crate) fn takes_id(&self, id: &str) -> bool {
        match self.short_ids {
            true => id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            false => id.chars().count() <= self.longest_id,
        }
    }

    /// Inserts an assistant message between tool results and a user message that follows them, as
    /// after a run that was stopped: Mistral refuses a user message there.
    #[must_use]
    pub fn with_alternating_roles(self) -> Self {
        Self {
            alternates: true,
            ..self
        }
    }

    pub(crate) fn alternates(&self) -> bool {
        self.alternates
    }

    /// Shows the images of results to the model, in one user message behind them: chat completions
    /// take images from users only. Services refuse this where the model reads no images, and some
    /// refuse a user message behind results.
    #[must_use]
    pub fn with_images(self) -> Self {
        Self {
            images: true,
            ..self
        }
    }

    /// Sends no images: the result has a text that says so.
    #[must_use]
    pub fn without_images(self) -> Self {
        Self {
            images: false,
            ..self
        }
    }

    /// Images, if any, are in the results themselves.
    #[cfg(feature = "http")]
    pub(crate) fn with_images_in_results(self) -> Self {
        Self {
            images_in_results: true,
            ..self
        }
    }

    /// The same, with images where another profile has them.
    pub(crate) fn with_images_as_in(self, other: &Self) -> Self {
        Self {
            images_in_results: other.images_in_results,
            ..self
        }
    }

    pub(crate) fn images(&self) -> Images {
        match self.images {
            false => Images::Nowhere,
            true if self.images_in_results => Images::Within,
            true => Images::Behind,
        }
    }

    /// Whether tools are offered with `strict`, where their schemas allow it.
    pub fn is_strict(&self) -> bool {
        self.strict
    }

    /// An id for a call that has none, or one that is taken: the same for the same place. Shape:
    /// `call_` and 24 digits, or nine letters and digits. `turn` and `position` are the place of
    /// the call in the conversation and in its message.
    pub fn invented_id(&self, turn: usize, position: usize) -> String {
        if self.short_ids {
            return digits(turn, 5) + &digits(position, 4);
        }
        format!(
            "call_{:012}{:012}",
            turn % 1_000_000_000_000,
            position % 1_000_000_000_000
        )
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::openai()
    }
}

/// The last `count` digits of a number to the base of 36.
fn digits(mut number: usize, count: usize) -> String {
    let mut digits = vec![b'0'; count];
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdefghijklmnopqrstuvwxyz"[number % 36];
        number /= 36;
    }
    digits.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invented_ids_have_the_form_that_the_service_demands() {
        let (long, short) = (Profile::openai(), Profile::openai().with_short_ids());
        assert_eq!(long.invented_id(2, 11), "call_000000000002000000000011");
        assert_eq!(short.invented_id(2, 37), "000020011");
        for (turn, position) in [(0, 0), (usize::MAX, usize::MAX)] {
            assert_eq!(long.invented_id(turn, position).len(), 29);
            let id = short.invented_id(turn, position);
            assert!(
                id.len() == 9 && id.chars().all(|c| c.is_ascii_alphanumeric()),
                "{id}"
            );
        }
    }
}
