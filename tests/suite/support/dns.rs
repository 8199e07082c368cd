//! A name server that says what it is told (RFC 1035), for names of endpoints.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

/// What it says of every name.
#[derive(Clone, Debug)]
pub enum Says {
    /// These addresses, good for one second.
    Addresses(Vec<Ipv4Addr>),
    /// SERVFAIL.
    Failure,
    /// NXDOMAIN.
    NoSuchName,
}

/// A running name server; it ends with the process.
pub struct Dns {
    /// Where it listens.
    pub address: SocketAddr,
    says: Arc<Mutex<Says>>,
    asked: Arc<AtomicUsize>,
    silent: Arc<AtomicBool>,
}

impl Dns {
    /// A server on a port of its own.
    pub fn start(says: Says) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: socket.local_addr().unwrap(),
            says: Arc::new(Mutex::new(says)),
            asked: Arc::default(),
            silent: Arc::default(),
        };
        let (says, asked, silent) =
            (Arc::clone(&server.says), Arc::clone(&server.asked), Arc::clone(&server.silent));
        std::thread::spawn(move || {
            let mut query = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut query) {
                if !silent.load(Ordering::SeqCst) {
                    let answer = answer(&query[..length], &says.lock().unwrap());
                    // The client may be gone.
                    let _sent = socket.send_to(&answer, from);
                    asked.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        server
    }

    /// Another answer from now on.
    pub fn say(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }

    /// Answers nothing from now on, or again.
    pub fn silence(&self, silent: bool) {
        self.silent.store(silent, Ordering::SeqCst);
    }

    /// Questions answered so far.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn answer(query: &[u8], says: &Says) -> Vec<u8> {
    // Behind the head come the labels of the name, then type and class.
    let mut end = 12;
    while query[end] != 0 {
        end += usize::from(query[end]) + 1;
    }
    let question = &query[12..end + 5];
    let is_a = query[end + 1..end + 3] == [0, 1];
    let (code, addresses) = match says {
        Says::Addresses(list) if is_a => (0, list.as_slice()),
        Says::Addresses(_) => (0, &[][..]),
        Says::Failure => (2, &[][..]),
        Says::NoSuchName => (3, &[][..]),
    };
    let mut answer = query[..2].to_vec();
    answer.extend([0x81, 0x80 | code, 0, 1, 0, addresses.len() as u8, 0, 0, 0, 0]);
    answer.extend(question);
    for address in addresses {
        // The name is that of the question; A, IN, one second, four bytes.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
        answer.extend(address.octets());
    }
    answer
}
