//! How much of the gateway one address holds.
//!
//! IPv4 addresses count whole, IPv6 ones by /64: that is what one subscriber is given (RFC 6177), and whoever has one has
//! all of its addresses.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Counters are spread over so many locks; each is taken for some nanoseconds, once when a connection comes and once when
/// it goes.
const SHARDS: usize = 16;

/// Whose connections are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Subscriber(IpAddr);

impl Subscriber {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                Self(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into())
            }
            address => Self(address),
        }
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holding {
    /// Open connections.
    Connection,
    /// TLS handshakes under way.
    Handshake,
}

#[derive(Clone, Copy, Debug, Default)]
struct Held([usize; 2]);

/// The counters, over all workers. There are only those of addresses that hold something.
#[derive(Clone, Debug, Default)]
pub(super) struct Addresses {
    shards: Arc<[Mutex<HashMap<Subscriber, Held>>; SHARDS]>,
    hasher: RandomState,
}

impl Addresses {
    fn shard(&self, whose: Subscriber) -> MutexGuard<'_, HashMap<Subscriber, Held>> {
        let place = self.hasher.hash_one(whose) as usize % SHARDS;
        // A panic cannot leave a counter half changed.
        self.shards[place].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more of `address`, unless it holds `most`.
    pub(super) fn enter(&self, address: IpAddr, what: Holding, most: usize) -> Option<Place> {
        let whose = Subscriber::of(address);
        let mut shard = self.shard(whose);
        let held = &mut shard.entry(whose).or_default().0[what as usize];
        if *held >= most {
            if shard.get(&whose).is_some_and(|held| held.0 == [0; 2]) {
                shard.remove(&whose);
            }
            return None;
        }
        *held += 1;
        drop(shard);
        Some(Place { of: self.clone(), whose, what })
    }

    fn leave(&self, whose: Subscriber, what: Holding) {
        let mut shard = self.shard(whose);
        let Some(held) = shard.get_mut(&whose) else { return };
        held.0[what as usize] = held.0[what as usize].saturating_sub(1);
        if held.0 == [0; 2] {
            shard.remove(&whose);
        }
    }
}

/// A place among those of one address, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    of: Addresses,
    whose: Subscriber,
    what: Holding,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.of.leave(self.whose, self.what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_address_has_its_own_places_and_gives_them_back() {
        let all = Addresses::default();
        let enter = |text: &str| all.enter(address(text), Holding::Connection, 2);
        let first = enter("192.0.2.1").unwrap();
        let _second = enter("192.0.2.1").unwrap();
        assert!(enter("192.0.2.1").is_none());
        assert!(enter("192.0.2.2").is_some());
        drop(first);
        assert!(enter("192.0.2.1").is_some());
    }

    #[test]
    fn an_ipv6_subscriber_is_one_and_an_ipv4_address_has_one_form() {
        let all = Addresses::default();
        let mut kept = Vec::new();
        let mut enter =
            |text: &str| all.enter(address(text), Holding::Connection, 1).map(|one| kept.push(one));
        assert!(enter("2001:db8:0:1::1").is_some());
        assert!(enter("2001:db8:0:1:ffff::2").is_none());
        assert!(enter("2001:db8:0:2::1").is_some());
        assert!(enter("192.0.2.1").is_some());
        assert!(enter("::ffff:192.0.2.1").is_none());
    }

    #[test]
    fn handshakes_and_connections_are_counted_apart() {
        let all = Addresses::default();
        let one = address("192.0.2.1");
        let _connection = all.enter(one, Holding::Connection, 1).unwrap();
        let handshake = all.enter(one, Holding::Handshake, 1).unwrap();
        assert!(all.enter(one, Holding::Handshake, 1).is_none());
        drop(handshake);
        assert!(all.enter(one, Holding::Handshake, 1).is_some());
        assert!(all.enter(one, Holding::Connection, 1).is_none());
    }

    #[test]
    fn who_holds_nothing_is_forgotten() {
        let all = Addresses::default();
        for number in 0..1000u32 {
            let address = IpAddr::V4(number.into());
            drop(all.enter(address, Holding::Connection, 1));
            assert!(all.enter(address, Holding::Handshake, 0).is_none());
        }
        assert!(all.shards.iter().all(|shard| shard.lock().unwrap().is_empty()));
    }
}
