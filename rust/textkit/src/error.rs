//! The one error type of this crate and the limits that every input is held to.

use std::fmt;

/// What kind of failure it was; the numbers are the C status codes of textkit.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Kind {
    /// The input (file, template, schema, context, id) is not usable.
    Invalid = 1,
    /// A chat template called raise_exception: the template refuses this conversation.
    Refused = 2,
    /// A limit on size, steps, output or depth was hit.
    Limit = 3,
    /// A library panicked; the call had no effect.
    Internal = 4,
}

#[derive(Clone, Debug)]
pub struct TextError {
    pub kind: Kind,
    pub message: String,
}

pub type Result<T> = std::result::Result<T, TextError>;

impl TextError {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        TextError { kind, message: message.into() }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    pub fn limit(message: impl Into<String>) -> Self {
        Self::new(Kind::Limit, message)
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

pub const MAX_TOKENIZER_BYTES: usize = 256 << 20;
pub const MAX_VOCAB: usize = 4_000_000;
pub const MAX_TEMPLATE_BYTES: usize = 1 << 20;
pub const MAX_CONTEXT_BYTES: usize = 64 << 20;
pub const MAX_JSON_DEPTH: usize = 64;
pub const MAX_TEMPLATE_STEPS: u64 = 1_000_000;
pub const MAX_TEMPLATE_OUTPUT: usize = 16 << 20;
pub const MAX_TEMPLATE_RECURSION: usize = 64;
/// Tokens of one expression or tag, and elif branches of a template.
pub const MAX_TAG_TOKENS: usize = 2000;
pub const MAX_TEMPLATE_BRANCHES: usize = 1000;
pub const MAX_GRAMMAR_BYTES: usize = 1 << 20;

/// Refuses JSON that nests deeper than any real file does, before a recursive parser sees it.
pub fn check_json_depth(what: &str, bytes: &[u8]) -> Result<()> {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for &b in bytes {
        if in_string {
            match b {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match b {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_JSON_DEPTH {
                    return Err(TextError::limit(format!(
                        "{what}: JSON nests deeper than {MAX_JSON_DEPTH} levels"
                    )));
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// Refuses an input larger than its cap.
pub fn check_size(what: &str, size: usize, cap: usize) -> Result<()> {
    if size > cap {
        return Err(TextError::limit(format!(
            "{what} has {size} bytes, more than the limit of {cap}"
        )));
    }
    Ok(())
}
