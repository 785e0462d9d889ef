//! A restart keeps keys, sessions and tokens.

use axum::http::StatusCode;
use dev_idp::clock::{Clock, Random};
use dev_idp::config::{Config, StateFile};
use dev_idp::{Provider, router};

use crate::world::{START, World};

/// A temporary file of a test, removed at the end.
struct File(std::path::PathBuf);

impl File {
    fn new(name: &str) -> Self {
        let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
        let path = folder.join(format!("{name}-{}.json", std::process::id()));
        Self(path)
    }

    fn start(&self) -> World {
        let config = Config {
            state: StateFile::File(self.0.clone()),
            ..Config::default()
        };
        let provider = Provider::with(
            config,
            Clock::fixed(START),
            Random::system(),
            Some(crate::world::keys()),
        )
        .unwrap();
        World {
            router: router(provider),
            tenant: "demo",
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            eprintln!("{}: {error}", self.0.display());
        }
    }
}

#[tokio::test]
async fn a_restart_signs_nobody_out() {
    let file = File::new("restart");
    let before = file.start();
    let browser = before.browser();
    let back = browser.sign_in("alice", &before.authorization_request()).await;
    let tokens = before.redeem(&back.callback("code"), &[]).await.json();
    let keys = before.get("/oauth2/jwks").await.json();
    let waiting = before.browser();
    let page = waiting.begin(&before.authorization_request()).await;

    let after = file.start();
    assert_eq!(after.get("/oauth2/jwks").await.json(), keys);
    let same = after.browser();
    *same.cookies.borrow_mut() = browser.cookies.borrow().clone();
    assert_ne!(
        same.authorize(&after.authorization_request()).await.callback("code"),
        ""
    );
    let answer = after.refresh(tokens["refresh_token"].as_str().unwrap(), &[]).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        after.userinfo(tokens["access_token"].as_str().unwrap()).await.status,
        StatusCode::OK
    );
    let still = after.browser();
    *still.cookies.borrow_mut() = waiting.cookies.borrow().clone();
    assert_ne!(
        still.password(&page, "bob").await.callback("code"),
        "",
        "a page that waits goes on waiting"
    );
}

#[tokio::test]
async fn secrets_are_kept_as_hashes_and_the_file_is_private() {
    let file = File::new("hashes");
    let world = file.start();
    let browser = world.browser();
    let back = browser.sign_in("alice", &world.authorization_request()).await;
    let tokens = world.redeem(&back.callback("code"), &[]).await.json();
    let pushed = world.post("/oauth2/par", &world.authorization_request()).await.json();
    let kept = std::fs::read_to_string(&file.0).unwrap();
    assert!(kept.contains("alice"));
    let cookies = browser.cookies.borrow();
    for secret in cookies.values().map(String::as_str).chain([
        back.callback("code").as_str(),
        tokens["access_token"].as_str().unwrap(),
        tokens["refresh_token"].as_str().unwrap(),
        pushed["request_uri"].as_str().unwrap(),
    ]) {
        assert!(!kept.contains(secret));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&file.0).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn what_could_not_be_kept_is_kept_as_soon_as_it_can_be() {
    let file = File::new("full");
    let world = file.start();
    let code = world.code().await;
    // A folder that is not empty, at the path of the temporary file.
    let in_the_way = file.0.with_extension("json.new");
    std::fs::create_dir_all(in_the_way.join("x")).unwrap();
    let lost = world.redeem(&code, &[]).await;
    assert_eq!(lost.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(lost.body.contains("cannot be used"), "{lost:?}");
    std::fs::remove_dir_all(&in_the_way).unwrap();
    assert_eq!(
        world.get("/oauth2/jwks").await.status,
        StatusCode::OK,
        "a request that changes nothing"
    );
    let again = file.start().redeem(&code, &[]).await;
    again.assert_error(400, "invalid_grant");
    assert!(again.body.contains("used before"), "{again:?}");
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_not_overwritten() {
    let file = File::new("foreign");
    std::fs::write(&file.0, "something else").unwrap();
    let config = Config {
        state: StateFile::File(file.0.clone()),
        ..Config::default()
    };
    let problem = Provider::new(config).err().unwrap().to_string();
    assert!(
        problem.contains("cannot be understood") && problem.contains("remove it"),
        "{problem}"
    );
    assert_eq!(std::fs::read_to_string(&file.0).unwrap(), "something else");
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_others_can_write_is_not_read() {
    use std::os::unix::fs::PermissionsExt as _;

    let file = File::new("shared");
    let keys = file.start().get("/oauth2/jwks").await.json();
    let permit = |mode| std::fs::set_permissions(&file.0, std::fs::Permissions::from_mode(mode)).unwrap();
    let start = || {
        let config = Config {
            state: StateFile::File(file.0.clone()),
            ..Config::default()
        };
        Provider::with(config, Clock::fixed(START), Random::system(), None)
    };
    for mode in [0o620, 0o602, 0o666] {
        permit(mode);
        let error = start().map(drop).unwrap_err();
        assert!(error.to_string().contains("others can write it"), "{mode:o}: {error}");
    }
    permit(0o644);
    // Only root can give a file to another user.
    if std::os::unix::fs::chown(&file.0, Some(1), None).is_ok() {
        let error = start().map(drop).unwrap_err();
        assert!(error.to_string().contains("belongs to another user"), "{error}");
        std::os::unix::fs::chown(&file.0, Some(0), None).unwrap();
    }
    assert!(start().is_ok());
    assert_eq!(file.start().get("/oauth2/jwks").await.json(), keys);
}
