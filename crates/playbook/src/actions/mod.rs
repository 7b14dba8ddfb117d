//! What tasks do: the parts of modules that run on the controller, one file each. Everything else goes to the host as it is.

mod add_host;
pub mod args;
mod assemble;
mod asserts;
mod async_jobs;
mod command;
mod copy;
mod copy_tree;
mod custom;
mod debug;
mod facts;
mod fail;
mod fetch;
mod group_by;
mod include_vars;
mod packages;
mod patch;
mod pause;
mod python;
mod raw;
mod reboot;
mod script;
mod set_fact;
mod set_stats;
mod synchronize;
mod template;
pub mod template_vars;
mod unarchive;
mod uri;
mod validate_argument_spec;
mod wait_for_connection;

use crate::callback::{Event, TaskInfo};
use crate::exec::engine::Host;
use crate::exec::play::PlayRun;
use crate::exec::result::{Failure, Res, flag, from_json, get, set};
use crate::play::model::Task;
use crate::play::modules::Action;
use crate::play::paths;
use crate::target::{Become, Connection, Content, ModuleCall, OutputSink, Target};
use imgbuild_jinja::{Key, Map, Value, VarSource};
use imgbuild_proto::spec;
use serde_json::Map as Json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

pub use async_jobs::run_async;

/// Why an action did not end with a result.
#[derive(Debug)]
pub enum Problem {
    /// The host can't be reached.
    Unreachable(String),
    /// It failed.
    Failed(Failure),
    /// It is not to run (a missing `creates`, no check mode).
    Skipped(String),
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Problem::Failed(failure)
    }
}

/// A failure of the action itself, as its result has it.
pub fn refuse(message: impl Into<String>) -> Problem {
    Problem::Failed(Failure::new(message).field("_action", true).field("changed", false))
}

/// An action that is about to run.
pub struct Call<'a> {
    /// The batch.
    pub run: &'a Arc<PlayRun>,
    /// The task.
    pub task: &'a Arc<Task>,
    /// The host whose variables it sees.
    pub host: &'a Host,
    /// What is shown of the task.
    pub info: &'a Arc<TaskInfo>,
    /// The action.
    pub action: Action,
    /// Arguments, rendered.
    pub args: Map,
    /// Variables.
    pub vars: Arc<dyn VarSource>,
    /// Those of the host that it acts on: the delegate's, as far as they say how things are there.
    pub reach: Arc<dyn VarSource>,
    /// How to reach the host that it acts on.
    pub connection: Connection,
    /// Who to be there.
    pub become_: Option<Become>,
    /// Environment.
    pub environment: BTreeMap<String, String>,
    /// Check mode.
    pub check: bool,
    /// Differences.
    pub diff: bool,
    /// Results are hidden.
    pub no_log: bool,
    /// Seconds.
    pub timeout: Option<u64>,
}

/// Whether an argument is left as a template: it is an expression, or text that the action renders itself.
pub fn keeps_template(action: &str, key: &str, value: &Value) -> bool {
    matches!((action, key), ("assert", "that") | ("debug", "var"))
        || action == "set_fact" && matches!(value, Value::Vault(_))
}

/// Whether an action needs no connection.
pub fn on_controller(action: &Action) -> bool {
    const LOCAL: &[&str] = &[
        "add_host",
        "assert",
        "debug",
        "fail",
        "group_by",
        "include_vars",
        "pause",
        "set_fact",
        "set_stats",
        "validate_argument_spec",
        "meta",
        "include_tasks",
        "include_role",
    ];
    LOCAL.contains(&action.name.as_str())
}

