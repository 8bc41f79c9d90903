//! What a tokenizer.json may ask for: its normaliser, post-processor and decoder are read as plain
//! JSON first, because the library allocates whatever they claim, and Rust ends the process when
//! memory runs out. Nothing here is near what a real tokenizer has.

use serde::de::IgnoredAny;
use serde::Deserialize;
use serde_json::Value;

use crate::error::{Result, TextError};

/// Steps of a normaliser or decoder, and pieces of a template.
const MAX_STEPS: usize = 64;
/// How many times as long a text may become: NFKC's longest character (33 bytes from 3) and one
/// replacement by U+2581 (3 bytes, and one kept) together stay below.
const MAX_GROWTH: usize = 256;
/// Bytes put before or after a text.
const MAX_AFFIX: usize = 4096;

#[derive(Deserialize)]
struct Steps {
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    post_processor: Value,
    #[serde(default)]
    decoder: Value,
    #[serde(default, rename = "model")]
    _model: IgnoredAny,
}

/// Refuses a file whose steps could grow a text out of all proportion. A file that is no JSON is
/// left to the parser that reads all of it.
pub fn check_steps(json: &[u8]) -> Result<()> {
    let Ok(steps) = serde_json::from_slice::<Steps>(json) else { return Ok(()) };
    check_growth("normalizer", &steps.normalizer)?;
    check_growth("decoder", &steps.decoder)?;
    check_template(&steps.post_processor)
}

fn refused(what: &str, why: &str) -> TextError {
    TextError::limit(format!("tokenizer.json: the {what} {why}"))
}

/// The steps of a tree of sequences, in order. Every step counts, whatever it calls itself, and so
/// does what stands inside it: the library ignores members that it does not know.
fn flat<'a>(step: &'a Value, members: &[&str], into: &mut Vec<&'a Value>) {
    into.push(step);
    for inner in members.iter().filter_map(|m| step.get(m).and_then(Value::as_array)) {
        inner.iter().for_each(|s| flat(s, members, into));
    }
}

fn check_growth(what: &str, root: &Value) -> Result<()> {
    let mut steps = Vec::new();
    flat(root, &["normalizers", "decoders"], &mut steps);
    if steps.len() > MAX_STEPS {
        return Err(refused(what, &format!("has more than {MAX_STEPS} steps")));
    }
    let mut growth = 1usize;
    for step in steps {
        let bytes = |key: &str| step.get(key).and_then(Value::as_str).map_or(0, str::len);
        if bytes("prepend").max(bytes("prefix")) > MAX_AFFIX {
            return Err(refused(what, &format!("puts more than {MAX_AFFIX} bytes before a text")));
        }
        // By its members: the library takes a step without a type for what they fit. An empty
        // pattern matches beside every byte.
        let replaced = if step.get("content").is_some() { bytes("content") + 1 } else { 1 };
        let bytelevel = step.get("type").and_then(Value::as_str) == Some("ByteLevel");
        let factor = replaced.max(longest_replacement(step)?).max(if bytelevel { 2 } else { 1 });
        growth = growth.saturating_mul(factor.max(1));
    }
    if growth > MAX_GROWTH {
        return Err(refused(
            what,
            &format!("may make a text more than {MAX_GROWTH} times as long"),
        ));
    }
    Ok(())
}

/// A charsmap is base64 of: the bytes of a trie (u32, little-endian), the trie, then replacements
/// that each end in a zero byte (sentencepiece's src/normalizer.cc, DecodePrecompiledCharsMap).
fn longest_replacement(step: &Value) -> Result<usize> {
    let Some(text) = step.get("precompiled_charsmap").and_then(Value::as_str) else { return Ok(1) };
    let map = from_base64(text);
    let trie = match map.first_chunk::<4>() {
        Some(size) => u32::from_le_bytes(*size) as usize,
        None => return Ok(1), // an empty map, or one that the library refuses
    };
    match map.get(4..).and_then(|rest| rest.get(trie..)) {
        Some(texts) => Ok(texts.split(|&b| b == 0).map(<[u8]>::len).max().unwrap_or(0)),
        None => Err(refused(
            "normalizer",
            &format!("has a charsmap of {} bytes that claims a trie of {trie}", map.len()),
        )),
    }
}

/// The bytes up to the first character that is no base64.
fn from_base64(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut held, mut bits) = (0u32, 0u32);
    for c in text.bytes() {
        let six = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => break,
        };
        held = (held << 6 | u32::from(six)) & 0xFFFF;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
        }
    }
    bytes
}

fn check_template(root: &Value) -> Result<()> {
    let mut steps = Vec::new();
    flat(root, &["processors"], &mut steps);
    if steps.len() > MAX_STEPS {
        return Err(refused("post_processor", &format!("has more than {MAX_STEPS} steps")));
    }
    for step in steps {
        for key in ["single", "pair"] {
            let Some(pieces) = step.get(key).and_then(Value::as_array) else { continue };
            if pieces.len() > MAX_STEPS {
                let why = format!("has a template of more than {MAX_STEPS} pieces");
                return Err(refused("post_processor", &why));
            }
            let texts = pieces.iter().filter_map(|p| p.get("Sequence").and_then(|s| s.get("id")));
            let firsts = texts.filter(|id| id.as_str() == Some("A")).count();
            if firsts > 1 {
                return Err(refused("post_processor", "repeats the text"));
            }
        }
        let special = step.get("special_tokens").and_then(Value::as_object);
        for token in special.into_iter().flat_map(|tokens| tokens.values()) {
            if token.get("ids").and_then(Value::as_array).is_some_and(|ids| ids.len() > MAX_STEPS) {
                let why = format!("has a special token of more than {MAX_STEPS} ids");
                return Err(refused("post_processor", &why));
            }
        }
    }
    Ok(())
}
