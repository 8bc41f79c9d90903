//! Filters and tests that differ from Jinja2's.

use std::borrow::Cow;
use std::sync::{Arc, Mutex};

use minijinja::filters as builtin;
use minijinja::value::{
    from_args, Enumerator, Kwargs, Object, ObjectRepr, Rest, ValueKind, ValueOrKwargs,
};
use minijinja::{Environment, Error, State, Value};

use super::{bad, python, strings};

/// Python's generator: can be walked once, has no length and is no JSON. (It does know how much
/// is left, because loop.last needs to look ahead.)
#[derive(Debug)]
struct Generator(Mutex<std::vec::IntoIter<Value>>);

struct Walk(Arc<Generator>);

impl Iterator for Walk {
    type Item = Value;

    fn next(&mut self) -> Option<Value> {
        self.0 .0.lock().ok().and_then(|mut items| items.next())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.0.left();
        (left, Some(left))
    }
}

impl Generator {
    fn left(&self) -> usize {
        self.0.lock().map_or(0, |items| items.len())
    }
}

impl Object for Generator {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Iter(Box::new(Walk(self.clone())))
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.left())
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn render(self: &Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<generator object>")
    }
}

fn generator(items: Vec<Value>) -> Value {
    Value::from_object(Generator(Mutex::new(items.into_iter())))
}

pub fn is_generator(value: &Value) -> bool {
    value.downcast_object_ref::<Generator>().is_some()
}

type Test<'a> = Option<Cow<'a, str>>;

/// What minijinja and its companion add to Jinja2's: a template that uses it would not render under
/// Transformers.
const FOREIGN_FILTERS: [&str; 6] = ["bool", "chain", "lines", "pluralize", "split", "zip"];
const FOREIGN_TESTS: [&str; 3] = ["endingwith", "safe", "startingwith"];

pub fn install(env: &mut Environment<'static>) {
    for name in FOREIGN_FILTERS {
        env.remove_filter(name);
    }
    for name in FOREIGN_TESTS {
        env.remove_test(name);
    }
    env.remove_global("debug");
    env.add_test("callable", |v: &Value| v.kind() == ValueKind::Plain);
    for name in ["e", "escape"] {
        env.add_filter(name, |v: &Value| if v.is_safe() { v.clone() } else { escaped(v) });
    }
    env.add_filter("forceescape", |v: &Value| escaped(v));
    env.add_filter("int", |s: &State, v: &Value, d: Option<Value>, b: Option<u32>, k: Kwargs| {
        let fallback = d.clone().or(k.get::<Option<Value>>("default").ok().flatten());
        builtin::int(s, v, d, b, k).unwrap_or(fallback.unwrap_or(Value::from(0)))
    });
    env.add_filter("float", |s: &State, v: &Value, d: Option<Value>, k: Kwargs| {
        let fallback = d.clone().or(k.get::<Option<Value>>("default").ok().flatten());
        builtin::float(s, v, d, k).unwrap_or(fallback.unwrap_or(Value::from(0.0)))
    });
    env.add_filter("truncate", truncate);
    env.add_filter("length", length);
    env.add_filter("count", length);
    env.add_filter("map", |s: &mut State, v: Value, a: Rest<ValueOrKwargs>| {
        builtin::map(s, v, a).map(generator)
    });
    env.add_filter("select", |s: &mut State, v: Value, t: Test, a: Rest<ValueOrKwargs>| {
        builtin::select(s, v, t, a).map(generator)
    });
    env.add_filter("reject", |s: &mut State, v: Value, t: Test, a: Rest<ValueOrKwargs>| {
        builtin::reject(s, v, t, a).map(generator)
    });
    env.add_filter(
        "selectattr",
        |s: &mut State, v: Value, attr: Cow<str>, t: Test, a: Rest<ValueOrKwargs>| {
            builtin::selectattr(s, v, attr, t, a).map(generator)
        },
    );
    env.add_filter(
        "rejectattr",
        |s: &mut State, v: Value, attr: Cow<str>, t: Test, a: Rest<ValueOrKwargs>| {
            builtin::rejectattr(s, v, attr, t, a).map(generator)
        },
    );
    env.add_filter("string", |v: &Value| match v.kind() {
        ValueKind::String => v.clone(),
        _ => Value::from(python::str(v)),
    });
    env.add_filter("items", items);
    env.add_filter("trim", |v: &Value, chars: Option<Cow<str>>| {
        strings::strip(&python::str(v), chars.as_deref(), strings::Side::Both)
    });
    env.add_filter("replace", replace);
    env.add_filter("join", join);
    env.add_filter("wordcount", |v: &Value| strings::words(&python::str(v)).count());
    env.add_filter("center", |v: &Value, width: Option<usize>| {
        strings::pad(&python::str(v), width.unwrap_or(80), ' ', strings::Side::Both)
    });
}

