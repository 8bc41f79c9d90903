//! JSON schemas as llguidance holds them exactly: what it takes more loosely than the specification says is
//! put right here, and what it does not hold is refused by the keyword's name and place.

use serde_json::{json, Map, Value};

use crate::error::{Result, TextError};

/// Keywords that only look back at what was written, which a grammar cannot.
const NOT_HELD: [&str; 19] = [
    "not",
    "if",
    "then",
    "else",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "contains",
    "minContains",
    "maxContains",
    "propertyNames",
    "uniqueItems",
    "unevaluatedProperties",
    "unevaluatedItems",
    "$dynamicRef",
    "$recursiveRef",
    "contentMediaType",
    "contentEncoding",
    "contentSchema",
];
/// Keywords whose value is a schema, a list of schemas, or a table of schemas by name.
const ONE: [&str; 4] = ["items", "additionalProperties", "additionalItems", "prefixItems"];
const LISTS: [&str; 5] = ["allOf", "anyOf", "oneOf", "items", "prefixItems"];
const TABLES: [&str; 4] = ["properties", "patternProperties", "$defs", "definitions"];
const COUNTS: [&str; 6] =
    ["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"];

const OPTIONS: &str = "x-guidance";
/// Between two parts of a document: enough for any indentation.
const WHITE_SPACE: &str = r"[ \n\r\t]{1,64}";

const BOUNDS: [&str; 5] =
    ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];
/// From here on not every whole number is a number of its own.
const EXACT_INTEGERS: f64 = 9_007_199_254_740_992.0;

const DATE: &str = concat!(
    "(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])",
    "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))",
    "|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)"
);
// Without leap seconds: which minutes have one depends on the time zone.
const TIME: &str = concat!(
    r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?",
    "(?:[zZ]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
);

/// A schema that llguidance accepts for no instance that `schema` refuses.
pub fn exact(mut schema: Value) -> Result<Value> {
    walk(&mut schema, "")?;
    if let Some(table) = schema.as_object_mut() {
        // Its options could loosen what is held; ours keep a model from writing blanks for ever.
        if table.contains_key(OPTIONS) {
            return Err(not_held(&format!("\"{OPTIONS}\""), ""));
        }
        table.insert(OPTIONS.into(), json!({ "whitespace_pattern": WHITE_SPACE }));
    }
    Ok(schema)
}

