//! Folders as they are found on disk, and their changes.

use std::{fs, os::unix::fs::symlink, time::Duration};

use super::*;

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("routes")).unwrap();
    fs::write(dir.path().join("gateway.yaml"), "gateway: { secret: { file: secrets/master } }").unwrap();
    fs::write(dir.path().join("charter.yaml"), "charter: {}").unwrap();
    fs::write(dir.path().join("routes/a.yaml"), "routes: []").unwrap();
    dir
}

#[test]
fn a_folder_is_read_and_strangers_are_named() {
    let dir = folder();
    for stranger in [".hidden.yaml", "README.md", "routes/.b.yaml.swp", "notes.yaml"] {
        fs::write(dir.path().join(stranger), "x").unwrap();
    }
    fs::create_dir(dir.path().join("examples.yaml")).unwrap();
    let sources = Sources::read(dir.path()).unwrap();
    let names: Vec<_> = sources.policy_files().map(|(name, _)| name).collect();
    assert_eq!(names, ["charter.yaml", "gateway.yaml", "routes/a.yaml"]);
    assert_eq!(sources.stray(), ["notes.yaml"]);
}

#[test]
fn what_cannot_be_read_is_said_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let report = Sources::read(&dir.path().join("none")).unwrap_err();
    assert_eq!(report.errors.len(), 2, "{report}");
    symlink("nowhere", dir.path().join("gateway.yaml")).unwrap();
    let report = Sources::read(dir.path()).unwrap_err();
    assert_eq!(report.errors.len(), 2, "{report}");
    assert!(report.to_string().contains("gateway.yaml"), "{report}");
}

#[test]
fn referenced_files_are_found_beside_the_policy_and_bounded() {
    let dir = folder();
    fs::write(dir.path().join("key.pem"), "key").unwrap();
    fs::write(dir.path().join("huge"), vec![b'x'; REFERENCED_BYTES_MAX as usize + 1]).unwrap();
    let sources = Sources::read(dir.path()).unwrap();
    assert_eq!(&*sources.file("key.pem").unwrap(), b"key");
    assert!(matches!(sources.file("huge"), Err(FileError::TooLong(_))));
    assert!(matches!(sources.file("routes"), Err(FileError::Unreadable(_))), "a folder is no file");
    assert!(sources.file("/dev/zero").is_err(), "a device would never end");
    assert_eq!(sources.referenced().len(), 4);
}

/// Waits for the next tick; the deadline is only reached by a failing test.
async fn ticked(changes: &mut tokio::sync::watch::Receiver<u64>) -> bool {
    tokio::time::timeout(Duration::from_secs(20), changes.changed()).await.is_ok_and(|ended| ended.is_ok())
}

async fn quiet(changes: &mut tokio::sync::watch::Receiver<u64>) -> bool {
    tokio::time::timeout(Duration::from_millis(900), changes.changed()).await.is_err()
}

#[tokio::test]
async fn changes_of_content_are_noticed_and_touches_are_not() {
    let dir = folder();
    let watcher = Watcher::start(dir.path(), Duration::from_secs(3600)).unwrap();
    let mut changes = watcher.changes();

    fs::write(dir.path().join("routes/b.yaml"), "routes: []").unwrap();
    assert!(ticked(&mut changes).await, "a new file");
    fs::write(dir.path().join("routes/b.yaml"), "routes: []").unwrap();
    assert!(quiet(&mut changes).await, "the same content again");
    fs::remove_file(dir.path().join("routes/b.yaml")).unwrap();
    assert!(ticked(&mut changes).await, "a file less");
}

#[tokio::test]
async fn referenced_files_are_watched() {
    let dir = folder();
    fs::create_dir(dir.path().join("secrets")).unwrap();
    let watcher = Watcher::start(dir.path(), Duration::from_secs(3600)).unwrap();
    let mut changes = watcher.changes();
    fs::write(dir.path().join("secrets/master"), "0123456789abcdef0123456789abcdef").unwrap();
    assert!(ticked(&mut changes).await, "a secret appears");
    fs::write(dir.path().join("secrets/new"), "another secret of the same length").unwrap();
    fs::rename(dir.path().join("secrets/new"), dir.path().join("secrets/master")).unwrap();
    assert!(ticked(&mut changes).await, "a secret is replaced");
}

/// The way the kubelet swaps a ConfigMap: `gateway.yaml → ..data/gateway.yaml`, `..data → ..2026_1`, then a rename over `..data`.
#[tokio::test]
async fn a_config_map_swap_is_noticed() {
    let dir = folder();
    let path = dir.path();
    fs::remove_file(path.join("gateway.yaml")).unwrap();
    for (version, text) in [("..2026_1", "gateway: {}"), ("..2026_2", "gateway: { workers: 2 }")] {
        fs::create_dir(path.join(version)).unwrap();
        fs::write(path.join(version).join("gateway.yaml"), text).unwrap();
    }
    symlink("..2026_1", path.join("..data")).unwrap();
    symlink("..data/gateway.yaml", path.join("gateway.yaml")).unwrap();
    let watcher = Watcher::start(path, Duration::from_secs(3600)).unwrap();
    let mut changes = watcher.changes();
    symlink("..2026_2", path.join("..data_tmp")).unwrap();
    fs::rename(path.join("..data_tmp"), path.join("..data")).unwrap();
    assert!(ticked(&mut changes).await);
}

#[tokio::test]
async fn the_poll_sees_what_notifications_miss() {
    let dir = folder();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("real"), "gateway: {}").unwrap();
    fs::remove_file(dir.path().join("gateway.yaml")).unwrap();
    symlink(elsewhere.path().join("real"), dir.path().join("gateway.yaml")).unwrap();
    let watcher = Watcher::start(dir.path(), Duration::from_millis(50)).unwrap();
    let mut changes = watcher.changes();
    fs::write(elsewhere.path().join("real"), "gateway: { workers: 2 }").unwrap();
    assert!(ticked(&mut changes).await);
}
