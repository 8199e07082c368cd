//! Messages of a WebSocket: each is a document of its own, in the packets of engine.io and socket.io as well.
//!
//! Such a packet is `42/class,7["event",{…}]`: what kind it is, perhaps a namespace and a number, a JSON text. The event's
//! name is a word of programs; each other element of the list is a document, as it was when it was sent.

mod packet;

use std::sync::Arc;

pub(super) use packet::Packet;

use super::{
    JsonRedactor, Redact, RedactError, Tally, Task, events::is_token, free_text::TextRedactor,
    nested::is_blank,
};

/// What leaves of a WebSocket's messages to one reader.
pub struct Messages {
    task: Task,
    /// Texts that are no JSON pass without what detectors find in them.
    texts: bool,
    tally: Tally,
}

impl Messages {
    /// `texts` says whether a text that is no JSON may pass, without what is found in it.
    pub fn new(task: Task, texts: bool) -> Self {
        Self { task, texts, tally: Tally::default() }
    }

    /// What may leave of one message, whole.
    ///
    /// # Errors
    /// [`RedactError`]; nothing of it may leave.
    pub fn redact(&mut self, message: &str) -> Result<String, RedactError> {
        let mut out = Vec::with_capacity(message.len());
        match Packet::of(message) {
            Packet::Signal => return Ok(message.to_owned()),
            Packet::Document { front, body } => {
                out.extend_from_slice(front.as_bytes());
                let redactor = json(&self.task);
                self.run(redactor, body, &mut out)?;
            }
            Packet::Event { front, body, named } => {
                out.extend_from_slice(front.as_bytes());
                self.event(packet::elements(body).ok_or(RedactError::Malformed)?, named, &mut out)?;
            }
            // JSON in a frame that nobody knows could have any name.
            Packet::Text if !self.texts || holds_json(message) => return Err(RedactError::Opaque),
            Packet::Text => {
                let redactor = TextRedactor::new(self.task.clone());
                self.run(redactor, message, &mut out)?;
            }
        }
        String::from_utf8(out).map_err(|_| RedactError::NotUtf8)
    }

    /// What was redacted so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    fn event(&mut self, elements: Vec<&str>, named: bool, out: &mut Vec<u8>) -> Result<(), RedactError> {
        out.push(b'[');
        for (place, element) in elements.into_iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            let word = element.trim().strip_prefix('"').and_then(|text| text.strip_suffix('"'));
            if named && place == 0 && word.is_some_and(|word| is_token(word.as_bytes())) {
                out.extend_from_slice(element.as_bytes());
            } else {
                let redactor = json(&self.task);
                self.run(redactor, element, out)?;
            }
        }
        out.push(b']');
        Ok(())
    }

    fn run(&mut self, mut redactor: impl Redact, text: &str, out: &mut Vec<u8>) -> Result<(), RedactError> {
        redactor.push(text.as_bytes(), out)?;
        redactor.finish(out)?;
        self.tally.add(&redactor.tally());
        Ok(())
    }
}

fn json(task: &Task) -> JsonRedactor {
    JsonRedactor::new(Arc::clone(&task.plan), Arc::clone(&task.audience), Arc::clone(&task.key))
}

/// Whether a JSON text of names could stand in it somewhere.
pub(super) fn holds_json(text: &str) -> bool {
    let is_list = |at: usize| {
        let next = text[at..].chars().skip(1).find(|&char| !is_blank(char));
        matches!(next, Some('[' | '"' | '\'' | '('))
    };
    text.contains('{') || text.match_indices('[').any(|(at, _)| is_list(at))
}

#[cfg(test)]
mod tests;
