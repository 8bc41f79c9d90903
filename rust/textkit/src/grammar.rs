//! Constrained decoding: which tokens may come next so that the text matches a grammar.

use std::sync::Arc;

use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{ApproximateTokEnv, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};

use crate::error::{
    check_json_depth, check_size, Result, TextError, MAX_GRAMMAR_BYTES, MAX_JSON_DEPTH, MAX_VOCAB,
};
use crate::schema;
use crate::tokenizer::Tokenizer;

/// What kind of text describes a grammar; the numbers are those of textkit.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    JsonSchema,
    Regex,
    Lark,
    /// Any JSON object; takes no text.
    JsonObject,
}

/// The vocabulary as a tree of bytes, made once per tokenizer (0.3 s for 128 K tokens).
pub struct Factory {
    inner: ParserFactory,
    vocab_size: usize,
}

impl Factory {
    /// `vocab_size`: the width of the logits, at least that of the tokenizer. `end_ids`: the tokens
    /// that end an answer; they are allowed where the grammar is satisfied.
    pub fn new(tokenizer: &Tokenizer, vocab_size: u32, end_ids: &[u32]) -> Result<Self> {
        let size = vocab_size.max(tokenizer.vocab_size());
        if size as usize > MAX_VOCAB {
            return Err(TextError::limit(format!("a vocabulary of {size} tokens is too large")));
        }
        let Some(&first_end) = end_ids.first() else {
            return Err(TextError::invalid("constrained decoding needs an end token"));
        };
        if let Some(id) = end_ids.iter().find(|&&id| id >= size) {
            return Err(TextError::invalid(format!("end token {id} is outside the vocabulary")));
        }
        let words: Vec<Vec<u8>> = (0..size)
            .map(|id| match tokenizer.bytes(id) {
                // A control token has no text of its own: it is named, behind a byte that no text has.
                Some(b) if tokenizer.is_control(id) || end_ids.contains(&id) => {
                    [&[TokTrie::SPECIAL_TOKEN_MARKER], b.as_slice()].concat()
                }
                Some(b) => b,
                None => Vec::new(),
            })
            .collect();
        let trie = TokTrie::from(&TokRxInfo::new(size, first_end), &words).with_eos_tokens(end_ids);
        let env: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let mut inner = ParserFactory::new_simple(&env).map_err(wrap)?;
        inner.quiet();
        inner.limits_mut().verbose_errors = false;
        Ok(Factory { inner, vocab_size: size as usize })
    }

    pub fn compile(&self, source: Source, text: &str) -> Result<Constraint> {
        check_size("the grammar", text.len(), MAX_GRAMMAR_BYTES)?;
        let grammar = match source {
            Source::JsonSchema => {
                check_json_depth("the JSON schema", text.as_bytes())?;
                let schema = serde_json::from_str(text)
                    .map_err(|e| TextError::invalid(format!("the JSON schema is not JSON: {e}")))?;
                TopLevelGrammar::from_json_schema(schema::exact(schema)?)
            }
            Source::JsonObject => {
                TopLevelGrammar::from_json_schema(schema::exact(serde_json::json!({"type": "object"}))?)
            }
            Source::Regex => {
                check_nesting("the regular expression", text)?;
                TopLevelGrammar::from_regex(text)
            }
            Source::Lark => {
                check_nesting("the grammar", text)?;
                TopLevelGrammar::from_lark(schema::exact_within(text)?)
            }
        };
        let parser = self.inner.create_parser(grammar).map_err(|e| refusal(source, &e.to_string()))?;
        let matcher = Matcher::new(Ok(parser));
        match matcher.get_error() {
            Some(e) => Err(refusal(source, &e)),
            None => {
                // What cannot even begin is the fault of who asked for it, and is told now.
                let mut trial = matcher.clone();
                if trial.compute_mask_or_eos().is_err() {
                    return Err(TextError::invalid(format!(
                        "{} cannot be held: no answer fulfils it, or it is too large",
                        name_of(source)
                    )));
                }
                Ok(Constraint { matcher, vocab_size: self.vocab_size, ends_taken: 0 })
            }
        }
    }
}

fn name_of(source: Source) -> &'static str {
    match source {
        Source::JsonSchema | Source::JsonObject => "the JSON schema",
        Source::Regex => "the regular expression",
        Source::Lark => "the grammar",
    }
}

/// llguidance's words for what it cannot take, without its own options.
fn refusal(source: Source, error: &str) -> TextError {
    let what = name_of(source);
    if error.contains("oneOf constraints are not supported") {
        return TextError::invalid(format!(
            "{what} has a \"oneOf\" of which several might match at once, which cannot be held while an answer \
             is written; use \"anyOf\""
        ));
    }
    TextError::invalid(format!("{what} cannot be held: {error}"))
}

/// The grammar parsers recurse, so brackets may nest only so deep.
fn check_nesting(what: &str, text: &str) -> Result<()> {
    let mut depth = 0usize;
    for b in text.bytes() {
        match b {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_JSON_DEPTH {
            return Err(TextError::limit(format!("{what} nests deeper than {MAX_JSON_DEPTH}")));
        }
    }
    Ok(())
}

/// One answer's place in its grammar.
#[derive(Clone)]
pub struct Constraint {
    matcher: Matcher,
    vocab_size: usize,
    /// End tokens taken after the matcher had stopped, which it does not count.
    ends_taken: usize,
}

impl Constraint {
    pub fn mask_words(&self) -> usize {
        self.vocab_size.div_ceil(32)
    }

    /// Bit i of word i/32 says whether token i may come next. Only end tokens once it has stopped.
    pub fn mask(&mut self, words: &mut [u32]) -> Result<()> {
        if words.len() != self.mask_words() {
            return Err(TextError::invalid(format!(
                "the mask has {} words, not {}",
                self.mask_words(),
                words.len()
            )));
        }
        let set = self.matcher.compute_mask_or_eos().map_err(wrap)?;
        words.fill(0);
        let have = set.as_slice();
        let common = have.len().min(words.len());
        words[..common].copy_from_slice(&have[..common]);
        Ok(())
    }

    /// An error leaves the constraint as it was.
    pub fn consume(&mut self, id: u32) -> Result<()> {
        if self.ends_taken > 0 || self.matcher.is_stopped() {
            let env = self.matcher.tok_env().map_err(wrap)?;
            if env.tok_trie().eos_tokens().contains(&id) {
                self.ends_taken += 1;
                return Ok(());
            }
        }
        let allowed = (id as usize) < self.vocab_size
            && self.matcher.validate_tokens(&[id]).map_err(wrap)? == 1;
        if !allowed {
            return Err(TextError::invalid(format!("the grammar does not allow token {id} here")));
        }
        self.matcher.consume_token(id).map_err(wrap)
    }

    pub fn rollback(&mut self, count: usize) -> Result<()> {
        let ends = count.min(self.ends_taken);
        self.ends_taken -= ends;
        if count == ends {
            return Ok(());
        }
        self.matcher.rollback(count - ends).map_err(wrap)
    }

    /// The grammar can go no further: only an end token may follow.
    pub fn is_stopped(&self) -> bool {
        self.matcher.is_stopped()
    }

    /// The text so far is complete; it may also go on.
    pub fn is_accepting(&mut self) -> Result<bool> {
        self.matcher.is_accepting().map_err(wrap)
    }
}

fn wrap(e: impl std::fmt::Display) -> TextError {
    TextError::invalid(format!("grammar: {e}"))
}
