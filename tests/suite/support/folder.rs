//! Policy folders, as an operator would have them on disk.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use rempart::demo::certificates;
use tempfile::TempDir;

use super::tokens::Tokens;

/// The host that routes of the harness match and clients ask for.
pub const HOST: &str = "ecole.example";

/// A charter with every recipient of the sample platform.
pub const CHARTER: &str = include_str!("../../../src/demo/policies/charter.yaml");

/// A route for everything that says nothing about personal data.
pub const PLAIN_ROUTE: &str = r#"
routes:
  - name: plain
    owner: tests
    match: { host: "*", path: "/{*rest}" }
    upstream: school
    purpose: account
    personal_data: { exempt: "nothing personal in this test" }
"#;

/// A folder of policies; clones share it, the last one to go deletes it.
#[derive(Clone)]
pub struct PolicyFolder {
    root: Arc<TempDir>,
    upstream: SocketAddr,
    extra: Arc<str>,
    generation: Arc<AtomicUsize>,
}

impl PolicyFolder {
    /// A folder with certificates, keys, the sample charter and a gateway in front of one upstream, without routes.
    pub fn new(upstream: SocketAddr, tokens: &Tokens) -> Self {
        let root = tempfile::tempdir().unwrap();
        let made = certificates::generate(&[HOST, "localhost", "127.0.0.1"]).unwrap();
        fs::create_dir_all(root.path().join("policies/routes")).unwrap();
        for (name, text) in [
            ("ca.pem", &made.authority),
            ("server.pem", &made.chain),
            ("server.key", made.key.expose()),
            ("jwks.json", &tokens.jwks()),
            ("secret", &"0123456789abcdef0123456789abcdef".to_owned()),
        ] {
            fs::write(root.path().join(name), text).unwrap();
        }
        let folder = Self { root: Arc::new(root), upstream, extra: "".into(), generation: Arc::default() };
        folder.write("charter.yaml", CHARTER);
        folder.write_gateway();
        folder
    }

    /// With one more file of routes.
    #[must_use]
    pub fn routes(self, name: &str, yaml: &str) -> Self {
        self.write(&format!("routes/{name}.yaml"), yaml);
        self
    }

    /// With the shipped charter and one of the files of `policies/examples`, for the host and the upstream of the harness.
    #[must_use]
    pub fn example(self, name: &str) -> Self {
        let shipped = |name: &str| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies").join(name);
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        self.write("charter.yaml", &shipped("charter.yaml"));
        let routes = shipped(&format!("examples/{name}.yaml"));
        let ours = [("host: ecole.example.fr", "host: \"*\""), ("upstream: platform", "upstream: school")];
        let routes = ours.iter().fold(routes, |text, (from, to)| {
            assert!(text.contains(from), "{name} does not say {from}");
            text.replace(from, to)
        });
        self.routes(name, &routes)
    }

    /// With these lines under `gateway:` as well; each is indented by two spaces here.
    #[must_use]
    pub fn gateway(mut self, lines: &str) -> Self {
        let indented: String = lines.lines().map(|line| format!("  {line}\n")).collect();
        self.extra = format!("{}{indented}", self.extra).into();
        self.write_gateway();
        self
    }

    /// What `--policies` takes.
    pub fn path(&self) -> PathBuf {
        self.root.path().join("policies")
    }

    /// The folder around the policies: for journals, keys and other files of a test.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// The authority that clients must trust, in PEM.
    pub fn authority(&self) -> String {
        fs::read_to_string(self.root.path().join("ca.pem")).unwrap()
    }

    /// Replaces a file of the policies at once (written beside it, then renamed), as a careful editor does.
    pub fn write(&self, name: &str, text: &str) {
        let number = self.generation.fetch_add(1, Ordering::Relaxed);
        let beside = self.root.path().join(format!("write-{number}"));
        fs::write(&beside, text).unwrap();
        fs::rename(beside, self.path().join(name)).unwrap();
    }

    /// A file of the policies as it is.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }

    /// Replaces text in a file of the policies; it must be there.
    #[track_caller]
    pub fn replace(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} does not say {from}");
        self.write(name, &text.replace(from, to));
    }

    /// Turns the folder into what Kubernetes mounts for a ConfigMap (`deploy/base/deployment.yaml`): every entry at the top,
    /// `routes` included, is a link through `..data`, itself a link to a folder with a time in its name.
    #[must_use]
    pub fn like_config_map(self) -> Self {
        let folder = self.path();
        let entries: Vec<_> =
            fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.file_name()).collect();
        fs::create_dir(folder.join("..first")).unwrap();
        for name in entries {
            fs::rename(folder.join(&name), folder.join("..first").join(&name)).unwrap();
            symlink(Path::new("..data").join(&name), folder.join(&name)).unwrap();
        }
        symlink("..first", folder.join("..data")).unwrap();
        self
    }

    /// What the kubelet does when the ConfigMap changes: a new folder with one file changed, `..data` swapped by rename,
    /// the old folder removed.
    pub fn swap_config_map(&self, name: &str, text: &str) {
        let folder = self.path();
        let old = fs::read_link(folder.join("..data")).unwrap();
        let next = format!("..{}", self.generation.fetch_add(1, Ordering::Relaxed));
        copy_folder(&folder.join(&old), &folder.join(&next));
        fs::write(folder.join(&next).join(name), text).unwrap();
        symlink(&next, folder.join("..data_tmp")).unwrap();
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
        fs::remove_dir_all(folder.join(old)).unwrap();
    }

    /// New certificates in place, signed by a new authority.
    pub fn renew_certificates(&self) {
        let made = certificates::generate(&[HOST, "localhost", "127.0.0.1"]).unwrap();
        fs::write(self.root.path().join("ca.pem"), &made.authority).unwrap();
        fs::write(self.root.path().join("server.pem"), &made.chain).unwrap();
        fs::write(self.root.path().join("server.key"), made.key.expose()).unwrap();
    }

    fn write_gateway(&self) {
        let root = self.root.path().display();
        let (upstream, extra) = (self.upstream, &self.extra);
        // A stop waits half as long for clients that are silent, and many tests are still connected then.
        let timeouts = if extra.contains("timeouts:") { "" } else { "  timeouts: { drain: 3 s }\n" };
        self.write(
            "gateway.yaml",
            &format!(
                r#"gateway:
  listen: {{ https: "127.0.0.1:0", http: "127.0.0.1:0", admin: "127.0.0.1:0" }}
  workers: 2
{timeouts}  certificates:
    - {{ names: [{HOST}, localhost], chain: "{root}/server.pem", key: "{root}/server.key" }}
  secret: {{ file: "{root}/secret" }}
  upstreams:
    school: {{ endpoints: "http://{upstream}" }}
  identity:
    - name: tokens
      jwt:
        issuer: https://identity.example
        audience: rempart-demo
        jwks: {{ file: "{root}/jwks.json" }}
      claims: {{ subject: $.sub, role: $.role, groups: "$.groups[*]", wards: "$.wards[*]" }}
      roles: {{ learner: learner, teacher: teacher, guardian: guardian, marketing: marketing, administrator: administrator }}
{extra}"#
            ),
        );
    }
}

/// Copies a folder with all that is in it.
pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}
