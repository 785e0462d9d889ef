//! `pixygate token`: tokens that are stored between two calls, and a sign-in on another device.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::routing::{get, post};
use axum::{Form, Json, Router};
use http::StatusCode;
use pixygate::jwt::{Algorithm, Trust};
use pixygate::test_support::TestIssuer;
use serde_json::json;
use server::loopback::{Registration, SignInError, Stored, TokenFile};
use tempfile::TempDir;
use tokio::sync::mpsc;
use url::Url;

use super::process::{folder, text};
use super::sign_in::Browser;
use super::world::{World, listener, read, serve};

/// A user's machine: a folder with a configuration, and a home.
struct Machine {
    folder: TempDir,
    home: TempDir,
}

impl Machine {
    fn with(configuration: &str) -> Self {
        Self {
            folder: folder(configuration),
            home: tempfile::tempdir().unwrap(),
        }
    }

    /// Signs in through a browser on this machine.
    fn command(&self, more: &[&str]) -> Command {
        let mut command = self.token(more);
        command.args(["--port", "0"]);
        command
    }

    fn token(&self, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pixygate"));
        command
            .arg("token")
            .args(more)
            .current_dir(self.folder.path())
            .env_remove("PIXYGATE_CONFIG")
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .env_remove("DBUS_SESSION_BUS_ADDRESS")
            .env("XDG_STATE_HOME", self.home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    async fn run(&self, more: &[&str]) -> Output {
        output(self.command(more)).await
    }

    /// The names of the stored files, and what is in them.
    fn stored(&self) -> Vec<(String, Vec<u8>)> {
        let files = std::fs::read_dir(self.home.path().join("pixygate")).unwrap();
        let files = files.map(|file| {
            let file = file.unwrap();
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt as _;

                let mode = file.metadata().unwrap().permissions().mode();
                assert_eq!(mode & 0o177, 0, "{:?} {mode:o}", file.file_name());
            }
            (
                file.file_name().into_string().unwrap(),
                std::fs::read(file.path()).unwrap(),
            )
        });
        files.collect()
    }
}

async fn output(mut command: Command) -> Output {
    let run = move || command.output().unwrap();
    tokio::task::spawn_blocking(run).await.unwrap()
}

/// A program that waits for a sign-in. It ends with the test.
struct Waiting {
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Waiting {
    fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = mpsc::unbounded_channel();
        // To the end, or the program could not write.
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                drop(sender.send(line));
            }
        });
        Self { child, lines }
    }

    /// What it says until it names an address to sign in at, and that address.
    async fn invitation(&mut self) -> (String, Url) {
        let mut said = String::new();
        while let Some(line) = self.lines.recv().await {
            if line.starts_with("http") {
                return (said, Url::parse(&line).unwrap());
            }
            said.push_str(&line);
            said.push('\n');
        }
        panic!("no address:\n{said}");
    }

    /// Signs Alice in at the address. Returns what the program printed.
    async fn sign_in(mut self, world: &World, address: &Url) -> String {
        let browser = Browser::of(world);
        let mut query = address.query_pairs();
        let (_, redirect_uri) = query.find(|(name, _)| name == "redirect_uri").unwrap();
        browser.register(&redirect_uri).await;
        let back = browser.sign_in(address).await;
        reqwest::get(back).await.unwrap();
        let mut stdout = self.child.stdout.take().unwrap();
        let read = move || std::io::read_to_string(&mut stdout).unwrap();
        let printed = tokio::task::spawn_blocking(read).await.unwrap();
        assert!(self.child.wait().unwrap().success());
        printed
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_stored_sealed_and_refreshed_by_one_process_at_a_time() {
    let world = World::start().await;
    let machine = Machine::with(&world.configuration());
    // So short that it has to be refreshed at the next call.
    world.switches(json!({ "lifetimes": { "access_token": 20 } })).await;
    let mut waiting = Waiting::start(machine.command(&[]));
    let (said, address) = waiting.invitation().await;
    assert!(said.contains("must be registered at the provider"), "{said}");
    let printed = waiting.sign_in(&world, &address).await;
    let first = printed.strip_suffix('\n').unwrap();
    assert_eq!(first.split('.').count(), 3, "the token alone: {printed}");
    let files = machine.stored();
    assert!(files.iter().any(|(name, _)| name.ends_with(".tokens")), "{files:?}");
    for (name, content) in &files {
        let content = String::from_utf8_lossy(content);
        assert!(
            !content.contains("eyJ") && !content.contains("alice"),
            "{name}: {content}"
        );
    }

    // While the provider is down the session stays.
    world.switches(json!({ "down_endpoints": ["token"] })).await;
    let down = machine.run(&[]).await;
    assert_eq!(down.status.code(), Some(1));
    assert!(
        down.stdout.is_empty() && text(&down.stderr).contains("cannot be refreshed"),
        "{down:?}"
    );

    // The provider takes each refresh token once: a second use would end the session.
    world.switches(json!({ "lifetimes": { "access_token": 3600 } })).await;
    let (one, two, three) = tokio::join!(machine.run(&[]), machine.run(&[]), machine.run(&[]));
    let fresh = text(&one.stdout).trim().to_owned();
    for output in [&one, &two, &three] {
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout).trim(), fresh);
    }
    assert_ne!(fresh, first);
    let header = machine.run(&["--header"]).await;
    assert_eq!(text(&header.stdout), format!("Authorization: Bearer {fresh}\n"));
    assert_eq!(text(&header.stderr), "", "no sign-in");

    // Tokens with other scopes are others.
    for more in [&["--scope", "orders:read"][..], &["--no-store"]] {
        Waiting::start(machine.command(more)).invitation().await;
    }

    for said in ["The tokens are removed.", "There are no tokens."] {
        let forgotten = machine.run(&["--forget"]).await;
        assert!(forgotten.status.success() && forgotten.stdout.is_empty());
        assert!(text(&forgotten.stderr).contains(said), "{forgotten:?}");
    }
    assert!(machine.stored().iter().all(|(name, _)| !name.ends_with(".tokens")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_has_ended_at_the_provider_leads_to_a_sign_in() {
    let world = World::start().await;
    let machine = Machine::with(&world.configuration());
    world.switches(json!({ "lifetimes": { "access_token": 20 } })).await;
    let mut waiting = Waiting::start(machine.command(&[]));
    let (_, address) = waiting.invitation().await;
    let first = waiting.sign_in(&world, &address).await;
    world.switches(json!({ "token_error": "invalid_grant" })).await;
    let mut waiting = Waiting::start(machine.command(&[]));
    let (said, address) = waiting.invitation().await;
    assert!(said.contains("has ended at the provider"), "{said}");
    world.switches(json!({})).await;
    let second = waiting.sign_in(&world, &address).await;
    assert!(second.split('.').count() == 3 && second != first, "{second}");
}

fn registration(configuration: &str, scopes: &[&str]) -> Registration {
    let provider = read(configuration).unwrap().provider.unwrap();
    Registration {
        trust: Trust::new(&provider.issuer),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        provider,
    }
}

#[test]
fn a_file_opens_with_its_key_for_its_purpose_and_unchanged() {
    let configuration = "[provider]\nissuer = \"https://idp.example\"\nclient_id = \"shop\"\n";
    let folder = tempfile::tempdir().unwrap();
    let of = |scopes: &[&str]| TokenFile::lock(folder.path(), &registration(configuration, scopes)).unwrap();
    let tokens = Stored {
        access_token: "access".to_owned(),
        refresh_token: Some("refresh".to_owned()),
        expires_at: 1_800_000_000,
        subject: "alice".to_owned(),
    };
    assert!(!format!("{tokens:?}").contains("access\""), "{tokens:?}");
    let path = {
        let file = of(&[]);
        assert_eq!(file.read(), None);
        file.write(&tokens).unwrap();
        assert_eq!(file.read(), Some(tokens.clone()));
        let mut names = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|file| file.unwrap().path());
        names
            .find(|path| path.extension().is_some_and(|end| end == "tokens"))
            .unwrap()
    };
    let sealed = std::fs::read(&path).unwrap();
    for position in [0, 12, sealed.len() / 2, sealed.len() - 1] {
        let mut changed = sealed.clone();
        changed[position] ^= 1;
        std::fs::write(&path, changed).unwrap();
        assert_eq!(of(&[]).read(), None, "{position}");
    }
    std::fs::write(&path, &sealed).unwrap();
    assert_eq!(
        of(&["openid"]).read(),
        Some(tokens.clone()),
        "the same scopes, asked for twice"
    );
    {
        let other = of(&["orders:read"]);
        other.write(&tokens).unwrap();
        let files = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|file| file.unwrap().path());
        let theirs: Vec<_> = files
            .filter(|file| file.extension().is_some_and(|end| end == "tokens") && *file != path)
            .collect();
        assert_eq!(theirs.len(), 1);
        std::fs::copy(&path, &theirs[0]).unwrap();
        assert_eq!(other.read(), None, "a file that was renamed");
    }
    std::fs::write(folder.path().join("key"), [7; 32]).unwrap();
    assert_eq!(of(&[]).read(), None, "another key");
}

