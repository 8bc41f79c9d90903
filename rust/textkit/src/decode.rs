//! How ids become text, and how they do so one at a time.
//!
//! Byte-level and sentencepiece decoders are followed token by token, so that a stream costs
//! nothing and equals the whole decode by construction; any other decoder is asked again for a
//! short window of tokens.

use tokenizers::decoders::DecoderWrapper;
use tokenizers::models::ModelWrapper;
use tokenizers::Decoder;

use crate::error::Result;
use crate::tokenizer::Tokenizer;

pub enum Decoding {
    /// Tokens spell bytes in GPT-2's alphabet; `word_end` marks a word's last token (CLIP).
    ByteLevel { word_end: Option<String> },
    /// Tokens spell text with U+2581 for the space; `<0x41>` is a byte; the first `strip` spaces
    /// of a text are no part of it.
    SentencePiece { replaces: Vec<DecoderWrapper>, strip: usize },
    /// Whatever the file says.
    Other,
}

impl Decoding {
    pub fn of(model: &ModelWrapper, decoder: Option<&DecoderWrapper>) -> Self {
        match decoder {
            Some(DecoderWrapper::ByteLevel(_)) => Decoding::ByteLevel { word_end: word_end(model) },
            Some(DecoderWrapper::Sequence(s)) => sentence_piece(s.get_decoders()),
            _ => Decoding::Other,
        }
    }

    /// The text of the tokens, where this kind needs no help from the library's decoder: what a
    /// stream gives. (The library turns a whole run of byte tokens into U+FFFD where one byte is
    /// broken; text that a stream gave out already could not follow that.)
    pub fn whole(&self, tokenizer: &Tokenizer, ids: &[u32]) -> Option<String> {
        if matches!(self, Decoding::Other) {
            return None;
        }
        let mut stream = Stream::new(false);
        let mut text = String::new();
        for &id in ids {
            stream.push(tokenizer, id, &mut text).ok()?;
        }
        stream.finish(tokenizer, &mut text).ok()?;
        Some(text)
    }

    /// The bytes that a token stands for in the middle of a text.
    pub fn bytes(&self, piece: &str, added: bool) -> Vec<u8> {
        match self {
            Decoding::ByteLevel { word_end } if !added => {
                let (piece, end) = split_word_end(piece, word_end);
                let mut bytes = byte_level(piece);
                bytes.extend_from_slice(if end { b" " } else { b"" });
                bytes
            }
            Decoding::SentencePiece { replaces, .. } => match byte_token(piece) {
                Some(b) if !added => vec![b],
                _ => replaced(piece, replaces).into_bytes(),
            },
            Decoding::Other if !added => match piece.strip_prefix("##") {
                Some(rest) => rest.as_bytes().to_vec(),
                None => piece.replace('\u{2581}', " ").into_bytes(),
            },
            _ => piece.as_bytes().to_vec(),
        }
    }
}

fn word_end(model: &ModelWrapper) -> Option<String> {
    match model {
        ModelWrapper::BPE(m) => m.end_of_word_suffix.clone().filter(|s| !s.is_empty()),
        _ => None,
    }
}

/// Recognises Replace* ByteFallback Fuse Strip?, the decoder of every sentencepiece BPE.
fn sentence_piece(decoders: &[DecoderWrapper]) -> Decoding {
    let first = decoders.iter().position(|d| !matches!(d, DecoderWrapper::Replace(_)));
    let (replaces, rest) = decoders.split_at(first.unwrap_or(decoders.len()));
    let strip = match rest {
        [DecoderWrapper::ByteFallback(_), DecoderWrapper::Fuse(_)] => 0,
        [DecoderWrapper::ByteFallback(_), DecoderWrapper::Fuse(_), DecoderWrapper::Strip(s)]
            if s.content == ' ' && s.stop == 0 =>
        {
            s.start
        }
        _ => return Decoding::Other,
    };
    Decoding::SentencePiece { replaces: replaces.to_vec(), strip }
}

fn split_word_end<'a>(piece: &'a str, word_end: &Option<String>) -> (&'a str, bool) {
    match word_end.as_ref().and_then(|end| piece.strip_suffix(end.as_str())) {
        Some(rest) => (rest, true),
        None => (piece, false),
    }
}

/// GPT-2's alphabet: printable Latin-1 characters stand for themselves, the other 68 bytes for
/// U+0100 and on, in order. A piece with any other character is literal text.
fn byte_level(piece: &str) -> Vec<u8> {
    let byte = |c: char| -> Option<u8> {
        match c as u32 {
            u @ (0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF) => Some(u as u8),
            u @ 0x100..=0x120 => Some((u - 0x100) as u8),
            u @ 0x121..=0x142 => Some((u - 0x121 + 0x7F) as u8),
            0x143 => Some(0xAD),
            _ => None,
        }
    };
    piece.chars().map(byte).collect::<Option<Vec<u8>>>().unwrap_or_else(|| piece.into())
}

fn byte_token(piece: &str) -> Option<u8> {
    let hex = piece.strip_prefix("<0x")?.strip_suffix('>')?;
    if hex.len() != 2 {
        return None;
    }
    u8::from_str_radix(hex, 16).ok()
}

fn replaced(piece: &str, replaces: &[DecoderWrapper]) -> String {
    let mut tokens = vec![piece.to_owned()];
    for r in replaces {
        match r.decode_chain(tokens.clone()) {
            Ok(t) => tokens = t,
            Err(_) => break,
        }
    }
    tokens.concat()
}

