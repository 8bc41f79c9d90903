//! A tokenizer.json, loaded once and used by any number of threads: text to ids and back.
//!
//! Three pipelines share one model. `full` recognises every added token; `plain` recognises only
//! those that are no control tokens; `guarded` recognises all of them in the text itself, but its
//! model cannot spell a control token on its own. Text of a user goes through `plain`, a rendered
//! chat template with shields (see model.rs) through `guarded`.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use serde::Deserialize;
use tokenizers::decoders::DecoderWrapper;
use tokenizers::models::ModelWrapper;
use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::processors::PostProcessorWrapper;
use tokenizers::tokenizer::AddedVocabulary;
use tokenizers::{AddedToken, Model, TokenizerImpl};

use crate::decode::Decoding;
use crate::error::{
    check_json_depth, check_size, Result, TextError, MAX_TOKENIZER_BYTES, MAX_VOCAB,
};
use crate::limits::check_steps;
use crate::model::{without_control, SharedModel, Unshield, LITERAL, SHIELD};

type Pipeline =
    TokenizerImpl<SharedModel, Unshield, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper>;

/// tokenizer.json. Truncation and padding are left out on purpose: an encoder's settings for its
/// own training must not cut or pad our text.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    added_tokens: Vec<FileToken>,
    #[serde(default)]
    normalizer: Option<NormalizerWrapper>,
    #[serde(default)]
    pre_tokenizer: Option<PreTokenizerWrapper>,
    #[serde(default)]
    post_processor: Option<PostProcessorWrapper>,
    #[serde(default)]
    decoder: Option<DecoderWrapper>,
    model: ModelWrapper,
}

#[derive(Deserialize)]
struct FileToken {
    id: u32,
    #[serde(flatten)]
    token: AddedToken,
}

#[derive(Deserialize)]
struct UnigramFile {
    model: UnigramModel,
}

#[derive(Deserialize)]
struct UnigramModel {
    unk_id: Option<u32>,
}

/// One added token as the checkpoint describes it.
#[derive(Clone, Debug)]
pub struct Added {
    pub id: u32,
    pub content: String,
    /// Left out by `decode` with skip_special.
    pub special: bool,
    /// Never made from the text of a user.
    pub control: bool,
}

/// Which spellings of control tokens in the text become control tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parse {
    /// None: the text is plain text.
    Nothing,
    /// All.
    All,
    /// All but the shielded ones (see `shield`).
    Unshielded,
}

/// What the pipelines of one file are made from, besides the model.
struct Parts {
    tokens: Vec<(AddedToken, bool)>, // and whether it is a control token
    normalizer: Option<NormalizerWrapper>,
    pre_tokenizer: Option<PreTokenizerWrapper>,
    post_processor: Option<PostProcessorWrapper>,
    decoder: Option<DecoderWrapper>,
}

impl Parts {
    fn pipeline(&self, model: &SharedModel, with_control: bool) -> Result<Pipeline> {
        // Plain text has no shields: what looks like one is the user's.
        let normalizer = Unshield { inner: self.normalizer.clone(), active: with_control };
        let wanted = self.tokens.iter().filter(|(_, control)| with_control || !control);
        let mut vocabulary = AddedVocabulary::new();
        vocabulary
            .add_tokens(wanted.map(|(t, _)| t.clone()), model, Some(&normalizer))
            .map_err(|e| TextError::invalid(format!("tokenizer.json: added tokens: {e}")))?;
        let mut p = Pipeline::new(model.clone());
        p.with_normalizer(Some(normalizer)).map_err(wrap)?;
        p.with_pre_tokenizer(self.pre_tokenizer.clone());
        p.with_post_processor(self.post_processor.clone());
        p.with_decoder(self.decoder.clone());
        p.with_added_vocabulary(vocabulary);
        Ok(p)
    }
}

pub struct Tokenizer {
    full: Pipeline,
    plain: Pipeline,
    guarded: OnceLock<std::result::Result<(Pipeline, Pipeline), String>>,
    added: Vec<Added>,
    control_ids: HashSet<u32>,
    special_ids: HashSet<u32>,
    unk: Option<u32>,
    vocab_size: u32,
    pub(crate) decoding: Decoding,
}

