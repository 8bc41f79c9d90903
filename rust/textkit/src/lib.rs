//! Tokenizers, chat templates and constrained decoding for varve, behind include/textkit.h.

pub mod decode;
pub mod error;
pub mod model;
pub mod tokenizer;
pub mod shim;
pub mod template;
