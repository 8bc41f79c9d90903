//! Methods of Python's str, list and dict that templates call. Those that would change a value
//! (append, update, pop) stay unknown: Transformers renders in an immutable sandbox.

use minijinja::value::{from_args, Kwargs, Rest, Tuple, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};

use super::strings::{self, Side};
use super::{bad, python};

pub fn call(state: &mut State, value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    let result = match value.kind() {
        ValueKind::String => {
            let s = value.as_str().unwrap_or("");
            match parts_of_string(s, name, args)? {
                Some(v) => Some(v),
                None => changed_string(s, name, args)?,
            }
        }
        ValueKind::Seq | ValueKind::Iterable => list(value, name, args)?,
        ValueKind::Map => map(value, name, args)?,
        _ => None,
    };
    match result {
        Some(v) => Ok(v),
        None => minijinja_contrib::pycompat::unknown_method_callback(state, value, name, args),
    }
}

/// Methods that take a string apart or look for something in it.
fn parts_of_string(s: &str, name: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    let v: Value = match name {
        "split" | "rsplit" => split(s, name == "rsplit", args)?,
        "splitlines" => {
            let (keep, kwargs): (Option<bool>, Kwargs) = from_args(args)?;
            let keep = keep.or(kwargs.get::<Option<bool>>("keepends")?).unwrap_or(false);
            strings::split_lines(s, keep).into()
        }
        "partition" | "rpartition" => {
            let (sep,): (&str,) = from_args(args)?;
            let found = if name == "partition" { s.split_once(sep) } else { s.rsplit_once(sep) };
            let parts = match found {
                Some((a, b)) => [a, sep, b],
                None if name == "partition" => [s, "", ""],
                None => ["", "", s],
            };
            Value::from(Tuple::from(parts.map(Value::from)))
        }
        "find" | "rfind" | "index" | "rindex" => position(s, name, args)?,
        "isdecimal" => (!s.is_empty() && s.chars().all(|c| c.is_ascii_digit())).into(),
        "isspace" => (!s.is_empty() && s.chars().all(strings::is_space)).into(),
        "encode" => {
            let _: (Rest<Value>,) = from_args(args)?;
            Value::from_bytes(s.as_bytes().to_vec())
        }
        _ => return Ok(None),
    };
    Ok(Some(v))
}

/// Methods that give another string.
fn changed_string(s: &str, name: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    let v: String = match name {
        "strip" | "lstrip" | "rstrip" => {
            let (chars,): (Option<Value>,) = from_args(args)?;
            let side = match name {
                "strip" => Side::Both,
                "lstrip" => Side::Left,
                _ => Side::Right,
            };
            let chars = chars.filter(|c| !c.is_none());
            strings::strip(s, chars.as_ref().and_then(Value::as_str), side)
        }
        "removeprefix" => s.strip_prefix(from_args::<(&str,)>(args)?.0).unwrap_or(s).to_owned(),
        "removesuffix" => s.strip_suffix(from_args::<(&str,)>(args)?.0).unwrap_or(s).to_owned(),
        "replace" => {
            let (old, new, count, kwargs): (&str, &str, Option<i64>, Kwargs) = from_args(args)?;
            let count = count.or(kwargs.get::<Option<i64>>("count")?).unwrap_or(-1);
            match usize::try_from(count) {
                Ok(n) => s.replacen(old, new, n),
                Err(_) => s.replace(old, new),
            }
        }
        "zfill" => strings::zero_fill(s, from_args::<(usize,)>(args)?.0),
        "ljust" | "rjust" | "center" => {
            let (width, fill): (usize, Option<&str>) = from_args(args)?;
            let fill = fill.and_then(|f| f.chars().next()).unwrap_or(' ');
            let side = match name {
                "ljust" => Side::Left,
                "rjust" => Side::Right,
                _ => Side::Both,
            };
            strings::pad(s, width, fill, side)
        }
        "title" => strings::title(s),
        "swapcase" => strings::swap_case(s),
        "casefold" => s.to_lowercase(),
        "join" => joined(s, from_args::<(&Value,)>(args)?.0)?,
        _ => return Ok(None),
    };
    Ok(Some(v.into()))
}

fn joined(separator: &str, items: &Value) -> Result<String, Error> {
    let mut parts = Vec::new();
    for item in items.try_iter()? {
        let Some(part) = item.as_str() else {
            return Err(bad(format!(
                "sequence item {}: expected str instance, {} found",
                parts.len(),
                item.kind()
            )));
        };
        parts.push(part.to_owned());
    }
    Ok(parts.join(separator))
}

fn split(s: &str, from_right: bool, args: &[Value]) -> Result<Value, Error> {
    let (sep, limit, kwargs): (Option<Value>, Option<i64>, Kwargs) = from_args(args)?;
    let sep = match sep {
        Some(v) => Some(v),
        None => kwargs.get::<Option<Value>>("sep")?,
    };
    let limit = limit.or(kwargs.get::<Option<i64>>("maxsplit")?).unwrap_or(-1);
    kwargs.assert_all_used()?;
    let sep = match sep.filter(|v| !v.is_none()) {
        None => None,
        Some(v) => match v.as_str() {
            Some("") => return Err(bad("empty separator")),
            Some(text) => Some(text.to_owned()),
            None => return Err(bad(format!("must be str or None, not {}", v.kind()))),
        },
    };
    Ok(strings::split(s, sep.as_deref(), limit, from_right).into())
}

fn position(s: &str, name: &str, args: &[Value]) -> Result<Value, Error> {
    let (what, start, end): (&str, Option<i64>, Option<i64>) = from_args(args)?;
    let (offset, part) = strings::slice(s, start, end);
    let at = if name.starts_with('r') { part.rfind(what) } else { part.find(what) };
    match at {
        Some(at) => Ok(Value::from(offset + part[..at].chars().count())),
        None if name.ends_with("index") => Err(bad("substring not found")),
        None => Ok(Value::from(-1)),
    }
}

fn list(value: &Value, name: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    match name {
        "copy" => {
            let () = from_args(args)?;
            Ok(Some(value.try_iter()?.collect::<Vec<_>>().into()))
        }
        "index" => {
            let (what,): (&Value,) = from_args(args)?;
            match value.try_iter()?.position(|item| item == *what) {
                Some(at) => Ok(Some(Value::from(at))),
                None => Err(bad(format!("{} is not in list", python::repr(what)))),
            }
        }
        "count" => {
            let (what,): (&Value,) = from_args(args)?;
            Ok(Some(Value::from(value.try_iter()?.filter(|item| item == what).count())))
        }
        _ => Ok(None),
    }
}

fn map(value: &Value, name: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    match name {
        "copy" => {
            let () = from_args(args)?;
            Ok(Some(value.clone()))
        }
        "get" if value.as_object().is_none() => Err(Error::from(ErrorKind::UnknownMethod)),
        _ => Ok(None),
    }
}
