//! The controller as templates see it.

use crate::settings::Settings;
use imgbuild_jinja::{FileStat, Host, LocalHost, Stamp, Value, Warning};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Takes warnings of templates.
pub type WarnSink = Box<dyn Fn(&str) + Send + Sync>;

/// The machine that the program runs on, with the vault passwords of the run.
pub struct Controller {
    local: LocalHost,
    settings: Arc<Settings>,
    warn: Arc<Mutex<Option<WarnSink>>>,
}

impl Controller {
    /// With the settings' environment, home and vault passwords. Warnings go to what is in `warn`.
    pub fn new(settings: Arc<Settings>, warn: Arc<Mutex<Option<WarnSink>>>) -> Self {
        let home = settings.home.display().to_string();
        Controller { local: LocalHost::new(settings.env.clone(), Some(home), |_| {}), settings, warn }
    }
}

impl Host for Controller {
    fn now(&self) -> Stamp {
        self.local.now()
    }
    fn offset_at(&self, seconds: i64) -> i32 {
        self.local.offset_at(seconds)
    }
    fn random(&self, buffer: &mut [u8]) {
        self.local.random(buffer);
    }
    fn env(&self, name: &str) -> Option<String> {
        self.local.env(name)
    }
    fn home(&self, user: Option<&str>) -> Option<String> {
        self.local.home(user)
    }
    fn stat(&self, path: &str) -> Option<FileStat> {
        self.local.stat(path)
    }
    fn realpath(&self, path: &str) -> String {
        self.local.realpath(path)
    }
    fn glob(&self, pattern: &str) -> Vec<String> {
        self.local.glob(pattern)
    }
    fn read(&self, path: &str) -> Result<String, String> {
        self.local.read(path)
    }
    fn decrypt(&self, envelope: &str, vault_id: Option<&str>) -> Result<String, String> {
        let settings = &self.settings;
        crate::vault::decrypt_text(envelope, vault_id, &settings.vault_secrets, settings.vault_id_match)
    }
    fn vault(&self, plain: &[u8], secret: &str, options: &BTreeMap<String, Value>) -> Result<String, String> {
        let label = options.get("vault_id").map(crate::text::of);
        let salt = options.get("salt").map(crate::text::of);
        crate::vault::encrypt(plain, secret, label.as_deref(), salt.as_deref().map(str::as_bytes), |b| {
            self.local.random(b)
        })
    }
    fn unvault(&self, envelope: &str, secret: &str, _: Option<&str>) -> Result<String, String> {
        crate::vault::decrypt_with(envelope, secret)
    }
    fn warn(&self, warning: Warning) {
        let text = warning.diagnostic().to_string();
        if let Some(sink) = &*self.warn.lock().unwrap_or_else(PoisonError::into_inner) {
            sink(text.trim_start_matches("Warning: "));
        }
    }
}