/// Runs an action.
pub async fn run(call: &Call<'_>) -> Result<Res, Problem> {
    if let Some(plugin) = &call.action.plugin {
        return python::run(call, plugin).await;
    }
    match call.action.name.as_str() {
        "add_host" => add_host::run(call),
        "assert" => asserts::run(call),
        "assemble" => assemble::run(call).await,
        "async_status" => async_jobs::status(call).await,
        "command" | "shell" => command::run(call).await,
        "copy" => copy::run(call).await,
        "debug" => debug::run(call),
        "fail" => fail::run(call),
        "fetch" => fetch::run(call).await,
        "gather_facts" | "setup" => facts::run(call).await,
        "group_by" => group_by::run(call),
        "include_vars" => include_vars::run(call),
        "package" | "service" | "dnf" | "yum" => packages::run(call).await,
        "pip" => packages::pip(call).await,
        "patch" => patch::run(call).await,
        "pause" => pause::run(call).await,
        "raw" => raw::run(call).await,
        "reboot" => reboot::run(call).await,
        "script" => script::run(call).await,
        "set_fact" => set_fact::run(call),
        "set_stats" => set_stats::run(call),
        "synchronize" => synchronize::run(call).await,
        "template" => template::run(call).await,
        "unarchive" => unarchive::run(call).await,
        "uri" => uri::run(call).await,
        "validate_argument_spec" => validate_argument_spec::run(call),
        "wait_for_connection" => wait_for_connection::run(call).await,
        name => match (&call.action.custom, call.action.spec) {
            (Some(path), _) => custom::run(call, path).await,
            (None, Some(spec)) => call.remote(spec, call.args.clone()).await,
            (None, None) => Err(refuse(format!("the module '{name}' is not available in imgbuild"))),
        },
    }
}

