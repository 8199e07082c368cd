//! Messages that a client sends through a WebSocket.

use super::{Denied, RequestPlan, Sender};
use crate::{
    redact::messages::{Packet, holds_json},
    secret::Sensitive,
};

impl RequestPlan {
    /// Judges a message as the body of a request; what is to be sent on, where tokens in it became values again.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn message(&self, sender: Sender<'_>, message: &str) -> Result<Option<Sensitive<String>>, Denied> {
        let (front, body) = match Packet::of(message) {
            Packet::Document { front, body } => (front, body),
            Packet::Event { front, body, .. } => (front, body),
            Packet::Text if self.declared && holds_json(message) => return Err(Denied::Unreadable),
            Packet::Text | Packet::Signal => return Ok(None),
        };
        let judged = match self.json(sender, body.as_bytes()) {
            // Where nothing is declared nothing is promised of what cannot be read.
            Err(Denied::Unreadable) if !self.declared => return Ok(None),
            judged => judged?,
        };
        let Some(restored) = judged else { return Ok(None) };
        let restored = String::from_utf8(restored.expose().clone()).map_err(|_| Denied::Token)?;
        Ok(Some(Sensitive::new(format!("{front}{restored}"))))
    }
}
