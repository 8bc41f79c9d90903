//! The tojson filter: json.dumps with the settings that Transformers gives it.

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, Value};

use super::filters::is_generator;
use super::{bad, python};

struct Dump {
    ascii: bool,
    indent: Option<String>,
    item: String,
    key: String,
    sort: bool,
}

pub fn tojson(value: &Value, positional: Option<Value>, kwargs: Kwargs) -> Result<Value, Error> {
    // Transformers: tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False)
    let ascii = match positional {
        Some(v) => v.is_true(),
        None => kwargs.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false),
    };
    let indent = match kwargs.get::<Option<Value>>("indent")? {
        None => None,
        Some(v) if v.is_none() => None,
        Some(v) => Some(match v.as_str() {
            Some(s) => s.to_owned(),
            None => " ".repeat(i64::try_from(v)?.clamp(0, 1000) as usize),
        }),
    };
    let (item, key) = match kwargs.get::<Option<Value>>("separators")? {
        Some(v) if !v.is_none() => {
            let parts = v.try_iter()?.map(|p| python::str(&p)).collect::<Vec<_>>();
            match parts.as_slice() {
                [item, key] => (item.clone(), key.clone()),
                _ => return Err(bad("tojson: separators must be a pair")),
            }
        }
        _ => (if indent.is_some() { "," } else { ", " }.to_owned(), ": ".to_owned()),
    };
    let sort = kwargs.get::<Option<bool>>("sort_keys")?.unwrap_or(false);
    kwargs.assert_all_used()?;
    let mut out = String::new();
    Dump { ascii, indent, item, key, sort }.value(value, 0, &mut out)?;
    Ok(Value::from(out))
}

impl Dump {
    fn value(&self, value: &Value, depth: usize, out: &mut String) -> Result<(), Error> {
        if depth > crate::error::MAX_JSON_DEPTH * 2 {
            return Err(bad("tojson: the value nests too deep"));
        }
        match value.kind() {
            ValueKind::None => out.push_str("null"),
            ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => out.push_str(&number(value)),
            ValueKind::String => self.string(value.as_str().unwrap_or(""), out),
            ValueKind::Seq | ValueKind::Iterable if !is_generator(value) => {
                let items = value.try_iter()?.collect::<Vec<_>>();
                self.list('[', ']', items.len(), depth, out, |i, out| {
                    self.value(&items[i], depth + 1, out)
                })?;
            }
            ValueKind::Map if value.as_object().is_some() => {
                let mut pairs: Vec<(String, Value)> = Vec::new();
                for (k, v) in
                    value.as_object().and_then(|o| o.try_iter_pairs()).into_iter().flatten()
                {
                    pairs.push((key_text(&k)?, v));
                }
                if self.sort {
                    pairs.sort_by(|a, b| a.0.cmp(&b.0));
                }
                self.list('{', '}', pairs.len(), depth, out, |i, out| {
                    self.string(&pairs[i].0, out);
                    out.push_str(&self.key);
                    self.value(&pairs[i].1, depth + 1, out)
                })?;
            }
            ValueKind::Iterable => {
                return Err(bad("Object of type generator is not JSON serializable"))
            }
            kind => return Err(bad(format!("Object of type {kind} is not JSON serializable"))),
        }
        Ok(())
    }

    fn list(
        &self,
        open: char,
        close: char,
        count: usize,
        depth: usize,
        out: &mut String,
        mut item: impl FnMut(usize, &mut String) -> Result<(), Error>,
    ) -> Result<(), Error> {
        out.push(open);
        for i in 0..count {
            if i > 0 {
                out.push_str(&self.item);
            }
            self.line(depth + 1, out);
            item(i, out)?;
            crate::error::check_size("tojson output", out.len(), crate::error::MAX_TEMPLATE_OUTPUT)
                .map_err(|e| bad(e.message))?;
        }
        if count > 0 {
            self.line(depth, out);
        }
        out.push(close);
        Ok(())
    }

    fn line(&self, depth: usize, out: &mut String) {
        if let Some(indent) = &self.indent {
            out.push('\n');
            for _ in 0..depth {
                out.push_str(indent);
            }
        }
    }

    fn string(&self, s: &str, out: &mut String) {
        out.push('"');
        for c in s.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                c if (c as u32) < 0x20 || (self.ascii && !c.is_ascii()) => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        out.push_str(&format!("\\u{unit:04x}"));
                    }
                }
                c => out.push(c),
            }
        }
        out.push('"');
    }
}

/// Numbers as json.dumps writes them.
fn number(value: &Value) -> String {
    match python::number(value).as_str() {
        "nan" => "NaN".into(),
        "inf" => "Infinity".into(),
        "-inf" => "-Infinity".into(),
        n => n.to_owned(),
    }
}

fn key_text(key: &Value) -> Result<String, Error> {
    match key.kind() {
        ValueKind::String => Ok(key.as_str().unwrap_or("").to_owned()),
        ValueKind::Number => Ok(number(key)),
        ValueKind::Bool => Ok(if key.is_true() { "true" } else { "false" }.to_owned()),
        ValueKind::None => Ok("null".to_owned()),
        kind => Err(bad(format!("keys must be str, int, float, bool or None, not {kind}"))),
    }
}
