//! Parts of the tokenizer pipeline that Hugging Face's crate has not: a model shared between
//! pipelines, and a normaliser that removes the shields of protected text.
//!
//! A *shield* is U+FDD0, a noncharacter that no text should hold. Put inside the spelling of a
//! control token it keeps that spelling from being recognised; it is taken out again before the
//! model sees the text. A U+FDD0 that is really meant is written as U+FDD0 U+FDD1.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use tokenizers::models::{ModelWrapper, TrainerWrapper};
use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::{Model, NormalizedString, Normalizer, Result, Token};

pub const SHIELD: char = '\u{FDD0}';
pub const LITERAL: char = '\u{FDD1}';

/// A model behind an Arc, which also knows the ids that the file gives its added tokens. (The
/// crate would hand out ids of its own to added tokens that the model does not know.)
#[derive(Clone)]
pub struct SharedModel {
    pub inner: Arc<ModelWrapper>,
    pub added_ids: Arc<HashMap<String, u32>>,
}

impl Model for SharedModel {
    type Trainer = TrainerWrapper;

    fn tokenize(&self, sequence: &str) -> Result<Vec<Token>> {
        self.inner.tokenize(sequence)
    }

    fn token_to_id(&self, token: &str) -> Option<u32> {
        self.added_ids.get(token).copied().or_else(|| self.inner.token_to_id(token))
    }

    fn id_to_token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    fn get_vocab(&self) -> HashMap<String, u32> {
        self.inner.get_vocab()
    }

    fn get_vocab_size(&self) -> usize {
        self.inner.get_vocab_size()
    }

    fn save(&self, folder: &Path, prefix: Option<&str>) -> Result<Vec<PathBuf>> {
        self.inner.save(folder, prefix)
    }

    fn get_trainer(&self) -> TrainerWrapper {
        self.inner.get_trainer()
    }
}

/// The checkpoint's normaliser, after the shields are gone.
#[derive(Clone)]
pub struct Unshield {
    pub inner: Option<NormalizerWrapper>,
    /// Off for text that is taken literally.
    pub active: bool,
}

impl Normalizer for Unshield {
    fn normalize(&self, text: &mut NormalizedString) -> Result<()> {
        if self.active && text.get().contains(SHIELD) {
            remove_shields(text);
        }
        match &self.inner {
            Some(n) => n.normalize(text),
            None => Ok(()),
        }
    }
}

/// Drops every U+FDD0, or the U+FDD1 behind it where the pair stands for a literal U+FDD0. Works on
/// the aligned string, because pre-tokenizers ask where in the text a piece began.
fn remove_shields(text: &mut NormalizedString) {
    let mut kept: Vec<(char, isize)> = Vec::with_capacity(text.get().len());
    let mut removed_first = 0;
    let mut chars = text.get().chars().peekable();
    while let Some(c) = chars.next() {
        if c != SHIELD {
            kept.push((c, 0));
        } else if chars.next_if_eq(&LITERAL).is_some() {
            kept.push((SHIELD, -1));
        } else if let Some(last) = kept.last_mut() {
            last.1 -= 1;
        } else {
            removed_first += 1;
        }
    }
    text.transform(kept, removed_first);
}

/// A copy of the model that cannot produce any of `control` by itself: the vocabulary entries and
/// merges that spell them are gone. The unknown token stays, because models need it.
pub fn without_control(model: &ModelWrapper, control: &HashSet<String>) -> Result<ModelWrapper> {
    let mut json = serde_json::to_value(model)?;
    let unk = json.get("unk_token").and_then(Value::as_str).map(str::to_owned);
    let unk_id = json.get("unk_id").and_then(Value::as_u64);
    if let Some(merges) = json.get_mut("merges").and_then(Value::as_array_mut) {
        merges.retain(|m| {
            let (left, right) = match m {
                Value::String(s) => s.split_once(' ').unwrap_or((s.as_str(), "")),
                Value::Array(p) if p.len() == 2 => {
                    (p[0].as_str().unwrap_or(""), p[1].as_str().unwrap_or(""))
                }
                _ => return true,
            };
            !control.contains(left)
                && !control.contains(right)
                && !control.contains(&format!("{left}{right}"))
        });
    }
    match json.get_mut("vocab") {
        Some(Value::Object(vocab)) => {
            vocab.retain(|token, _| !control.contains(token) || Some(token) == unk.as_ref());
        }
        Some(Value::Array(pieces)) => {
            // Ids are positions here, so an entry cannot go; it gets a spelling nobody can guess.
            let secret = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0u8);
            for (i, piece) in pieces.iter_mut().enumerate() {
                if Some(i as u64) == unk_id {
                    continue;
                }
                if let Some(Value::String(s)) = piece.get_mut(0) {
                    if control.contains(s.as_str()) {
                        *s = format!("\u{FDD2}{secret:016x}:{i}\u{FDD2}");
                    }
                }
            }
        }
        _ => {}
    }
    Ok(serde_json::from_value(json)?)
}
