//! C functions for tokenizers and streams; see include/textkit.h for what they promise.
#![allow(clippy::missing_safety_doc)] // one contract for all: textkit.h

use crate::decode::Stream;
use crate::error::TextError;
use crate::ffi::{free, give, give_ids, guard, slice, Status, TkBuffer, TkIds, TkText};
use crate::tokenizer::{Parse, Tokenizer};

const ADD_SPECIAL: u32 = 1;
const PARSE_SPECIAL: u32 = 2;
const SHIELDED: u32 = 4;

#[no_mangle]
pub unsafe extern "C" fn tk_tokenizer_load(
    json: TkText,
    control: *const TkText,
    control_count: usize,
    out: *mut *mut Tokenizer,
    error: *mut TkBuffer,
) -> Status {
    guard(error, || {
        let mut names = Vec::with_capacity(control_count);
        for name in slice(control, control_count) {
            names.push(name.text("a special token")?.to_owned());
        }
        let tokenizer = Tokenizer::from_json(json.bytes(), &names)?;
        out.write(Box::into_raw(Box::new(tokenizer)));
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn tk_tokenizer_free(tokenizer: *mut Tokenizer) {
    free(tokenizer);
}

#[no_mangle]
pub unsafe extern "C" fn tk_tokenizer_encode(
    tokenizer: *const Tokenizer,
    text: TkText,
    flags: u32,
    out: *mut TkIds,
    error: *mut TkBuffer,
) -> Status {
    guard(error, || {
        let parse = match flags & (PARSE_SPECIAL | SHIELDED) {
            0 => Parse::Nothing,
            PARSE_SPECIAL => Parse::All,
            _ => Parse::Unshielded,
        };
        let text = text.text("the text")?;
        give_ids(out, (*tokenizer).encode(text, flags & ADD_SPECIAL != 0, parse)?);
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn tk_tokenizer_shield(
    tokenizer: *const Tokenizer,
    text: TkText,
    out: *mut TkBuffer,
    error: *mut TkBuffer,
) -> Status {
    guard(error, || {
        give(out, (*tokenizer).shield(text.text("the text")?).into_bytes());
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn tk_tokenizer_decode(
    tokenizer: *const Tokenizer,
    ids: *const u32,
    count: usize,
    skip_special: bool,
    out: *mut TkBuffer,
    error: *mut TkBuffer,
) -> Status {
    guard(error, || {
        give(out, (*tokenizer).decode(slice(ids, count), skip_special)?.into_bytes());
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn tk_tokenizer_piece(
    tokenizer: *const Tokenizer,
    id: u32,
    as_bytes: bool,
    out: *mut TkBuffer,
    error: *mut TkBuffer,
) -> Status {
    guard(error, || {
        let piece = if as_bytes {
            (*tokenizer).bytes(id)
        } else {
            (*tokenizer).piece(id).map(String::into_bytes)
        };
        let piece = piece.ok_or_else(|| {
            TextError::invalid(format!("the tokenizer has no token with the id {id}"))
        })?;
        give(out, piece);
        Ok(())
    })
}

/// -1 where the vocabulary has no such token.
#[no_mangle]
pub unsafe extern "C" fn tk_tokenizer_id(tokenizer: *const Tokenizer, token: TkText) -> i64 {
    let mut id = -1;
    guard(std::ptr::null_mut(), || {
        id = (*tokenizer).id(token.text("the token")?).map_or(-1, i64::from);
        Ok(())
    });
    id
}

#[no_mangle]
pub unsafe extern "C" fn tk_tokenizer_vocab_size(tokenizer: *const Tokenizer) -> u32 {
    (*tokenizer).vocab_size()
}

#[no_mangle]
pub unsafe extern "C" fn tk_tokenizer_added_count(tokenizer: *const Tokenizer) -> usize {
    (*tokenizer).added().len()
}

#[no_mangle]
pub unsafe extern "C" fn tk_tokenizer_added(
    tokenizer: *const Tokenizer,
    index: usize,
    id: *mut u32,
    is_special: *mut bool,
    is_control: *mut bool,
    content: *mut TkBuffer,
) -> Status {
    guard(std::ptr::null_mut(), || {
        let token = (*tokenizer)
            .added()
            .get(index)
            .ok_or_else(|| TextError::invalid("no such added token"))?;
        id.write(token.id);
        is_special.write(token.special);
        is_control.write(token.control);
        give(content, token.content.clone().into_bytes());
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn tk_stream_new(skip_special: bool) -> *mut Stream {
    Box::into_raw(Box::new(Stream::new(skip_special)))
}

#[no_mangle]
pub unsafe extern "C" fn tk_stream_free(stream: *mut Stream) {
    free(stream);
}

#[no_mangle]
pub unsafe extern "C" fn tk_stream_clone(stream: *const Stream) -> *mut Stream {
    Box::into_raw(Box::new((*stream).clone()))
}

#[no_mangle]
pub unsafe extern "C" fn tk_stream_push(
    tokenizer: *const Tokenizer,
    stream: *mut Stream,
    id: u32,
    out: *mut TkBuffer,
    error: *mut TkBuffer,
) -> Status {
    guard(error, || {
        let mut text = String::new();
        (*stream).push(&*tokenizer, id, &mut text)?;
        give(out, text.into_bytes());
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn tk_stream_finish(
    tokenizer: *const Tokenizer,
    stream: *mut Stream,
    out: *mut TkBuffer,
    error: *mut TkBuffer,
) -> Status {
    guard(error, || {
        let mut text = String::new();
        (*stream).finish(&*tokenizer, &mut text)?;
        give(out, text.into_bytes());
        Ok(())
    })
}
