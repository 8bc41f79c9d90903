//! How deep a template may be, by its tokens alone. minijinja's parser, compiler and destructors
//! recurse along chains of operators and of `elif`, and take time by the square of an expression's
//! length; of brackets and blocks it limits the depth itself. The tokens are those of its own lexer,
//! so that no text, comment or raw block hides an expression from the count.

use minijinja::machinery::{tokenize, Token};
use minijinja::syntax::SyntaxConfig;

use crate::error::{Result, TextError, MAX_TAG_TOKENS, MAX_TEMPLATE_BRANCHES};

/// Refuses a template that no parser should be given. An error of syntax is left to the compiler,
/// which says where it is and reads no further either.
pub fn check(source: &str, syntax: &SyntaxConfig) -> Result<()> {
    let (mut tokens, mut branches) = (0usize, 0usize);
    for token in tokenize(source, false, syntax.clone()) {
        let Ok((token, _)) = token else { return Ok(()) };
        match token {
            Token::TemplateData(_) | Token::VariableStart | Token::BlockStart => tokens = 0,
            Token::Ident("elif") if tokens == 0 => {
                branches += 1;
                tokens = 1;
            }
            _ => tokens += 1,
        }
        if tokens > MAX_TAG_TOKENS {
            return Err(too_deep(format!("an expression of more than {MAX_TAG_TOKENS} parts")));
        }
        if branches > MAX_TEMPLATE_BRANCHES {
            return Err(too_deep(format!("more than {MAX_TEMPLATE_BRANCHES} elif branches")));
        }
    }
    Ok(())
}

fn too_deep(what: String) -> TextError {
    TextError::limit(format!("the chat template recurses too deep: {what}"))
}
