//! A chat template as Transformers renders it: Jinja2 with trim_blocks and lstrip_blocks, in a
//! sandbox without I/O, held to limits on steps, output and depth.

use std::io::Write;
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value};

use crate::budget::{self, Strikes};
use crate::error::{
    check_json_depth, check_size, Kind, Result, TextError, MAX_CONTEXT_BYTES, MAX_TEMPLATE_BYTES,
    MAX_TEMPLATE_OUTPUT, MAX_TEMPLATE_RECURSION, MAX_TEMPLATE_STEPS,
};
use crate::shape;
use crate::shim::{self, Clock};

const NAME: &str = "chat_template";

/// What one macro call costs of minijinja's recursion budget.
const MACRO_COST: usize = 4;

pub struct Template {
    env: Arc<Environment<'static>>,
    strikes: Strikes,
}

impl Template {
    pub fn compile(source: &str) -> Result<Self> {
        check_size("chat template", source.len(), MAX_TEMPLATE_BYTES)?;
        let source = source.to_owned();
        // The compiler computes constant expressions, so it has a budget as well.
        let env = budget::run(&Strikes::default(), move || environment(&source))?;
        Ok(Template { env: Arc::new(env), strikes: Strikes::default() })
    }

    /// `context`: a JSON object, whose members are the template's variables.
    pub fn render(&self, context: &[u8], clock: Clock) -> Result<String> {
        check_size("template context", context.len(), MAX_CONTEXT_BYTES)?;
        check_json_depth("template context", context)?;
        let json: serde_json::Value = serde_json::from_slice(context)
            .map_err(|e| TextError::invalid(format!("template context is not JSON: {e}")))?;
        let serde_json::Value::Object(members) = json else {
            return Err(TextError::invalid("template context must be a JSON object"));
        };
        let env = self.env.clone();
        budget::run(&self.strikes, move || {
            let clock = (shim::CLOCK.to_owned(), Value::from_object(clock));
            let variables = members.into_iter().map(|(k, v)| (k, from_json(v)));
            render(&env, Value::from_pairs(variables.chain([clock])))
        })
    }
}

fn environment(source: &str) -> Result<Environment<'static>> {
    let mut env = Environment::new();
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
        .map_err(|e| describe(&e))?;
    let source = without_generation_marks(source);
    shape::check(&source, &syntax)?;
    env.set_syntax(syntax);
    env.set_auto_escape_callback(|_| AutoEscape::None);
    env.set_undefined_behavior(UndefinedBehavior::Lenient);
    env.set_recursion_limit(MAX_TEMPLATE_RECURSION * MACRO_COST);
    env.set_fuel(Some(MAX_TEMPLATE_STEPS));
    env.set_debug(false);
    shim::install(&mut env);
    env.add_template_owned(NAME, source).map_err(|e| describe(&e))?;
    Ok(env)
}

fn render(env: &Environment, context: Value) -> Result<String> {
    let template = env.get_template(NAME).map_err(|e| describe(&e))?;
    let mut out = Limited(Vec::new());
    let result = template.render_captured_to(context, &mut out);
    check_size("the chat template's output", out.0.len(), MAX_TEMPLATE_OUTPUT)?;
    result.map_err(|e| describe(&e))?;
    String::from_utf8(out.0).map_err(|_| TextError::invalid("the template's output is not UTF-8"))
}

fn from_json(json: serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => Value::from(()),
        Json::Bool(b) => Value::from(b),
        Json::Number(n) => match (n.as_i64(), n.as_u64()) {
            (Some(i), _) => Value::from(i),
            (None, Some(u)) => Value::from(u),
            _ => Value::from(n.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(s) => Value::from(s),
        Json::Array(items) => Value::from(items.into_iter().map(from_json).collect::<Vec<_>>()),
        Json::Object(members) => {
            Value::from_pairs(members.into_iter().map(|(k, v)| (k, from_json(v))))
        }
    }
}

/// Collects output; the write that goes over the limit fails.
struct Limited(Vec<u8>);

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.extend_from_slice(bytes);
        if self.0.len() > MAX_TEMPLATE_OUTPUT {
            return Err(std::io::Error::other("template output limit"));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn describe(e: &minijinja::Error) -> TextError {
    let mut cause: Option<&dyn std::error::Error> = Some(e);
    while let Some(c) = cause {
        if let Some(inner) = c.downcast_ref::<minijinja::Error>() {
            if inner.kind() == ErrorKind::OutOfFuel {
                return TextError::limit(format!(
                    "the chat template needs more than {MAX_TEMPLATE_STEPS} steps"
                ));
            }
            let refusal = std::error::Error::source(inner)
                .and_then(|s| s.downcast_ref::<minijinja::Error>())
                .is_some_and(|s| s.detail() == Some(shim::REFUSED));
            if refusal {
                return TextError::new(Kind::Refused, inner.detail().unwrap_or_default());
            }
            if inner.detail().is_some_and(|d| d.contains("recursion limit")) {
                return TextError::limit(format!("the chat template recurses too deep: {inner}"));
            }
        }
        cause = c.source();
    }
    TextError::invalid(format!("chat template: {e}"))
}

/// `{% generation %}` marks the assistant's part for training. The block has no other effect, so
/// it becomes `{% if true %}`, which keeps the whitespace marks working.
fn without_generation_marks(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(open) = rest.find("{%") {
        let (before, tag) = rest.split_at(open);
        out.push_str(before);
        let Some(close) = tag.find("%}") else {
            rest = tag;
            break;
        };
        let inner = &tag[2..close];
        let word = inner.trim_start_matches(['-', '+']).trim_end_matches(['-', '+']).trim();
        let replacement = match word {
            "generation" => Some("if true"),
            "endgeneration" => Some("endif"),
            _ => None,
        };
        match replacement {
            Some(r) => {
                out.push_str("{%");
                out.push_str(&inner.replacen(word, &format!(" {r} "), 1));
                out.push_str("%}");
            }
            None => out.push_str(&tag[..close + 2]),
        }
        rest = &tag[close + 2..];
    }
    out.push_str(rest);
    out
}
