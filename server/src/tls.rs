//! TLS for the server, with certificates that can be replaced at run time.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The interval at which the files are read. Their whole content is compared, so every kind of renewal is detected: a write in place, a
/// rename, or a symbolic link with another target, as in Kubernetes.
const INTERVAL: Duration = Duration::from_secs(5);

/// Certificate or key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {why}\n    hint      {hint}")]
pub struct TlsError {
    file: String,
    why: String,
    hint: &'static str,
}

impl TlsError {
    fn new(file: &Path, why: impl ToString, hint: &'static str) -> Self {
        Self {
            file: file.display().to_string(),
            why: why.to_string(),
            hint,
        }
    }
}

/// The certificate of new connections. Clones share it.
#[derive(Clone)]
pub struct Tls(Arc<Files>);

struct Files {
    certificate: PathBuf,
    key: PathBuf,
    current: ArcSwap<ServerConfig>,
}

impl Tls {
    /// Reads a chain of certificates and their key, both PEM.
    ///
    /// # Errors
    ///
    /// If they cannot be read, or do not belong together.
    pub fn load(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Self, TlsError> {
        let (certificate, key) = (certificate.into(), key.into());
        let config = parse(&certificate, &key, &Content::read(&certificate, &key)?)?;
        Ok(Self(Arc::new(Files {
            certificate,
            key,
            current: ArcSwap::from_pointee(config),
        })))
    }

    /// Replaces the certificate when its files change, for as long as it is polled. An unusable one is logged, and the current certificate
    /// stays in use.
    pub async fn follow(self) {
        let mut seen = Content::read(&self.0.certificate, &self.0.key).ok();
        loop {
            tokio::time::sleep(INTERVAL).await;
            self.look(&mut seen);
        }
    }

    fn look(&self, seen: &mut Option<Content>) {
        let Files {
            certificate,
            key,
            current,
        } = &*self.0;
        let read = Content::read(certificate, key);
        // While one of the two files is being replaced, they do not match. The next read finds both.
        let content = match read {
            Ok(content) if seen.as_ref() == Some(&content) => return,
            Ok(content) => content,
            Err(error) => {
                if seen.take().is_some() {
                    tracing::error!(%error, "the certificate cannot be read; the one in use stays");
                }
                return;
            }
        };
        match parse(certificate, key, &content) {
            Ok(config) => {
                current.store(Arc::new(config));
                tracing::info!(file = %certificate.display(), "new connections see the new certificate");
            }
            Err(error) => tracing::error!(%error, "the new certificate cannot be used; the one before it stays"),
        }
        *seen = Some(content);
    }

    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        self.0.current.load_full()
    }
}

#[derive(PartialEq, Eq)]
struct Content {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Content {
    fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let read = |file: &Path| {
            std::fs::read(file).map_err(|error| TlsError::new(file, error, "correct the name or the permissions"))
        };
        Ok(Self {
            certificate: read(certificate)?,
            key: read(key)?,
        })
    }
}

fn parse(certificate: &Path, key: &Path, content: &Content) -> Result<ServerConfig, TlsError> {
    const CHAIN: &str = "it must have the server's certificate and those between it and the authority, PEM";
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&content.certificate).collect();
    let chain = chain.map_err(|error| TlsError::new(certificate, error, CHAIN))?;
    if chain.is_empty() {
        return Err(TlsError::new(certificate, "no certificate", CHAIN));
    }
    let private = PrivateKeyDer::from_pem_slice(&content.key)
        .map_err(|error| TlsError::new(key, error, "it must have one private key, PEM, without a password"))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
        .map_err(|error| TlsError::new(certificate, error, "certificate and key must belong together"))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str) -> Vec<u8> {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        std::fs::write(folder.join("certificate.pem"), made.cert.pem()).unwrap();
        std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        made.cert.der().to_vec()
    }

    #[test]
    fn a_new_certificate_is_used_and_one_that_cannot_be_leaves_the_old() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "one.example");
        let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
        let tls = Tls::load(&certificate, &key).unwrap();
        let mut seen = Content::read(&certificate, &key).ok();
        let first = tls.current();
        tls.look(&mut seen);
        assert!(Arc::ptr_eq(&first, &tls.current()), "nothing has changed");

        write(folder.path(), "two.example");
        tls.look(&mut seen);
        let second = tls.current();
        assert!(!Arc::ptr_eq(&first, &second));

        std::fs::write(&certificate, "nonsense").unwrap();
        tls.look(&mut seen);
        assert!(Arc::ptr_eq(&second, &tls.current()));
        std::fs::remove_file(&certificate).unwrap();
        tls.look(&mut seen);
        assert!(Arc::ptr_eq(&second, &tls.current()));

        write(folder.path(), "three.example");
        tls.look(&mut seen);
        assert!(!Arc::ptr_eq(&second, &tls.current()));
    }

    #[test]
    fn a_key_of_another_certificate_is_refused_and_nothing_of_it_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "one.example");
        let key = std::fs::read(folder.path().join("key.pem")).unwrap();
        write(folder.path(), "two.example");
        std::fs::write(folder.path().join("key.pem"), &key).unwrap();
        let error = Tls::load(folder.path().join("certificate.pem"), folder.path().join("key.pem"));
        let error = error.err().unwrap().to_string();
        assert!(error.contains("belong together"), "{error}");
        std::fs::write(folder.path().join("key.pem"), "secret").unwrap();
        let error = Tls::load(folder.path().join("certificate.pem"), folder.path().join("key.pem"));
        let error = error.err().unwrap().to_string();
        assert!(error.contains("key.pem") && !error.contains("secret"), "{error}");
    }
}
