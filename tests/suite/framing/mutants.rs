//! What nobody thought of: odd things anywhere in requests and answers.

use super::{
    cases::cases,
    platforms::{is_true, lie},
    *,
};

/// What two readers may end in different places.
const ODD: [&[u8]; 24] = [
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\0",
    b" ",
    b"\t",
    b"\x0b",
    b":",
    b",",
    b";",
    b"0",
    b"1",
    b"-",
    b"#",
    b"%2f",
    b"\xff",
    b"Content-Length: 1\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"0\r\n\r\n",
    b"1\r\na\r\n",
    b"\"",
    b"HTTP/1.1",
    b"\r\n ",
];

/// Numbers below a bound, the same in every run with this seed.
fn dice() -> impl FnMut(usize) -> usize {
    let mut state = number("REMPART_SEED", 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move |sides| {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % sides.max(1) as u64) as usize
    }
}

/// A number from the environment.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The same bytes with one to three odd things in them.
fn mutant(bytes: &[u8], dice: &mut impl FnMut(usize) -> usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=dice(3) {
        let at = dice(bytes.len());
        let odd = ODD[dice(ODD.len())];
        let end = (at + 1).min(bytes.len());
        match dice(4) {
            0 => drop(bytes.splice(at..at, odd.iter().copied())),
            1 => drop(bytes.splice(at..end, odd.iter().copied())),
            2 => drop(bytes.splice(at..end, [])),
            _ => {
                let end = (at + dice(12)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                drop(bytes.splice(end..end, piece));
            }
        }
    }
    bytes
}

/// Mutants of everything, whatever comes of each: what reaches the platform is whole requests, what is answered by it is one of
/// them, and an answer's place is that of its request.
///
/// `REMPART_MUTANTS` is how many, `REMPART_SEED` which.
#[tokio::test]
async fn mutants_are_refused_or_read_in_one_way() {
    let mut dice = dice();
    let (recorder, gateway, client) = start();
    let tls = client.tls(&[b"http/1.1"]);
    let cases: Vec<Case> = cases().into_iter().filter(|case| case.wire.len() < 1000).collect();
    let mutants: Vec<(String, Case)> = (0..number("REMPART_MUTANTS", 600))
        .map(|place| {
            let case = &cases[dice(cases.len())];
            let wire = mutant(&case.wire, &mut dice);
            let name = format!("{} {:?}", case.name, String::from_utf8_lossy(&wire));
            (format!("m{place}"), Case { name, wire, outcomes: Vec::new() })
        })
        .collect();
    let told: Vec<(usize, Vec<Message>)> = stream::iter(mutants.iter().enumerate())
        .map(async |(place, (mark, case))| {
            let mut stream = client.handshake(tls.clone()).await.unwrap();
            let _sent = stream.write_all(&wire(case, mark)).await;
            // What waits for more is not waited for.
            let (bytes, _) = read_all(&mut stream, Duration::from_millis(300)).await;
            let is_head = case.wire.starts_with(b"HEAD ");
            let got = answers(&bytes, &[is_head]).unwrap_or_default();
            (place, got.into_iter().filter(|answer| answer.status() == 200).collect())
        })
        .buffer_unordered(32)
        .collect()
        .await;
    stop(gateway).await;
    let (arrived, count, mut wrong) = read_again(&recorder, |_| true);
    // A mutation may have doubled the mark.
    let mut by_mark: HashMap<&str, Vec<&Message>> = HashMap::new();
    for (marks, messages) in &arrived {
        let marks: HashSet<&str> = marks.split(',').collect();
        marks.into_iter().for_each(|mark| by_mark.entry(mark).or_default().extend(messages));
    }
    let of = |mark: &str| by_mark.get(mark).cloned().unwrap_or_default();
    let mut answered = 0;
    let mut unmarked: Vec<&Message> = arrived.get("").into_iter().flatten().collect();
    for (place, answers) in told {
        let (mark, case) = &mutants[place];
        let mut arrived = of(mark);
        for answer in answers.iter().filter(|answer| !answer.body.is_empty()) {
            answered += 1;
            let said = String::from_utf8_lossy(&answer.body).into_owned();
            // The mutation may have taken the mark away.
            let (own, lost) = (&mut arrived, &mut unmarked);
            let list = if said.starts_with(' ') { lost } else { own };
            let is_of =
                |message: &&Message| said.ends_with(&format!(" {} {}", message.asked(), message.body.len()));
            match list.iter().position(is_of) {
                Some(place) => drop(list.remove(place)),
                None => wrong.push(format!("{}: answered {said}, which did not arrive", case.name)),
            }
        }
    }
    // What arrived is what a reader of its own finds in what was sent, in that order and up to some place.
    for (mark, case) in &mutants {
        let wire = wire(case, mark);
        let mut rest = &wire[..];
        let mut sent = Vec::new();
        while let Ok(Read1::Whole(message, length)) = read(rest, Side::Anybody) {
            rest = &rest[length..];
            sent.push(*message);
        }
        for message in of(mark) {
            let is_of = |one: &Message| {
                one.body == message.body && one.line.split(' ').next() == message.line.split(' ').next()
            };
            match sent.iter().position(is_of) {
                Some(place) => drop(sent.remove(place)),
                None => wrong.push(format!("{}: arrived as {message:?}", case.name)),
            }
        }
    }
    println!("{} mutants, {count} arrived, {answered} answers", mutants.len());
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Whatever a platform sends, what follows it is answered by the truth, and what is true is whole.
#[tokio::test]
async fn mutants_of_answers_are_for_nobody_else() {
    let mut dice = dice();
    let honest: Vec<Vec<u8>> = ANSWERS.iter().map(|(.., bytes, _)| answers::bytes(bytes)).collect();
    let mutants: Vec<(Vec<u8>, bool)> = (0..number("REMPART_MUTANTS", 400))
        .map(|_| (mutant(&honest[dice(honest.len())], &mut dice), dice(4) == 0))
        .collect();
    let count = mutants.len();
    let script = mutants.clone();
    let upstream = Upstream::start(move |request| {
        let target = request.target();
        let Some(number) = target.strip_prefix("/lie/") else { return lie(&target) };
        let (bytes, closes) = &script[number.parse::<usize>().unwrap()];
        let answer = Answer::raw(bytes.clone());
        if *closes { answer.then(Step::Close) } else { answer }
    });
    let plain = PLAIN_ROUTE.replace("upstream: school", "upstream: school\n    response_timeout: 1 s");
    let folder = PolicyFolder::new(upstream.address, &Tokens::new())
        .gateway("timeouts: { body: 1 s }")
        .routes("plain", &plain);
    folder.replace("gateway.yaml", "workers: 2", "workers: 1");
    let gateway = Gateway::start(folder);
    let client = Client::new(&gateway);
    let wrong: Vec<String> = stream::iter(0..count)
        .map(async |number| {
            let version = if number % 2 == 0 { Version::H1 } else { Version::H2 };
            let mut connection = client.connect(version).await;
            let method = if number % 7 == 0 { Method::HEAD } else { Method::GET };
            let _whatever = connection.try_send(&Ask::new(method, &format!("/lie/{number}"))).await;
            let mut other = client.connect(version).await;
            let is_right = is_true(&mut other, number).await && is_true(&mut other, number).await;
            (!is_right).then(|| format!("{:?}", String::from_utf8_lossy(&mutants[number].0)))
        })
        .buffer_unordered(32)
        .filter_map(async |wrong| wrong)
        .collect()
        .await;
    stop(gateway).await;
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