#[test]
fn a_token_is_fresh_until_shortly_before_its_end() {
    let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let expiring = |expires_at| Stored {
        access_token: String::new(),
        refresh_token: None,
        expires_at,
        subject: String::new(),
    };
    for (expires_at, fresh) in [(0, false), (1_800_000_030, false), (1_800_000_031, true)] {
        assert_eq!(expiring(expires_at).is_fresh(now), fresh, "{expires_at}");
    }
}

/// A provider with the device grant. It answers `pending` times that the user has not signed in yet, and then as it is told.
async fn device_provider(pending: u32, answer: Option<&'static str>) -> String {
    let listener = listener().await;
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let keys = Arc::new(TestIssuer::new(&issuer, [Algorithm::RS256]));
    let metadata = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "device_authorization_endpoint": format!("{issuer}/device"),
        "jwks_uri": format!("{issuer}/jwks"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    });
    let jwks = json!({ "keys": [keys.keys()[0].jwk()] });
    let device = json!({
        "device_code": "device-code",
        "user_code": "WDJB-MJHT",
        "verification_uri": format!("{issuer}/device/page"),
        "expires_in": 60,
        "interval": 0,
    });
    let asked = Arc::new(AtomicU32::new(0));
    let token = move |Form(form): Form<Vec<(String, String)>>| {
        let (keys, asked) = (keys.clone(), asked.clone());
        async move {
            let has = |name: &str, value: &str| form.iter().any(|(one, text)| one == name && text == value);
            assert!(
                has("grant_type", "urn:ietf:params:oauth:grant-type:device_code") && has("device_code", "device-code")
            );
            let waits = asked.fetch_add(1, Ordering::SeqCst) < pending;
            if let Some(error) = waits.then_some("authorization_pending").or(answer) {
                return (StatusCode::BAD_REQUEST, Json(json!({ "error": error })));
            }
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
            let id_token = keys
                .token()
                .header("typ", "JWT")
                .audience("shop")
                .claim("iat", now)
                .claim("exp", now + 60);
            let tokens = json!({
                "access_token": "the-access-token",
                "token_type": "Bearer",
                "expires_in": 3600,
                "id_token": id_token.without("nbf").sign(),
            });
            (StatusCode::OK, Json(tokens))
        }
    };
    let router = Router::new()
        .route(
            "/.well-known/openid-configuration",
            get(move || std::future::ready(Json(metadata.clone()))),
        )
        .route("/jwks", get(move || std::future::ready(Json(jwks.clone()))))
        .route("/device", post(move || std::future::ready(Json(device.clone()))))
        .route("/token", post(token));
    serve(listener, router).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_signs_in_on_another_device_where_the_provider_has_that() {
    let issuer = device_provider(2, None).await;
    let machine = Machine::with(&format!("[provider]\nissuer = \"{issuer}\"\nclient_id = \"shop\"\n"));
    let device = async || output(machine.token(&["--device"])).await;
    let output = device().await;
    assert_eq!(text(&output.stdout), "the-access-token\n", "{}", text(&output.stderr));
    let said = text(&output.stderr);
    for part in ["WDJB-MJHT", "/device/page", "Signed in as "] {
        assert!(said.contains(part), "{part} in {said}");
    }
    // Without a refresh token the stored one serves until it expires.
    let again = device().await;
    assert_eq!((text(&again.stdout), text(&again.stderr)), ("the-access-token\n", ""));

    for (answer, expected) in [
        ("access_denied", "access_denied"),
        ("expired_token", "no sign-in within"),
    ] {
        let issuer = device_provider(1, Some(answer)).await;
        let text = format!("[provider]\nissuer = \"{issuer}\"\nclient_id = \"shop\"\n");
        let error = registration(&text, &[]).sign_in_elsewhere(|_| {}).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{answer}: {error}");
    }
    let world = World::start().await;
    let registration = registration(&world.configuration(), &[]);
    let error = registration.sign_in_elsewhere(|_| {}).await.unwrap_err();
    assert_eq!(error, SignInError::NoDeviceGrant);
}
