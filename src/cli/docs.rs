//! `imgbuild __docs DIR`: the option tables of all builders, provisioners and post-processors as Markdown, out of the same rows
//! that decoding reads. Run by `cargo xtask docs`; with `--check` by `cargo xtask check`.

use crate::failure::{self, Outcome};
use crate::ui;
use imgbuild_template::Table;
use imgbuild_template::decode::markdown;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Args {
    /// Write nothing; fail where a file is not what it would be
    #[arg(long)]
    check: bool,
    /// The folder, docs/options
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// All pages, by file name.
fn pages() -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    let mut index = String::from(
        "# Options\n\nWhat templates may say, out of the tables that imgbuild itself decodes with (`cargo xtask docs` writes these files).\n\
         What Packer has and imgbuild has not is in the tables, too, with the reason: such an option is refused by name.\n",
    );
    let groups: [(&str, &str, Vec<&'static Table>); 3] = [
        ("builder", "Builders", imgbuild_builders::tables().to_vec()),
        ("provisioner", "Provisioners", imgbuild_engine::provision::tables()),
        ("post-processor", "Post-processors", imgbuild_engine::postprocess::tables()),
    ];
    for (prefix, title, tables) in groups {
        index.push_str(&format!("\n## {title}\n"));
        for table in tables {
            let file = format!("{prefix}-{}.md", table.name);
            index.push_str(&format!("- [{}]({file})\n", table.name));
            pages.insert(file, markdown(table));
        }
    }
    pages.insert("README.md".into(), index);
    pages
}

/// Writes or checks.
pub fn run(args: &Args) -> Outcome {
    let pages = pages();
    let there = std::fs::read_dir(&args.dir).into_iter().flatten().filter_map(Result::ok);
    let mut wrong: Vec<String> = there
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !pages.contains_key(name))
        .map(|name| format!("{name} belongs to no table"))
        .collect();
    if !args.check {
        std::fs::create_dir_all(&args.dir).map_err(anyhow::Error::from)?;
    }
    for (name, text) in &pages {
        let path = args.dir.join(name);
        if !args.check {
            std::fs::write(&path, text).map_err(anyhow::Error::from)?;
        } else if std::fs::read_to_string(&path).unwrap_or_default() != *text {
            wrong.push(format!("{name} is not what the code says: run cargo xtask docs"));
        }
    }
    wrong.iter().for_each(ui::note);
    Ok(if wrong.is_empty() { failure::OK } else { failure::FAILED })
}
