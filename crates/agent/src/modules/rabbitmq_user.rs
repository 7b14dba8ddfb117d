//! `rabbitmq_user`: accounts of RabbitMQ, their tags and what they may. Source: community.rabbitmq's DOCUMENTATION, rabbitmqctl(8)
//! and the API of the management plugin.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::rabbitmq::Rabbit;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// By vhost: what may be configured, written and read.
type Permissions = BTreeMap<String, [String; 3]>;
/// By vhost and exchange: what may be written and read.
type Topics = BTreeMap<(String, String), [String; 2]>;

/// A permission of a task or of the broker; older names end with `_priv`.
fn right(from: &Map<String, Value>, name: &str) -> String {
    let found = from.get(&format!("{name}_priv")).or_else(|| from.get(name)).map(crate::args::text);
    found.filter(|v| !v.is_empty()).unwrap_or_else(|| "^$".into())
}

fn text(from: &Map<String, Value>, name: &str, default: &str) -> String {
    from.get(name).map_or_else(|| default.to_string(), crate::args::text)
}

fn permissions(list: &[Value]) -> Result<Permissions, Fail> {
    let mut out = Permissions::new();
    for one in list.iter().filter_map(Value::as_object) {
        let vhost = text(one, "vhost", "/");
        if vhost.is_empty() {
            crate::fail!("Error parsing vhost permissions: You can't have an empty vhost when setting permissions");
        }
        if out.insert(vhost, ["configure", "write", "read"].map(|n| right(one, n))).is_some() {
            crate::fail!("Error parsing vhost permissions: You can't have two permission dicts for the same vhost");
        }
    }
    Ok(out)
}

fn topics(list: &[Value]) -> Result<Topics, Fail> {
    let mut out = Topics::new();
    for one in list.iter().filter_map(Value::as_object) {
        let place = (text(one, "vhost", "/"), text(one, "exchange", "amq.topic"));
        if out.insert(place, ["write", "read"].map(|n| right(one, n))).is_some() {
            crate::fail!(
                "Error parsing vhost topic_permissions: You can't have two topic permission dicts for the same vhost and the same exchange"
            );
        }
    }
    Ok(out)
}

/// Tags as the broker has them: a list, or text with commas from older ones.
fn tags(value: &Value) -> Vec<String> {
    let mut out: Vec<String> = match value {
        Value::Array(all) => all.iter().map(crate::args::text).collect(),
        other => crate::args::text(other).replace(' ', "").split(',').map(str::to_string).collect(),
    };
    out.retain(|t| !t.is_empty());
    out.sort();
    out.dedup();
    out
}

struct User<'a> {
    rabbit: Rabbit<'a>,
    name: String,
    password: String,
    tags: Vec<String>,
}

