//! Keys over TLS: `ca_file` and client certificate of a trust. 44: no redirect from TLS to plain HTTP.

use std::{path::PathBuf, sync::Arc};

use pixygate::{
    jwt::{Algorithm, FetchError, KeysError, Trust, Validator},
    test_support::TestKey,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::aws_lc_rs::default_provider,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
        server::WebPkiClientVerifier,
    },
};

/// A private certificate authority, with a folder for its certificates.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = std::env::temp_dir().join(format!("pixygate-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self { issuer, folder }
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.folder.join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn ca_file(&self) -> String {
        self.file("ca.pem", &self.issuer.pem())
    }

    fn certify(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    fn client_certificate_file(&self) -> String {
        let (certificate, key) = self.certify("gate.example");
        self.file("client.pem", &format!("{}{}", certificate.pem(), key.serialize_pem()))
    }

    /// Answers every request over TLS with these bytes; `clients` must come with a certificate of that authority.
    async fn serve(&self, clients: Option<&Self>, answer: String) -> String {
        let (certificate, key) = self.certify("127.0.0.1");
        let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.issuer.der().clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::new(default_provider()));
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (acceptor, answer) = (acceptor.clone(), answer.clone());
                tokio::spawn(async move {
                    // A client that does not trust the certificate, or has none, ends the handshake.
                    let Ok(mut connection) = acceptor.accept(connection).await else {
                        return;
                    };
                    let mut request = [0; 4096];
                    while connection.read(&mut request).await.is_ok_and(|bytes| bytes > 0) {
                        if connection.write_all(answer.as_bytes()).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        format!("https://{address}")
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        // Leftovers are in the folder for temporary files.
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

fn keys() -> String {
    let set = json!({"keys": [TestKey::generate(Algorithm::ES256, "k").jwk()]}).to_string();
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{set}", set.len())
}

async fn load(issuer: &str, change: impl FnOnce(&mut Trust)) -> Result<(), KeysError> {
    let mut trust = Trust::new(issuer).audience("orders").jwks_url(format!("{issuer}/jwks"));
    change(&mut trust);
    let validator = Validator::builder([trust]).build().unwrap();
    validator.load().await.map_err(|mut errors| errors.0.remove(0).error)
}

#[tokio::test]
async fn a_ca_file_is_trusted() {
    let (own, other) = (Authority::new("ca"), Authority::new("other-ca"));
    let issuer = own.serve(None, keys()).await;
    load(&issuer, |trust| trust.ca_file = own.ca_file()).await.unwrap();
    for file in [String::new(), other.ca_file()] {
        let error = load(&issuer, |trust| trust.ca_file = file).await.unwrap_err();
        assert!(
            matches!(error, KeysError::Fetch(FetchError::Unreachable { .. })),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_client_certificate_is_sent() {
    let authority = Authority::new("client-ca");
    let issuer = authority.serve(Some(&authority), keys()).await;
    let ca_file = authority.ca_file();
    load(&issuer, |trust| {
        trust.ca_file = ca_file.clone();
        trust.client_certificate_file = authority.client_certificate_file();
    })
    .await
    .unwrap();
    let error = load(&issuer, |trust| trust.ca_file = ca_file).await.unwrap_err();
    assert!(
        matches!(error, KeysError::Fetch(FetchError::Unreachable { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_unusable_tls_file_is_named() {
    let authority = Authority::new("broken-ca");
    let issuer = authority.serve(None, keys()).await;
    let empty = authority.file("empty.pem", "nothing");
    type Change = fn(&mut Trust, String);
    let changes: [Change; 2] = [
        |trust, file| trust.ca_file = file,
        |trust, file| trust.client_certificate_file = file,
    ];
    for change in changes {
        for file in ["/nowhere/ca.pem".to_owned(), empty.clone()] {
            let error = load(&issuer, |trust| change(trust, file.clone())).await.unwrap_err();
            assert!(error.is_configuration(), "{error:?}");
            assert!(error.to_string().contains(&file), "{error}");
        }
    }
}

#[tokio::test]
async fn no_redirect_leads_out_of_tls() {
    let authority = Authority::new("redirect-ca");
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let elsewhere = format!("http://{}/jwks", plain.local_addr().unwrap());
    let redirect = format!("HTTP/1.1 302 Found\r\nlocation: {elsewhere}\r\ncontent-length: 0\r\n\r\n");
    let issuer = authority.serve(None, redirect).await;
    let error = load(&issuer, |trust| trust.ca_file = authority.ca_file())
        .await
        .unwrap_err();
    match error {
        KeysError::Fetch(FetchError::Redirected { to, .. }) => assert_eq!(to, elsewhere),
        other => panic!("{other:?}"),
    }
}
