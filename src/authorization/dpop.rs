//! DPoP proofs (RFC 9449, section 4): the parts that need no key. The key signs what [`Proof::signing_input`] returns.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Jwk;
use super::crypto::random_text;
use super::json::{Json as _, Object};

/// A proof for one request.
///
/// ```
/// use pixygate::authorization::Jwk;
/// use pixygate::authorization::dpop::{Proof, signed, thumbprint_input};
///
/// // RFC 9449, section 4.1
/// let key: Jwk = serde_json::from_str(
///     r#"{"kty":"EC","crv":"P-256","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
///         "y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"}"#,
/// )?;
/// let proof = Proof {
///     method: "POST",
///     url: "https://id.example/token",
///     issued_at: 1_562_262_616.0,
///     access_token_hash: None,
///     nonce: None,
/// };
/// let input = proof.signing_input(&key);
/// // The private key signs `input` with ES256.
/// # let signature = [0; 64];
/// let jwt = signed(&input, &signature);
/// assert!(jwt.starts_with(&input) && jwt.split('.').count() == 3);
///
/// // The base64url SHA-256 of this is the `dpop_jkt` of the sign-in.
/// assert!(thumbprint_input(&key).starts_with(r#"{"crv":"P-256","kty":"EC","x":"l8tF"#));
/// # use base64::Engine as _;
/// # use base64::engine::general_purpose::URL_SAFE_NO_PAD;
/// # let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, thumbprint_input(&key).as_bytes());
/// # assert_eq!(URL_SAFE_NO_PAD.encode(digest), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Debug)]
pub struct Proof<'a> {
    /// The method of the request.
    pub method: &'a str,
    /// The URL of the request; its query and fragment are left out of `htu`.
    pub url: &'a str,
    /// Seconds since the Unix epoch, by the server's clock.
    pub issued_at: f64,
    /// The base64url SHA-256 of the access token, if the request has one.
    pub access_token_hash: Option<&'a str>,
    /// The nonce from the server.
    pub nonce: Option<&'a str>,
}

impl Proof<'_> {
    /// Returns header and payload of the proof, to be signed with ES256. `key` is the public key, without private members.
    ///
    /// ```
    /// use base64::Engine as _;
    /// use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    /// use pixygate::authorization::Jwk;
    /// use pixygate::authorization::dpop::Proof;
    ///
    /// let proof = Proof {
    ///     method: "GET",
    ///     url: "https://api.example.com/orders?year=2026",
    ///     issued_at: 1_800_000_000.0,
    ///     access_token_hash: Some("fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"),
    ///     nonce: Some("eyJ7S_zG"),
    /// };
    /// let input = proof.signing_input(&Jwk { kty: "EC".to_owned(), ..Jwk::default() });
    /// let claims = input.split('.').nth(1).unwrap_or_default();
    /// let claims: serde_json::Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims)?)?;
    /// assert_eq!(claims["htu"], "https://api.example.com/orders");
    /// assert_eq!(claims["nonce"], "eyJ7S_zG");
    /// // Each proof is different, even for the same request.
    /// assert_ne!(proof.signing_input(&Jwk::default()), proof.signing_input(&Jwk::default()));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn signing_input(&self, key: &Jwk) -> String {
        let mut header = Object::default();
        header.put("typ", "dpop+jwt".into());
        header.put("alg", "ES256".into());
        header.put("jwk", key.write());
        let mut claims = Object::default();
        claims.put("jti", random_text().into());
        claims.put("htm", self.method.into());
        claims.put("htu", self.url.split(['?', '#']).next().unwrap_or_default().into());
        claims.put("iat", (self.issued_at as u64).into());
        claims.put("ath", self.access_token_hash.into());
        claims.put("nonce", self.nonce.into());
        format!("{}.{}", encoded(header), encoded(claims))
    }
}

/// Returns a signed JWT from its signing input and signature.
///
/// ```
/// use pixygate::authorization::dpop::signed;
///
/// assert_eq!(signed("e30.e30", &[1, 2, 3]), "e30.e30.AQID");
/// ```
pub fn signed(signing_input: &str, signature: &[u8]) -> String {
    format!("{signing_input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Returns the input of the SHA-256 thumbprint of an EC key (RFC 7638, section 3.2).
///
/// ```
/// use pixygate::authorization::Jwk;
/// use pixygate::authorization::dpop::thumbprint_input;
///
/// let key = Jwk {
///     kty: "EC".to_owned(),
///     crv: Some("P-256".to_owned()),
///     x: Some("l8tFrhx".to_owned()),
///     y: Some("9VE4jf_".to_owned()),
///     kid: Some("left out".to_owned()),
///     ..Jwk::default()
/// };
/// assert_eq!(thumbprint_input(&key), r#"{"crv":"P-256","kty":"EC","x":"l8tFrhx","y":"9VE4jf_"}"#);
/// ```
pub fn thumbprint_input(key: &Jwk) -> String {
    let part = |value: &Option<String>| value.clone().unwrap_or_default();
    format!(
        r#"{{"crv":"{}","kty":"EC","x":"{}","y":"{}"}}"#,
        part(&key.crv),
        part(&key.x),
        part(&key.y)
    )
}

fn encoded(object: Object) -> String {
    URL_SAFE_NO_PAD.encode(object.into_value().to_string())
}
