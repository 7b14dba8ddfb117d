//! Values from other services: `consul_key`, `vault`, `aws_secretsmanager`, `aws_secretsmanager_raw`, and `env`. They come through
//! [`Lookup`](crate::interpolate::Lookup); what they give is sensitive, but for `env` and `consul_key`.

use super::{Call, FunctionError, Kind, Spec, nullable, p};
use crate::hcl::value::Value;
use crate::interpolate::Lookup;

type Result = std::result::Result<Value, FunctionError>;

pub(super) const FUNCTIONS: &[Spec] = &[
    Spec::new("aws_secretsmanager", &[p("name", Kind::String), nullable("key", Kind::String)], Kind::String, |c| {
        let key = c.args[1].as_str().filter(|key| !key.is_empty());
        ask(c, |lookup| lookup.aws_secret(c.text(0), key)).map(Value::sensitive)
    }),
    Spec::new("aws_secretsmanager_raw", &[p("name", Kind::String)], Kind::String, |c| {
        ask(c, |lookup| lookup.aws_secret_raw(c.text(0))).map(Value::sensitive)
    }),
    Spec::new("consul_key", &[p("key", Kind::String)], Kind::String, |c| ask(c, |lookup| lookup.consul_key(c.text(0)))),
    Spec::new("env", &[p("key", Kind::String)], Kind::String, |c| {
        Ok(c.ctx.env.get(c.text(0)).map(String::as_str).unwrap_or_default().into())
    }),
    Spec::new("vault", &[p("path", Kind::String), p("key", Kind::String)], Kind::String, |c| {
        ask(c, |lookup| lookup.vault(c.text(0), c.text(1))).map(Value::sensitive)
    }),
];

fn ask(c: &Call<'_>, how: impl Fn(&dyn Lookup) -> std::result::Result<String, String>) -> Result {
    match c.ctx.lookup {
        Some(lookup) => how(lookup).map(Value::from).or_else(|message| c.fail(message)),
        None => c.fail(format!("{} is not available here: nothing is configured that could answer", c.spec.name)),
    }
}
