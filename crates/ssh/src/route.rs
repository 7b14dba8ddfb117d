//! How bytes get to the host: TCP, a bastion, a SOCKS5 or HTTP proxy, a local command, a stream of someone else's.

use crate::connect::Outside;
use crate::error::{Failed, comm_error};
use crate::live::Live;
use crate::process::Held;
use crate::stream::Tcp;
use base64::Engine as _;
use imgbuild_engine::communicator::CommError;
use imgbuild_engine::connect::{Proxy, Route, SshSpec, Stream};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A stream to the host, and the bastion's connection where there is one: it must live as long as the stream.
pub(crate) async fn open(
    spec: &SshSpec,
    outside: &Arc<Outside>,
    tcp_timeout: Duration,
) -> Result<(Box<dyn Stream>, Option<Arc<Live>>), Failed> {
    let host = spec.host.as_str();
    match &spec.route {
        Route::Direct => Ok((Box::new(tcp(host, spec.port, tcp_timeout).await?), None)),
        Route::Bastion(bastion) => {
            let opened = Box::pin(Live::open(bastion, outside, bastion.attempt_timeout)).await;
            let live = opened.map_err(Failed::at_bastion)?;
            let channel = live.handle.channel_open_direct_tcpip(host, spec.port.into(), "127.0.0.1", 0).await.map_err(
                |e| match e {
                    russh::Error::ChannelOpenFailure(reason) => Failed::NotYet(CommError::Unreachable(format!(
                        "the bastion {} can't reach {host}:{}: {reason:?}",
                        bastion.address(),
                        spec.port
                    ))),
                    other => Failed::NotYet(comm_error(other)),
                },
            )?;
            Ok((Box::new(channel.into_stream()), Some(live)))
        }
        Route::Socks5(proxy) => {
            let mut stream = to_proxy(proxy, tcp_timeout).await?;
            socks5(&mut stream, proxy, host, spec.port).await?;
            Ok((Box::new(stream), None))
        }
        Route::Http(proxy) => {
            let mut stream = to_proxy(proxy, tcp_timeout).await?;
            http_connect(&mut stream, proxy, host, spec.port).await?;
            Ok((Box::new(stream), None))
        }
        Route::Command(line) => Ok((Box::new(command(line)?), None)),
        Route::Dial(dial) => match dial.dial().await {
            Ok(stream) => Ok((stream, None)),
            Err(error @ CommError::Local(_)) => Err(Failed::Fatal(error)),
            Err(error) => Err(Failed::NotYet(error)),
        },
    }
}

async fn tcp(host: &str, port: u16, timeout: Duration) -> Result<Tcp, Failed> {
    let unreachable = |why: String| Failed::NotYet(CommError::Unreachable(why));
    let connect = async {
        let addresses: Vec<_> = tokio::net::lookup_host((host, port))
            .await
            .map_err(|e| unreachable(format!("the address of {host} can't be found: {e}")))?
            .collect();
        let mut last = unreachable(format!("{host} has no address"));
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(e) => last = unreachable(format!("{address}: {e}")),
            }
        }
        Err(last)
    };
    let stream = tokio::time::timeout(timeout, connect)
        .await
        .map_err(|_| unreachable(format!("{host}:{port} did not answer within {} s", timeout.as_secs())))??;
    // Every request waits for its answer: Nagle's algorithm would add up to 40 ms to each.
    if let Err(e) = stream.set_nodelay(true) {
        tracing::debug!("TCP_NODELAY can't be set: {e}");
    }
    Ok(Tcp(stream))
}

/// A stream to the proxy itself; what goes wrong here says nothing about the host behind it.
async fn to_proxy(proxy: &Proxy, timeout: Duration) -> Result<Tcp, Failed> {
    match tcp(&proxy.host, proxy.port, timeout).await {
        Err(Failed::NotYet(error)) => Err(proxy_failed(proxy, error)),
        other => other,
    }
}

