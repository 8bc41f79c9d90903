//! Python's string functions over &str.

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
    Both,
}

/// str.isspace of one character: Unicode white space and the four information separators.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

pub fn strip(s: &str, chars: Option<&str>, side: Side) -> String {
    let unwanted = |c: char| match chars {
        Some(set) => set.contains(c),
        None => is_space(c),
    };
    match side {
        Side::Left => s.trim_start_matches(unwanted),
        Side::Right => s.trim_end_matches(unwanted),
        Side::Both => s.trim_matches(unwanted),
    }
    .to_owned()
}

pub fn words(s: &str) -> impl Iterator<Item = &str> {
    s.split(is_space).filter(|w| !w.is_empty())
}

/// split and rsplit; `limit` < 0 means no limit.
pub fn split(s: &str, separator: Option<&str>, limit: i64, from_right: bool) -> Vec<String> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut parts: Vec<String> = match (separator, from_right) {
        (Some(sep), false) => {
            return s.splitn(limit.saturating_add(1), sep).map(str::to_owned).collect()
        }
        (Some(sep), true) => s.rsplitn(limit.saturating_add(1), sep).map(str::to_owned).collect(),
        (None, false) => return split_space(s, limit),
        (None, true) => rsplit_space(s, limit),
    };
    parts.reverse();
    parts
}

/// What is left after the last split keeps the space at its far end.
fn split_space(s: &str, limit: usize) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = s.trim_start_matches(is_space);
    while !rest.is_empty() {
        let end = rest.find(is_space).filter(|_| parts.len() < limit).unwrap_or(rest.len());
        parts.push(rest[..end].to_owned());
        rest = rest[end..].trim_start_matches(is_space);
    }
    parts
}

/// The parts from right to left.
fn rsplit_space(s: &str, limit: usize) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = s.trim_end_matches(is_space);
    while !rest.is_empty() {
        let space = rest.char_indices().rev().find(|(_, c)| is_space(*c));
        let cut = space.filter(|_| parts.len() < limit).map_or(0, |(at, c)| at + c.len_utf8());
        parts.push(rest[cut..].to_owned());
        rest = rest[..cut].trim_end_matches(is_space);
    }
    parts
}

pub fn split_lines(s: &str, keep_ends: bool) -> Vec<String> {
    let is_end = |c: char| {
        matches!(
            c,
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'
                ..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    };
    let mut lines = Vec::new();
    let mut rest = s;
    while !rest.is_empty() {
        let at = rest.find(is_end);
        let end = match at {
            None => rest.len(),
            Some(at) if rest[at..].starts_with("\r\n") => at + 2,
            Some(at) => at + rest[at..].chars().next().map_or(0, char::len_utf8),
        };
        lines.push(rest[..if keep_ends { end } else { at.unwrap_or(end) }].to_owned());
        rest = &rest[end..];
    }
    lines
}

/// ljust (pads on the right), rjust and center.
pub fn pad(s: &str, width: usize, fill: char, text_side: Side) -> String {
    let missing = width.min(1 << 20).saturating_sub(s.chars().count());
    let left = match text_side {
        Side::Left => 0,
        Side::Right => missing,
        // CPython puts the odd one to the left when the width is odd as well.
        Side::Both => missing / 2 + (missing & width & 1),
    };
    let fill_of = |n: usize| std::iter::repeat_n(fill, n).collect::<String>();
    format!("{}{s}{}", fill_of(left), fill_of(missing - left))
}

pub fn title(s: &str) -> String {
    let mut out = String::with_capacity(s.len());
    let mut in_word = false;
    for c in s.chars() {
        if in_word {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        in_word = c.is_alphabetic();
    }
    out
}

pub fn swap_case(s: &str) -> String {
    let mut out = String::with_capacity(s.len());
    for c in s.chars() {
        if c.is_uppercase() {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
    }
    out
}

pub fn zero_fill(s: &str, width: usize) -> String {
    let (sign, digits) = match s.strip_prefix(['+', '-']) {
        Some(rest) => s.split_at(s.len() - rest.len()),
        None => ("", s),
    };
    let digits_width = width.saturating_sub(sign.len());
    format!("{sign}{}", pad(digits, digits_width, '0', Side::Right))
}

/// Python's s[start:end] in characters, with negative positions from the end; also the byte
/// offset of the slice in characters.
pub fn slice(s: &str, start: Option<i64>, end: Option<i64>) -> (usize, String) {
    let count = s.chars().count() as i64;
    let clamp = |i: i64| if i < 0 { (count + i).max(0) } else { i.min(count) };
    let from = clamp(start.unwrap_or(0));
    let to = clamp(end.unwrap_or(count)).max(from);
    (from as usize, s.chars().skip(from as usize).take((to - from) as usize).collect())
}

/// The truncate filter: cut to `length` with `end` included, unless only `leeway` more are missing.
pub fn truncate(s: &str, length: usize, whole_words: bool, end: &str, leeway: usize) -> String {
    if s.chars().count() <= length.saturating_add(leeway) {
        return s.to_owned();
    }
    let kept: String = s.chars().take(length.saturating_sub(end.chars().count())).collect();
    let kept = match kept.rfind(' ') {
        Some(at) if whole_words => &kept[..at],
        _ => &kept,
    };
    format!("{kept}{end}")
}

/// Markup.escape.
pub fn escape_html(s: &str) -> String {
    let mut out = String::with_capacity(s.len());
    for c in s.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&#39;"),
            '"' => out.push_str("&#34;"),
            c => out.push(c),
        }
    }
    out
}
