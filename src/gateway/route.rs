//! Host, path and method → one route.
//!
//! Hosts from the most to the least specific: a name, the longest suffix, any. Inside a host the most specific template wins
//! (`matchit`). The path looked up is the canonical one that is forwarded, byte for byte.

use std::collections::HashMap;

use http::Method;

use crate::policy::set::{HostPattern, RouteId, RouteMatch};

/// All routes, compiled.
pub struct Router {
    exact: HashMap<String, PathTable>,
    suffix: Vec<(String, PathTable)>,
    any: Option<PathTable>,
}

/// What a lookup found.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// This route, by this template of it.
    Route(RouteId, usize),
    /// Routes take the path with these methods only.
    OtherMethods(String),
    /// No route takes the path.
    Nothing,
}

/// The templates of one host.
#[derive(Default)]
struct PathTable {
    templates: matchit::Router<usize>,
    /// For each template the routes that share it.
    leaves: Vec<Leaf>,
    places: HashMap<String, usize>,
}

/// The routes of one template: methods (empty for all), route, place of the template in the route.
type Leaf = Vec<(Vec<Method>, RouteId, usize)>;

/// Two templates of one host cannot stand side by side. `policy::compile` refuses such a set with its position.
#[derive(Debug, thiserror::Error)]
#[error("the path of route {} conflicts with another one's", route.0)]
pub struct RouteConflict {
    /// The route, by its place.
    pub route: RouteId,
}

impl Router {
    /// Compiles what each route takes; a route is told by its place.
    ///
    /// # Errors
    /// [`RouteConflict`].
    pub fn build<'r>(
        routes: impl IntoIterator<Item = (RouteId, &'r RouteMatch)>,
    ) -> Result<Self, RouteConflict> {
        let mut router = Self { exact: HashMap::new(), suffix: Vec::new(), any: None };
        for (route, matches) in routes {
            let table = match &matches.host {
                HostPattern::Exact(host) => router.exact.entry(host.clone()).or_default(),
                HostPattern::Suffix(suffix) => {
                    let place =
                        router.suffix.iter().position(|(known, _)| known == suffix).unwrap_or_else(|| {
                            router.suffix.push((suffix.clone(), PathTable::default()));
                            router.suffix.len() - 1
                        });
                    &mut router.suffix[place].1
                }
                HostPattern::Any => router.any.get_or_insert_default(),
            };
            for (place, template) in matches.paths.iter().enumerate() {
                table
                    .insert(template, (matches.methods.clone(), route, place))
                    .map_err(|_| RouteConflict { route })?;
            }
        }
        router.suffix.sort_by_key(|(suffix, _)| std::cmp::Reverse(suffix.len()));
        Ok(router)
    }

    /// The route of a canonical host and path.
    pub fn find(&self, host: &str, path: &str, method: &Method) -> Found {
        self.leaf(host, path).map_or(Found::Nothing, |leaf| choose(leaf, method))
    }

    /// The methods that a path takes, as in `Allow`; `None` where it takes all, or is nobody's.
    pub fn methods(&self, host: &str, path: &str) -> Option<String> {
        let leaf = self.leaf(host, path)?;
        leaf.iter().all(|(methods, ..)| !methods.is_empty()).then(|| allowed(leaf))
    }

    fn leaf(&self, host: &str, path: &str) -> Option<&Leaf> {
        let suffixes = self.suffix.iter().filter(|(suffix, _)| {
            // One label in front, as with certificates.
            host.strip_suffix(suffix.as_str()).is_some_and(|label| !label.is_empty() && !label.contains('.'))
        });
        let mut tables =
            self.exact.get(host).into_iter().chain(suffixes.map(|(_, table)| table)).chain(&self.any);
        tables.find_map(|table| table.leaf(path))
    }
}

impl PathTable {
    fn insert(
        &mut self,
        template: &str,
        entry: (Vec<Method>, RouteId, usize),
    ) -> Result<(), matchit::InsertError> {
        let place = match self.places.get(template) {
            Some(&place) => place,
            None => {
                let place = self.leaves.len();
                self.templates.insert(template, place)?;
                self.leaves.push(Vec::new());
                self.places.insert(template.to_owned(), place);
                place
            }
        };
        self.leaves[place].push(entry);
        Ok(())
    }

    fn leaf(&self, path: &str) -> Option<&Leaf> {
        self.templates.at(path).ok().map(|found| &self.leaves[*found.value])
    }
}

/// The route that names the method; failing that, the one that takes all.
fn choose(leaf: &Leaf, method: &Method) -> Found {
    // RFC 9110 9.3.2: HEAD is GET without the body.
    let asked = |methods: &[Method]| {
        methods.contains(method) || (*method == Method::HEAD && methods.contains(&Method::GET))
    };
    let named = leaf.iter().find(|(methods, ..)| asked(methods));
    match named.or_else(|| leaf.iter().find(|(methods, ..)| methods.is_empty())) {
        Some((_, id, place)) => Found::Route(*id, *place),
        None => Found::OtherMethods(allowed(leaf)),
    }
}

fn allowed(leaf: &Leaf) -> String {
    let mut allowed: Vec<&str> = leaf.iter().flat_map(|(methods, ..)| methods).map(Method::as_str).collect();
    if allowed.contains(&"GET") {
        allowed.push("HEAD");
    }
    allowed.sort_unstable();
    allowed.dedup();
    allowed.join(", ")
}
