//! A build of a template in the fake cloud.

use async_trait::async_trait;
use imgbuild_builders::amazon::caller::CallerAddress;
use imgbuild_builders::amazon::env::Amazon;
use imgbuild_builders::amazon::types::Tags;
use imgbuild_builders::inputs::Inputs;
use imgbuild_builders::{Flags, Prepared, gc, prepare};
use imgbuild_diag::{Diagnostics, Redactor, Source};
use imgbuild_engine::agent_link::AgentBinaries;
use imgbuild_engine::build::{BuildError, BuildSession, Built, OnError};
use imgbuild_engine::event::{Event, Reporter, Sink};
use imgbuild_engine::journal::{Begin, CrashPoint, Journal};
use imgbuild_engine::provision::{Ask, Plan};
use imgbuild_engine::run::{Cancel, Run};
use imgbuild_template::{Ambient, LoadOptions};
use imgbuild_testkit::comm::FakeConnect;
use imgbuild_testkit::ec2::{FakeCloud, image};
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A template with one amazon-ebs builder: `options` over a small good one; an option that is `null` is taken out.
pub fn template(options: serde_json::Value) -> String {
    let mut builder = serde_json::json!({
        "type": "amazon-ebs",
        "access_key": "AKIAFAKE",
        "secret_key": "fakefakefake",
        "region": "us-east-1",
        "source_ami": "ami-source",
        "instance_type": "m5.large",
        "ssh_username": "ubuntu",
        "ami_name": "an image"
    });
    if let (Some(all), serde_json::Value::Object(options)) = (builder.as_object_mut(), options) {
        for (name, value) in options {
            if value.is_null() {
                all.remove(&name);
            } else {
                all.insert(name, value);
            }
        }
    }
    serde_json::json!({ "builders": [builder] }).to_string()
}

/// Reads a template's builder; warnings or errors as text.
pub fn read(text: &str, flags: Flags) -> Result<(Prepared, Diagnostics), Diagnostics> {
    let ambient = Ambient::new(jiff::Timestamp::UNIX_EPOCH, "/");
    let options = LoadOptions::new(Arc::new(ambient));
    let loaded = imgbuild_template::parse_text(&Source::new("t.json", text), None)?.resolve(&options)?;
    let build = &loaded.template.builds[0];
    prepare(&build.builder, &loaded.template.context(build), flags)
}

struct Here;

#[async_trait]
impl CallerAddress for Here {
    async fn public(&self) -> Result<IpAddr, String> {
        Ok([198, 51, 100, 7].into())
    }
    fn toward(&self, _: IpAddr) -> Result<IpAddr, String> {
        Ok([10, 9, 9, 9].into())
    }
}

#[derive(Default)]
pub struct Lines(Mutex<Vec<String>>);

impl Lines {
    pub fn text(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

impl Sink for Lines {
    fn emit(&self, event: Event) {
        let (Event::Say { text, .. } | Event::Message { text, .. } | Event::Error { text, .. }) = event else { return };
        self.0.lock().unwrap().push(text);
    }
}

/// A cloud with the source image, and all that a build needs.
pub struct World {
    pub cloud: FakeCloud,
    pub amazon: Arc<Amazon>,
    pub connect: Arc<FakeConnect>,
    pub lines: Arc<Lines>,
    pub journals: tempfile::TempDir,
    pub cancel: Cancel,
    pub on_error: OnError,
    pub answers: Arc<Answers>,
    pub inputs: Option<Inputs>,
}

/// A person at the terminal who says this, one after the other, and then nothing more.
#[derive(Default)]
pub struct Answers(pub Mutex<std::collections::VecDeque<&'static str>>);

#[async_trait]
impl Ask for Answers {
    async fn ask(&self, _: &str) -> Option<String> {
        self.0.lock().unwrap().pop_front().map(str::to_owned)
    }
    async fn ask_secret(&self, question: &str) -> Option<String> {
        self.ask(question).await
    }
}

impl World {
    pub fn new() -> Self {
        let cloud = FakeCloud::new();
        let mut source =
            image("a source", "", "099720109477", Tags::from([("Release".to_owned(), "14.04".to_owned())]));
        source.id = "ami-source".into();
        source.state = imgbuild_builders::amazon::types::ImageState::Available;
        cloud.publish("us-east-1", source);
        let mut amazon = Amazon::new(Arc::new(cloud.clone()), Arc::new(Here));
        amazon.pause = Duration::ZERO;
        World {
            cloud,
            amazon: Arc::new(amazon),
            connect: Arc::default(),
            lines: Arc::default(),
            journals: tempfile::tempdir().unwrap(),
            cancel: Cancel::new(),
            on_error: OnError::Cleanup,
            answers: Arc::default(),
            inputs: None,
        }
    }

    /// Builds. The delay of polls is set to nothing.
    pub async fn build(&self, options: serde_json::Value, crash: Option<CrashPoint>) -> Result<Built, BuildError> {
        self.build_with(options, crash, None, Flags::default()).await
    }

    pub async fn build_with(
        &self,
        options: serde_json::Value,
        crash: Option<CrashPoint>,
        verify: Option<Arc<Plan>>,
        flags: Flags,
    ) -> Result<Built, BuildError> {
        let (mut prepared, _) = read(&template(options), flags).unwrap_or_else(|d| panic!("{d}"));
        if let Prepared::Amazon(config) = &mut prepared {
            config.polling.delay = Some(Duration::ZERO);
        }
        let id = uuid::Uuid::now_v7().to_string();
        let begin = Begin { run: id.clone(), started: 1, version: "0".into(), pid: 1, template: "t".into() };
        let journal = Journal::create(self.journals.path(), begin, crash).unwrap();
        let run = Run::new(id, journal, self.cancel.clone());
        let sink: Arc<dyn Sink> = Arc::clone(&self.lines) as Arc<dyn Sink>;
        let reporter = Reporter::new(sink, Redactor::new()).for_build("amazon-ebs");
        let session = BuildSession {
            run: run.build(reporter),
            provision: Arc::new(Plan::default()),
            connect: Arc::clone(&self.connect) as Arc<dyn imgbuild_engine::connect::Connect>,
            ask: Arc::clone(&self.answers) as Arc<dyn Ask>,
            agents: AgentBinaries { x86_64: &[], aarch64: &[] },
            on_error: self.on_error,
            force: flags.force,
            debug: false,
        };
        let builder = prepared.builder(&self.amazon, verify, self.inputs.clone()).unwrap_or_else(|d| panic!("{d}"));
        let result = builder.build(&session).await;
        if !matches!(&result, Err(error) if !error.leaks.is_empty())
            && !matches!(&result, Ok(built) if !built.leaks.is_empty())
        {
            drop(session);
            run.journal().clone().finish().unwrap();
        }
        result
    }

    /// Runs gc over the journals.
    pub async fn gc(&self) -> gc::Report {
        gc::collect(self.journals.path(), &*self.amazon, false, |_| {}).await.unwrap()
    }

    /// All journals' text.
    pub fn journal(&self) -> String {
        text_of(self.journals.path())
    }
}

fn text_of(dir: &Path) -> String {
    let files = std::fs::read_dir(dir).unwrap().filter_map(Result::ok);
    files.map(|file| std::fs::read_to_string(file.path()).unwrap()).collect()
}