impl User<'_> {
    /// The account as the broker has it.
    fn find(&self) -> Result<Option<Value>, Fail> {
        if self.rabbit.by_api() {
            let answer = self.rabbit.api("GET", &["users", &self.name], None, None)?;
            return match answer.status {
                404 => Ok(None),
                200 => Ok(Some(answer.body)),
                _ => Err(answer.fail("Error getting the user")),
            };
        }
        Ok(self.rabbit.list(&["list_users"])?.into_iter().find(|u| u["user"] == self.name.as_str()))
    }

    fn rights(&self, topic: bool) -> Result<Vec<Value>, Fail> {
        if self.rabbit.by_api() {
            let what = if topic { "topic-permissions" } else { "permissions" };
            let path = ["users", &self.name, what];
            let all = self.rabbit.must_api("GET", &path, None, "Error getting the user's permissions")?;
            return Ok(all.as_array().cloned().unwrap_or_default());
        }
        let verb = if topic { "list_user_topic_permissions" } else { "list_user_permissions" };
        self.rabbit.list(&[verb, &self.name])
    }

    fn put(&self, body: Value, what: &str) -> Result<(), Fail> {
        self.rabbit.must_api("PUT", &["users", &self.name], Some(&body), what).map(drop)
    }

    /// Older programs take passwords on their command line only, where everybody can read them. It is asked only where there is
    /// a password to hand over: each of RabbitMQ's programs takes a second to start.
    fn takes_secrets(&self) -> Result<(), Fail> {
        if self.rabbit.version()?.as_slice() < [3, 8].as_slice() {
            crate::fail!("rabbitmq_user needs RabbitMQ 3.8 or later, or its API (login_host)");
        }
        Ok(())
    }

    fn add(&self) -> Result<(), Fail> {
        if self.rabbit.by_api() {
            let secret =
                if self.password.is_empty() { ("password_hash", "") } else { ("password", self.password.as_str()) };
            return self
                .put(json!({secret.0: secret.1, "tags": self.tags.join(",")}), "Error trying to create the user");
        }
        self.takes_secrets()?;
        // One without a password gets one that nobody knows until it has none.
        let secret = if self.password.is_empty() { crate::sys::random::token() } else { self.password.clone() };
        self.rabbit.must(&["add_user", &self.name], Some(&secret))?;
        if self.password.is_empty() {
            self.rabbit.must(&["clear_password", &self.name], None)?;
        }
        Ok(())
    }

    fn remove(&self) -> Result<(), Fail> {
        if self.rabbit.by_api() {
            let path = ["users", self.name.as_str()];
            return self.rabbit.must_api("DELETE", &path, None, "Error trying to remove the user").map(drop);
        }
        self.rabbit.must(&["delete_user", &self.name], None).map(drop)
    }

    /// Whether the password is the right one.
    fn proves(&self) -> Result<bool, Fail> {
        if self.rabbit.by_api() {
            let answer = self.rabbit.api("GET", &["whoami"], None, Some((&self.name, &self.password)))?;
            // Who may not manage is told so only with the right password.
            return Ok(answer.ok() || answer.body["reason"] == "Not management user");
        }
        self.takes_secrets()?;
        Ok(self.rabbit.call(&["authenticate_user", &self.name], Some(&self.password))?.ok())
    }

    fn set_password(&self, now: &Value) -> Result<(), Fail> {
        if self.rabbit.by_api() {
            let secret =
                if self.password.is_empty() { ("password_hash", "") } else { ("password", self.password.as_str()) };
            let body = json!({secret.0: secret.1, "tags": tags(&now["tags"]).join(",")});
            return self.put(body, "Error trying to set the password");
        }
        if self.password.is_empty() {
            return self.rabbit.must(&["clear_password", &self.name], None).map(drop);
        }
        self.takes_secrets()?;
        self.rabbit.must(&["change_password", &self.name], Some(&self.password)).map(drop)
    }

    fn set_tags(&self) -> Result<(), Fail> {
        if self.rabbit.by_api() {
            // The API takes all of an account at once: its password stays what it is.
            let now = self.find()?.unwrap_or_default();
            let mut body = json!({"tags": self.tags.join(","), "password_hash": now["password_hash"]});
            if let Some(how) = now.get("hashing_algorithm") {
                body["hashing_algorithm"] = how.clone();
            }
            return self.put(body, "Error trying to set tags");
        }
        let mut words = vec!["set_user_tags", &self.name];
        words.extend(self.tags.iter().map(String::as_str));
        self.rabbit.must(&words, None).map(drop)
    }

    fn set_permissions(&self, now: &Permissions, wanted: &Permissions) -> Result<(), Fail> {
        let what = "Error trying to set permissions";
        for vhost in now.keys().filter(|v| !wanted.contains_key(*v)) {
            if self.rabbit.by_api() {
                self.rabbit.must_api("DELETE", &["permissions", vhost, &self.name], None, what)?;
            } else {
                self.rabbit.must(&["clear_permissions", "-p", vhost, &self.name], None)?;
            }
        }
        for (vhost, rights @ [configure, write, read]) in wanted.iter().filter(|(v, r)| now.get(*v) != Some(*r)) {
            if self.rabbit.by_api() {
                let body = json!({"configure": configure, "write": write, "read": read});
                self.rabbit.must_api("PUT", &["permissions", vhost, &self.name], Some(&body), what)?;
            } else {
                let mut words = vec!["set_permissions", "-p", vhost, &self.name];
                words.extend(rights.iter().map(String::as_str));
                self.rabbit.must(&words, None)?;
            }
        }
        Ok(())
    }

    fn set_topics(&self, now: &Topics, wanted: &Topics) -> Result<(), Fail> {
        let what = "Error trying to set topic permissions";
        let mut now = now.clone();
        let gone: Vec<(String, String)> = now.keys().filter(|p| !wanted.contains_key(*p)).cloned().collect();
        for place in gone {
            if now.remove(&place).is_none() {
                continue;
            }
            let (vhost, exchange) = &place;
            if self.rabbit.by_api() {
                // The API takes away all of a vhost; what is wanted of it is set again.
                self.rabbit.must_api("DELETE", &["topic-permissions", vhost, &self.name], None, what)?;
                now.retain(|(of, _), _| of != vhost);
            } else {
                self.rabbit.must(&["clear_topic_permissions", "-p", vhost, &self.name, exchange], None)?;
            }
        }
        for (place, [write, read]) in wanted.iter().filter(|(p, r)| now.get(*p) != Some(*r)) {
            let (vhost, exchange) = place;
            if self.rabbit.by_api() {
                let body = json!({"exchange": exchange, "write": write, "read": read});
                self.rabbit.must_api("PUT", &["topic-permissions", vhost, &self.name], Some(&body), what)?;
            } else {
                self.rabbit.must(&["set_topic_permissions", "-p", vhost, &self.name, exchange, write, read], None)?;
            }
        }
        Ok(())
    }
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let (name, state) = (args.req("user")?, args.text("state"));
    let given = args.list("permissions").unwrap_or_default();
    let bulk = !given.is_empty();
    let one = || {
        let of = |name: &str| args.text(name);
        let (configure, write, read) = (of("configure_priv"), of("write_priv"), of("read_priv"));
        vec![json!({"vhost": of("vhost"), "configure": configure, "write": write, "read": read})]
    };
    let wanted = permissions(&if bulk { given } else { one() })?;
    let wanted_topics = topics(&args.list("topic_permissions").unwrap_or_default())?;
    let password = args.text("password");
    if password.contains(['\n', '\r']) {
        crate::fail!("a password with a line end in it can't be handed over to RabbitMQ");
    }
    let rabbit = Rabbit::new(ctx)?;
    if !rabbit.by_api() && password.trim() != password {
        crate::fail!(
            "rabbitmqctl drops the white space around a password that it is not given on its command line: use login_host"
        );
    }
    let wanted_tags = tags(&args.text("tags").into());
    let user = User { rabbit, name: name.clone(), password, tags: wanted_tags };
    let result = |changed: bool| crate::out! {"changed": changed, "user": name, "state": state};
    let mut now = user.find()?;
    if state == "absent" {
        if now.is_some() {
            user.remove()?;
        }
        return Ok(result(now.is_some()));
    }
    let mut changed = false;
    if now.is_some() && args.bool("force") {
        user.remove()?;
        now = None;
    }
    let is = match &now {
        Some(is) => {
            if args.text("update_password") == "always" && !user.proves()? {
                user.set_password(is)?;
                changed = true;
            }
            is.clone()
        }
        None => {
            user.add()?;
            changed = true;
            user.find()?.unwrap_or_default()
        }
    };
    if tags(&is["tags"]) != user.tags {
        user.set_tags()?;
        changed = true;
    }
    let mut have = permissions(&user.rights(false)?)?;
    if !bulk {
        // Only the one vhost is spoken of.
        have.retain(|vhost, _| wanted.contains_key(vhost));
    }
    if have != wanted {
        user.set_permissions(&have, &wanted)?;
        changed = true;
    }
    let have = topics(&user.rights(true)?)?;
    if have != wanted_topics {
        user.set_topics(&have, &wanted_topics)?;
        changed = true;
    }
    Ok(result(changed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::rabbitmq::real::Broker;

    #[test]
    fn what_is_refused() {
        let why = |more: Value| {
            let mut args = json!({"user": "u"});
            args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            run(&Ctx::test("rabbitmq_user", args)).unwrap_err().msg
        };
        assert!(why(json!({"permissions": [{"vhost": "/"}, {}]})).contains("two permission dicts"));
        assert!(why(json!({"permissions": [{"vhost": ""}]})).contains("empty vhost"));
        assert!(
            why(json!({"topic_permissions": [{}, {"exchange": "amq.topic"}]})).contains("two topic permission dicts")
        );
        assert!(why(json!({"password": "a\nb"})).contains("line end"));
        assert_eq!(
            (tags(&json!("b, a")), tags(&json!(["a", "b"]))),
            (vec!["a".to_string(), "b".into()], vec!["a".to_string(), "b".into()])
        );
    }

    /// Users, vhosts and policies, by the program and by the API, on one broker: it takes its time to start.
    #[test]
    fn a_broker_is_set_up_once() {
        let Some(broker) = Broker::start() else { return };
        for api in [false, true] {
            let by = if api { "API" } else { "program" };
            let of = |module: &str, args: Value, check: bool| {
                let ctx = broker.ctx(module, args.clone(), check, api);
                let result = match module {
                    "rabbitmq_user" => run(&ctx),
                    "rabbitmq_vhost" => crate::modules::rabbitmq_vhost::run(&ctx),
                    _ => crate::modules::rabbitmq_policy::run(&ctx),
                };
                result.unwrap_or_else(|why| panic!("{by}: {module} {args}: {}", why.msg))["changed"] == true
            };
            let once = |module: &str, args: Value, check: bool| {
                // The program takes a second for each call, and what it is asked in check mode is what it is asked otherwise.
                if check && api {
                    assert!(of(module, args.clone(), true), "{by}: {args}: check mode");
                }
                assert!(of(module, args.clone(), false), "{by}: {args}");
                assert!(!of(module, args.clone(), false), "{by}: {args}: again");
            };
            let vhost = format!("v/{by}");
            once("rabbitmq_vhost", json!({"name": vhost}), true);
            once("rabbitmq_vhost", json!({"name": vhost, "tracing": true}), true);
            once("rabbitmq_vhost", json!({"name": vhost, "tracing": false}), true);
            let policy = |more: Value| {
                let mut args = json!({"name": "p q", "vhost": vhost, "pattern": "^a\\.b$", "tags": {"max-length": 5}});
                args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                args
            };
            once("rabbitmq_policy", policy(json!({})), true);
            once("rabbitmq_policy", policy(json!({"priority": "3", "apply_to": "queues"})), true);
            once("rabbitmq_policy", policy(json!({"state": "absent"})), true);
            let user = format!("user {by}");
            let account = |more: Value| {
                let mut args = json!({"user": user, "password": "do not tell", "vhost": vhost});
                args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                args
            };
            let proves = |password: &str| broker.ctl(&["authenticate_user", &user, password]).0;
            once("rabbitmq_user", account(json!({"configure_priv": ".*"})), false);
            assert!(proves("do not tell"), "{by}");
            once("rabbitmq_user", account(json!({"tags": "monitoring,administrator", "read_priv": "^x"})), false);
            assert!(proves("do not tell"), "{by}: tags took the password away");
            let other = json!({"password": "other", "update_password": "always", "tags": "monitoring,administrator", "read_priv": "^x"});
            once("rabbitmq_user", account(other), false);
            assert!(proves("other") && !proves("do not tell"), "{by}");
            let both = json!({"permissions": [{"vhost": "/", "read_priv": ".*"}, {"vhost": vhost, "configure": "c"}]});
            once("rabbitmq_user", account(both), false);
            let (_, said) = broker.ctl(&["list_user_permissions", &user, "--formatter", "json"]);
            let said = permissions(&serde_json::from_str::<Vec<Value>>(&said).unwrap()).unwrap();
            assert_eq!(said[&vhost], ["c", "^$", "^$"].map(String::from), "{by}");
            let topic = json!({"topic_permissions": [{"vhost": vhost, "write_priv": "w"}, {"vhost": vhost, "exchange": "e", "read": "r"}]});
            once("rabbitmq_user", account(topic), false);
            once(
                "rabbitmq_user",
                account(json!({"topic_permissions": [{"vhost": vhost, "exchange": "e", "read": "r"}]})),
                false,
            );
            assert!(
                of("rabbitmq_user", account(json!({"force": true})), false) && proves("do not tell"),
                "{by}: force"
            );
            once("rabbitmq_user", account(json!({"state": "absent"})), false);
            once("rabbitmq_user", json!({"user": "bare"}), false);
            let spaced = broker.ctx("rabbitmq_user", json!({"user": "bare", "password": " x"}), false, api);
            assert_eq!(run(&spaced).is_ok(), api, "{by}: a password that begins with a space");
            once("rabbitmq_user", json!({"user": "bare", "state": "absent"}), false);
            once("rabbitmq_vhost", json!({"name": vhost, "state": "absent"}), true);
        }
    }
}
