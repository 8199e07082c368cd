use proptest::prelude::*;

use super::*;

fn key(seed: u8) -> TicketKey {
    TicketKey::new(vec![seed; 32].into())
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn noon() -> SystemTime {
    at(1_000_000)
}

fn ring(seeds: &[u8]) -> Keyring {
    let keys: Vec<_> = seeds.iter().copied().map(key).collect();
    Keyring::new(&keys, None, noon)
}

#[test]
fn the_first_key_seals_and_every_key_opens() {
    let ticket = ring(&[1, 2]).encrypt(b"session").unwrap();
    assert_eq!(ring(&[1]).decrypt(&ticket).as_deref(), Some(&b"session"[..]));
    assert_eq!(ring(&[3, 2, 1]).decrypt(&ticket).as_deref(), Some(&b"session"[..]));
    assert_eq!(ring(&[2]).decrypt(&ticket), None, "the second seals nothing");
    assert_eq!(ring(&[2, 3]).decrypt(&ticket), None, "a key that was taken away ends its sessions");
}

#[test]
fn two_tickets_have_nothing_in_common_but_the_name() {
    let ring = ring(&[1]);
    let (one, other) = (ring.encrypt(b"session").unwrap(), ring.encrypt(b"session").unwrap());
    assert_eq!(one[..NAME], other[..NAME]);
    assert_ne!(one[NAME..][..SALT], other[NAME..][..SALT]);
    assert_ne!(one[NAME + SALT..], other[NAME + SALT..]);
    assert!(!one.windows(7).any(|bytes| bytes == b"session"));
}

#[test]
fn other_terms_for_client_certificates_open_nothing() {
    let keys = [key(1)];
    let under = |terms| Keyring::new(&keys, terms, noon);
    for (made, opened) in [(None, Some([7; 32])), (Some([7; 32]), None), (Some([7; 32]), Some([0; 32]))] {
        let ticket = under(made).encrypt(b"session").unwrap();
        assert!(under(made).decrypt(&ticket).is_some());
        assert_eq!(under(opened).decrypt(&ticket), None);
    }
}

#[test]
fn a_ticket_ends() {
    let keys = [key(1)];
    let ring = |clock| Keyring::new(&keys, None, clock);
    let ticket = ring(noon).encrypt(b"session").unwrap();
    let opens = |clock| ring(clock).decrypt(&ticket).is_some();
    assert_eq!(ring(noon).lifetime(), 43_200);
    assert!(opens(|| at(1_000_000 + 43_200)) && !opens(|| at(1_000_000 + 43_201)));
    // A replica whose clock is behind opens it; one whose clock is far off does not.
    assert!(opens(|| at(1_000_000 - 300)) && !opens(|| at(1_000_000 - 301)));
}

proptest! {
    #[test]
    fn a_changed_ticket_is_none(session in prop::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>(), bit in 0..8) {
        let ring = ring(&[1]);
        let ticket = ring.encrypt(&session).unwrap();
        prop_assert_eq!(ring.decrypt(&ticket), Some(session));
        let mut other = ticket.clone();
        other[at.index(ticket.len())] ^= 1u8 << bit;
        prop_assert_eq!(ring.decrypt(&other), None);
        prop_assert_eq!(ring.decrypt(&ticket[..at.index(ticket.len())]), None);
    }

    #[test]
    fn no_bytes_are_taken_for_a_ticket(bytes in prop::collection::vec(any::<u8>(), 0..200), named in any::<bool>()) {
        let ring = ring(&[1]);
        let name = if named { ring.keys[0].name.to_vec() } else { Vec::new() };
        prop_assert_eq!(ring.decrypt(&[name, bytes].concat()), None);
    }
}
