//! Valid and invalid configurations, and the start.

use dev_idp::config::{Client, StateFile};
use dev_idp::{Config, ConfigError, StartError, bind};

use crate::world::{config, world_with};

#[tokio::test]
async fn any_address_that_is_not_loopback_is_refused() {
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:3001"] {
        let config = Config {
            listen: listen.parse().unwrap(),
            ..config()
        };
        let refused = bind(config).await.err().unwrap();
        assert!(
            matches!(refused, StartError::Config(ConfigError::NotLoopback { .. })),
            "{refused}"
        );
    }
    let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
    let refused = dev_idp::serve(config(), listener, std::future::ready(())).await;
    assert!(matches!(
        refused,
        Err(StartError::Config(ConfigError::NotLoopback { .. }))
    ));
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = Config {
        listen: taken.local_addr().unwrap(),
        ..config()
    };
    let problem = bind(config).await.err().unwrap().to_string();
    assert!(problem.contains("`listen`"), "{problem}");
}

#[test]
fn the_default_is_the_demonstration() {
    let config = Config::default();
    assert_eq!(config.check(), Ok(()));
    assert_eq!(config.issuer(), "http://127.0.0.1:3001/t/demo/oauth2/token");
    let client = config.tenants[0].client("pixygate").unwrap();
    assert!(client.is_public());
    assert_eq!(
        client.redirect_uris,
        ["http://localhost:3000/callback", "http://127.0.0.1:3000/callback"]
    );
    assert_eq!(
        client.post_logout_redirect_uris,
        ["http://localhost:3000/", "http://127.0.0.1:3000/"]
    );
    let people: Vec<&str> = config.tenants[0].users.iter().map(|it| it.username.as_str()).collect();
    assert_eq!(people, ["alice", "bob", "admin"]);
}

#[tokio::test]
async fn it_follows_the_application_to_another_loopback_address() {
    let mut config = config();
    config.follow("http://127.0.0.1:8080").unwrap();
    assert_eq!(config.check(), Ok(()));
    let mut over_tls = config.clone();
    over_tls.follow("https://localhost:8443").unwrap();
    assert_eq!(over_tls.check(), Ok(()));
    let world = world_with(config);
    let uri = "http://127.0.0.1:8080/callback";
    let request = crate::world::changed(&world.authorization_request(), &[("redirect_uri", uri)]);
    let back = world.browser().sign_in("alice", &request).await;
    assert!(back.location().starts_with(uri));
    for elsewhere in [
        "https://app.example",
        "http://localhost.example:3000",
        "localhost:3000",
        "http://u@localhost:1",
        "http://localhost:1/x",
    ] {
        let refused = Config::default().follow(elsewhere);
        assert!(matches!(refused, Err(ConfigError::PublicUrl { .. })), "{elsewhere}");
    }
}

#[test]
fn a_configuration_that_cannot_work_is_refused_by_name() {
    let broken = |change: fn(&mut Config)| {
        let mut config = Config::default();
        change(&mut config);
        config.check().unwrap_err().to_string()
    };
    assert!(broken(|it| it.tenants.clear()).contains("tenant"));
    assert!(broken(|it| it.tenants[0].name = "a/b".to_owned()).contains("a/b"));
    assert!(broken(|it| it.tenants[1].name = "demo".to_owned()).contains("twice"));
    assert!(broken(|it| it.tenants[0].clients.push(Client::default())).contains("client"));
    let change: fn(&mut Config) = |it| it.tenants[0].clients[0].redirect_uris.push("/callback".to_owned());
    assert!(broken(change).contains("redirect_uris"));
    let change: fn(&mut Config) = |it| {
        it.tenants[0].clients[0]
            .redirect_uris
            .push("javascript:alert(1)".to_owned())
    };
    assert!(broken(change).contains("redirect_uris"));
    let change: fn(&mut Config) = |it| it.tenants[0].clients[0].origins.push("http://localhost:1/".to_owned());
    assert!(broken(change).contains("origins"));
    let change: fn(&mut Config) = |it| it.tenants[0].clients[0].backchannel_logout_uri = "http://192.0.2.1/".to_owned();
    assert!(broken(change).contains("backchannel_logout_uri"));
    assert!(broken(|it| it.tenants[0].users[0].password.clear()).contains("`password`"));
    assert!(broken(|it| it.tenants[0].users[0].totp_secret = "1".to_owned()).contains("totp_secret"));
}

#[test]
fn the_configuration_is_read_from_toml_and_unknown_keys_are_refused() {
    let text = r#"
        listen = "127.0.0.1:4000"
        state = "nowhere"
        [[tenants]]
        name = "shop"
        shape = "plain"
        signing_algorithm = "ES256"
        lifetimes = { access_token = 10 }
        [[tenants.clients]]
        id = "spa"
        redirect_uris = ["http://localhost:5173/"]
        origins = ["http://localhost:5173"]
        [[tenants.people]]
        username = "carol"
        password = "secret"
    "#;
    let config: Config = toml::from_str(text).unwrap();
    assert_eq!(config.check(), Ok(()));
    assert_eq!(config.issuer(), "http://127.0.0.1:4000/t/shop");
    assert_eq!(config.state, StateFile::Nowhere);
    assert_eq!(config.tenants[0].lifetimes.access_token, 10);
    assert_eq!(config.tenants[0].lifetimes.code, 60);
    assert!(
        toml::from_str::<Config>("lisen = \"127.0.0.1:1\"")
            .unwrap_err()
            .to_string()
            .contains("lisen")
    );
}

#[tokio::test]
async fn it_serves_on_a_free_port_until_it_is_told_to_stop() {
    let config = Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        ..config()
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let bound = bind(config).await.unwrap();
    let issuer = bound.provider().config().issuer();
    assert!(issuer.starts_with(&format!("http://{}/", bound.address())));
    let serving = tokio::spawn(bound.serve(async move { drop(stopped.await) }));
    drop(stop);
    assert!(serving.await.unwrap().is_ok());
}