/// The same for every schema that stands in a Lark grammar behind %json.
pub fn exact_within(lark: &str) -> Result<String> {
    const MARK: &str = "%json";
    let mut out = String::with_capacity(lark.len());
    let mut rest = lark;
    while let Some(at) = rest.find(MARK) {
        let (before, behind) = rest.split_at(at + MARK.len());
        out.push_str(before);
        rest = behind;
        if !behind.trim_start().starts_with('{') {
            continue;
        }
        let mut documents = serde_json::Deserializer::from_str(behind).into_iter::<Value>();
        if let Some(Ok(schema)) = documents.next() {
            rest = &behind[documents.byte_offset()..];
            out.push(' ');
            out.push_str(&exact(schema)?.to_string());
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn walk(schema: &mut Value, place: &str) -> Result<()> {
    let Some(table) = schema.as_object_mut() else { return Ok(()) };
    drop_vacuous(table);
    for word in NOT_HELD {
        if table.contains_key(word) {
            return Err(not_held(&format!("\"{word}\""), place));
        }
    }
    if let Some(Value::String(target)) = table.get("$ref") {
        if !may_refer_to(target) {
            return Err(not_held(&format!("\"$ref\" to \"{target}\""), place));
        }
    }
    for word in COUNTS {
        if let Some(count) = table.get_mut(word) {
            whole(count);
        }
    }
    for word in BOUNDS {
        if table.get(word).and_then(Value::as_f64).is_some_and(|x| x.abs() >= EXACT_INTEGERS) {
            return Err(not_held(&format!("\"{word}\" beyond 2^53"), place));
        }
    }
    hold_text(table);
    for word in ONE {
        if let Some(inner) = table.get_mut(word) {
            walk(inner, &format!("{place}/{word}"))?;
        }
    }
    for word in LISTS {
        if let Some(Value::Array(inner)) = table.get_mut(word) {
            for (i, one) in inner.iter_mut().enumerate() {
                walk(one, &format!("{place}/{word}/{i}"))?;
            }
        }
    }
    for word in TABLES {
        if let Some(Value::Object(inner)) = table.get_mut(word) {
            for (name, one) in inner.iter_mut() {
                walk(one, &format!("{place}/{word}/{name}"))?;
            }
        }
    }
    Ok(())
}

/// A place of this schema that walk() looks at: what stands elsewhere would be held unchecked.
fn may_refer_to(target: &str) -> bool {
    let Some(path) = target.strip_prefix('#') else { return false };
    let Some(path) = path.strip_prefix('/') else { return path.is_empty() };
    let first = path.split('/').next().unwrap_or_default();
    let known = ONE.contains(&first) || LISTS.contains(&first) || TABLES.contains(&first);
    known && !path.split('/').any(|part| ["const", "enum", "default", "examples"].contains(&part))
}

fn not_held(what: &str, place: &str) -> TextError {
    let place = if place.is_empty() { String::from("at its top") } else { format!("at {place}") };
    TextError::invalid(format!(
        "the JSON schema has {what} {place}, which cannot be held while an answer is written; leave it out or \
         say it otherwise"
    ))
}

/// Members that say nothing.
fn drop_vacuous(table: &mut Map<String, Value>) {
    let is = |table: &Map<String, Value>, word: &str, values: &[Value]| {
        table.get(word).is_some_and(|v| values.contains(v))
    };
    if is(table, "uniqueItems", &[json!(false)]) {
        table.remove("uniqueItems");
    }
    for word in ["unevaluatedProperties", "unevaluatedItems", "propertyNames"] {
        if is(table, word, &[json!(true), json!({})]) {
            table.remove(word);
        }
    }
}

/// 2.0 is the count 2.
fn whole(count: &mut Value) {
    if let Some(real) = count.as_f64() {
        if !count.is_u64() && real.fract() == 0.0 && (0.0..9e15).contains(&real) {
            *count = json!(real as u64);
        }
    }
}

/// Patterns as ECMAScript means them, formats as their specifications do.
fn hold_text(table: &mut Map<String, Value>) {
    if let Some(Value::String(pattern)) = table.get_mut("pattern") {
        *pattern = ecma_spaces(pattern);
    }
    if let Some(Value::Object(patterns)) = table.get_mut("patternProperties") {
        let old = std::mem::take(patterns);
        patterns.extend(old.into_iter().map(|(pattern, schema)| (ecma_spaces(&pattern), schema)));
    }
    let Some(held) = table.get("format").and_then(Value::as_str).and_then(format_pattern) else {
        return;
    };
    table.remove("format");
    if !table.contains_key("pattern") {
        table.insert("pattern".into(), json!(held));
        return;
    }
    let all = table.entry("allOf").or_insert_with(|| json!([]));
    if let Value::Array(all) = all {
        all.push(json!({ "pattern": held }));
    }
}

/// Formats that llguidance takes more loosely than their specifications.
fn format_pattern(format: &str) -> Option<String> {
    Some(match format {
        "date" => format!("^{DATE}$"),
        "time" => format!("^{TIME}$"),
        "date-time" => format!("^{DATE}[tT]{TIME}$"),
        "hostname" => format!("^{}$", hostname()),
        _ => return None,
    })
}

/// RFC 1123 within 253 bytes: three long labels or seven shorter ones. No label has hyphens at its third and
/// fourth place, which RFC 5891 keeps for encoded names.
fn hostname() -> String {
    let label = |middle: usize| {
        format!(
            "[a-zA-Z0-9](?:[a-zA-Z0-9-]?[a-zA-Z0-9]|[a-zA-Z0-9-]{{2}}[a-zA-Z0-9]\
             |[a-zA-Z0-9-](?:[a-zA-Z0-9][a-zA-Z0-9-]|-[a-zA-Z0-9])[a-zA-Z0-9-]{{0,{middle}}}[a-zA-Z0-9])?"
        )
    };
    let (long, short) = (label(58), label(26));
    format!(r"(?:(?:{long})(?:\.(?:{long})){{0,2}}|(?:{short})(?:\.(?:{short})){{0,6}})")
}

/// In ECMAScript \s holds U+FEFF and \S does not; here it is the other way round.
fn ecma_spaces(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut in_class = false;
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('s') if in_class => out.push_str(r"\s\x{FEFF}"),
                Some('s') => out.push_str(r"[\s\x{FEFF}]"),
                Some('S') => out.push_str(r"[^\s\x{FEFF}]"),
                Some(other) => out.extend(['\\', other]),
                None => out.push('\\'),
            },
            '[' => {
                // Within a class it stands for itself in ECMAScript; here it would open another.
                out.push_str(if in_class { r"\[" } else { "[" });
                in_class = true;
            }
            ']' => {
                out.push(']');
                in_class = false;
            }
            _ => out.push(c),
        }
    }
    out
}
