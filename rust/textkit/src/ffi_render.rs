//! C functions for chat templates and grammars; see include/textkit.h for what they promise.
#![allow(clippy::missing_safety_doc)] // one contract for all: textkit.h

use crate::error::TextError;
use crate::ffi::{free, give, guard, slice, Status, TkBuffer, TkText};
use crate::grammar::{Constraint, Factory, Source};
use crate::shim::Clock;
use crate::template::Template;
use crate::tokenizer::Tokenizer;

#[no_mangle]
pub unsafe extern "C" fn tk_template_compile(
    source: TkText,
    out: *mut *mut Template,
    error: *mut TkBuffer,
) -> Status {
    guard(error, || {
        let template = Template::compile(source.text("the chat template")?)?;
        out.write(Box::into_raw(Box::new(template)));
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn tk_template_free(template: *mut Template) {
    free(template);
}

#[no_mangle]
pub unsafe extern "C" fn tk_template_render(
    template: *const Template,
    context: TkText,
    epoch_seconds: i64,
    utc_offset_seconds: i32,
    out: *mut TkBuffer,
    error: *mut TkBuffer,
) -> Status {
    guard(error, || {
        let clock = Clock { epoch_seconds, utc_offset_seconds };
        give(out, (*template).render(context.bytes(), clock)?.into_bytes());
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn tk_grammars_new(
    tokenizer: *const Tokenizer,
    vocab_size: u32,
    end_ids: *const u32,
    end_count: usize,
    out: *mut *mut Factory,
    error: *mut TkBuffer,
) -> Status {
    guard(error, || {
        let factory = Factory::new(&*tokenizer, vocab_size, slice(end_ids, end_count))?;
        out.write(Box::into_raw(Box::new(factory)));
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn tk_grammars_free(grammars: *mut Factory) {
    free(grammars);
}

#[no_mangle]
pub unsafe extern "C" fn tk_grammars_compile(
    grammars: *const Factory,
    kind: i32,
    text: TkText,
    out: *mut *mut Constraint,
    error: *mut TkBuffer,
) -> Status {
    guard(error, || {
        let kind = match kind {
            0 => Source::JsonSchema,
            1 => Source::Regex,
            2 => Source::Lark,
            3 => Source::JsonObject,
            _ => return Err(TextError::invalid("unknown kind of grammar")),
        };
        let constraint = (*grammars).compile(kind, text.text("the grammar")?)?;
        out.write(Box::into_raw(Box::new(constraint)));
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn tk_constraint_free(constraint: *mut Constraint) {
    free(constraint);
}

#[no_mangle]
pub unsafe extern "C" fn tk_constraint_clone(
    constraint: *const Constraint,
    out: *mut *mut Constraint,
    error: *mut TkBuffer,
) -> Status {
    guard(error, || {
        out.write(Box::into_raw(Box::new((*constraint).clone())));
        Ok(())
    })
}

#[no_mangle]
pub unsafe extern "C" fn tk_constraint_mask_words(constraint: *const Constraint) -> usize {
    (*constraint).mask_words()
}

#[no_mangle]
pub unsafe extern "C" fn tk_constraint_mask(
    constraint: *mut Constraint,
    words: *mut u32,
    count: usize,
    error: *mut TkBuffer,
) -> Status {
    guard(error, || (*constraint).mask(std::slice::from_raw_parts_mut(words, count)))
}

#[no_mangle]
pub unsafe extern "C" fn tk_constraint_consume(
    constraint: *mut Constraint,
    id: u32,
    error: *mut TkBuffer,
) -> Status {
    guard(error, || (*constraint).consume(id))
}

#[no_mangle]
pub unsafe extern "C" fn tk_constraint_rollback(
    constraint: *mut Constraint,
    count: usize,
    error: *mut TkBuffer,
) -> Status {
    guard(error, || (*constraint).rollback(count))
}

#[no_mangle]
pub unsafe extern "C" fn tk_constraint_state(
    constraint: *mut Constraint,
    is_stopped: *mut bool,
    is_accepting: *mut bool,
    error: *mut TkBuffer,
) -> Status {
    guard(error, || {
        is_stopped.write((*constraint).is_stopped());
        is_accepting.write((*constraint).is_accepting()?);
        Ok(())
    })
}