impl Call<'_> {
    /// The connection.
    pub async fn target(&self) -> Result<Arc<dyn Target>, Problem> {
        self.run
            .engine
            .connections
            .get(&self.run.engine, &self.connection)
            .await
            .map_err(|lost| Problem::Unreachable(lost.message))
    }

    /// Checks the arguments and runs the module on the host.
    pub async fn remote(&self, spec: &'static spec::Module, args: Map) -> Result<Res, Problem> {
        let args = args::check(spec, &args)?;
        if self.check && !spec.check_mode {
            let name = &self.action.written;
            return Err(Problem::Skipped(format!("remote module ({name}) does not support check mode")));
        }
        self.module(spec.name, args, None).await
    }

    /// Checks arguments against a module's specification.
    pub fn checked(&self, name: &str, args: &Map) -> Result<Json<String, serde_json::Value>, Problem> {
        match spec::module(name) {
            Some(spec) => args::check(spec, args),
            None => Err(refuse(format!("the module '{name}' is not available in imgbuild"))),
        }
    }

    /// Runs a module on the host with arguments that are checked.
    pub async fn module(
        &self,
        name: &str,
        args: Json<String, serde_json::Value>,
        content: Option<Content>,
    ) -> Result<Res, Problem> {
        let module = ModuleCall {
            module: name.to_owned(),
            args,
            check: self.check,
            diff: self.diff,
            become_: self.become_.clone(),
            environment: self.environment.clone(),
            timeout: self.timeout,
            content,
            stream: self.streams(name),
            chain: 0,
            stop_chain_on_failure: false,
        };
        self.call(module).await
    }

    /// Runs a module call as it is.
    pub async fn call(&self, module: ModuleCall) -> Result<Res, Problem> {
        let target = self.target().await?;
        self.call_on(&*target, module).await
    }

    /// Runs a module call on a host of the caller's choice.
    pub async fn call_on(&self, target: &dyn Target, module: ModuleCall) -> Result<Res, Problem> {
        let sink = module.stream.then(|| self.sink());
        // The agent's own requests hold a module's arguments as they are, secrets and all: modules of the user say themselves
        // what they were called with.
        let inner = module.module.starts_with('_');
        let shown =
            (self.run.engine.settings.verbosity >= 3 && !inner).then(|| args::shown(&module.module, &module.args));
        let foreign = inner || module.module == "async_status";
        let answer = target.call(module, sink).await.map_err(|lost| Problem::Unreachable(lost.message))?;
        let mut res = from_json(answer);
        if foreign {
            res = res.into_iter().map(|(key, value)| (key, custom::with_integers(value))).collect();
        }
        let rc = get(&res, "rc").is_some_and(|rc| !matches!(rc, Value::Int(0)));
        if let (Some(shown), None) = (shown, get(&res, "invocation")) {
            set(&mut res, "invocation", Value::from_json(serde_json::json!({ "module_args": shown }), false));
        }
        if flag(&res, "failed") || rc && get(&res, "failed").is_none() {
            set(&mut res, "_ansible_module_failed", true);
        }
        Ok(res)
    }

    /// Output of commands is shown while it comes, unless nobody may see it.
    fn streams(&self, module: &str) -> bool {
        !self.no_log && matches!(module, "command" | "shell" | "script" | "raw")
    }

    fn sink(&self) -> OutputSink {
        let callback = Arc::clone(&self.run.engine.session.callback);
        let (task, host) = (Arc::clone(self.info), self.host.to_string());
        Arc::new(move |stream, bytes| {
            callback.event(&Event::Output {
                task: Arc::clone(&task),
                host: host.clone(),
                stream,
                bytes: Arc::from(bytes),
            });
        })
    }

    /// A file of the controller, looked for as Ansible does.
    pub fn find(&self, name: &str, folder: &str) -> Result<PathBuf, Problem> {
        let search = self.run.search_path(self.task);
        paths::find(name, folder, &search, &self.run.engine.settings).map_err(|tried| {
            let tried: Vec<String> = tried.iter().map(|p| p.display().to_string()).collect();
            refuse(format!(
                "Could not find or access '{name}'\nSearched in:\n\t{} on the Ansible Controller.\nIf you are using a module and expect the file to exist on the remote, see the remote_src option",
                tried.join("\n\t")
            ))
        })
    }

    /// An argument.
    pub fn arg(&self, name: &str) -> Option<&Value> {
        self.args.get(&Key::from(name)).filter(|v| !matches!(v, Value::Null | Value::Omit))
    }

    /// An argument as text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.arg(name).map(crate::text::of)
    }

    /// An argument as a boolean.
    pub fn bool(&self, name: &str, default: bool) -> Result<bool, Problem> {
        match self.arg(name) {
            None => Ok(default),
            Some(value) => crate::exec::connection::boolean(value).ok_or_else(|| {
                refuse(format!(
                    "argument '{name}' is of type {} and we were unable to convert to bool: The value {} is not a valid boolean.",
                    crate::exec::host_task::python_type(value),
                    crate::text::repr(value)
                ))
            }),
        }
    }

    /// Refuses arguments that are not among these.
    pub fn only(&self, known: &[&str]) -> Result<(), Problem> {
        let wrong: Vec<String> =
            self.args.keys().map(ToString::to_string).filter(|k| !known.contains(&k.as_str())).collect();
        if wrong.is_empty() {
            return Ok(());
        }
        let help =
            imgbuild_diag::did_you_mean(&wrong[0], known.iter().copied()).map(|s| format!(" Did you mean {s:?}?"));
        Err(refuse(format!(
            "Unsupported parameters for ({}) module: {}. Supported parameters include: {}.{}",
            self.action.spec.map_or(self.action.written.as_str(), |s| s.fqcn),
            wrong.join(", "),
            known.join(", "),
            help.unwrap_or_default()
        )))
    }

    /// Fills in what `module_defaults` says of the module that stands behind the action.
    pub fn fill_defaults(&self, full: &str, args: &mut Map) -> Result<(), Problem> {
        let mut below = Map::new();
        for given in self.run.module_defaults(self.task, full) {
            let value = self.run.engine.templar.template(&given, &self.vars).map_err(Failure::from)?;
            below.extend(crate::exec::result::as_map(&value));
        }
        for (key, value) in below {
            args.entry(key).or_insert(value);
        }
        Ok(())
    }

    /// A variable, rendered.
    pub fn var(&self, name: &str) -> Result<Option<Value>, Problem> {
        self.rendered(name, &self.vars)
    }

    /// A variable of the host that it acts on, rendered.
    pub fn var_there(&self, name: &str) -> Result<Option<Value>, Problem> {
        self.rendered(name, &self.reach)
    }

    fn rendered(&self, name: &str, vars: &Arc<dyn VarSource>) -> Result<Option<Value>, Problem> {
        match vars.get(name) {
            Some(raw) => Ok(Some(self.run.engine.templar.template(&raw, vars).map_err(|e| Problem::Failed(e.into()))?)),
            None => Ok(None),
        }
    }

    /// A result that says nothing but whether something changed.
    pub fn done(changed: bool) -> Res {
        let mut res = Res::new();
        set(&mut res, "changed", changed);
        res
    }
}

pub use copy::hex;
pub use template::Files as TemplateFiles;
