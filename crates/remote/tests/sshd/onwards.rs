//! Through a session to elsewhere: streams, and further sessions.

use std::time::Duration;

use futures::future::{join_all, ready};
use remote::{Command, Error, HostKeyPair, Identity, Session, Target};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    time::{Instant, timeout},
};

use crate::{deadline, logged_in, server::Server};

#[tokio::test]
async fn a_stream_carries_bytes_both_ways_and_ends() {
    let Some((_server, session)) = logged_in().await else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let echo = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut reader, mut writer) = stream.split();
        tokio::io::copy(&mut reader, &mut writer).await.unwrap()
    });
    let stream = session.open_stream("127.0.0.1", port, deadline()).await.unwrap();
    // The stream keeps the connection alive on its own.
    drop(session);
    let (mut reader, mut writer) = tokio::io::split(stream);
    let sent: Vec<u8> = (0..5_000_000_u32).map(|at| (at % 253) as u8).collect();
    let send = async {
        writer.write_all(&sent).await.unwrap();
        writer.shutdown().await.unwrap();
    };
    let mut received = Vec::new();
    let (_, read) = tokio::join!(send, reader.read_to_end(&mut received));
    read.unwrap();
    assert!(received == sent, "{} bytes came back", received.len());
    assert_eq!(echo.await.unwrap(), sent.len() as u64);
}

#[tokio::test]
async fn a_dropped_stream_is_closed_at_the_other_end() {
    let Some((_server, session)) = logged_in().await else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepted = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read(&mut [0; 1]).await.unwrap()
    });
    drop(session.open_stream("127.0.0.1", port, deadline()).await.unwrap());
    assert_eq!(tokio::time::timeout_at(deadline(), accepted).await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_told() {
    let Some((_server, session)) = logged_in().await else { return };
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let error = session.open_stream("127.0.0.1", closed, deadline()).await.unwrap_err();
    assert!(matches!(&error, Error::StreamRefused { .. }), "{error}");
    assert!(error.to_string().contains(&closed.to_string()));
}

#[tokio::test]
async fn one_machine_is_reached_through_another_with_its_own_pinned_key() {
    let identity = Identity::generate();
    let authorized = [identity.public_openssh()];
    let Some(jump) = Server::start(&authorized) else { return };
    let behind = Server::start(&authorized).unwrap();
    let first = remote::wait_until_reachable(&jump.target(), &identity, deadline()).await.unwrap();
    let target = behind.target();
    let through = |_| ready(Ok(first.clone()));
    let second = remote::wait_until_reachable_through(through, &target, &identity, deadline()).await.unwrap();
    // It goes through the first and needs nobody to keep that for it.
    drop(first);
    let output = second.run(&Command::new("echo $SSH_CONNECTION"), deadline(), |_, _| ()).await.unwrap();
    assert!(output.stdout_text().trim().ends_with(&format!("127.0.0.1 {}", behind.target().port)));

    let first = Session::connect(&jump.target(), &identity, deadline()).await.unwrap();
    let wrong = Target { host_key: HostKeyPair::generate().public, ..behind.target() };
    let error = Session::connect_through(&first, &wrong, &identity, deadline()).await.unwrap_err();
    assert!(matches!(error, Error::HostKeyMismatch { .. }), "{error}");
}

#[tokio::test]
async fn a_machine_that_does_not_answer_keeps_no_other_from_being_asked() {
    let Some((_server, session)) = logged_in().await else { return };
    // Nobody accepts, and the queue is full: further connections are neither made nor refused.
    let silent = TcpSocket::new_v4().unwrap();
    silent.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let silent = silent.listen(1).unwrap();
    let dead = silent.local_addr().unwrap().port();
    let mut queue = Vec::new();
    while let Ok(queued) = timeout(Duration::from_millis(300), TcpStream::connect(("127.0.0.1", dead))).await
    {
        queue.push(queued.unwrap());
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let live = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(b"live").await.unwrap();
        }
    });
    for _ in 0..20 {
        let until = Instant::now() + Duration::from_millis(200);
        let hopeless = join_all((0..4).map(|_| session.open_stream("127.0.0.1", dead, until)));
        let hopeful = join_all((0..4).map(|_| async {
            let mut stream = session.open_stream("127.0.0.1", live, deadline()).await.unwrap();
            let mut said = String::new();
            stream.read_to_string(&mut said).await.unwrap();
            assert_eq!(said, "live");
        }));
        let (hopeless, hopeful) = tokio::join!(hopeless, timeout(Duration::from_secs(10), hopeful));
        hopeful.unwrap();
        for stream in hopeless {
            assert!(matches!(stream, Err(Error::Deadline { .. })), "{stream:?}");
        }
    }
    let output = session.run(&Command::new("echo well"), deadline(), |_, _| ()).await.unwrap();
    assert_eq!(output.stdout_text(), "well\n");
}

#[tokio::test]
async fn when_one_machine_is_no_way_the_next_attempt_takes_another() {
    let identity = Identity::generate();
    let authorized = [identity.public_openssh()];
    let Some(gone) = Server::start(&authorized) else { return };
    let (jump, behind) = (Server::start(&authorized).unwrap(), Server::start(&authorized).unwrap());
    let jumps = [
        remote::wait_until_reachable(&gone.target(), &identity, deadline()).await.unwrap(),
        remote::wait_until_reachable(&jump.target(), &identity, deadline()).await.unwrap(),
    ];
    gone.end_connections();
    let next = |attempts: usize| ready(Ok(jumps[attempts % 2].clone()));
    let target = behind.target();
    let session = remote::wait_until_reachable_through(next, &target, &identity, deadline()).await.unwrap();
    let output = session.run(&Command::new("echo here"), deadline(), |_, _| ()).await.unwrap();
    assert_eq!(output.stdout_text(), "here\n");
}

#[tokio::test]
async fn fifty_machines_are_worked_on_at_once_through_one_with_sshd_s_own_limits() {
    let identity = Identity::generate();
    let authorized = [identity.public_openssh()];
    let Some(jump) = Server::start_limited(&authorized) else { return };
    // All of them are this one, which has to let in more at once than any machine by itself would have to.
    let behind = Server::start(&authorized).unwrap();
    let first = remote::wait_until_reachable(&jump.target(), &identity, deadline()).await.unwrap();
    let target = behind.target();
    let worked = join_all((0..50).map(|at| {
        let (first, target, identity) = (first.clone(), &target, &identity);
        async move {
            let through = |_| ready(Ok(first.clone()));
            let session = remote::wait_until_reachable_through(through, target, identity, deadline()).await?;
            let echo = Command::new(format!("sleep 0.2; echo {at}"));
            Ok::<_, Error>(session.run(&echo, deadline(), |_, _| ()).await?.stdout_text())
        }
    }))
    .await;
    for (at, said) in worked.into_iter().enumerate() {
        assert_eq!(said.unwrap(), format!("{at}\n"));
    }
    let logins = jump.log().matches("Accepted publickey").count();
    assert_eq!(logins, 1, "one connection carries all of them");
}
