//! Platforms that lie, and those that answer before they have read.

use super::*;

/// Answers the lie that its target numbers, and everything else truly.
pub(super) fn lie(target: &str) -> Answer {
    let number = target.rsplit('/').next().unwrap_or_default();
    if target.starts_with("/flood/") {
        let interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n".to_vec();
        let end = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec();
        return Answer(vec![Step::Repeat(interim, 20_000), Step::Bytes(end)]);
    }
    let css = [("Content-Type", "text/css")];
    if !target.starts_with("/lie/") {
        return Answer::new(200, &css, format!("true {number}"));
    }
    let (_, closes, _, bytes, _) = ANSWERS[number.parse::<usize>().unwrap()];
    let answer = Answer::raw(answers::bytes(bytes));
    if closes { answer.then(Step::Close) } else { answer }
}

/// Asks something true, whose answer is that and no other.
pub(super) async fn is_true(connection: &mut Connection, number: usize) -> bool {
    let reply = connection.send(&Ask::get(&format!("/true/{number}"))).await;
    reply.status == 200 && reply.text() == format!("true {number}")
}

#[tokio::test]
async fn no_answer_is_taken_for_another() {
    let upstream = Upstream::start(|request| lie(&request.target()));
    let folder = PolicyFolder::new(upstream.address, &Tokens::new()).routes("plain", PLAIN_ROUTE);
    // One worker, so that all clients share its upstream connections.
    folder.replace("gateway.yaml", "workers: 2", "workers: 1");
    let gateway = Gateway::start(folder);
    let client = Client::new(&gateway);
    println!("{} answers", ANSWERS.len());
    let mut wrong = Vec::new();
    for version in [Version::H1, Version::H2] {
        for (number, (name, _, method, _, expected)) in ANSWERS.iter().enumerate() {
            let mut connection = client.connect(version).await;
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let got = connection.try_send(&Ask::new(method, &format!("/lie/{number}"))).await;
            let is_right = match (&got, expected) {
                (Ok(reply), Got::Whole(status, body)) => {
                    reply.complete
                        && reply.status == *status
                        && reply.text() == *body
                        && (*status != 204 || reply.header("content-length").is_empty())
                        && reply.header("date").len() == 1
                        && ["connection", "transfer-encoding", "x-user-email"].iter().all(|name| {
                            // hyper's own, in HTTP/1.
                            version == Version::H1 && *name == "transfer-encoding"
                                || reply.header(name).is_empty()
                        })
                }
                (Ok(reply), Got::Refused) => {
                    reply.complete && reply.status == 502 && reply.text().contains("\"status\":502")
                }
                (Ok(reply), Got::Cut) => !reply.complete || reply.status == 502,
                // The head and its cut came together.
                (Err(_), Got::Cut) => true,
                (Err(_), _) => false,
            };
            if !is_right {
                wrong.push(format!("{name} ({version:?}): {got:?}"));
            }
            // Whatever was left behind it is not for the next.
            let mut other = client.connect(version).await;
            if !is_true(&mut other, number).await || !is_true(&mut other, number + 1000).await {
                wrong.push(format!("{name} ({version:?}): the next answer is another's"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));

    // What comes while nobody asks ends the connection.
    let mut connection = client.connect(Version::H1).await;
    for number in 0..5 {
        let (asked, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (wait, note) = (Arc::clone(&asked), Arc::clone(&sent));
        upstream.script(move |request| {
            if !request.target().starts_with("/late/") {
                return lie(&request.target());
            }
            let (wait, note) = (Arc::clone(&wait), Arc::clone(&note));
            Answer::new(200, &[("Content-Type", "text/css")], "ok")
                .then(Step::Wait(Arc::new(move || {
                    while !wait.load(Ordering::SeqCst) {
                        pause(Duration::from_millis(1));
                    }
                })))
                .then(Step::Bytes(answers::bytes(b"@@")))
                .then(Step::Wait(Arc::new(move || note.store(true, Ordering::SeqCst))))
        });
        let reply = connection.send(&Ask::get("/late/0")).await;
        assert_eq!(reply.text(), "ok");
        asked.store(true, Ordering::SeqCst);
        while !sent.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // It is in the gateway's socket; now it must have been looked at.
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(is_true(&mut connection, number).await, "{number}");
    }
    // A platform that goes on in interim answers is heard to the end, or not: nobody else waits for it.
    let flood = tokio::spawn(async move { connection.try_send(&Ask::get("/flood/0")).await });
    let mut other = client.connect(Version::H1).await;
    for number in 0..50 {
        assert!(is_true(&mut other, number).await, "{number}");
    }
    let reply = flood.await.unwrap().unwrap();
    assert!(matches!(reply.status.as_u16(), 200 | 502), "{reply:?}");
    // Trailers of a platform: what only a head may say stays here.
    upstream.script(|_| {
        let head =
            head(200, &[("Transfer-Encoding", "chunked"), ("Trailer", "X-Sum, Set-Cookie, Content-Length")]);
        let end = b"2\r\nok\r\n0\r\nX-Sum: 1\r\nSet-Cookie: a=b\r\nContent-Length: 9\r\nX_Y: 1\r\n\r\n";
        Answer::raw([head, end.to_vec()].concat())
    });
    for version in [Version::H1, Version::H2] {
        let reply = client.connect(version).await.send(&Ask::get("/a").header("te", "trailers")).await;
        let names: Vec<_> = reply.trailers.keys().map(|name| name.as_str().to_owned()).collect();
        assert_eq!((names, reply.text().as_str()), (vec!["x-sum".to_owned()], "ok"), "{version:?}");
    }
    drop(other);
    stop(gateway).await;
}

/// Answers each request as soon as its head is there, and reads on; `seen` gets what it was.
fn answer_early(mut socket: TcpStream, seen: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let (mut bytes, mut buffer, mut answered) = (Vec::new(), [0; 16 << 10], false);
    loop {
        let count = socket.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        bytes.extend_from_slice(&buffer[..count]);
        while let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            if !std::mem::replace(&mut answered, true) {
                let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
                let line = head.split("\r\n").next().unwrap_or_default();
                seen.lock().unwrap().push(line.to_owned());
                let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/css\r\nContent-Length: ";
                write!(socket, "{answer}{}\r\n\r\n{line}", line.len())?;
            }
            match read(&bytes, Side::Client) {
                Ok(Read1::Whole(_, length)) => drop(bytes.drain(..length)),
                Ok(Read1::Partial) => break,
                Err(error) => {
                    seen.lock().unwrap().push(error);
                    return Ok(());
                }
            }
            answered = false;
        }
    }
}

/// Who is answered before all of their content was read may be followed by their next request or by the end, never by what is
/// left of the content.
#[tokio::test]
async fn content_that_nobody_reads_is_no_request() {
    // A platform that answers as soon as it has a head, and reads on.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let noted = Arc::clone(&seen);
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let (socket, noted) = (socket.unwrap(), Arc::clone(&noted));
            // How the gateway ends a connection is not this thread's business.
            std::thread::spawn(move || drop(answer_early(socket, &noted)));
        }
    });
    let folder =
        PolicyFolder::new(address, &Tokens::new()).routes("plain", PLAIN_ROUTE).routes("framing", ROUTES);
    let gateway = Gateway::start(folder);
    let client = Client::new(&gateway);
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: ecole.example\r\n\r\n";
    let chunk = format!("{:x}\r\n{smuggled}\r\n0\r\n\r\n", smuggled.len());
    let length = format!("Content-Length: {}\r\n", smuggled.len());
    let next = "GET /next HTTP/1.1\r\nHost: ecole.example\r\nConnection: close\r\n\r\n";
    for (target, status) in [("/early", 200), ("/reading", 405), ("/a/../b", 400)] {
        for (framing, body) in [(&length[..], smuggled), ("Transfer-Encoding: chunked\r\n", &chunk)] {
            for cut in [0, 1, body.len() / 2, body.len() - 1] {
                let mut stream = client.handshake(client.tls(&[b"http/1.1"])).await.unwrap();
                let head = format!("POST {target} HTTP/1.1\r\nHost: ecole.example\r\n{framing}\r\n");
                for piece in [&head, &body[..cut], &format!("{}{next}", &body[cut..])] {
                    if stream.write_all(piece.as_bytes()).await.is_err() {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(15)).await;
                }
                let (bytes, closed) = read_all(&mut stream, Duration::from_secs(3)).await;
                let context = format!("{target} {framing:?} {cut}: {}", String::from_utf8_lossy(&bytes));
                let answers = answers(&bytes, &[]).unwrap_or_else(|error| panic!("{error}: {context}"));
                assert!(closed && answers.first().map(Message::status) == Some(status), "{context}");
                match &answers[1..] {
                    [] => {}
                    [one] => assert_eq!(one.body, b"GET /next HTTP/1.1", "{context}"),
                    _ => panic!("{context}"),
                }
            }
        }
    }
    stop(gateway).await;
    let seen = seen.lock().unwrap();
    assert!(seen.iter().filter(|line| *line == "POST /early HTTP/1.1").count() == 8, "{seen:?}");
    assert!(
        seen.iter().all(|line| line == "POST /early HTTP/1.1" || line == "GET /next HTTP/1.1"),
        "{seen:?}"
    );
}
