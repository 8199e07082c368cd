use http_body_util::Full;
use tokio::net::UnixStream;

use super::*;

const UPKEEP: Upkeep =
    Upkeep { idle: Duration::from_secs(20), ping: Duration::from_secs(20), pong: Duration::from_secs(5) };

fn local<F: Future>(future: F) -> F::Output {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default()).unwrap();
    runtime.block_on(future)
}

fn metrics() -> Rc<UpstreamMetrics> {
    Rc::new(UpstreamMetrics::new(&crate::telemetry::sample::policy("j".as_ref()).gateway.upstreams[0]))
}

fn request(body: &'static str) -> Request<Full<Bytes>> {
    Request::post("/a?b").header("host", "x.fr").body(Full::new(Bytes::from_static(body.as_bytes()))).unwrap()
}

/// A connection, and the other side of it once both have said hello.
async fn open(
    upkeep: Upkeep,
    streams: u32,
) -> (Multiplexed<Full<Bytes>>, h2::server::Connection<UnixStream, Bytes>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut rules = h2::server::Builder::new();
    rules.max_concurrent_streams(streams);
    let accepting = rules.handshake::<_, Bytes>(theirs);
    let (ours, theirs) = tokio::join!(Multiplexed::open(Transport::Local(ours), upkeep, metrics()), async {
        let mut theirs = accepting.await.unwrap();
        // SETTINGS are sent by polling.
        poll_fn(|cx| {
            let _pending = theirs.poll_closed(cx);
            Poll::Ready(())
        })
        .await;
        theirs
    });
    (ours.ok().unwrap(), theirs)
}

#[test]
fn places_are_those_that_the_endpoint_has() {
    local(async {
        let (connection, _theirs) = open(UPKEEP, 2).await;
        let first = connection.seat(&uri::Scheme::HTTP).unwrap();
        let second = connection.seat(&uri::Scheme::HTTP).unwrap();
        assert!(connection.seat(&uri::Scheme::HTTP).is_none());
        drop(first);
        let third = connection.seat(&uri::Scheme::HTTP);
        assert!(third.is_some() && connection.seat(&uri::Scheme::HTTP).is_none());
        drop((second, third));
        assert!(connection.load.idle.borrow().is_some());
    });
}

#[test]
fn who_speaks_something_else_is_no_upstream() {
    local(async {
        for answer in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b""] {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            let opening = Multiplexed::<Full<Bytes>>::open(Transport::Local(ours), UPKEEP, metrics());
            let (opened, ()) = tokio::join!(opening, async {
                tokio::io::AsyncWriteExt::write_all(&mut theirs, answer).await.unwrap();
                drop(theirs);
            });
            assert!(matches!(opened, Err(UpstreamError::Broken)));
        }
    });
}

#[test]
fn a_refused_stream_gives_its_request_back() {
    local(async {
        let (connection, mut theirs) = open(UPKEEP, 10).await;
        let serving = async {
            let (_, mut refused) = theirs.accept().await.unwrap().unwrap();
            refused.send_reset(Reason::REFUSED_STREAM);
            let (_, mut failed) = theirs.accept().await.unwrap().unwrap();
            failed.send_reset(Reason::INTERNAL_ERROR);
            theirs.accept().await.is_none()
        };
        let asking = async {
            let mut seat = connection.seat(&uri::Scheme::HTTP).unwrap();
            let refused = seat.send(request("guess")).await.err().unwrap();
            let unsent = refused.unsent.unwrap();
            assert_eq!(
                (unsent.uri().to_string().as_str(), &unsent.headers()["host"]),
                ("/a?b", &"x.fr".parse().unwrap())
            );
            let mut seat = connection.seat(&uri::Scheme::HTTP).unwrap();
            let failed = seat.send(unsent).await.err().unwrap();
            assert!(failed.unsent.is_none() && !failed.by_body);
            drop((seat, connection));
        };
        assert!(tokio::join!(serving, asking).0);
    });
}

#[test]
fn a_frozen_connection_is_found_out_and_no_exchange_waits_for_it() {
    local(async {
        let brief = Duration::from_millis(20);
        let (connection, _frozen) = open(Upkeep { ping: brief, pong: brief, ..UPKEEP }, 10).await;
        let mut seats = [(); 2].map(|()| connection.seat(&uri::Scheme::HTTP).unwrap());
        let [first, second] = &mut seats;
        let (first, second) = tokio::join!(first.send(request("")), second.send(request("")));
        for lost in [first, second] {
            // Nobody knows what became of it.
            assert!(lost.err().unwrap().unsent.is_none());
        }
        assert!(connection.has_ended() && connection.seat(&uri::Scheme::HTTP).is_none());
    });
}

#[test]
fn an_idle_connection_ends() {
    local(async {
        let (connection, mut theirs) = open(Upkeep { idle: Duration::from_millis(20), ..UPKEEP }, 10).await;
        assert!(theirs.accept().await.is_none());
        assert!(connection.has_ended());
    });
}
