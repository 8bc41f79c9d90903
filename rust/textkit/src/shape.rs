//! How deep a template may be, by its tokens alone. minijinja's parser, compiler and destructors
//! recurse along chains of operators, of `elif` and of nested blocks, and limit brackets only: a
//! template of long chains would exhaust the stack before anything else stops it.

use crate::error::{Result, TextError, MAX_TEMPLATE_BRANCHES, MAX_TEMPLATE_NESTING, MAX_TAG_TOKENS};

/// Refuses a template that no parser should be given.
pub fn check(source: &str) -> Result<()> {
    let bytes = source.as_bytes();
    let (mut at, mut depth, mut branches) = (0, 0usize, 0usize);
    while let Some(open) = find_tag(bytes, at) {
        if bytes[open + 1] == b'#' {
            at = find(bytes, b"#}", open + 2).map_or(bytes.len(), |end| end + 2);
            continue;
        }
        let tag = read_tag(bytes, open + 2);
        at = tag.end;
        if tag.tokens > MAX_TAG_TOKENS {
            return Err(too_deep(format!("an expression of more than {MAX_TAG_TOKENS} parts")));
        }
        if bytes[open + 1] != b'%' {
            continue;
        }
        match tag.word {
            b"elif" => branches += 1,
            b"if" | b"for" | b"macro" | b"call" | b"filter" | b"block" | b"with" | b"autoescape" => {
                depth += 1
            }
            word if word.starts_with(b"end") => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_TEMPLATE_NESTING {
            return Err(too_deep(format!("more than {MAX_TEMPLATE_NESTING} nested blocks")));
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

fn find(bytes: &[u8], what: &[u8], from: usize) -> Option<usize> {
    (from..bytes.len()).find(|&i| bytes[i..].starts_with(what))
}

/// The next `{{`, `{%` or `{#`.
fn find_tag(bytes: &[u8], from: usize) -> Option<usize> {
    (from..bytes.len().saturating_sub(1))
        .find(|&i| bytes[i] == b'{' && matches!(bytes[i + 1], b'{' | b'%' | b'#'))
}

struct Tag<'a> {
    end: usize,
    tokens: usize,
    word: &'a [u8], // the first
}

/// From behind the opening to behind `}}` or `%}`, whichever comes first outside of strings.
fn read_tag(bytes: &[u8], from: usize) -> Tag<'_> {
    let (mut i, mut tokens, mut word): (_, _, &[u8]) = (from, 0, &[]);
    while i < bytes.len() {
        let c = bytes[i];
        if bytes[i..].starts_with(b"}}") || bytes[i..].starts_with(b"%}") {
            return Tag { end: i + 2, tokens, word };
        }
        let begin = i;
        i += 1;
        if c == b'"' || c == b'\'' {
            while i < bytes.len() && bytes[i] != c {
                i += if bytes[i] == b'\\' { 2 } else { 1 };
            }
            i += 1;
        } else if is_word(c) {
            while i < bytes.len() && is_word(bytes[i]) {
                i += 1;
            }
            if word.is_empty() {
                word = &bytes[begin..i];
            }
        } else if c.is_ascii_whitespace() {
            continue;
        }
        tokens += 1;
    }
    Tag { end: bytes.len(), tokens, word }
}

fn is_word(c: u8) -> bool {
    c == b'_' || c.is_ascii_alphanumeric() || c >= 0x80
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn what_real_templates_do_passes() {
        for source in ["", "{", "{{", "{% if a %}x{% elif b %}y{% endif %}", "{# {{ #}", "{{ \"}}\" }}", "{{ '\\'}}' "] {
            assert!(check(source).is_ok(), "{source}");
        }
        assert!(check(&"{% if a %}{{ b }}{% endif %}".repeat(5000)).is_ok());
    }

    #[test]
    fn chains_are_refused() {
        for part in ["-", "not ", "+1", "|string", "[0]", ".a", "~a"] {
            let source = format!("{{{{ a{} }}}}", part.repeat(20_000));
            assert!(check(&source).is_err(), "{part}");
        }
        let branches = format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(20_000));
        assert!(check(&branches).is_err());
        assert!(check(&"{% if a %}".repeat(20_000)).is_err());
    }
}
