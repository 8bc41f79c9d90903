//! What Jinja2 under Transformers does and minijinja does otherwise. Each module is one concern;
//! `install` puts them all into an environment.

use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, State, Value};

mod clock;
mod filters;
mod json;
mod methods;
mod python;
mod strings;

pub use clock::Clock;

/// The marker in a raise_exception error, so that a refusal can be told from a broken template.
pub const REFUSED: &str = "raise_exception";

pub fn install(env: &mut Environment<'static>) {
    minijinja_contrib::add_to_environment(env);
    env.set_unknown_method_callback(methods::call);
    env.set_formatter(|out, _state, value| {
        match value.as_str().filter(|_| value.kind() == ValueKind::String) {
            Some(s) => out.write_str(s),
            None => out.write_str(&python::str(value)),
        }
        .map_err(Error::from)
    });
    env.add_test("iterable", |v: &Value| is_iterable(v));
    env.add_test("sequence", |v: &Value| is_iterable(v) && !filters::is_generator(v));
    env.add_filter("tojson", json::tojson);
    env.add_function("raise_exception", |message: &Value| -> Result<Value, Error> {
        let cause = Error::new(ErrorKind::InvalidOperation, REFUSED);
        Err(Error::new(ErrorKind::InvalidOperation, python::str(message)).with_source(cause))
    });
    env.add_function("strftime_now", |state: &State, format: &str| -> Result<String, Error> {
        match state.lookup(clock::VARIABLE).and_then(|v| v.downcast_object::<Clock>()) {
            Some(clock) => clock.format(format),
            None => Err(Error::new(ErrorKind::InvalidOperation, "no clock in this context")),
        }
    });
    filters::install(env);
}

/// A variable name no template can spell, under which the clock of a rendering travels.
pub const CLOCK: &str = clock::VARIABLE;

/// Jinja2 asks whether iter(x) works: strings and mappings have it, numbers and none have not.
fn is_iterable(v: &Value) -> bool {
    matches!(
        v.kind(),
        ValueKind::Undefined
            | ValueKind::String
            | ValueKind::Bytes
            | ValueKind::Seq
            | ValueKind::Map
            | ValueKind::Iterable
    )
}

fn bad(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}