impl Tokenizer {
    /// `extra_control`: spellings that the checkpoint's other files name as special tokens.
    pub fn from_json(json: &[u8], extra_control: &[String]) -> Result<Self> {
        check_size("tokenizer.json", json.len(), MAX_TOKENIZER_BYTES)?;
        check_json_depth("tokenizer.json", json)?;
        check_steps(json)?;
        let mut file: File = serde_json::from_slice(json)
            .map_err(|e| TextError::invalid(format!("tokenizer.json is not usable: {e}")))?;
        if let ModelWrapper::BPE(bpe) = &mut file.model {
            bpe.dropout = None; // a training aid that would make ids a matter of chance
        }
        add_named_tokens(&mut file, extra_control);
        let added: Vec<Added> =
            file.added_tokens.iter().map(|t| describe(t, extra_control)).collect();
        let vocab_size = checked_vocab_size(&file.model, &added)?;
        let model = SharedModel {
            inner: Arc::new(file.model),
            added_ids: Arc::new(added.iter().map(|t| (t.content.clone(), t.id)).collect()),
        };
        let tokens = file.added_tokens.into_iter().zip(&added);
        let parts = Parts {
            tokens: tokens.map(|(t, a)| (recognised(t.token), a.control)).collect(),
            normalizer: file.normalizer,
            pre_tokenizer: file.pre_tokenizer,
            post_processor: file.post_processor,
            decoder: file.decoder,
        };
        let full = parts.pipeline(&model, true)?;
        let plain = parts.pipeline(&model, false)?;
        let unk = unknown_id(&model.inner, json);
        let decoding = Decoding::of(&model.inner, parts.decoder.as_ref());
        Ok(Tokenizer {
            control_ids: added.iter().filter(|t| t.control).map(|t| t.id).collect(),
            special_ids: added.iter().filter(|t| t.special).map(|t| t.id).collect(),
            full,
            plain,
            guarded: OnceLock::new(),
            added,
            unk,
            vocab_size,
            decoding,
        })
    }

    pub fn encode(&self, text: &str, add_special: bool, parse: Parse) -> Result<Vec<u32>> {
        let (pipeline, text) = match parse {
            Parse::Nothing => (&self.plain, Cow::Borrowed(text)),
            Parse::All => (&self.full, literal_shields(text)),
            Parse::Unshielded if text.contains(SHIELD) => (&self.guarded()?.1, text.into()),
            Parse::Unshielded => (&self.full, text.into()),
        };
        let mut encoding = pipeline.encode_fast(text.as_ref(), false).map_err(wrap)?;
        let forbidden = |id: &u32| self.control_ids.contains(id) && Some(*id) != self.unk;
        if parse == Parse::Nothing && encoding.get_ids().iter().any(forbidden) {
            // The model itself can spell a control token (a unigram vocabulary lists them).
            encoding = self.guarded()?.0.encode_fast(text.as_ref(), false).map_err(wrap)?;
            if encoding.get_ids().iter().any(forbidden) {
                return Err(TextError::invalid(
                    "this tokenizer cannot take the text without making a control token of it",
                ));
            }
        }
        if add_special {
            encoding = pipeline.post_process(encoding, None, true).map_err(wrap)?;
        }
        Ok(encoding.get_ids().to_vec())
    }

    /// The same text with a shield inside every control token's spelling: after rendering into a
    /// chat template, `encode` with Parse::Unshielded takes these spellings as plain text. A template
    /// may print other text right before or after this one, without the white space at its ends, so
    /// a spelling that only begins where the text ends, or ends where it begins, is shielded as well.
    pub fn shield(&self, text: &str) -> String {
        let firsts: HashSet<char> = self
            .added
            .iter()
            .filter(|t| t.control)
            .filter_map(|t| t.content.chars().next())
            .collect();
        let mut out = String::with_capacity(text.len() + 16);
        let end = text.trim_end().len();
        let begin = text.len() - text.trim_start().len();
        let shielded_begin = self.control_ends(&text[begin..]);
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            if at == begin && shielded_begin {
                out.push(SHIELD);
            }
            let start = at;
            at += c.len_utf8();
            out.push(c);
            if c == SHIELD {
                out.push(LITERAL);
            } else if firsts.contains(&c)
                && (self.control_starts(&text[start..])
                    || self.control_is_cut(text.get(start..end).unwrap_or("")))
            {
                out.push(SHIELD);
            }
        }
        out
    }

    fn control_spellings(&self) -> impl Iterator<Item = &str> {
        self.added.iter().filter(|t| t.control && !t.content.is_empty()).map(|t| t.content.as_str())
    }

    fn control_starts(&self, text: &str) -> bool {
        self.control_spellings().any(|t| text.starts_with(t))
    }

    /// The whole of `text` is the beginning of a control token's spelling.
    fn control_is_cut(&self, text: &str) -> bool {
        is_telling(text) && self.control_spellings().any(|t| t.starts_with(text))
    }

    /// The text begins with the end of a control token's spelling.
    fn control_ends(&self, text: &str) -> bool {
        self.control_spellings().any(|t| {
            let ends = t.char_indices().skip(1).map(|(i, _)| &t[i..]);
            ends.into_iter().any(|end| is_telling(end) && text.starts_with(end))
        })
    }

    /// The pipelines whose model spells no control token: (plain, full).
    fn guarded(&self) -> Result<&(Pipeline, Pipeline)> {
        self.guarded
            .get_or_init(|| {
                let model = self.full.get_model();
                let control: HashSet<String> =
                    self.added.iter().filter(|t| t.control).map(|t| t.content.clone()).collect();
                let inner = if control.iter().any(|t| model.inner.token_to_id(t).is_some()) {
                    Arc::new(without_control(&model.inner, &control).map_err(|e| e.to_string())?)
                } else {
                    model.inner.clone()
                };
                let model = SharedModel { inner, added_ids: model.added_ids.clone() };
                let with_model = |p: &Pipeline| {
                    let mut p = p.clone();
                    p.with_model(model.clone());
                    p
                };
                Ok((with_model(&self.plain), with_model(&self.full)))
            })
            .as_ref()
            .map_err(|e| TextError::invalid(format!("tokenizer.json: {e}")))
    }

    /// The text of these ids. Ids without a token have no text, as in Transformers.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String> {
        let kept: Vec<u32> =
            ids.iter().copied().filter(|&id| !self.is_skipped(id, skip_special)).collect();
        if let Some(text) = self.decoding.whole(self, &kept) {
            return Ok(text);
        }
        let tokens: Vec<String> = kept.iter().filter_map(|&id| self.piece(id)).collect();
        match self.full.get_decoder() {
            Some(decoder) => tokenizers::Decoder::decode(decoder, tokens).map_err(wrap),
            None => Ok(tokens.join(" ")),
        }
    }

    pub(crate) fn is_skipped(&self, id: u32, skip_special: bool) -> bool {
        skip_special && self.special_ids.contains(&id)
    }

    pub(crate) fn is_added(&self, id: u32) -> bool {
        self.full.get_added_vocabulary().get_added_tokens_decoder().contains_key(&id)
    }

    /// The token as the vocabulary spells it.
    pub fn piece(&self, id: u32) -> Option<String> {
        self.full
            .get_added_vocabulary()
            .simple_id_to_token(id)
            .or_else(|| self.full.get_model().id_to_token(id))
    }

    /// The bytes that the token stands for in the middle of a text.
    pub fn bytes(&self, id: u32) -> Option<Vec<u8>> {
        self.piece(id).map(|piece| self.decoding.bytes(&piece, self.is_added(id)))
    }

    pub fn id(&self, token: &str) -> Option<u32> {
        self.full.get_model().token_to_id(token)
    }

    /// One more than the largest id.
    pub fn vocab_size(&self) -> u32 {
        self.vocab_size
    }

    pub fn added(&self) -> &[Added] {
        &self.added
    }

    pub fn is_control(&self, id: u32) -> bool {
        self.control_ids.contains(&id)
    }
}

