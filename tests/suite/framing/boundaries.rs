//! Every case through the gateway, whole and cut.

use super::{cases::cases, *};

/// How the bytes are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// Not at all.
    Whole,
    /// Behind each CR, and in the middle of what is between.
    Lines,
    /// Each byte by itself.
    Bytes,
}

impl Cut {
    fn pieces(self, wire: &[u8]) -> Vec<&[u8]> {
        match self {
            Self::Whole => vec![wire],
            Self::Bytes => wire.chunks(1).collect(),
            Self::Lines => wire
                .split_inclusive(|&byte| byte == b'\r')
                .flat_map(|line| {
                    let (left, right) = line.split_at(line.len() / 2);
                    [left, right]
                })
                .filter(|piece| !piece.is_empty())
                .collect(),
        }
    }
}

/// Sends one case, and says what is wrong with what comes back.
async fn ask(client: &Client, tls: ClientConfig, case: &Case, cut: Cut, mark: &str) -> Result<(), String> {
    let mut stream = client.handshake(tls).await.map_err(|error| error.to_string())?;
    let wire = wire(case, mark);
    let (mut from, mut to) = tokio::io::split(&mut stream);
    let send = async {
        for piece in cut.pieces(&wire) {
            // Whoever refuses early may close before all of it was sent.
            if to.write_all(piece).await.is_err() || to.flush().await.is_err() {
                break;
            }
            if cut != Cut::Whole {
                tokio::task::yield_now().await;
            }
        }
        std::future::pending::<()>().await
    };
    let (bytes, closed) = tokio::select! {
        () = send => unreachable!(),
        got = timeout(PATIENCE, read_all(&mut from, Duration::from_secs(3))) => got.map_err(|_| "no end")?,
    };
    // Only the first request of a case is ever HEAD.
    let heads = [case.wire.starts_with(b"HEAD ")];
    let answers = answers(&bytes, &heads)?;
    let text = String::from_utf8_lossy(&bytes);
    if !closed {
        return Err(format!("it stays open: {text}"));
    }
    let is_silent = matches!(case.outcomes[..], [Outcome::Refused(0)]);
    if answers.len() != case.outcomes.len() && !(is_silent && answers.is_empty()) {
        return Err(format!("{} answers: {text}", answers.len()));
    }
    for (place, (answer, outcome)) in answers.iter().zip(&case.outcomes).enumerate() {
        let is_right = match outcome {
            Outcome::Refused(0) => answer.status() == 400,
            Outcome::Refused(status) | Outcome::Broken(status) | Outcome::Answered(status) => {
                answer.status() == *status
            }
            Outcome::Reached { asked, body, .. } => {
                let expected = format!("{mark} {asked} {}", body.len());
                let said = String::from_utf8_lossy(&answer.body);
                answer.status() == 200
                    && (answer.body.is_empty() && heads.get(place) == Some(&true) || said == expected)
            }
        };
        if !is_right || answer.all("date").len() != 1 {
            return Err(format!("answer {place}: {answer:?}"));
        }
    }
    Ok(())
}

#[tokio::test]
async fn gateway_and_platform_agree_on_every_boundary() {
    let (recorder, gateway, client) = start();
    let tls = client.tls(&[b"http/1.1"]);

    let cases: Vec<Arc<Case>> = cases().into_iter().map(Arc::new).collect();
    println!("{} cases", cases.len());
    let mut sent = Vec::new();
    for (place, case) in cases.iter().enumerate() {
        let is_short = case.wire.len() < 400;
        for cut in [Cut::Whole, Cut::Lines, Cut::Bytes] {
            if cut == Cut::Whole || (is_short && (cut == Cut::Lines || place % 3 == 0)) {
                sent.push((format!("{place}-{cut:?}"), Arc::clone(case), cut));
            }
        }
    }
    let wrong: Vec<String> = stream::iter(&sent)
        .map(async |(mark, case, cut)| {
            let got = ask(&client, tls.clone(), case, *cut, mark).await;
            got.err().map(|wrong| format!("{} ({cut:?}): {wrong}", case.name))
        })
        .buffer_unordered(16)
        .filter_map(async |wrong| wrong)
        .collect()
        .await;
    let journal = stop(gateway).await.journal.json();

    let may_break = |mark: &str| {
        let case = sent.iter().find(|(known, ..)| known == mark);
        case.is_some_and(|(_, case, _)| matches!(case.outcomes[..], [Outcome::Broken(_)]))
    };
    let (mut arrived, count, strange) = read_again(&recorder, may_break);
    let mut wrong: Vec<String> = wrong.into_iter().chain(strange).collect();
    for (mark, case, cut) in &sent {
        if let Err(error) = check(case, &arrived.remove(mark).unwrap_or_default()) {
            wrong.push(format!("{} ({cut:?}): at the platform: {error}", case.name));
        }
    }
    wrong.extend(arrived.into_values().map(|stray| format!("of nobody: {stray:?}")));
    let told = journal.iter().filter(|record| record["decision"] == "forwarded").count();
    if told != count {
        wrong.push(format!("the journal tells of {told} requests, {count} arrived"));
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