fn proxy_failed(proxy: &Proxy, why: impl std::fmt::Display) -> Failed {
    Failed::NotYet(CommError::Unreachable(format!("the proxy {}:{}: {why}", proxy.host, proxy.port)))
}

/// RFC 1928 and, for user and password, RFC 1929.
async fn socks5<S: Stream>(stream: &mut S, proxy: &Proxy, host: &str, port: u16) -> Result<(), Failed> {
    let fail = |e: std::io::Error| proxy_failed(proxy, e);
    let too_long =
        |what: &str| Failed::Fatal(CommError::Local(format!("{what} is too long for SOCKS5 (255 bytes at most)")));
    let greeting: &[u8] = if proxy.username.is_some() { &[5, 2, 0, 2] } else { &[5, 1, 0] };
    stream.write_all(greeting).await.map_err(fail)?;
    let mut chosen = [0; 2];
    stream.read_exact(&mut chosen).await.map_err(fail)?;
    match (chosen, &proxy.username) {
        ([5, 0], _) => {}
        ([5, 2], Some(user)) => {
            let password = proxy.password.as_ref().map_or("", |p| p.expose().as_str());
            let length = |text: &str, what| u8::try_from(text.len()).map_err(|_| too_long(what));
            let mut message = vec![1, length(user, "the proxy's user name")?];
            message.extend(user.as_bytes());
            message.push(length(password, "the proxy's password")?);
            message.extend(password.as_bytes());
            stream.write_all(&message).await.map_err(fail)?;
            let mut status = [0; 2];
            stream.read_exact(&mut status).await.map_err(fail)?;
            if status[1] != 0 {
                let why = format!("the proxy {}:{} refused user {user:?} or the password", proxy.host, proxy.port);
                return Err(Failed::Fatal(CommError::Authentication(why)));
            }
        }
        ([5, _], _) => return Err(proxy_failed(proxy, "it asks for an authentication that was not given")),
        _ => return Err(proxy_failed(proxy, "it does not speak SOCKS5")),
    }
    let mut request = vec![5, 1, 0];
    match host.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(v4)) => {
            request.push(1);
            request.extend(v4.octets());
        }
        Ok(std::net::IpAddr::V6(v6)) => {
            request.push(4);
            request.extend(v6.octets());
        }
        Err(_) => {
            request.extend([3, u8::try_from(host.len()).map_err(|_| too_long("the host name"))?]);
            request.extend(host.as_bytes());
        }
    }
    request.extend(port.to_be_bytes());
    stream.write_all(&request).await.map_err(fail)?;
    let mut head = [0; 4];
    stream.read_exact(&mut head).await.map_err(fail)?;
    if head[1] != 0 {
        let why = match head[1] {
            2 => "it does not allow this connection",
            3 => "the network is unreachable",
            4 => "the host is unreachable",
            5 => "the host refused the connection",
            6 => "time ran out",
            _ => "it failed",
        };
        return Err(proxy_failed(proxy, format!("{host}:{port}: {why}")));
    }
    let address = match head[3] {
        1 => 4,
        4 => 16,
        3 => usize::from(stream.read_u8().await.map_err(fail)?),
        _ => return Err(proxy_failed(proxy, "its answer can't be read")),
    };
    let mut rest = vec![0; address + 2];
    stream.read_exact(&mut rest).await.map_err(fail)?;
    Ok(())
}

/// CONNECT of RFC 9110.
async fn http_connect<S: Stream>(stream: &mut S, proxy: &Proxy, host: &str, port: u16) -> Result<(), Failed> {
    let fail = |e: std::io::Error| proxy_failed(proxy, e);
    let authority = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
    if let Some(user) = &proxy.username {
        let password = proxy.password.as_ref().map_or("", |p| p.expose().as_str());
        let token = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        request.push_str(&format!("Proxy-Authorization: Basic {token}\r\n"));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await.map_err(fail)?;
    // Byte by byte: what follows the empty line belongs to SSH.
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > 16 << 10 {
            return Err(proxy_failed(proxy, "its answer has no end"));
        }
        head.push(stream.read_u8().await.map_err(fail)?);
    }
    let text = String::from_utf8_lossy(&head);
    let status = text.lines().next().unwrap_or_default();
    match status.split_ascii_whitespace().nth(1) {
        Some(code) if code.starts_with('2') => Ok(()),
        Some("407") => Err(Failed::Fatal(CommError::Authentication(format!(
            "the proxy {}:{} asks for another user or password",
            proxy.host, proxy.port
        )))),
        _ => Err(proxy_failed(proxy, format!("{authority}: {status}"))),
    }
}

