//! Tokenizers, chat templates and constrained decoding for varve, behind include/textkit.h.

mod budget;
pub mod decode;
pub mod error;
pub mod ffi;
mod ffi_render;
mod ffi_tokenizer;
pub mod grammar;
mod limits;
mod model;
mod schema;
mod shape;
pub mod shim;
pub mod template;
pub mod tokenizer;