/// One more than the largest id.
fn checked_vocab_size(model: &ModelWrapper, added: &[Added]) -> Result<u32> {
    let of_model = model.get_vocab().values().copied().max();
    match added.iter().map(|t| t.id).chain(of_model).max() {
        Some(id) if (id as usize) < MAX_VOCAB => Ok(id + 1),
        Some(id) => Err(TextError::limit(format!(
            "tokenizer.json uses the token id {id}; ids must be below {MAX_VOCAB}"
        ))),
        None => Err(TextError::invalid("tokenizer.json has an empty vocabulary")),
    }
}

/// Special tokens that only the checkpoint's other files name: recognised like those of this file.
fn add_named_tokens(file: &mut File, extra_control: &[String]) {
    for content in extra_control {
        let listed = file.added_tokens.iter().any(|t| t.token.content == *content);
        if let Some(id) = file.model.token_to_id(content).filter(|_| !listed) {
            let token = AddedToken::from(content.clone(), true);
            file.added_tokens.push(FileToken { id, token });
        }
    }
}

/// Sentence marks are control tokens whatever the flag says: some checkpoints list `</s>` as an
/// ordinary added token, so that the special flag alone would let a user end the sequence.
fn describe(t: &FileToken, extra_control: &[String]) -> Added {
    let content = t.token.content.clone();
    let named = extra_control.contains(&content) || content == "<s>" || content == "</s>";
    Added { id: t.id, special: t.token.special, control: t.token.special || named, content }
}

/// A part of a control token's spelling that no plain word shares. Templates compare words, such as a
/// message's role, and a mark in one would make it another.
fn is_telling(part: &str) -> bool {
    part.chars().any(|c| !c.is_alphanumeric() && c != '_')
}

/// Special tokens are looked for in the text as it is, which is what their authors mean, also in
/// files of old converters that ask for normalised text (and so would never find them).
fn recognised(mut token: AddedToken) -> AddedToken {
    token.normalized &= !token.special;
    token
}

fn literal_shields(text: &str) -> Cow<'_, str> {
    if text.contains(SHIELD) {
        Cow::Owned(text.replace(SHIELD, &format!("{SHIELD}{LITERAL}")))
    } else {
        Cow::Borrowed(text)
    }
}

fn unknown_id(model: &ModelWrapper, json: &[u8]) -> Option<u32> {
    match model {
        ModelWrapper::BPE(m) => m.get_unk_token().as_ref().and_then(|t| m.token_to_id(t)),
        ModelWrapper::WordPiece(m) => m.token_to_id(&m.unk_token),
        ModelWrapper::WordLevel(m) => m.token_to_id(&m.unk_token),
        // The library keeps this one to itself.
        ModelWrapper::Unigram(_) => serde_json::from_slice::<UnigramFile>(json).ok()?.model.unk_id,
    }
}

fn wrap(e: tokenizers::Error) -> TextError {
    TextError::invalid(format!("tokenizer: {e}"))
}
