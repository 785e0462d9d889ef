//! Tests of `src/jwt`: tokens, keys and trust.

mod claims;
mod configured_keys;
mod http_fetch;
mod introspection;
mod keys;
mod kind;
mod matrix;
mod mutations;
mod profiles;
mod revocation;
mod tls_fetch;
mod verdict_cache;