fn escaped(v: &Value) -> Value {
    Value::from_safe_string(strings::escape_html(&python::str(v)))
}

fn truncate(v: &Value, args: Rest<ValueOrKwargs>) -> Result<String, Error> {
    let args = args.into_values();
    let (length, kill_words, end, leeway, kwargs): (
        Option<usize>,
        Option<bool>,
        Option<String>,
        Option<usize>,
        Kwargs,
    ) = from_args(&args)?;
    let length = length.or(kwargs.get("length")?).unwrap_or(255);
    let kill_words = kill_words.or(kwargs.get("killwords")?).unwrap_or(false);
    let end = end.or(kwargs.get("end")?).unwrap_or("...".to_owned());
    let leeway = leeway.or(kwargs.get("leeway")?).unwrap_or(5);
    kwargs.assert_all_used()?;
    Ok(strings::truncate(&python::str(v), length, !kill_words, &end, leeway))
}

fn length(v: &Value) -> Result<usize, Error> {
    if v.is_undefined() {
        return Ok(0);
    }
    v.len()
        .filter(|_| !is_generator(v))
        .ok_or_else(|| bad(format!("object of type {} has no length", v.kind())))
}

fn items(v: &Value) -> Result<Value, Error> {
    match v.kind() {
        ValueKind::Undefined => Ok(generator(Vec::new())),
        ValueKind::Map => Ok(generator(builtin::items(v)?.try_iter()?.collect())),
        _ => Err(bad("Can only get item pairs from a mapping.")),
    }
}

fn replace(
    v: &Value,
    old: &Value,
    new: &Value,
    count: Option<usize>,
    kwargs: Kwargs,
) -> Result<String, Error> {
    let count = match count {
        Some(n) => Some(n),
        None => kwargs.get::<Option<usize>>("count")?,
    };
    kwargs.assert_all_used()?;
    let (text, old, new) = (python::str(v), python::str(old), python::str(new));
    Ok(match count {
        Some(n) => text.replacen(&old, &new, n),
        None => text.replace(&old, &new),
    })
}

fn join(
    v: &Value,
    joiner: Option<Value>,
    attribute: Option<Value>,
    kwargs: Kwargs,
) -> Result<String, Error> {
    let joiner = match joiner {
        Some(d) => Some(d),
        None => kwargs.get::<Option<Value>>("d")?,
    };
    let joiner = joiner.map(|d| python::str(&d)).unwrap_or_default();
    let attribute = match attribute {
        Some(a) => Some(a),
        None => kwargs.get::<Option<Value>>("attribute")?,
    };
    kwargs.assert_all_used()?;
    let mut out = String::new();
    for (i, item) in v.try_iter()?.enumerate() {
        if i > 0 {
            out.push_str(&joiner);
        }
        let item = match &attribute {
            Some(a) => item.get_item(a)?,
            None => item,
        };
        out.push_str(&python::str(&item));
        crate::error::check_size("join", out.len(), crate::error::MAX_TEMPLATE_OUTPUT)
            .map_err(|e| bad(e.message))?;
    }
    Ok(out)
}