/// A command's two pipes. The command ends with the connection.
fn command(line: &str) -> Result<impl Stream + 'static, Failed> {
    let fail = |why: String| Failed::Fatal(CommError::Local(format!("the proxy command {line:?} {why}")));
    let mut child = tokio::process::Command::new("/bin/sh")
        .args(["-c", &format!("exec {line}")])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| fail(format!("can't be started: {e}")))?;
    let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(fail("has no pipes".into()));
    };
    Ok(Held { io: tokio::io::join(stdout, stdin), _with: child })
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgbuild_diag::Secret;

    fn proxy(user: bool) -> Proxy {
        Proxy {
            host: "p".into(),
            port: 1080,
            username: user.then(|| "me".into()),
            password: user.then(|| Secret::new("pw".to_owned())),
        }
    }

    /// Plays the proxy: for each expected message, what it answers.
    async fn play(mut side: tokio::io::DuplexStream, script: Vec<(Vec<u8>, Vec<u8>)>) {
        for (expected, answer) in script {
            let mut got = vec![0; expected.len()];
            side.read_exact(&mut got).await.unwrap();
            assert_eq!(got, expected);
            side.write_all(&answer).await.unwrap();
        }
    }

    #[tokio::test]
    async fn socks5_with_user_and_name() {
        let (mut ours, theirs) = tokio::io::duplex(1024);
        let mut ask = vec![5, 1, 0, 3, 6];
        ask.extend(b"h.test\0\x16");
        let script = vec![
            (vec![5, 2, 0, 2], vec![5, 2]),
            (b"\x01\x02me\x02pw".to_vec(), vec![1, 0]),
            (ask, vec![5, 0, 0, 1, 1, 2, 3, 4, 0, 22, b'S']),
        ];
        let proxy = proxy(true);
        let (result, ()) = tokio::join!(socks5(&mut ours, &proxy, "h.test", 22), play(theirs, script));
        result.unwrap();
        assert_eq!(ours.read_u8().await.unwrap(), b'S');
    }

    #[tokio::test]
    async fn socks5_refusal() {
        let (mut ours, theirs) = tokio::io::duplex(1024);
        let script = vec![
            (vec![5, 1, 0], vec![5, 0]),
            (vec![5, 1, 0, 1, 10, 0, 0, 1, 0, 22], vec![5, 5, 0, 1, 0, 0, 0, 0, 0, 0]),
        ];
        let proxy = proxy(false);
        let (result, ()) = tokio::join!(socks5(&mut ours, &proxy, "10.0.0.1", 22), play(theirs, script));
        assert!(result.unwrap_err().into_inner().to_string().contains("refused the connection"));
    }

    #[tokio::test]
    async fn http_connect_with_user() {
        let (mut ours, theirs) = tokio::io::duplex(1024);
        let ask = "CONNECT h:22 HTTP/1.1\r\nHost: h:22\r\nProxy-Authorization: Basic bWU6cHc=\r\n\r\n";
        let script = vec![(ask.as_bytes().to_vec(), b"HTTP/1.1 200 ok\r\nA: b\r\n\r\nSSH".to_vec())];
        let proxy = proxy(true);
        let (result, ()) = tokio::join!(http_connect(&mut ours, &proxy, "h", 22), play(theirs, script));
        result.unwrap();
        let mut rest = [0; 3];
        ours.read_exact(&mut rest).await.unwrap();
        assert_eq!(&rest, b"SSH");
    }
}
