//! Serves a sandbox in the foreground: `cargo run -p imgbuild-sandbox --example endpoint -- --dir D --port N [--cache C]
//! [--latencies aws]`, until Ctrl-C.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program to try things with")]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use imgbuild_sandbox::machine::{Supervisor, supervisor_main};
use imgbuild_sandbox::{Latencies, Options, Sandbox};

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, spec] = arguments.as_slice()
        && command == "__machine"
    {
        return supervisor_main(Path::new(spec));
    }
    let served = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::from)
        .and_then(|runtime| runtime.block_on(serve(&arguments)));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("  {cause}");
                source = cause.source();
            }
            ExitCode::FAILURE
        }
    }
}

async fn serve(arguments: &[String]) -> Result<(), Failure> {
    let one = |name: &str| arguments.windows(2).find(|pair| pair[0] == name).map(|pair| pair[1].clone());
    let dir = PathBuf::from(one("--dir").ok_or("--dir D is needed")?);
    let cache = one("--cache").map_or_else(|| dir.join("cache"), PathBuf::from);
    let port: u16 = one("--port").map_or(Ok(0), |text| text.parse())?;
    let mut options =
        Options::host(&dir, &cache, Supervisor::this_program()?, Arc::new(|step: &str| eprintln!("{step}")))?;
    if one("--latencies").as_deref() == Some("aws") {
        options.latencies = Latencies::aws();
    }
    let sandbox = Sandbox::open(options)?;
    let endpoint = sandbox.serve(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    println!("{}", endpoint.url);
    tokio::signal::ctrl_c().await?;
    endpoint.shutdown().await;
    Ok(())
}
