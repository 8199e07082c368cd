//! The parameters of a request (GraphQL over HTTP), each of them once.

use std::collections::HashMap;

use aws_lc_rs::digest;

use crate::redact::{Denied, way_back::Node};

/// The parameters that are read, in a JSON body and in the query of a URL.
pub const PARAMETERS: [&str; 4] = ["query", "operationName", "variables", "extensions"];
/// Parameters by which servers look a stored document up, which is not the one that was read.
pub const STORED: [&str; 7] = ["documentId", "document_id", "docId", "doc_id", "queryId", "query_id", "id"];

/// One request.
#[derive(Debug, Default)]
pub struct Parameters {
    pub(super) query: Option<String>,
    pub(super) operation: Option<String>,
    pub(super) variables: HashMap<String, Node>,
    /// The hash of a stored document (Apollo's automatic persisted queries).
    stored: Option<String>,
    /// Which of [`PARAMETERS`] were told.
    told: [bool; 4],
}

impl Parameters {
    /// Reads a JSON body: one request, or several; whether it was a list.
    ///
    /// # Errors
    /// [`Denied::Graphql`] where it is none, says something twice, or names its document in another way.
    pub fn of_json(body: &[u8]) -> Result<(Vec<Self>, bool), Denied> {
        match Node::read(body).ok_or(Denied::Graphql)? {
            Node::Object(members) => Ok((vec![Self::of_members(members)?], false)),
            Node::List(requests) => {
                let read = requests.into_iter().map(|request| match request {
                    Node::Object(members) => Self::of_members(members),
                    _ => Err(Denied::Graphql),
                });
                Ok((read.collect::<Result<_, _>>()?, true))
            }
            Node::Scalar | Node::Null | Node::Text(_) => Err(Denied::Graphql),
        }
    }

    fn of_members(members: Vec<(String, Node)>) -> Result<Self, Denied> {
        let mut read = Self::default();
        for (name, value) in members {
            match (name.as_str(), value) {
                ("query", Node::Text(text)) => read.query(text)?,
                ("operationName", Node::Text(text)) => read.operation(text)?,
                ("variables", Node::Object(members)) => read.variables(members)?,
                ("extensions", Node::Object(members)) => read.extensions(members)?,
                (name, Node::Null) if PARAMETERS.contains(&name) => {}
                // What no standard names could be the name of a stored document.
                _ => return Err(Denied::Graphql),
            }
        }
        Ok(read)
    }

    /// Adds a parameter of the URL; whether it is one of GraphQL's.
    ///
    /// # Errors
    /// [`Denied::Graphql`] where it was told before, cannot be read, or names a stored document.
    pub fn parameter(&mut self, name: &str, value: &str) -> Result<bool, Denied> {
        let object = |text: &str| match Node::read(text.as_bytes()) {
            Some(Node::Object(members)) => Ok(members),
            Some(Node::Null) => Ok(Vec::new()),
            _ => Err(Denied::Graphql),
        };
        match name {
            "query" => self.query(value.to_owned())?,
            "operationName" => self.operation(value.to_owned())?,
            "variables" => self.variables(object(value)?)?,
            "extensions" => self.extensions(object(value)?)?,
            name if STORED.contains(&name) => return Err(Denied::Graphql),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Takes a body that is the document itself.
    ///
    /// # Errors
    /// [`Denied::Graphql`] where it was told before.
    pub fn query(&mut self, text: String) -> Result<(), Denied> {
        self.once(0)?;
        self.query = Some(text);
        Ok(())
    }

    /// Whether nothing was told.
    pub fn is_empty(&self) -> bool {
        self.told == [false; 4]
    }

    fn operation(&mut self, text: String) -> Result<(), Denied> {
        self.once(1)?;
        self.operation = Some(text);
        Ok(())
    }

    fn variables(&mut self, members: Vec<(String, Node)>) -> Result<(), Denied> {
        self.once(2)?;
        let count = members.len();
        self.variables = members.into_iter().collect();
        if self.variables.len() < count { Err(Denied::Graphql) } else { Ok(()) }
    }

    fn extensions(&mut self, members: Vec<(String, Node)>) -> Result<(), Denied> {
        self.once(3)?;
        for (name, value) in members {
            if name != "persistedQuery" {
                continue;
            }
            let Node::Object(members) = value else { return Err(Denied::Graphql) };
            let mut hashes = members.into_iter().filter(|(name, _)| name == "sha256Hash");
            let Some((_, Node::Text(hash))) = hashes.next() else { return Err(Denied::Graphql) };
            if hashes.next().is_some() {
                return Err(Denied::Graphql);
            }
            if self.stored.replace(hash).is_some() {
                return Err(Denied::Graphql);
            }
        }
        Ok(())
    }

    /// A parameter is told once: of two, servers take either.
    fn once(&mut self, place: usize) -> Result<(), Denied> {
        if std::mem::replace(&mut self.told[place], true) { Err(Denied::Graphql) } else { Ok(()) }
    }

    /// The document: there is one, and a server that would rather look it up by its hash finds the same.
    pub(super) fn document(&self) -> Result<&str, Denied> {
        let query = self.query.as_deref().ok_or(Denied::Graphql)?;
        let is_same = |hash: &String| {
            let digest = digest::digest(&digest::SHA256, query.as_bytes());
            let told: Option<Vec<u8>> = (0..hash.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(hash.get(at..at + 2)?, 16).ok())
                .collect();
            told.as_deref() == Some(digest.as_ref())
        };
        if self.stored.as_ref().is_none_or(is_same) { Ok(query) } else { Err(Denied::Graphql) }
    }
}
