//! The folder that the demo runs from: policies, certificates, keys and tokens, all made anew and gone at the end.

use std::{
    fs, io,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use aws_lc_rs::rand;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use tempfile::TempDir;

use super::{
    accounts::ACCOUNTS,
    certificates::{self, NAMES},
    tokens::{Signer, TokenError},
};

const CHARTER: &str = include_str!("policies/charter.yaml");
const GATEWAY: &str = include_str!("policies/gateway.yaml");
const ROUTES: &str = include_str!("policies/routes.yaml");

/// How long the tokens of the demo are good for.
const TOKEN_LIFE: Duration = Duration::from_secs(12 * 3600);

/// Why the folder could not be made.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The file system refused.
    #[error("the demo's folder could not be written: {0}")]
    Write(#[from] io::Error),
    /// No certificate.
    #[error("the development certificates could not be made: {0}")]
    Certificates(#[from] rcgen::Error),
    /// No token.
    #[error(transparent)]
    Tokens(#[from] TokenError),
    /// No randomness.
    #[error("the operating system gave no random bytes")]
    NoRandomness,
}

/// A temporary folder that only its owner may enter; dropping it deletes it.
#[derive(Debug)]
pub struct DemoFolder {
    folder: TempDir,
}

impl DemoFolder {
    /// Makes everything that `rempart serve` needs to stand on `port` in front of the platform.
    ///
    /// Beside the policies, each role has a file `ROLE.h` with an `Authorization` header, which `curl -H @FILE` sends.
    ///
    /// # Errors
    /// [`FolderError`] with what could not be made.
    pub fn create(
        platform: SocketAddr,
        port: u16,
        admin_port: u16,
        now: SystemTime,
    ) -> Result<Self, FolderError> {
        let folder = tempfile::Builder::new()
            .prefix("rempart-demo-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir()?;
        let root = folder.path();
        let certificates = certificates::generate(&NAMES)?;
        let signer = Signer::generate("demo")?;
        let mut secret = [0u8; 32];
        rand::fill(&mut secret).map_err(|_| FolderError::NoRandomness)?;
        let gateway = GATEWAY
            .replace("@PORT@", &port.to_string())
            .replace("@ADMIN_PORT@", &admin_port.to_string())
            .replace("@PLATFORM@", &platform.to_string())
            .replace("@FOLDER@", &root.to_string_lossy());

        fs::create_dir_all(root.join("policies/routes"))?;
        fs::write(root.join("policies/charter.yaml"), CHARTER)?;
        fs::write(root.join("policies/gateway.yaml"), gateway)?;
        fs::write(root.join("policies/routes/school.yaml"), ROUTES)?;
        fs::write(root.join("ca.pem"), certificates.authority)?;
        fs::write(root.join("server.pem"), certificates.chain)?;
        fs::write(root.join("server.key"), certificates.key.expose())?;
        fs::write(root.join("jwks.json"), signer.jwks().to_string())?;
        // As text: bytes that happen to be white space at either end would not count.
        fs::write(root.join("secret"), URL_SAFE_NO_PAD.encode(secret))?;
        for account in ACCOUNTS {
            let token = signer.token(account, now, TOKEN_LIFE)?;
            fs::write(root.join(format!("{}.h", account.role)), format!("Authorization: Bearer {token}\n"))?;
        }
        Ok(Self { folder })
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What `rempart serve --policies` takes.
    pub fn policies(&self) -> PathBuf {
        self.path().join("policies")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_private_complete_and_gone_at_the_end() {
        let made =
            DemoFolder::create("127.0.0.1:9".parse().unwrap(), 8443, 8444, SystemTime::UNIX_EPOCH).unwrap();
        let root = made.path().to_owned();
        assert_eq!(fs::metadata(&root).unwrap().permissions().mode() & 0o077, 0);
        let gateway = fs::read_to_string(made.policies().join("gateway.yaml")).unwrap();
        assert!(
            gateway.contains("127.0.0.1:8443")
                && !gateway.contains("@PORT@")
                && !gateway.contains("@FOLDER@")
        );
        assert!(fs::read_to_string(root.join("teacher.h")).unwrap().starts_with("Authorization: Bearer ey"));
        let secret = fs::read(root.join("secret")).unwrap();
        assert!(secret.len() >= 32 && secret.is_ascii() && secret.trim_ascii() == secret);
        drop(made);
        assert!(!root.exists());
    }

    #[test]
    fn the_embedded_files_are_yaml() {
        for text in [CHARTER, GATEWAY, ROUTES] {
            let parsed: serde_yaml::Value = serde_yaml::from_str(text).unwrap();
            assert!(parsed.is_mapping());
        }
    }
}
