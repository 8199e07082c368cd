//! Sessions of TLS over several gateways and their ends, and what is told of certificates.

use crate::support::{
    client::{Ask, Client, Version},
    folder::{PLAIN_ROUTE, PolicyFolder},
    gateway::{Gateway, Signal},
    school::stop,
    tokens::Tokens,
    upstream::{Answer, Upstream},
    wait_for,
};
use serde_json::json;

const FIRST: &str = "Zmlyc3QtZmlyc3QtZmlyc3QtZmlyc3QtZmlyc3QtZmlyc3Q=";
const SECOND: &str = "c2Vjb25kLXNlY29uZC1zZWNvbmQtc2Vjb25kLXNlY29uZC0=";

/// Handshakes of this gateway that ended so.
fn handshakes(gateway: &Gateway, outcome: &str) -> f64 {
    gateway.metric("rempart_tls_handshakes_total", &[("outcome", outcome)])
}

/// One request under these settings; whether its session had begun before.
async fn resumes(gateway: &Gateway, tls: &rustls::ClientConfig) -> bool {
    let (full, resumed) = (handshakes(gateway, "full"), handshakes(gateway, "resumed"));
    let mut connection = Client::new(gateway).connect_with(tls.clone(), Version::H1).await.unwrap();
    assert_eq!(connection.send(&Ask::get("/")).await.status, 200);
    let (full, resumed) = (handshakes(gateway, "full") - full, handshakes(gateway, "resumed") - resumed);
    assert_eq!(full + resumed, 1.0);
    resumed == 1.0
}

#[tokio::test]
async fn sessions_go_on_at_another_replica_and_behind_a_restart() {
    let upstream = Upstream::start(|_| Answer::json(&json!({})));
    let folder = PolicyFolder::new(upstream.address, &Tokens::new()).routes("plain", PLAIN_ROUTE);
    let file = folder.root().join("tickets");
    let rotate = |keys: &str| {
        let beside = file.with_extension("new");
        std::fs::write(&beside, keys).unwrap();
        std::fs::rename(beside, &file).unwrap();
    };
    rotate(&format!("{FIRST}\n"));
    let listen = format!("http: \"127.0.0.1:0\", ticket_keys: {{ file: \"{}\" }}", file.display());
    folder.replace("gateway.yaml", "http: \"127.0.0.1:0\"", &listen);
    let (one, other) = (Gateway::start(folder.clone()), Gateway::start(folder.clone()));
    for versions in [&[&rustls::version::TLS13], &[&rustls::version::TLS12]] {
        let tls = Client::new(&one).tls_of(versions).with_no_client_auth();
        assert!(!resumes(&one, &tls).await);
        assert!(resumes(&other, &tls).await && resumes(&one, &tls).await);
    }

    let tls = Client::new(&one).tls(&[]);
    assert!(!resumes(&one, &tls).await);
    one.stop();
    let again = Gateway::start(folder.clone());
    assert!(resumes(&again, &tls).await, "a restart");
    // A new first line: what the old one sealed goes on, and is sealed by the new one from then on.
    rotate(&format!("# today\n{SECOND}\n{FIRST}\n"));
    again.reload();
    assert!(resumes(&again, &tls).await);
    rotate(SECOND);
    again.reload();
    assert!(resumes(&again, &tls).await);
    // The other one has seen neither change announced: it looks by itself.
    wait_for("the other replica to follow", || (other.reloads().len() > 1).then_some(()));
    other.reload();
    assert!(resumes(&other, &tls).await);
    // Without its key a session ends.
    rotate(FIRST);
    again.reload();
    assert!(!resumes(&again, &tls).await && resumes(&again, &tls).await);
    // A file that cannot be read is refused whole, and the last keys stay.
    rotate("hunter2");
    assert_eq!(again.reload()["event"], "policy_refused");
    assert!(resumes(&again, &tls).await);
    assert!(!again.events.text().contains("hunter2"));
    again.signal(Signal::Term);
    again.wait();
    stop(other).await;
}

#[tokio::test]
async fn the_end_of_each_certificate_is_in_the_metrics() {
    let upstream = Upstream::start(|_| Answer::json(&json!({})));
    let folder = PolicyFolder::new(upstream.address, &Tokens::new()).routes("plain", PLAIN_ROUTE);
    let gateway = Gateway::start(folder);
    let name = "rempart_certificate_expiry_timestamp_seconds";
    let end = |certificate| gateway.metric(name, &[("certificate", certificate)]);
    // The year 4096, which is what the harness makes.
    assert!(end("ecole.example") > 60e9, "{}", gateway.metrics());
    gateway.folder.replace("gateway.yaml", "names: [ecole.example, localhost]", "names: [localhost]");
    assert_eq!(gateway.reload()["event"], "policy_loaded");
    assert!(end("localhost") > 60e9 && end("ecole.example").is_nan(), "{}", gateway.metrics());
    stop(gateway).await;
}
