//! A name server that says what it is told (RFC 1035), for names of endpoints.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::{Arc, Mutex},
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
}

impl Dns {
    /// A server on a port of its own.
    pub fn start(says: Says) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let server = Self { address: socket.local_addr().unwrap(), says: Arc::new(Mutex::new(says)) };
        let says = Arc::clone(&server.says);
        std::thread::spawn(move || {
            let mut query = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut query) {
                let answer = answer(&query[..length], &says.lock().unwrap());
                // The client may be gone.
                let _sent = socket.send_to(&answer, from);
            }
        });
        server
    }

    /// Another answer from now on.
    pub fn say(&self, says: Says) {
        *self.says.lock().unwrap() = says;
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