/// Tokens of a window that the general decoder is asked for at most before text is let go that
/// may still change.
const WINDOW: usize = 16;

/// The state of one text that grows token by token. Text that was given out never changes, and
/// it never ends inside a character.
#[derive(Clone)]
pub struct Stream {
    skip_special: bool,
    /// Bytes of a character that is not complete yet.
    pending: Vec<u8>,
    /// A word ended: the space is owed if another word follows.
    owed_space: bool,
    /// Leading spaces still to be dropped; None before the first token.
    strip: Option<usize>,
    /// Other decoders: the tokens since the last text that was given out, and how many of them
    /// are only there for context.
    window: Vec<u32>,
    context: usize,
}

impl Stream {
    pub fn new(skip_special: bool) -> Self {
        Stream {
            skip_special,
            pending: Vec::new(),
            owed_space: false,
            strip: None,
            window: Vec::new(),
            context: 0,
        }
    }

    /// Appends to `out` the text that `id` completes.
    pub fn push(&mut self, tokenizer: &Tokenizer, id: u32, out: &mut String) -> Result<()> {
        if tokenizer.is_skipped(id, self.skip_special) {
            return Ok(());
        }
        let Some(piece) = tokenizer.piece(id) else { return Ok(()) };
        let added = tokenizer.is_added(id);
        match &tokenizer.decoding {
            Decoding::ByteLevel { word_end } => {
                let (word, ends) = split_word_end(&piece, word_end);
                if std::mem::take(&mut self.owed_space) {
                    self.pending.push(b' ');
                }
                if added {
                    self.pending.extend_from_slice(piece.as_bytes());
                } else {
                    self.pending.extend(byte_level(word));
                }
                self.owed_space = ends || (added && word_end.is_some());
                self.drain(1, out);
            }
            Decoding::SentencePiece { replaces, strip } => {
                self.strip.get_or_insert(*strip);
                let mut text = String::new();
                match byte_token(&piece) {
                    Some(b) => self.pending.push(b),
                    None => {
                        self.flush_broken(&mut text);
                        text.push_str(&replaced(&piece, replaces));
                    }
                }
                self.drain(usize::MAX, &mut text);
                self.push_stripped(&text, out);
            }
            Decoding::Other => {
                self.window.push(id);
                self.push_window(tokenizer, false, out)?;
            }
        }
        Ok(())
    }

    /// Appends what is still held back; an unfinished character becomes U+FFFD.
    pub fn finish(&mut self, tokenizer: &Tokenizer, out: &mut String) -> Result<()> {
        match &tokenizer.decoding {
            Decoding::ByteLevel { .. } => {
                if !std::mem::take(&mut self.pending).is_empty() {
                    out.push(char::REPLACEMENT_CHARACTER);
                }
                self.owed_space = false;
            }
            Decoding::SentencePiece { .. } => {
                let mut text = String::new();
                self.flush_broken(&mut text);
                self.push_stripped(&text, out);
            }
            Decoding::Other => self.push_window(tokenizer, true, out)?,
        }
        Ok(())
    }

    /// Moves whole characters from `pending` to `out`. A broken sequence becomes U+FFFD: one, or
    /// one per byte up to `marks`, as the library's decoder of that kind does.
    fn drain(&mut self, marks: usize, out: &mut String) {
        loop {
            match std::str::from_utf8(&self.pending) {
                Ok(text) => {
                    out.push_str(text);
                    self.pending.clear();
                    return;
                }
                Err(e) => {
                    let valid = e.valid_up_to();
                    out.push_str(&String::from_utf8_lossy(&self.pending[..valid]));
                    let Some(broken) = e.error_len() else {
                        self.pending.drain(..valid);
                        return;
                    };
                    out.extend(std::iter::repeat_n(char::REPLACEMENT_CHARACTER, broken.min(marks)));
                    self.pending.drain(..valid + broken);
                }
            }
        }
    }

    fn flush_broken(&mut self, out: &mut String) {
        let count = std::mem::take(&mut self.pending).len();
        out.extend(std::iter::repeat_n(char::REPLACEMENT_CHARACTER, count));
    }

    fn push_stripped(&mut self, text: &str, out: &mut String) {
        let mut text = text;
        while let Some(left) = self.strip.filter(|&n| n > 0 && !text.is_empty()) {
            match text.strip_prefix(' ') {
                Some(rest) => {
                    text = rest;
                    self.strip = Some(left - 1);
                }
                None => self.strip = Some(0),
            }
        }
        out.push_str(text);
    }

    fn push_window(&mut self, tokenizer: &Tokenizer, last: bool, out: &mut String) -> Result<()> {
        let before = tokenizer.decode(&self.window[..self.context], false)?;
        let now = tokenizer.decode(&self.window, false)?;
        let fresh = match now.strip_prefix(before.as_str()) {
            Some(fresh) => fresh.to_owned(),
            // The decoder changed its mind about text that is out already: go on from here.
            None => tokenizer.decode(&self.window[self.context..], false)?,
        };
        let waiting = self.window.len() - self.context;
        let unfinished = fresh.ends_with(char::REPLACEMENT_CHARACTER) && waiting < WINDOW;
        if !last && (fresh.is_empty() || unfinished) {
            return Ok(());
        }
        out.push_str(&fresh);
        self.window.drain(..self.context);
        self.context = self.window.len();
        Ok(())
    }
}
