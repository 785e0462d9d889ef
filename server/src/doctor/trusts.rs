//! The other trusted issuers: those at which users do not sign in.

use pixygate::discovery::Metadata;
use pixygate::jwt::{KeySource, Trust};
use url::Url;

use super::keys;
use super::metadata::{Document, below, fetch, other_issuer};
use super::run::{Checked, Run};
use super::target::{Target, metadata_location};
use crate::findings::{Code, Finding};

/// Where the keys of a trust are.
enum Keys {
    At(Url),
    /// In the configuration, which was checked.
    Fixed,
}

/// Examines each `[[trust]]`. One for the provider whose keys come from its metadata was examined with the provider.
pub(super) async fn examine(run: &mut Run<'_>, target: &Target<'_>) {
    for (index, trust) in target.config.trust.iter().enumerate() {
        let place = trust.key_source();
        let is_examined = trust.issuer == target.provider.issuer && matches!(place, Ok(KeySource::Discovery(_)));
        if is_examined {
            continue;
        }
        let key = format!("trust[{index}].issuer");
        let subject = &trust.issuer;
        let keys = run
            .check("trust-discovery", subject, &Ok(()), async |()| {
                discovery(target, trust, &key).await
            })
            .await;
        let keys = keys.and_then(|keys| match keys {
            Keys::At(url) => Ok(url),
            Keys::Fixed => Err(super::run::Missing::NotWanted),
        });
        let _checked = run
            .check("trust-keys", subject, &keys, async |url: &Url| {
                let Ok(set) = keys::jwks(target, trust, url).await.into_value() else {
                    return Checked::failed(Finding::new(Code::NoKeySet).found(url.to_string()));
                };
                keys::keys(trust, url.as_str(), &set)
            })
            .await;
    }
}

async fn discovery(target: &Target<'_>, trust: &Trust, key: &str) -> Checked<Keys> {
    let from_metadata = matches!(trust.key_source(), Ok(KeySource::Discovery(_)));
    let document = match metadata_location(trust) {
        Some(location) => fetch(&target.fetch, trust, &location).await,
        None => Err(Finding::new(Code::NoMetadata).found("the issuer is not a URL")),
    };
    let document = match document {
        Err(finding) if finding.code == Code::NoMetadata => below(&target.fetch, trust).await.ok_or(finding),
        document => document,
    };
    match (document, trust.key_source()) {
        (Ok(document), _) if !accepts(trust, &document) => {
            Checked::failed(other_issuer(target, key, &trust.issuer, &document))
        }
        (Ok(document), Ok(KeySource::Discovery(_))) => {
            let metadata = Metadata::read(&document.bytes, &document.issuer, &document.location);
            match metadata.and_then(|metadata| metadata.required_url("jwks_uri")) {
                Ok(url) => Checked::passed(Keys::At(url), document.location.to_string()),
                Err(error) => Checked::failed(
                    Finding::new(Code::EndpointMissing)
                        .place(target.place(key))
                        .found(error.to_string()),
                ),
            }
        }
        (Err(finding), _) if from_metadata => Checked::failed(finding.place(target.place(key))),
        (_, Ok(KeySource::JwksUrl(url))) => Checked::passed(Keys::At(url), "the keys have an address of their own"),
        _ => Checked::passed(Keys::Fixed, "the keys are in the configuration"),
    }
}

/// Whether the metadata are those of the trust. A template of tenants has the template, or one of its tenants, there.
fn accepts(trust: &Trust, document: &Document) -> bool {
    document.issuer == trust.issuer || trust.accepted_issuers().contains(&document.issuer)
}
